/**
 * Loads the parts of the published program, each with what V8 compiled of it in earlier runs: also the functions that
 * were called. What Node keeps of modules (`module.enableCompileCache`) is what is compiled before any is called, so that
 * each start compiled thousands of functions again.
 *
 * **Details**
 *
 * A part is a script: a function in parentheses that is given how to load other parts, and returns what it exports
 * (`scripts/parts.ts`). Its compiled code is taken only with the same source and the same Node; where it is torn, or
 * cannot be read or written, the part is compiled as if there were none. What a first run calls is not what a later one
 * does, so what is kept is made anew in the first runs, as `renewed` has it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import { constants, Script } from "node:vm"
import { crc32 } from "node:zlib"

/** The parts in a directory. */
export interface Parts {
  /** What a part exports. Loads it, and first those that it needs, when it is asked for the first time. */
  readonly load: (name: string) => unknown
  /** Keeps what is compiled of one part; says whether there is another. It costs a millisecond, or several. */
  readonly keepNext: () => boolean
}

/** Where what keeps compiled code is for others in the process, who know nothing of parts. */
export const keeper: unique symbol = Symbol.for("novacron/Parts/keepNext")

/** How often what is kept is made anew, by as many runs: the first boot of a data directory is not like those after it. */
export const renewed = 2

/** What was made so long before something new is of a program that is gone; or is made again. */
const forgottenMs = 60 * 24 * 60 * 60 * 1_000

/** Of its source and of itself, and the number of the run that made it; as long as V8 likes it. */
const headerBytes = 16

/** A part that is loaded, and not kept as it is now. */
interface Unkept {
  readonly path: string
  readonly script: Script
  readonly source: number
  readonly run: number
}

/** The parts below a directory, for the process `pid`; and where compiled code is kept, if anywhere. */
export const make = (directory: string, pid: number, cache?: string): Parts => {
  const require = createRequire(join(directory, "parts.js"))
  const exported = new Map<string, unknown>()
  const unkept: Array<Unkept> = []
  let isFirst = true

  const load = (name: string): unknown => {
    if (!exported.has(name)) exported.set(name, run(name))
    return exported.get(name)
  }

  const later = async (name: string): Promise<unknown> => load(name)

  const run = (name: string): unknown => {
    const filename = join(directory, name)
    const bytes = readFileSync(filename)
    const source = crc32(bytes)
    const path = cache === undefined ? undefined : join(cache, `${name.replaceAll("/", "-")}.${source.toString(16)}`)
    const kept = path === undefined ? undefined : read(path, source)
    const script = new Script(bytes.toString("latin1"), {
      filename,
      // Packages that are found beside the program are imported by it as by any other.
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      ...(kept === undefined ? {} : { cachedData: kept.code })
    })
    const madeBy = script.cachedDataRejected === false ? (kept?.run ?? 0) : 0
    if (path !== undefined && madeBy <= renewed) unkept.push({ path, script, source, run: madeBy + 1 })
    const meta = { url: pathToFileURL(filename).href, dirname: dirname(filename), filename }
    return script.runInThisContext()(load, later, require, meta)
  }

  const keepNext = (): boolean => {
    const next = unkept.shift()
    if (next === undefined || cache === undefined) return false
    try {
      if (isFirst) mkdirSync(cache, { recursive: true, mode: 0o700 })
      write(next, `${next.path}.${pid}`)
      if (isFirst) forget(cache, statSync(next.path).mtimeMs)
      isFirst = false
    } catch {
      // No place, or no room: the next start compiles what it needs.
      unkept.length = 0
    }
    return unkept.length > 0
  }

  return { load, keepNext }
}

/** What is kept there for this source, if it is whole. */
const read = (path: string, source: number): { readonly code: Buffer; readonly run: number } | undefined => {
  try {
    const bytes = readFileSync(path)
    const code = bytes.subarray(headerBytes)
    const isWhole =
      bytes.length > headerBytes && bytes.readUInt32LE(0) === source && bytes.readUInt32LE(4) === crc32(code)
    return isWhole ? { code, run: bytes.readUInt32LE(8) } : undefined
  } catch {
    return undefined
  }
}

/** All at once: another start may read it at this moment, and one that is killed leaves nothing half. */
const write = ({ path, run, script, source }: Unkept, draft: string): void => {
  const code = script.createCachedData()
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32LE(source, 0)
  header.writeUInt32LE(crc32(code), 4)
  header.writeUInt32LE(run, 8)
  try {
    writeFileSync(draft, Buffer.concat([header, code]), { mode: 0o600 })
    renameSync(draft, path)
  } catch (cause) {
    // On a full disk a part of it is there.
    rmSync(draft, { force: true })
    throw cause
  }
}

/** Removes what is of programs that are gone. The time is that of the disk, as what it is compared with. */
const forget = (cache: string, nowMs: number): void => {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name)
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {}
    if (mtimeMs !== undefined && nowMs - mtimeMs > forgottenMs) rmSync(path, { force: true })
  }
}
