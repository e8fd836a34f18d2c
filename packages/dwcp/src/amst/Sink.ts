/**
 * Where the chunks of a transfer go: a buffer, or a file that is written at offsets and keeps what it has.
 *
 * **Details**
 *
 * A file is `.NAME.part` until it is whole, with `.NAME.map` beside it: which chunks are on the disk, and of which file.
 * The map is written after the chunks it names have been synced, so it never promises too much; what it forgot is sent
 * again. SHA-256 is taken in order as chunks become contiguous, from memory where they still are, else from the file.
 */
import { createHash } from "node:crypto"
import { constants, write } from "node:fs"
import { type FileHandle, open, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Bitmap from "./Bitmap.ts"
import * as Digest from "./Digest.ts"
import { lengthOf, type Open } from "./Wire.ts"

export interface Sink {
  readonly bitmap: Bitmap.Bitmap
  /** Takes a chunk whose length and checksum are right; `done` when it is held, or cannot be. */
  readonly write: (index: number, chunk: Buffer, done: (failed?: unknown) => void) => void
  /** Of the whole, for a complete bitmap only: SHA-256, or of bytes the tag. */
  readonly digest: (tagged: boolean) => Promise<Buffer>
  /** Writes down what is there. */
  readonly checkpoint: () => Promise<void>
  /** Leaves what is there for another time. */
  readonly suspend: () => Promise<void>
  /** What was received is wrong: nothing of it stays. */
  readonly discard: () => Promise<void>
}

export interface FileSink extends Sink {
  /** Gives the file its name. Answers with where it is. */
  readonly commit: () => Promise<string>
}

export interface BytesSink extends Sink {
  readonly bytes: Buffer
  /** Where a chunk goes that is not there yet; what is in its place already is not copied by `write`. */
  readonly place: (index: number, length: number) => Buffer | undefined
}

/** With a `tag`, SHA-256 is only taken if it is asked for, of all at once. */
export const toBytes = (
  shape: Open,
  count: number,
  tag: Digest.Digest | undefined,
  bytes: Buffer = Buffer.allocUnsafe(shape.size)
): BytesSink => {
  const bitmap = Bitmap.make(count)
  const passing = tag ?? Digest.sha256()
  let hashed = 0
  const nothing = () => Promise.resolve()
  return {
    bitmap,
    bytes,
    place: (index, length) =>
      index < count && length === lengthOf(shape, index) && !Bitmap.has(bitmap, index)
        ? bytes.subarray(index * shape.chunk, index * shape.chunk + length)
        : undefined,
    write: (index, chunk, done) => {
      const at = index * shape.chunk
      const isThere = chunk.buffer === bytes.buffer && chunk.byteOffset === bytes.byteOffset + at
      if (!isThere) bytes.set(chunk, at)
      Bitmap.add(bitmap, index)
      const from = hashed
      while (hashed < count && Bitmap.has(bitmap, hashed)) hashed++
      if (hashed > from) passing.update(bytes.subarray(from * shape.chunk, hashed * shape.chunk))
      done()
    },
    digest: (tagged) => Promise.resolve(tagged === (tag !== undefined) ? passing.end() : Digest.sha256Of(bytes)),
    checkpoint: nothing,
    suspend: nothing,
    discard: nothing
  }
}

/** A name that is one component of a path, and does not collide with our own files. */
export const isSafeName = (name: string): boolean =>
  name.length > 0 && Buffer.byteLength(name) <= 240 && !name.startsWith(".") && !/[/\\\p{Cc}]/u.test(name)

/** Continues the part that is there, if it is of this very file. */
export const toFile = async (shape: Open, count: number, directory: string): Promise<FileSink> => {
  const path = join(directory, shape.name)
  const part = join(directory, `.${shape.name}.part`)
  const map = join(directory, `.${shape.name}.map`)
  const newer = `${map}.new`
  const kept = await readMap(map, shape, count)
  const fresh = constants.O_RDWR | constants.O_CREAT | (kept === undefined ? constants.O_TRUNC : 0)
  // What is found under the name of our part must be a file, not a link to somewhere else.
  const file = await open(part, fresh | constants.O_NOFOLLOW, 0o600)
  const bitmap = kept ?? Bitmap.make(count)
  const order = hashing(file, shape, bitmap)
  let written = bitmap.held
  let saving: Promise<void> | undefined

  const save = async () => {
    const before = Uint8Array.from(bitmap.bytes)
    const held = bitmap.held
    await file.datasync()
    const head = JSON.stringify({ size: shape.size, chunk: shape.chunk, fingerprint: shape.fingerprint })
    try {
      await writeFile(newer, Buffer.concat([Buffer.from(`${head}\n`), before]), { mode: 0o600 })
      await rename(newer, map)
    } catch (cause) {
      // A disk that is full has kept the beginning of it.
      await rm(newer, { force: true })
      throw cause
    }
    written = held
  }
  const checkpoint = async () => {
    if (written === bitmap.held) return
    saving ??= save().finally(() => (saving = undefined))
    await saving
  }
  // The newer one is of a process that was killed.
  const forget = () => Promise.all([map, newer].map((one) => rm(one, { force: true })))
  let closed = false
  let writing = 0
  let quiet: (() => void) | undefined
  const close = async () => {
    if (closed) return
    closed = true
    // A write that is under way goes to the descriptor, which is somebody else's once it is closed.
    if (writing > 0) await new Promise<void>((resolve) => (quiet = resolve))
    await saving?.catch(() => undefined)
    await file.close()
  }
  return {
    bitmap,
    write: (index, chunk, done) => {
      if (closed) return done(new Error("It is closed."))
      order.offer(index, chunk)
      writing++
      writeAll(file, chunk, index * shape.chunk, (failed) => {
        writing--
        if (writing === 0) quiet?.()
        if (failed === undefined) Bitmap.add(bitmap, index)
        order.advance()
        done(failed)
      })
    },
    digest: order.digest,
    checkpoint,
    suspend: async () => {
      // Whoever suspends has no one left to tell; a map that could not be written only costs sending again.
      await checkpoint().catch(() => undefined)
      await close()
    },
    discard: async () => {
      await close()
      await rm(part, { force: true })
      await forget()
    },
    commit: async () => {
      await file.datasync()
      await close()
      await rename(part, path)
      await forget()
      return path
    }
  }
}

// ------------------------------------------------------------------------------------------------------------- private

const readMap = async (path: string, shape: Open, count: number): Promise<Bitmap.Bitmap | undefined> => {
  try {
    const bytes = await readFile(path)
    const line = bytes.indexOf(10)
    const head = JSON.stringify({ size: shape.size, chunk: shape.chunk, fingerprint: shape.fingerprint })
    return bytes.toString("utf8", 0, line) === head ? Bitmap.from(count, bytes.subarray(line + 1)) : undefined
  } catch {
    return undefined // none, or none that can be read: the file is sent from the beginning
  }
}

const writeAll = (file: FileHandle, bytes: Buffer, position: number, done: (failed?: unknown) => void): void => {
  if (bytes.length === 0) return done()
  write(file.fd, bytes, 0, bytes.length, position, (error, written) => {
    if (error !== null) return done(error)
    if (written === bytes.length) return done()
    if (written === 0) return done(new Error("The disk took nothing."))
    writeAll(file, bytes.subarray(written), position + written, done)
  })
}

const keptBytes = 8 << 20
const readBytes = 1 << 20

/** SHA-256 in order, of chunks that arrive in any. */
const hashing = (file: FileHandle, shape: Open, bitmap: Bitmap.Bitmap) => {
  const hash = createHash("sha256")
  const kept = new Map<number, Buffer>()
  let held = 0
  let next = 0
  let reading = false
  let failed: unknown
  let whole: ((digest: Buffer) => void) | undefined
  let broken: ((cause: unknown) => void) | undefined

  const settle = () => {
    if (failed !== undefined) broken?.(failed)
    else if (next === bitmap.count && whole !== undefined) whole(hash.digest())
    else return
    whole = broken = undefined
  }
  const fromMemory = () => {
    for (let chunk = kept.get(next); chunk !== undefined; chunk = kept.get(next)) {
      kept.delete(next)
      held -= chunk.length
      hash.update(chunk)
      next++
    }
  }
  const fromFile = async () => {
    let end = next
    while (end < bitmap.count && Bitmap.has(bitmap, end) && !kept.has(end) && (end - next) * shape.chunk < readBytes)
      end++
    if (end === next) return false
    const from = next * shape.chunk
    const bytes = Buffer.allocUnsafe(Math.min(shape.size, end * shape.chunk) - from)
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, from + at)
      if (bytesRead === 0) throw new Error("The part of the file is shorter than its map says.")
      at += bytesRead
    }
    hash.update(bytes)
    next = end
    return true
  }
  const advance = async () => {
    if (reading || failed !== undefined) return
    reading = true
    try {
      do fromMemory()
      while (await fromFile())
    } catch (cause) {
      failed = cause
    }
    reading = false
    settle()
  }
  return {
    offer: (index: number, chunk: Buffer) => {
      if (index < next || kept.has(index) || (index > next && held > keptBytes)) return
      kept.set(index, chunk)
      held += chunk.length
    },
    advance: () => void advance(),
    digest: () =>
      new Promise<Buffer>((resolve, reject) => {
        whole = resolve
        broken = reject
        void advance()
      })
  }
}
