/**
 * A file of settings replaced as a whole: whoever reads it sees the old content or the new one, also after a crash.
 *
 * **Details**
 *
 * The new content is written beside the file, synced, and takes its name. The file keeps its mode, and its owner where this
 * user may give files away; a new one is 0600. A link stays a link: what it points to is replaced, since a directory that is
 * put together from links is one that somebody else looks after.
 */
import { Effect, FileSystem, Option, Path, Random } from "effect"

/** Writes `bytes` to a file, whether it is there or not. */
export const write = Effect.fn("Replacement.write")(function* (file: string, bytes: Uint8Array) {
  const files = yield* FileSystem.FileSystem
  const { dirname } = yield* Path.Path
  const target = yield* Effect.orElseSucceed(files.realPath(file), () => file)
  const before = yield* Effect.option(files.stat(target))
  const next = `${dirname(target)}/.${(yield* Random.nextInt).toString(36)}.next`
  yield* Effect.gen(function* () {
    const made = yield* files.open(next, { flag: "wx", mode: 0o600 })
    yield* made.writeAll(bytes)
    yield* made.sync
    if (Option.isSome(before)) {
      const { gid, mode, uid } = before.value
      if (Option.isSome(uid) && Option.isSome(gid)) yield* Effect.ignore(files.chown(next, uid.value, gid.value))
      yield* files.chmod(next, mode & 0o777)
    }
    yield* files.rename(next, target)
  }).pipe(
    Effect.scoped,
    Effect.onError(() => Effect.ignore(files.remove(next, { force: true })))
  )
})
