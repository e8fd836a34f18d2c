/**
 * The codecs: Zstandard, LZ4, and none. Each in a form that waits in the thread pool and one that does not wait.
 *
 * **Gotchas**
 *
 * Node's zstd cuts what several threads of its own write (`nbWorkers`), and takes level -1 for "not said". Neither is ever
 * set here: work is spread by compressing several blocks at once, and the quick levels are -5 and 1.
 *
 * A size in a stream is a claim. What is read out of one never grows beyond the size that the caller expects.
 */
import { constants, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from "node:zlib"
import * as Lz4 from "lz4-napi"
import { corrupt, type Refused } from "./Refused.ts"

export type Algorithm = "none" | "lz4" | "zstd"

/** What is done to bytes: the level counts for zstd only. */
export interface Choice {
  readonly algorithm: Algorithm
  readonly level: number
}

/** A word for logs, metrics and reports: `zstd-3`, `lz4`, `none`. */
export const nameOf = ({ algorithm, level }: Choice): string => (algorithm === "zstd" ? `zstd-${level}` : algorithm)

const compression = (level: number, size: number) => ({
  params: { [constants.ZSTD_c_compressionLevel]: level },
  pledgedSrcSize: size,
  chunkSize: chunkBytes(size)
})

/** Output is gathered in pieces of this size: few turns between threads, and not much memory that is thrown away. */
const chunkBytes = (size: number): number => Math.min(2 ** 18, Math.max(2 ** 12, size >> 2))

const expansion = (size: number, window = size) => ({
  params: { [constants.ZSTD_d_windowLogMax]: windowLog(window) },
  maxOutputLength: Math.max(1, size),
  // A spare byte, so that the last piece is not followed by an empty one.
  chunkSize: Math.max(64, size + 1)
})

/** The window that so many bytes need, as zstd counts it. A compressor that knows the size takes no larger one. */
const windowLog = (bytes: number): number => Math.min(27, Math.max(19, Math.ceil(Math.log2(bytes + 1))))

/** Compresses in the thread pool. */
export const compress = async (bytes: Buffer, { algorithm, level }: Choice): Promise<Buffer> => {
  switch (algorithm) {
    case "none":
      return bytes
    case "lz4":
      return await Lz4.compress(bytes)
    case "zstd":
      return await new Promise((resolve, reject) => {
        zstdCompress(bytes, compression(level, bytes.length), (error, out) => (error ? reject(error) : resolve(out)))
      })
  }
}

/** The same, and does not wait: for samples, and in threads of our own. */
export const compressSync = (bytes: Buffer, { algorithm, level }: Choice): Buffer => {
  switch (algorithm) {
    case "none":
      return bytes
    case "lz4":
      return Lz4.compressSync(bytes)
    case "zstd":
      return zstdCompressSync(bytes, compression(level, bytes.length))
  }
}

/** Expands to exactly so many bytes, in the thread pool; anything else is `HdeCorrupt`. */
export const expand = async (stored: Buffer, algorithm: Algorithm, size: number): Promise<Buffer> => {
  switch (algorithm) {
    case "none":
      return exactly(stored, size)
    case "lz4":
      announced(stored, size)
      return exactly(await Lz4.uncompress(stored).catch(refused), size)
    case "zstd":
      return await new Promise((resolve, reject) => {
        zstdDecompress(stored, expansion(size), (error, out) => {
          if (error) reject(broken(error))
          else if (out.length === size) resolve(out)
          else reject(corrupt(wrongSize))
        })
      })
  }
}

/** The same, and does not wait. */
export const expandSync = (stored: Buffer, algorithm: Algorithm, size: number): Buffer => {
  switch (algorithm) {
    case "none":
      return exactly(stored, size)
    case "lz4":
      announced(stored, size)
      return exactly(
        attempt(() => Lz4.uncompressSync(stored)),
        size
      )
    case "zstd":
      return exactly(
        attempt(() => zstdDecompressSync(stored, expansion(size))),
        size
      )
  }
}

/** Zstandard with what the other side has too. */
export const compressWith = (bytes: Buffer, dictionary: Buffer, level: number): Buffer => {
  const log = windowLog(bytes.length + dictionary.length + slack)
  // A table as large as what it is for, and not larger than the caches of a core.
  const table = Math.min(20, Math.max(12, log))
  return zstdCompressSync(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: log,
      [constants.ZSTD_c_hashLog]: table,
      ...(level > 2 ? { [constants.ZSTD_c_chainLog]: table } : undefined)
    },
    dictionary,
    pledgedSrcSize: bytes.length,
    chunkSize: chunkBytes(bytes.length)
  })
}

export const expandWith = (stored: Buffer, dictionary: Buffer, size: number): Buffer =>
  exactly(
    attempt(() => zstdDecompressSync(stored, { ...expansion(size, size + dictionary.length + slack), dictionary })),
    size
  )

const slack = 1024

/** LZ4 writes its size in front of it. */
const announced = (stored: Buffer, size: number): void => {
  if (stored.length < 4 || stored.readUInt32LE(0) !== size) throw corrupt(wrongSize)
}

const exactly = (bytes: Buffer, size: number): Buffer => {
  if (bytes.length !== size) throw corrupt(wrongSize)
  return bytes
}

const wrongSize = "a block is not of the size that it announces"

const broken = (cause: unknown): Refused => corrupt("a block cannot be expanded", cause)

const refused = (cause: unknown): never => {
  throw broken(cause)
}

const attempt = <A>(expand: () => A): A => {
  try {
    return expand()
  } catch (cause) {
    return refused(cause)
  }
}
