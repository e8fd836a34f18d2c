/**
 * Where the chunks of a transfer come from: bytes at hand, or a file that is read ahead.
 *
 * **Details**
 *
 * Chunks pass once in order, and are hashed as they pass, those too that the other side has already. `read` gives any of
 * them again.
 */
import type { FileHandle } from "node:fs/promises"
import * as Digest from "./Digest.ts"

export interface Chunk {
  readonly index: number
  readonly bytes: Buffer
}

export interface Source {
  /** The next chunk in order that is wanted; `undefined` when none is at hand. Then `onReady` is called later. */
  readonly next: () => Chunk | undefined
  /** Whether `next` has one at hand, as far as it knows. */
  readonly ready: () => boolean
  /** Whether some have not passed yet. */
  readonly waiting: () => boolean
  /** Any chunk, once more. */
  readonly read: (index: number) => Promise<Buffer>
  /** Of all, once all have passed: the tag if there is one and the peer takes tags, else SHA-256. */
  readonly digest: (tags: boolean) => Buffer | undefined
}

interface Shape {
  readonly size: number
  readonly chunk: number
  /** Chunks that the other side has. */
  readonly skip: (index: number) => boolean
}

/** With a `tag`, SHA-256 is only taken if it is asked for, of all at once. */
export const ofBytes = (
  bytes: Uint8Array,
  { chunk, size, skip, tag }: Shape & { readonly tag: Digest.Digest | undefined }
): Source => {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const passing = digesting(size, tag ?? Digest.sha256())
  let hash: Buffer | undefined
  const count = Math.max(1, Math.ceil(size / chunk))
  const at = (index: number) => all.subarray(index * chunk, (index + 1) * chunk)
  let passed = 0
  const pass = (): Chunk => {
    const index = passed++
    const bytes = at(index)
    passing.update(bytes)
    return { index, bytes }
  }
  return {
    next: () => {
      while (passed < count) {
        const chunk = pass()
        if (!skip(chunk.index)) return chunk
      }
      return undefined
    },
    ready: () => passed < count,
    waiting: () => passed < count,
    read: (index) => Promise.resolve(at(index)),
    digest: (tags) => {
      if (tags || tag === undefined || passed < count) return passing.digest()
      return (hash ??= Digest.sha256Of(all))
    }
  }
}

/** The file stays open, and is closed by whoever opened it. */
export const ofFile = (
  file: FileHandle,
  {
    chunk,
    onFailed,
    onReady,
    size,
    skip,
    unchanged
  }: Shape & {
    /** Throws when the file is no longer the one that was announced: asked when the last of it was read. */
    readonly unchanged: () => Promise<void>
    readonly onReady: () => void
    readonly onFailed: (cause: unknown) => void
  }
): Source => {
  const hash = digesting(size, Digest.sha256())
  const count = Math.max(1, Math.ceil(size / chunk))
  const block = Math.max(chunk, Math.floor(readBytes / chunk) * chunk)
  const ready: Array<Chunk> = []
  let head = 0 // of `ready`: taking from the front is not a copy of all
  let passed = 0
  let reading = false

  const refill = async () => {
    if (reading || passed >= count || (ready.length - head) * chunk > aheadBytes) return
    reading = true
    try {
      const bytes = await readAt(file, passed * chunk, Math.min(block, size - passed * chunk))
      // Before the digest is known: what is a mix of two files must not get a name at the other side.
      if (passed * chunk + bytes.length === size) await unchanged()
      hash.update(bytes)
      for (let at = 0; at < bytes.length || count === 1; at += chunk) {
        const index = passed++
        if (!skip(index)) ready.push({ index, bytes: bytes.subarray(at, at + chunk) })
        if (passed === count) break
      }
    } catch (cause) {
      passed = count
      onFailed(cause)
      return
    } finally {
      reading = false
    }
    onReady()
    void refill()
  }
  void refill()

  return {
    next: () => {
      while (head < ready.length) {
        const chunk = ready[head]!
        head++
        if (head > 1024 || head === ready.length) {
          ready.splice(0, head)
          head = 0
        }
        void refill()
        if (!skip(chunk.index)) return chunk
      }
      void refill()
      return undefined
    },
    ready: () => head < ready.length,
    waiting: () => head < ready.length || passed < count,
    read: (index) => readAt(file, index * chunk, Math.min(chunk, size - index * chunk)),
    digest: hash.digest
  }
}

// ------------------------------------------------------------------------------------------------------------- private

const readBytes = 1 << 20
const aheadBytes = 8 << 20

const readAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(bytes, at, length - at, position + at)
    if (bytesRead === 0) throw new Error(`It ends at ${position + at}, and was longer when it was announced.`)
    at += bytesRead
  }
  return bytes
}

const digesting = (size: number, of: Digest.Digest) => {
  let left = size
  let digest: Buffer | undefined = size === 0 ? of.end() : undefined
  return {
    update: (bytes: Buffer) => {
      if (digest !== undefined) return
      of.update(bytes)
      left -= bytes.length
      if (left === 0) digest = of.end()
    },
    digest: () => digest
  }
}
