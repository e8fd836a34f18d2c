/**
 * The wire form, version 3: what says of itself all that is needed to read it, but for the baseline that it names.
 *
 * **Details**
 *
 * | part | bytes |
 * |---|---|
 * | head | `NHDE`, version, flags (1: a difference), algorithm, level; size u64; the largest block u32 and the largest |
 * |      | share of the base u32; with a base its size u64 and its SHA-256; CRC-32 of all this |
 * | block | kind (0 as it is, 1 lz4, 2 zstd, 3 difference), 3 zeros, size u32, stored size u32, CRC-32 of these and data |
 * | end | 255 and 3 zeros, number of blocks u32, SHA-256 of the content, CRC-32 of these |
 *
 * Numbers are little-endian. The algorithm of the head is what the sender chose; a block that did not shrink is stored as
 * it is. The content's hash comes last, so that a frame can be sent while it is made.
 *
 * Nothing of a frame is believed: sizes are held against limits before anything is allocated for them, sums have to fit,
 * and unknown bits are refused. What does not fit is thrown, always as `HdeCorrupt` or `TooLarge`.
 */
import { crc32 } from "node:zlib"
import type { Algorithm, Choice } from "./Codec.ts"
import { corrupt, tooLarge } from "./Refused.ts"

export interface Head {
  /** What the sender chose. */
  readonly choice: Choice
  /** Bytes of the content. */
  readonly size: number
  /** No block has more bytes of content. */
  readonly blockLimit: number
  /** No block needs more bytes of the base. */
  readonly baseLimit: number
  readonly base: Baseline | undefined
}

export interface Baseline {
  readonly size: number
  /** SHA-256, in hex. */
  readonly hash: string
}

export type Kind = Algorithm | "delta"

export interface Block {
  readonly kind: Kind
  /** Bytes of content. */
  readonly size: number
  readonly stored: Buffer
}

export interface End {
  readonly blocks: number
  /** SHA-256 of the content, in hex. */
  readonly hash: string
}

/** What a node accepts, in bytes. */
export interface Limits {
  readonly content: number
  readonly block: number
  readonly base: number
}

/** Content of any size for files; blocks of the sizes that we make ourselves, with room for other versions. */
export const limits: Limits = { content: 2 ** 44, block: 2 ** 25, base: 2 ** 26 }

/** The largest overhead: of a frame, and of each of its blocks. */
export const overhead = { frame: 72 + 44, block: 16 }

const magic = 0x4544484e
const version = 3
const headBytes = 24
const baseBytes = 40
const blockBytes = 16
const endBytes = 44

const algorithms: ReadonlyArray<Algorithm> = ["none", "lz4", "zstd"]
const kinds: ReadonlyArray<Kind> = [...algorithms, "delta"]
const endKind = 255

// ------------------------------------------------------------------------------------------------------------ writing

export const head = ({ base, baseLimit, blockLimit, choice, size }: Head): Buffer => {
  const bytes = Buffer.alloc(headBytes + (base === undefined ? 0 : baseBytes) + 4)
  bytes.writeUInt32LE(magic, 0)
  bytes[4] = version
  bytes[5] = base === undefined ? 0 : 1
  bytes[6] = algorithms.indexOf(choice.algorithm)
  bytes.writeInt8(choice.level, 7)
  bytes.writeBigUInt64LE(BigInt(size), 8)
  bytes.writeUInt32LE(blockLimit, 16)
  bytes.writeUInt32LE(baseLimit, 20)
  if (base !== undefined) {
    bytes.writeBigUInt64LE(BigInt(base.size), headBytes)
    bytes.write(base.hash, headBytes + 8, "hex")
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

/** The head of a block; its stored bytes follow it. */
export const blockHead = ({ kind, size, stored }: Block): Buffer => {
  const bytes = Buffer.alloc(blockBytes)
  bytes[0] = kinds.indexOf(kind)
  bytes.writeUInt32LE(size, 4)
  bytes.writeUInt32LE(stored.length, 8)
  bytes.writeUInt32LE(crc32(stored, crc32(bytes.subarray(0, 12))), 12)
  return bytes
}

export const end = ({ blocks, hash }: End): Buffer => {
  const bytes = Buffer.alloc(endBytes)
  bytes[0] = endKind
  bytes.writeUInt32LE(blocks, 4)
  bytes.write(hash, 8, "hex")
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), endBytes - 4)
  return bytes
}

// ------------------------------------------------------------------------------------------------------------ reading

export type Part =
  | { readonly _tag: "Head"; readonly head: Head }
  | { readonly _tag: "Block"; readonly block: Block; readonly at: number }
  | { readonly _tag: "End"; readonly end: End }

/**
 * Reads a frame that arrives in pieces. `push` a piece, then take parts with `next` until there is none; `close` says that
 * no more will come. Holds at most one block and one piece.
 */
export class Reader {
  private readonly limits: Limits
  private pieces: Array<Buffer> = []
  private have = 0
  private head: Head | undefined
  private at = 0
  private blocks = 0
  private isOver = false

  constructor(accepted: Limits) {
    this.limits = accepted
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return
    this.pieces.push(piece)
    this.have += piece.length
  }

  next(): Part | undefined {
    if (this.isOver) {
      if (this.have > 0) throw corrupt("it goes on behind its end")
      return undefined
    }
    return this.head === undefined ? this.readHead() : this.readBlock(this.head)
  }

  close(): void {
    if (!this.isOver) throw corrupt("it ends too early")
  }

  private readHead(): Part | undefined {
    const start = this.peek(headBytes)
    // Whatever is not ours is refused by its first bytes, however few there are.
    const seen = this.peek(Math.min(this.have, 5))
    if (seen !== undefined && !sign.subarray(0, seen.length).equals(seen)) {
      throw corrupt("it is no frame of version 3")
    }
    if (start === undefined) return undefined
    const flags = start[5]!
    if (flags > 1) throw corrupt("it has flags that nobody knows")
    const length = headBytes + (flags === 1 ? baseBytes : 0) + 4
    const bytes = this.peek(length)
    if (bytes === undefined) return undefined
    checked(bytes, "its head has changed on the way")
    const algorithm = algorithms[bytes[6]!]
    if (algorithm === undefined) throw corrupt("it has an algorithm that nobody knows")
    const head: Head = {
      choice: { algorithm, level: bytes.readInt8(7) },
      size: within("Content", bytes.readBigUInt64LE(8), this.limits.content),
      blockLimit: within("A block", bytes.readUInt32LE(16), this.limits.block),
      baseLimit: within("A share of the baseline", bytes.readUInt32LE(20), this.limits.base),
      base:
        flags === 0
          ? undefined
          : {
              size: within("A baseline", bytes.readBigUInt64LE(headBytes), this.limits.content),
              hash: bytes.toString("hex", headBytes + 8, headBytes + baseBytes)
            }
    }
    this.drop(length)
    this.head = head
    return { _tag: "Head", head }
  }

  private readBlock(head: Head): Part | undefined {
    const start = this.peek(blockBytes)
    if (start === undefined) return undefined
    if (start[1] !== 0 || start[2] !== 0 || start[3] !== 0) throw corrupt("a block begins wrongly")
    if (start[0] === endKind) return this.readEnd(head)
    const kind = kinds[start[0]!]
    if (kind === undefined) throw corrupt("it has a kind of block that nobody knows")
    const size = within("A block", start.readUInt32LE(4), head.blockLimit)
    const storedSize = start.readUInt32LE(8)
    if (size === 0 || size > head.size - this.at || storedSize > size) {
      throw corrupt("the sizes of its blocks do not fit")
    }
    if (kind === "delta" && head.base === undefined) throw corrupt("a difference names no baseline")
    const bytes = this.peek(blockBytes + storedSize)
    if (bytes === undefined) return undefined
    const stored = bytes.subarray(blockBytes)
    if (crc32(stored, crc32(bytes.subarray(0, 12))) !== bytes.readUInt32LE(12)) {
      throw corrupt("a block has changed on the way")
    }
    this.drop(blockBytes + storedSize)
    const at = this.at
    this.at += size
    this.blocks++
    return { _tag: "Block", block: { kind, size, stored }, at }
  }

  private readEnd(head: Head): Part | undefined {
    const bytes = this.peek(endBytes)
    if (bytes === undefined) return undefined
    checked(bytes, "its end has changed on the way")
    const blocks = bytes.readUInt32LE(4)
    if (this.at !== head.size || blocks !== this.blocks) throw corrupt("blocks of it are missing")
    this.drop(endBytes)
    this.isOver = true
    return { _tag: "End", end: { blocks, hash: bytes.toString("hex", 8, 40) } }
  }

  /** So many bytes in one piece, if they are here; they stay. */
  private peek(length: number): Buffer | undefined {
    if (this.have < length) return undefined
    const [first] = this.pieces
    if (first !== undefined && first.length >= length) return first.subarray(0, length)
    const all = Buffer.concat(this.pieces)
    this.pieces = [all]
    return all.subarray(0, length)
  }

  private drop(length: number): void {
    const rest = this.pieces[0]!.subarray(length)
    this.pieces = rest.length === 0 ? this.pieces.slice(1) : [rest, ...this.pieces.slice(1)]
    this.have -= length
  }
}

/** A whole frame, read at once. Its blocks are views of it. */
export const read = (frame: Buffer, accepted: Limits) => {
  const reader = new Reader(accepted)
  reader.push(frame)
  const blocks: Array<{ readonly block: Block; readonly at: number }> = []
  let head: Head | undefined
  let end: End | undefined
  for (let part = reader.next(); part !== undefined; part = reader.next()) {
    if (part._tag === "Head") head = part.head
    else if (part._tag === "Block") blocks.push(part)
    else end = part.end
  }
  reader.close()
  if (head === undefined || end === undefined) throw corrupt("it ends too early")
  return { head, blocks, end }
}

const sign = Buffer.from([0x4e, 0x48, 0x44, 0x45, version])

const checked = (bytes: Buffer, reason: string): void => {
  if (crc32(bytes.subarray(0, -4)) !== bytes.readUInt32LE(bytes.length - 4)) throw corrupt(reason)
}

const within = (what: string, claimed: number | bigint, limit: number): number => {
  const bytes = Number(claimed)
  if (bytes > limit) throw tooLarge(what, bytes, limit)
  return bytes
}
