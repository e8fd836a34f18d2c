/** The workspace as its tests see it: its files, its packages, and who imports what. */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** An import, where it stands. */
export interface Import {
  readonly file: string
  readonly line: number
  readonly specifier: string
}

/** A package of `packages/`. */
export interface Package {
  readonly name: string
  readonly folder: string
  /** What a user may import, `exports` spelled out: `@novacron/boot`, `@novacron/boot/model`. */
  readonly doors: ReadonlyArray<string>
}

/** Where the repository begins. */
export const root = join(import.meta.dirname, "../..")

/** The text of a file. */
export const read = (file: string): string => readFileSync(join(root, file), "utf8")

/** All files that are tracked, or would be with the next commit. Paths from the root, with `/`. */
export const files: ReadonlyArray<string> = execFileSync(
  "git",
  ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
  { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }
)
  .split("\0")
  .filter((file) => file !== "" && existsSync(join(root, file)))

/** The files that hold code of ours. */
export const sources: ReadonlyArray<string> = files.filter((file) => /\.[cm]?[jt]sx?$/.test(file))

/** What is shipped: the sources of packages. */
export const shipped: ReadonlyArray<string> = sources.filter((file) => /^packages\/[^/]+\/src\//.test(file))

/** The packages, by folder. */
export const packages: ReadonlyArray<Package> = files.flatMap((file) => {
  const folder = /^packages\/([^/]+)\/package\.json$/.exec(file)?.[1]
  if (folder === undefined) return []
  const manifest: { readonly name: string; readonly exports?: object } = JSON.parse(read(file))
  const doors = Object.keys(manifest.exports ?? {}).map((door) => manifest.name + door.slice(1))
  return [{ name: manifest.name, folder, doors }]
})

/** The lines of a file that break a rule, as `file:line: text`. */
export const linesThat = (breakTheRule: (line: string) => boolean, among: ReadonlyArray<string>): Array<string> =>
  among.flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((line, i) => (breakTheRule(line) ? [`${file}:${i + 1}: ${line.trim()}`] : []))
  )

/**
 * What a file imports and re-exports, types and dynamic imports included. Examples inside of comments do not count: a
 * statement begins its line, and a dynamic import has no comment before it on its line.
 */
export const importsOf = (file: string, text: string): ReadonlyArray<Import> =>
  [...text.matchAll(statement), ...text.matchAll(dynamic)].map((match) => ({
    file,
    line: text.slice(0, match.index).split("\n").length,
    specifier: match[1] ?? ""
  }))

const statement = /^(?:import|export)\b(?:[^"'`;=()]*?\bfrom)?\s*["']([^"']+)["']/gm
const dynamic = /^(?!\s*(?:\*|\/\/|\/\*)).*\bimport\(\s*["']([^"']+)["']/gm

/** All imports of all sources. */
export const imports: ReadonlyArray<Import> = sources.flatMap((file) => importsOf(file, read(file)))
