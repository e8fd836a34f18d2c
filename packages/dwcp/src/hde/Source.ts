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
  readonly read: (at: number, length: number) => Buffer
  readonly readInto: (buffer: Buffer, at: number) => void
}

/** Opens for the time of `use`. Waits for the disk: belongs into a thread. */
export const using = <A>(source: Source, use: (open: Open) => A): A => {
  if (source._tag === "Memory") {
    const bytes = Buffer.from(source.bytes.buffer, source.bytes.byteOffset, source.bytes.length)
    return use({
      read: (at, length) => bytes.subarray(at, at + length),
      readInto: (buffer, at) => void bytes.copy(buffer, 0, at, at + buffer.length)
    })
  }
  const descriptor = openSync(source.path, "r")
  const readInto = (buffer: Buffer, at: number): void => {
    for (let have = 0; have < buffer.length;) {
      const got = readSync(descriptor, buffer, have, buffer.length - have, at + have)
      if (got === 0) throw new Error(`${source.path} became shorter while it was read`)
      have += got
    }
  }
  const read = (at: number, length: number): Buffer => {
    const buffer = Buffer.allocUnsafeSlow(length)
    readInto(buffer, at)
    return buffer
  }
  try {
    return use({ read, readInto })
  } finally {
    closeSync(descriptor)
  }
}

/** Calls back with all of it in order, in pieces that are only good for the call. */
export const each = (source: Source, visit: (piece: Buffer, at: number) => void): void => {
  using(source, (open) => {
    const buffer = source._tag === "File" ? Buffer.allocUnsafeSlow(Math.min(pieceBytes, source.size)) : undefined
    for (let at = 0; at < source.size; at += pieceBytes) {
      const length = Math.min(pieceBytes, source.size - at)
      if (buffer === undefined) visit(open.read(at, length), at)
      else {
        const piece = buffer.subarray(0, length)
        open.readInto(piece, at)
        visit(piece, at)
      }
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
