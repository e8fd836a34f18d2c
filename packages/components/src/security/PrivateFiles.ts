/**
 * A folder of files that nobody else may read, written so that a crash at any moment leaves the old content or the new
 * one and nothing between.
 *
 * **Details**
 *
 * The folder has mode 0700 and its files 0600. A write goes to a file beside the target, which is flushed, renamed over
 * it, and the folder is flushed too. What others on this machine can read is refused, not repaired: who read it keeps it.
 */
import { Effect, FileSystem, Option, type PlatformError } from "effect"
import { KeyMaterialExposed, KeyMaterialUnavailable, KeyMaterialUnusable } from "./Security.ts"

export interface PrivateFiles {
  readonly folder: string
  /** The full path of a file. */
  readonly path: (name: string) => string
  /** What a file holds, `None` when there is none. */
  readonly read: (name: string) => Effect.Effect<Option.Option<Uint8Array>, Failure>
  /** Replaces a file as a whole, durably. */
  readonly write: (name: string, content: Uint8Array) => Effect.Effect<void, KeyMaterialUnavailable>
  readonly remove: (name: string) => Effect.Effect<void, KeyMaterialUnavailable>
  /** The names of its files, without those that a crash left half-written. */
  readonly names: Effect.Effect<ReadonlyArray<string>, KeyMaterialUnavailable>
}

/** What may be wrong with a file that is private: others may read it, the system does not give it, it is no key. */
export type Failure = KeyMaterialExposed | KeyMaterialUnavailable | KeyMaterialUnusable

/** Opens the folder, and makes it when there is none. */
export const open = Effect.fn("PrivateFiles.open")(function* (folder: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = (name: string) => `${folder}/${name}`
  const failing = (name: string, reason: string) =>
    Effect.mapError((cause: PlatformError.PlatformError) => new KeyMaterialUnavailable({ path: name, reason, cause }))

  yield* fileSystem
    .makeDirectory(folder, { recursive: true, mode: 0o700 })
    .pipe(
      Effect.mapError((cause) =>
        cause.reason._tag === "AlreadyExists"
          ? new KeyMaterialUnusable({ path: folder, reason: "it is no folder", cause })
          : new KeyMaterialUnavailable({ path: folder, reason: "it cannot be made", cause })
      )
    )
  const { mode } = yield* fileSystem.stat(folder).pipe(failing(folder, "it cannot be looked at"))
  if (isOpenToOthers(mode)) return yield* new KeyMaterialExposed({ path: folder, mode: mode & 0o777 })

  const flushed = (file: string, flag: "r" | "w", content?: Uint8Array) =>
    Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fileSystem.open(file, { flag, mode: 0o600 })
        if (content !== undefined) yield* handle.writeAll(content)
        yield* handle.sync
      })
    )

  const write = (name: string, content: Uint8Array) =>
    Effect.gen(function* () {
      const halfWritten = path(`${name}${unfinished}`)
      yield* flushed(halfWritten, "w", content)
      yield* fileSystem.rename(halfWritten, path(name))
      yield* flushed(folder, "r")
    }).pipe(failing(path(name), "it cannot be written"), Effect.uninterruptible)

  return {
    folder,
    path,
    write,
    read: (name: string) => readPrivate(path(name)).pipe(Effect.provideService(FileSystem.FileSystem, fileSystem)),
    remove: (name: string) => fileSystem.remove(path(name)).pipe(failing(path(name), "it cannot be removed")),
    names: fileSystem.readDirectory(folder).pipe(
      failing(folder, "it cannot be listed"),
      Effect.map((names) => names.filter((name) => !name.endsWith(unfinished)))
    )
  } satisfies PrivateFiles
})

/** The content of a file outside of the folder that must be as private as one inside: a key of the operator's own. */
export const readPrivate = (path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      // Looked at and read through one handle, or it could be exchanged between the two.
      const handle = yield* fileSystem.open(path)
      const { mode, size, type } = yield* handle.stat
      if (type === "Directory") return yield* new KeyMaterialUnusable({ path, reason: "it is a folder" })
      if (isOpenToOthers(mode)) return yield* new KeyMaterialExposed({ path, mode: mode & 0o777 })
      if (size > maxBytes) return yield* new KeyMaterialUnusable({ path, reason: "it is larger than any key" })
      return Option.some(Option.getOrElse(yield* handle.readAlloc(Number(size)), () => new Uint8Array()))
    })
  ).pipe(
    Effect.catchTag("PlatformError", (cause) =>
      isNotFound(cause)
        ? Effect.succeedNone
        : Effect.fail(new KeyMaterialUnavailable({ path, reason: "it cannot be read", cause }))
    )
  )

/** Whether it failed because there is no such file. */
export const isNotFound = (error: PlatformError.PlatformError): boolean => error.reason._tag === "NotFound"

const isOpenToOthers = (mode: number): boolean => (mode & 0o077) !== 0

const unfinished = ".unfinished"
const maxBytes = 1024n * 1024n
