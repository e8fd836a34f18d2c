/**
 * Whether the files of the program are those that were signed.
 *
 * **Details**
 *
 * The list is what `sha256sum` writes, and lies in the folder of the program. Its signature lies beside it and is checked
 * before the list is parsed; then every file of the folder must be in the list, and be what the list says. Who builds a
 * release makes both:
 *
 * ```sh
 * cd dist && find . -type f ! -name 'SHA256SUMS*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum > SHA256SUMS
 * openssl dgst -sha256 -sign release.pem -out SHA256SUMS.sig SHA256SUMS
 * ```
 *
 * **Gotchas**
 *
 * The program checks itself. Who can exchange its files as its own user can exchange the check too, unless the list is
 * checked from outside as well: see docs/SECURITY.md.
 */
import { createHash } from "node:crypto"
import { dirname, join, normalize, sep } from "node:path"
import { Signature } from "@novacron/config"
import { Effect, FileSystem, Stream } from "effect"
import { ProgramTampered } from "./Security.ts"

/** A program that is as it was signed. */
export interface Program {
  /** SHA-256 of the list. */
  readonly digest: string
  /** The digest of each file, by its path in the folder. */
  readonly files: ReadonlyMap<string, string>
}

/** Checks the list and all files of its folder. */
export const check = Effect.fn("Program.check")(function* (manifest: string, publicKeys: ReadonlyArray<string>) {
  const fileSystem = yield* FileSystem.FileSystem
  const folder = dirname(manifest)
  const tampered = (reason: string, cause?: unknown) => new ProgramTampered({ manifest, reason, cause })
  const bytes = yield* Effect.mapError(fileSystem.readFile(manifest), (cause) =>
    tampered("the list of its files cannot be read", cause)
  )
  if (bytes.length > maxListBytes) return yield* tampered("the list of its files is longer than any list of a program")
  yield* Effect.mapError(Signature.check(manifest, bytes, { policy: "require", publicKeys }), ({ problems: [first] }) =>
    tampered(`the signature of the list is not accepted (${manifest}.sig)`, first.message)
  )
  const listed = parse(new TextDecoder().decode(bytes))
  if (typeof listed === "string") return yield* tampered(listed)

  const names = yield* Effect.mapError(fileSystem.readDirectory(folder, { recursive: true }), (cause) =>
    tampered(`the folder ${folder} cannot be read`, cause)
  )
  const found = yield* Effect.forEach(names, (name) => fileOf(folder, name), { concurrency: 8 })
  const unlisted = found.flatMap((name) => (name === undefined || listed.has(name) ? [] : [name]))
  const strangers = unlisted.filter(
    (name) => join(folder, name) !== manifest && join(folder, name) !== `${manifest}.sig`
  )
  if (strangers.length > 0) return yield* tampered(`these files are not in the list: ${shown(strangers)}`)

  const actual = yield* Effect.forEach(
    listed,
    ([name, digest]) =>
      Effect.map(
        Effect.orElseSucceed(digestOfFile(join(folder, name)), () => undefined),
        (now) => (now === undefined ? `${name} (gone)` : now === digest ? undefined : name)
      ),
    { concurrency: 8 }
  )
  const changed = actual.flatMap((name) => name ?? [])
  if (changed.length > 0) return yield* tampered(`these files are not what was signed: ${shown(changed)}`)
  return { digest: createHash("sha256").update(bytes).digest("hex"), files: listed } satisfies Program
})

/** SHA-256 of a file, read piece by piece. */
const digestOfFile = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fileSystem) =>
    Effect.suspend(() => {
      const hash = createHash("sha256")
      const feed = Stream.runForEach(fileSystem.stream(path), (chunk) => Effect.sync(() => hash.update(chunk)))
      return Effect.map(feed, () => hash.digest("hex"))
    })
  )

// ----------------------------------------------------------------------------------------------------------- private

const maxListBytes = 4 * 1024 * 1024

/** The name of a file as the list has it; `undefined` for a folder. */
const fileOf = (folder: string, name: string) =>
  Effect.gen(function* () {
    const { type } = yield* (yield* FileSystem.FileSystem).stat(join(folder, name))
    return type === "Directory" ? undefined : name.split(sep).join("/")
    // A link to nowhere is not in the list either.
  }).pipe(Effect.orElseSucceed(() => name))

/** Digests by path, or what is wrong with the list. */
const parse = (text: string): ReadonlyMap<string, string> | string => {
  const files = new Map<string, string>()
  for (const line of text.split("\n")) {
    if (line === "") continue
    const [, digest = "", name = ""] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? []
    const path = normalize(name).split(sep).join("/")
    const isInside = name !== "" && !name.startsWith("/") && !path.startsWith("..")
    if (!isInside) return "the list of its files has a line that sha256sum does not write, or a path out of its folder"
    files.set(path, digest)
  }
  return files.size === 0 ? "the list of its files is empty" : files
}

const shown = (names: ReadonlyArray<string>): string =>
  names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ")
