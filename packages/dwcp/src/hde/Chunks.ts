/**
 * Content cut into chunks by what it says, so that an insertion moves the edges beside it and no others; each chunk has
 * the SHA-256 of its bytes for an address.
 *
 * **Details**
 *
 * FastCDC over the gear hash: chunks of 16 KiB to 256 KiB, 64 KiB most of the time. Up to there an edge is harder to find
 * than beyond it, which draws the sizes together. What two nodes have in common follows from comparing addresses, without
 * a byte of the content.
 */
import { createHash } from "node:crypto"
import * as Gear from "./Gear.ts"
import * as Source from "./Source.ts"

export interface Chunk {
  readonly at: number
  readonly length: number
  /** SHA-256, in hex. */
  readonly hash: string
}

export const sizes = { least: 2 ** 14, usual: 2 ** 16, most: 2 ** 18 }

const hard = Gear.highBits(17)
const easy = Gear.highBits(15)

/** The end of the chunk that begins at `from`: an edge, or `until`. Looks at no more than `sizes.most` bytes. */
const edge = (bytes: Uint8Array, from: number, until: number): number => {
  const { table } = Gear
  const end = Math.min(until, from + sizes.most)
  const usual = Math.min(end, from + sizes.usual)
  let hash = 0
  let i = Math.min(end, from + sizes.least)
  for (; i < usual; i++) {
    hash = ((hash << 1) + table[bytes[i]!]!) | 0
    if ((hash & hard) === 0) return i + 1
  }
  for (; i < end; i++) {
    hash = ((hash << 1) + table[bytes[i]!]!) | 0
    if ((hash & easy) === 0) return i + 1
  }
  return end
}

const named = (bytes: Uint8Array, at: number): Chunk => ({
  at,
  length: bytes.length,
  hash: createHash("sha256").update(bytes).digest("hex")
})

/** All chunks of some bytes. */
export const cut = (bytes: Uint8Array): ReadonlyArray<Chunk> => {
  const chunks: Array<Chunk> = []
  for (let at = 0; at < bytes.length;) {
    const end = edge(bytes, at, bytes.length)
    chunks.push(named(bytes.subarray(at, end), at))
    at = end
  }
  return chunks
}

/** The same of a source of any size, in little memory. */
export const cutSource = (source: Source.Source): ReadonlyArray<Chunk> => {
  const chunks: Array<Chunk> = []
  let rest: Buffer = Buffer.alloc(0)
  let at = 0
  Source.each(source, (piece, pieceAt) => {
    const bytes = Buffer.concat([rest, piece])
    const isLast = pieceAt + piece.length === source.size
    let from = 0
    // A chunk may be as long as `most`: with fewer bytes an edge is only sure at the end.
    while (bytes.length - from >= sizes.most || (isLast && from < bytes.length)) {
      const end = edge(bytes, from, bytes.length)
      chunks.push(named(bytes.subarray(from, end), at))
      at += end - from
      from = end
    }
    rest = Buffer.from(bytes.subarray(from))
  })
  return chunks
}

/** The addresses of which a node lacks the content, each once, in order. What it has to be sent. */
export const lacking = (chunks: ReadonlyArray<Chunk>, has: (hash: string) => boolean): ReadonlyArray<Chunk> => {
  const seen = new Set<string>()
  return chunks.filter(({ hash }) => {
    if (seen.has(hash) || has(hash)) return false
    seen.add(hash)
    return true
  })
}

/** A few addresses that stand for the content: the smallest ones. Alike content has many of them in common. */
export const sketch = (chunks: ReadonlyArray<Chunk>, size = 64): ReadonlyArray<string> =>
  [...new Set(chunks.map(({ hash }) => hash.slice(0, 16)))].toSorted().slice(0, size)

/** How much two sketches are alike, 0 to 1: the part of the smallest addresses of both that both have. */
export const likeness = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  if (a.length === 0 || b.length === 0) return 0
  const size = Math.min(Math.max(a.length, b.length), 64)
  const joined = [...new Set([...a, ...b])].toSorted().slice(0, size)
  const inA = new Set(a)
  const inB = new Set(b)
  return joined.filter((hash) => inA.has(hash) && inB.has(hash)).length / joined.length
}
