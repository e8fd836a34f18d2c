/**
 * Builds the pages into `dist/site`, and packs each file beside itself as `.gz` and `.br`. With `--if-needed` only when a
 * source is younger than what is there: that is how a node in a checkout has its pages without anybody building them.
 *
 * **Details**
 *
 * What is new is built beside the old and takes its place as a whole, so two who build at the same time do no harm, and
 * whoever reads meanwhile reads one or the other.
 */
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  utimesSync
} from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"

const here = import.meta.dirname

/** Where the built pages are. */
export const site = join(here, "dist/site")

/** What the pages are made of. */
const sources = [
  ...["index.html", "package.json", "vite.config.ts", "build.ts", "page/**/*", "src/**/*"].map((path) =>
    join(here, path)
  ),
  join(here, "../boot/src/*.ts")
]

/** Whether nothing has changed since the pages were built. */
const isCurrent = (): boolean => {
  const built = statSync(join(site, "index.html"), { throwIfNoEntry: false })?.mtimeMs ?? 0
  return globSync(sources).every((file) => statSync(file).mtimeMs <= built)
}

/** Builds, if anything has changed or it is wanted anyway; says where the pages are. */
export const build = async (ifNeeded = true): Promise<string> => {
  if (ifNeeded && isCurrent()) return site
  const startedAt = new Date()
  const vite = await import("vite")
  mkdirSync(join(here, "dist"), { recursive: true })
  const next = mkdtempSync(join(here, "dist/.next-"))
  try {
    await vite.build({ configFile: join(here, "vite.config.ts"), build: { outDir: next, emptyOutDir: true } })
    for (const file of globSync("**/*.{html,js,css,svg}", { cwd: next })) packBeside(join(next, file))
    // What changed while it was being built is newer than it.
    utimesSync(join(next, "index.html"), startedAt, startedAt)
    replace(next)
  } finally {
    rmSync(next, { recursive: true, force: true })
  }
  return site
}

/** Puts what was built in its place. Whoever was quicker has built the same. */
const replace = (next: string): void => {
  const old = `${next}-old`
  chmodSync(next, 0o755)
  try {
    if (existsSync(site)) renameSync(site, old)
    renameSync(next, site)
  } catch (error) {
    if (!existsSync(join(site, "index.html"))) throw error
  } finally {
    rmSync(old, { recursive: true, force: true })
  }
}

const packBeside = (file: string): void => {
  const bytes = readFileSync(file)
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }))
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, brotli))
}

if (import.meta.main) {
  await build(process.argv.includes("--if-needed"))
}
