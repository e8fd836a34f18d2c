/**
 * The boots of a data directory, from their journals: which there are, and each of them opened. Nothing is written and
 * nothing is locked, so a boot can be looked at while it is under way.
 *
 * **Details**
 *
 * A list reads the first kilobyte of each file, which says which boot it is; ten thousand take a tenth of a second. What
 * a head says is a hint: whether it is true is known when the boot is opened and its checksums are. What is torn, foreign
 * or of a future version is told as such, with what can still be read.
 *
 * **Gotchas**
 *
 * Files are read at once and without waiting: one call of the pool of threads per file would cost more than the file.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs"
import { basename, join } from "node:path"
import { Journal } from "@novacron/boot"
import { type BootEvent, Count } from "@novacron/boot/model"
import { Data, Result } from "effect"
import { isDenied } from "../Errors.ts"

/** What the head of a journal says. */
export interface Head {
  readonly file: string
  /** `cut`: it is a journal, but its first event is not whole. `future`: a newer version has written it. */
  readonly kind: "boot" | "empty" | "cut" | "foreign" | "future" | "unreadable"
  readonly bootId: string
  readonly nodeId: string
  readonly environment: string
  /** Milliseconds since 1970; 0 when nobody knows. */
  readonly startedAt: number
}

/** A boot that was opened. */
export interface Opened {
  readonly file: string
  readonly events: ReadonlyArray<BootEvent.BootEvent>
  /** What is missing of it, as sentences. */
  readonly warnings: ReadonlyArray<string>
}

/** There is no boot to look at. */
export class NoBoots extends Data.TaggedError("NoBoots")<{ readonly directory: string; readonly cause?: unknown }> {
  get exitCode(): 69 | 77 {
    return isDenied(this.cause) ? 77 : 69
  }
  override get message() {
    if (isDenied(this.cause)) return `The journals in ${this.directory} may not be read by this user.`
    return `There are no journals in ${this.directory}. Has a node booted there? See --data-dir.`
  }
}

/** Nothing goes by this name, or more than one boot does. */
export class BootUnknown extends Data.TaggedError("BootUnknown")<{
  readonly which: string
  readonly candidates: ReadonlyArray<string>
}> {
  readonly exitCode = 64
  override get message() {
    const { candidates, which } = this
    const some = candidates.slice(0, 5).join(", ")
    return candidates.length > 1
      ? `"${which}" could be any of ${candidates.length} boots: ${some}. Say more of the id.`
      : `There is no boot "${which}". See novacron trace --list.`
  }
}

/** The file is there, and is no journal that can be read. */
export class BootUnreadable extends Data.TaggedError("BootUnreadable")<{
  readonly file: string
  readonly reason: string
  readonly cause?: unknown
}> {
  get exitCode(): 65 | 77 {
    return isDenied(this.cause) ? 77 : 65
  }
  override get message() {
    return `The journal ${this.file} cannot be read: ${this.reason}.`
  }
}

/** How much of a file is read for a list; how large a journal may be to be opened. */
const limits = { headBytes: 1_024, journalBytes: 512 * 1024 * 1024 } as const

/** The journals of a directory, the latest first; with a limit only the latest. */
export const list = (directory: string, limit = Infinity): Result.Result<ReadonlyArray<Head>, NoBoots> => {
  const names = namesIn(directory)
  if (Result.isFailure(names)) return Result.fail(names.failure)
  const buffer = Buffer.allocUnsafe(limits.headBytes)
  const some = names.success.slice(0, Math.min(limit, names.success.length))
  return Result.succeed(some.map((file) => headOf(directory, file, buffer)))
}

/** Names begin with a time, so the latest is the last by name. */
const namesIn = (directory: string): Result.Result<ReadonlyArray<string>, NoBoots> =>
  Result.mapError(
    Result.flatMap(
      Result.try(() => readdirSync(directory).filter((file) => file.endsWith(".journal"))),
      (found) => (found.length === 0 ? Result.fail("empty") : Result.succeed(found.sort().reverse()))
    ),
    (cause) => new NoBoots({ directory, cause })
  )

const nobody = { bootId: "", nodeId: "", environment: "", startedAt: 0 } as const

const headOf = (directory: string, file: string, buffer: Buffer): Head => {
  let handle: number | undefined
  try {
    // A pipe in place of a file would wait for somebody to write.
    handle = openSync(join(directory, file), constants.O_RDONLY | constants.O_NONBLOCK)
    const length = readSync(handle, buffer, 0, limits.headBytes, 0)
    return { file, ...read(buffer.toString("utf8", 0, length)) }
  } catch {
    return { file, kind: "unreadable", ...nobody }
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}

/** The first event begins with who and when; its components, which may be many, come last and are not needed. */
const read = (head: string): Omit<Head, "file"> => {
  if (head === "") return { kind: "empty", ...nobody }
  const version = versionOf(head)
  if (version === undefined) return { kind: "foreign", ...nobody }
  if (version !== 1) return { kind: "future", ...nobody }
  const from = head.indexOf("{", head.indexOf("\n"))
  const to = head.indexOf(`,"components":[`, from)
  const parsed = Result.try(() => JSON.parse(`${head.slice(from, to)}}}`))
  const event: unknown = Result.isSuccess(parsed) ? parsed.success?.event : undefined
  if (from < 0 || to < 0 || typeof event !== "object" || event === null) return { kind: "cut", ...nobody }
  const text = (key: string): string => {
    const value: unknown = Reflect.get(event, key)
    return typeof value === "string" ? value : ""
  }
  const startedAt: unknown = Reflect.get(event, "startedAt")
  return {
    kind: Reflect.get(event, "version") === 1 ? "boot" : "future",
    bootId: text("bootId"),
    nodeId: text("nodeId"),
    environment: text("environment"),
    startedAt: typeof startedAt === "number" ? startedAt : 0
  }
}

const versionOf = (head: string): number | undefined => {
  const [, version] = /^novacron-journal (\d{1,9})(?:\n|$)/.exec(head) ?? []
  return version === undefined ? undefined : Number(version)
}

// --------------------------------------------------------------------------------------------------------- one boot

/**
 * Finds a boot: `last` (also when nothing is said), `last~2` for two before it, its id or the beginning of it, the name
 * of its file, or a path.
 */
export const find = (
  directory: string,
  which = "last"
): Result.Result<{ readonly directory: string; readonly file: string }, NoBoots | BootUnknown> => {
  if (which.includes("/")) {
    return Result.succeed({ directory: which.slice(0, which.lastIndexOf("/")) || "/", file: basename(which) })
  }
  const back = /^last(?:~(\d{1,6}))?$/.exec(which)
  return Result.flatMap(list(directory), (heads) => {
    const boots = heads.filter(({ kind }) => kind === "boot")
    if (back !== null) {
      const one = boots[Number(back[1] ?? 0)]
      return one === undefined ? unknown(which, []) : Result.succeed({ directory, file: one.file })
    }
    const exact = heads.find(({ bootId, file }) => file === which || file === `${which}.journal` || bootId === which)
    if (exact !== undefined) return Result.succeed({ directory, file: exact.file })
    const [one, ...others] = boots.filter(({ bootId }) => which.length >= 3 && bootId.startsWith(which))
    return one !== undefined && others.length === 0
      ? Result.succeed({ directory, file: one.file })
      : unknown(which, one === undefined ? [] : [one, ...others].map(({ bootId }) => bootId))
  })
}

const unknown = (which: string, candidates: ReadonlyArray<string>) =>
  Result.fail(new BootUnknown({ which, candidates }))

/** Opens a journal: the longest beginning of it that is whole, and what is missing. */
export const open = (directory: string, file: string): Result.Result<Opened, BootUnreadable> => {
  const bytes = Result.mapError(
    Result.try(() => bytesOf(join(directory, file))),
    (cause) =>
      new BootUnreadable({
        file,
        reason: cause instanceof TooLarge ? cause.message : "no such file, or no right to read it",
        cause
      })
  )
  return Result.flatMap(bytes, (all) => {
    const { dropped, events, torn } = Journal.decode(all)
    if (events.length === 0) {
      return Result.fail(new BootUnreadable({ file, reason: torn?.reason ?? "it holds no event" }))
    }
    const warnings = [
      ...(torn === undefined
        ? []
        : [`The journal ${file} is torn at byte ${torn.offset}: ${torn.reason}. What came before is shown.`]),
      ...(dropped === 0
        ? []
        : [`The journal ${file} lacks ${Count.of(dropped, "event")}, which came faster than the disk took them.`])
    ]
    return Result.succeed({ file, events, warnings })
  })
}

class TooLarge extends Error {}

const bytesOf = (path: string): Uint8Array => {
  const handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (fstatSync(handle).size > limits.journalBytes) throw new TooLarge("it is larger than 512 MB")
    return readFileSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** What the boots before this one did, the latest first: to learn from. What cannot be read teaches nothing. */
export const before = (directory: string, file: string, count: number): ReadonlyArray<Opened> => {
  const names = namesIn(directory)
  if (Result.isFailure(names)) return []
  const earlier = names.success.filter((name) => name < file).slice(0, count)
  return earlier.flatMap((name) => {
    const opened = open(directory, name)
    return Result.isSuccess(opened) ? [opened.success] : []
  })
}
