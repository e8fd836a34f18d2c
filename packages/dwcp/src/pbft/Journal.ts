/**
 * What a replica has promised, in a file: written and on the disk before anybody hears of it, read when it starts again.
 *
 * **Details**
 *
 * A header names the replica, then come records: length, CRC-32, bytes. The last record may be cut by a crash; it was not
 * acted upon, and is cut off. Anything else that does not read is damage, and the file is refused. A checkpoint makes most
 * of the file superfluous: it is written anew beside itself and renamed.
 */
import { createHash } from "node:crypto"
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { crc32 } from "node:zlib"
import * as Codec from "./Codec.ts"
import { JournalUnusable } from "./Failures.ts"
import type { Fact } from "./Message.ts"

export type Record =
  | { readonly _tag: "Fact"; readonly fact: Fact }
  /** Timestamps below this may have been used. */
  | { readonly _tag: "Asked"; readonly below: number }

export interface Journal {
  readonly facts: ReadonlyArray<Fact>
  /** No timestamp from here on was ever used. */
  readonly unusedTimestamp: number
  readonly append: (records: ReadonlyArray<Record>) => Promise<void>
  /** These records take the place of all. */
  readonly replace: (records: ReadonlyArray<Record>) => Promise<void>
  /** What was appended since it was made or replaced, in bytes. */
  readonly appended: () => number
  readonly close: () => Promise<void>
}

const headerBytes = 40
const frameBytes = 8

/** `owner` names cluster, replica and key. Rejects with `JournalUnusable`. */
export const make = async (path: string, owner: string): Promise<Journal> => {
  const header = Buffer.concat([Buffer.from("NVCPBFT1"), createHash("sha256").update(owner).digest()])
  const unusable = (problem: string, cause?: unknown) => new JournalUnusable({ path, problem, cause })
  const before = await readFile(path).catch((cause: unknown) => {
    if (isMissing(cause)) return undefined
    throw unusable("it cannot be read", cause)
  })
  const facts: Array<Fact> = []
  let unusedTimestamp = 0
  let length = headerBytes
  if (before !== undefined && before.length >= headerBytes) {
    if (!before.subarray(0, headerBytes).equals(header)) throw unusable("it belongs to another replica")
    for (; length + frameBytes <= before.length;) {
      const size = before.readUInt32BE(length)
      const end = length + frameBytes + size
      const payload = before.subarray(length + frameBytes, end)
      const whole = end <= before.length && crc32(payload) === before.readUInt32BE(length + 4)
      // Cut by a crash is only what comes last.
      if (!whole && end < before.length) throw unusable(`the record at byte ${length} is damaged`)
      if (!whole) break
      if (payload[0] === 0) {
        const fact = Codec.decodeFact(payload.subarray(1))
        if (fact === undefined) throw unusable(`the record at byte ${length} says nothing that makes sense`)
        facts.push(fact)
      } else unusedTimestamp = Math.max(unusedTimestamp, payload.readDoubleBE(1))
      length = end
    }
  }
  const began = async (file: FileHandle, records: ReadonlyArray<Record>): Promise<number> => {
    const bytes = Buffer.concat([header, ...records.map(framed)])
    await file.truncate(0)
    await written(file, bytes, 0)
    await file.sync()
    return bytes.length
  }
  let file: FileHandle
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    file = await open(path, before === undefined ? "w+" : "r+", 0o600)
    if (before === undefined || before.length < headerBytes) {
      await began(file, [])
      await syncDirectory(dirname(path))
    } else await file.truncate(length)
  } catch (cause) {
    throw unusable("it cannot be written", cause)
  }

  let base = length
  const append = async (records: ReadonlyArray<Record>): Promise<void> => {
    const bytes = Buffer.concat(records.map(framed))
    try {
      await written(file, bytes, length)
      await file.datasync()
    } catch (cause) {
      throw unusable("it cannot be written", cause)
    }
    length += bytes.length
  }

  const replace = async (records: ReadonlyArray<Record>): Promise<void> => {
    try {
      const next = await open(`${path}.next`, "w", 0o600)
      const size = await began(next, records)
      await rename(`${path}.next`, path)
      await syncDirectory(dirname(path))
      await file.close()
      file = next
      length = size
      base = size
    } catch (cause) {
      throw unusable("it cannot be written anew", cause)
    }
  }

  return { facts, unusedTimestamp, append, replace, appended: () => length - base, close: () => file.close() }
}

const framed = (record: Record): Buffer => {
  const payload = record._tag === "Fact" ? Codec.encodeFact(record.fact) : Buffer.alloc(8)
  if (record._tag === "Asked") payload.writeDoubleBE(record.below)
  const bytes = Buffer.allocUnsafe(frameBytes + 1 + payload.length)
  bytes[frameBytes] = record._tag === "Fact" ? 0 : 1
  bytes.set(payload, frameBytes + 1)
  bytes.writeUInt32BE(payload.length + 1, 0)
  bytes.writeUInt32BE(crc32(bytes.subarray(frameBytes)), 4)
  return bytes
}

const written = async (file: FileHandle, bytes: Buffer, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  }
}

/** The name of a file is on the disk when its directory is. */
const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

const isMissing = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"
