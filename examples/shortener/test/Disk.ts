/** A disk in memory with one file, which cannot be opened at first: for as many times as the test says. */
import { ByteSize, Effect, FileSystem, Option, PlatformError } from "effect"

/** The layer of such a disk, and what it holds. */
export const make = (failures: number) => {
  let [text, opened, open] = ["", 0, 0]
  const unasked = Effect.die("nobody asks for this")
  const file: FileSystem.File = {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    sync: Effect.void,
    writeAll: (bytes) => Effect.sync(() => void (text += new TextDecoder().decode(bytes))),
    stat: unasked,
    seek: () => unasked,
    read: () => unasked,
    readAlloc: () => unasked,
    truncate: () => unasked,
    write: () => unasked
  }
  const layer = FileSystem.layerNoop({
    makeDirectory: () => Effect.void,
    open: () =>
      Effect.acquireRelease(
        Effect.suspend(() => (++opened > failures ? Effect.sync(() => (open++, file)) : Effect.fail(denied))),
        () => Effect.sync(() => void open--)
      ),
    readFileString: () => Effect.sync(() => text),
    stat: () => Effect.succeed(info)
  })
  return { layer, text: () => text, open: () => open }
}

const denied = PlatformError.systemError({ _tag: "PermissionDenied", module: "FileSystem", method: "open" })

const info: FileSystem.File.Info = {
  type: "File",
  size: ByteSize.bytes(0),
  mtime: Option.none(),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0n,
  ino: Option.none(),
  mode: 0,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  blksize: Option.none(),
  blocks: Option.none()
}
