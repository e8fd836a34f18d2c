/** Bytes to read from: shared memory, or a file. Data, so that it can be sent to a thread. */
import { createHash } from "node:crypto"
import { closeSync, openSync, readSync } from "node:fs"

export type Source =
  | { readonly _tag: "Memory"; readonly bytes: Uint8Array; readonly size: number }
  | { readonly _tag: "File"; readonly path: string; readonly size: number }

/** Takes a copy into shared memory, unless they are there already: threads see it without another one. */
export const memory = (bytes: Uint8Array): Source => {
  if (bytes.buffer instanceof SharedArrayBuffer) return { _tag: "Memory", bytes, size: bytes.length }
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  return { _tag: "Memory", bytes: shared, size: bytes.length }
}

export const file = (path: string, size: number): Source => ({ _tag: "File", path, size })

/** A source while it is open. Ranges that reach over its end are the caller's mistake, and thrown. */
export interface Open {
  /** A view of memory, or what is read into `space`: the memory for it, if that is large enough. */
  readonly read: (at: number, length: number, space?: Space) => Buffer
}

/** Memory that is used again and again, and only grows: its bytes are good until it is used the next time. */
export interface Space {
  bytes: Buffer
}

export const space = (): Space => ({ bytes: Buffer.alloc(0) })

/** So much of a space. */
export const room = (space: Space, length: number): Buffer => {
  if (space.bytes.length < length) space.bytes = Buffer.allocUnsafeSlow(length)
  return space.bytes.subarray(0, length)
}

/** Opens for the time of `use`. Waits for the disk: belongs into a thread. */
export const using = <A>(source: Source, use: (open: Open) => A): A => {
  if (source._tag === "Memory") {
    const bytes = Buffer.from(source.bytes.buffer, source.bytes.byteOffset, source.bytes.length)
    return use({ read: (at, length) => bytes.subarray(at, at + length) })
  }
  const descriptor = openSync(source.path, "r")
  const read = (at: number, length: number, into: Space = space()): Buffer => {
    const buffer = room(into, length)
    for (let have = 0; have < length;) {
      const got = readSync(descriptor, buffer, have, length - have, at + have)
      if (got === 0) throw new Error(`${source.path} became shorter while it was read`)
      have += got
    }
    return buffer
  }
  try {
    return use({ read })
  } finally {
    closeSync(descriptor)
  }
}

/** Calls back with all of it in order, in pieces that are only good for the call. */
export const each = (source: Source, visit: (piece: Buffer, at: number) => void): void => {
  using(source, (open) => {
    const piece = space()
    for (let at = 0; at < source.size; at += pieceBytes) {
      visit(open.read(at, Math.min(pieceBytes, source.size - at), piece), at)
    }
  })
}

const pieceBytes = 2 ** 20

/** SHA-256 of all of it, in hex. */
export const hash = (source: Source): string => {
  const sha = createHash("sha256")
  each(source, (piece) => void sha.update(piece))
  return sha.digest("hex")
}
