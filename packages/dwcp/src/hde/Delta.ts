/**
 * A difference: how a target is made out of its base and of what is new in it.
 *
 * **Details**
 *
 * The new bytes are compressed by zstd with a dictionary: the bytes of the base around which the copies stand. Nobody
 * sends it. It follows from the copies, by a rule that is part of the format: what lies in the base between two copies, or
 * beside them where they do not follow each other, and a margin.
 *
 * The layout, numbers as varints: `count`, the size of the three rows, how they are stored and in how many bytes, the
 * rows (new bytes before each copy and after the last one, lengths of the copies, changes of shift); the number of new
 * bytes, how they are stored, and they themselves to the end.
 */
import { Reader, unzigzag, varints, zigzag } from "./Bytes.ts"
import * as Codec from "./Codec.ts"
import { corrupt } from "./Refused.ts"
import * as Match from "./Match.ts"
import { room, type Space, space } from "./Source.ts"

export interface Encoded {
  readonly bytes: Buffer
  /** What no copy said. */
  readonly fresh: number
  /** Whether the diagonal was enough. */
  readonly isAligned: boolean
}

/** What the diagonal leaves is looked up elsewhere in the base when it is at least this part of the target. */
export interface Effort {
  readonly elsewhereFrom: number
}

/** Encodes a target against a base, first along a diagonal. Takes all the time it needs: belongs into a thread. */
export const encode = (target: Buffer, base: Buffer, shift: number, effort: Effort): Encoded => {
  const straight = Match.aligned(target, base, shift)
  const left = Match.missing(straight, target.length)
  const isAligned = left === 0 || left < target.length * effort.elsewhereFrom
  const copies = isAligned ? straight : Match.anchored(target, base, Match.index(base), straight)
  return { ...pack(target, base, copies), isAligned }
}

const pack = (target: Buffer, base: Buffer, copies: ReadonlyArray<Match.Copy>): Omit<Encoded, "isAligned"> => {
  const before: Array<number> = []
  const lengths: Array<number> = []
  const shifts: Array<number> = []
  const parts: Array<Buffer> = []
  let at = 0
  let shift = 0
  for (const copy of copies) {
    before.push(copy.at - at)
    lengths.push(copy.length)
    shifts.push(zigzag(copy.from - copy.at - shift))
    if (copy.at > at) parts.push(target.subarray(at, copy.at))
    at = copy.at + copy.length
    shift = copy.from - copy.at
  }
  before.push(target.length - at)
  parts.push(target.subarray(at))

  const rows = varints([...before, ...lengths, ...shifts])
  const rowsStored = smaller(rows, Codec.compressSync(rows, { algorithm: "zstd", level: 5 }))
  const fresh = gathered(freshSpace, parts)
  const freshStored =
    fresh.length === 0
      ? fresh
      : smaller(fresh, Codec.compressWith(fresh, dictionary(base, target.length, copies), levelFor(fresh.length)))
  const head = varints([copies.length, rows.length, rowsStored === rows ? 0 : 1, rowsStored.length])
  const middle = varints([fresh.length, freshStored === fresh ? 0 : 1])
  return { bytes: Buffer.concat([head, rowsStored, middle, freshStored]), fresh: fresh.length }
}

/** Few new bytes are worth more effort than many: it is over soon. */
const levelFor = (fresh: number): number => (fresh < 3 * 2 ** 18 ? 5 : 1)

const smaller = (plain: Buffer, packed: Buffer): Buffer => (packed.length < plain.length ? packed : plain)

/** What {@link encode} made, as the target again. Throws `HdeCorrupt`; allocates no more than `size` announces. */
export const decode = (bytes: Buffer, base: Buffer, size: number): Buffer => {
  const reader = new Reader(bytes)
  const count = reader.varint()
  const rowsSize = reader.varint()
  if (count * leastCopy > size || rowsSize > 3 * 8 * (count + 1)) throw corrupt("a difference has too many copies")
  const rowsPacked = reader.varint()
  const rows = new Reader(Codec.expandSync(reader.take(reader.varint()), rowsPacked === 0 ? "none" : "zstd", rowsSize))
  const before = Array.from({ length: count + 1 }, () => rows.varint())
  const lengths = Array.from({ length: count }, () => rows.varint())
  const copies: Array<Match.Copy> = []
  let at = 0
  let shift = 0
  for (let i = 0; i < count; i++) {
    at += before[i]!
    shift += unzigzag(rows.varint())
    const length = lengths[i]!
    const copy = { at, from: at + shift, length }
    if (length < leastCopy || copy.from < 0 || copy.from + length > base.length || at + length > size) throw outside
    copies.push(copy)
    at += length
  }
  const freshSize = reader.varint()
  if (at + before[count]! !== size || freshSize !== Match.missing(copies, size) || rows.left > 0) throw outside
  const freshPacked = reader.varint()
  const stored = reader.take(reader.left)
  const fresh =
    freshPacked === 0
      ? Codec.expandSync(stored, "none", freshSize)
      : Codec.expandWith(stored, dictionary(base, size, copies), freshSize)

  const target = Buffer.allocUnsafe(size)
  let used = 0
  let end = 0
  for (const copy of copies) {
    used += fresh.copy(target, end, used, used + copy.at - end)
    base.copy(target, copy.at, copy.from, copy.from + copy.length)
    end = copy.at + copy.length
  }
  fresh.copy(target, end, used)
  return target
}

const outside = corrupt("a difference points outside of its base")

/** The bytes of the base that the new ones are probably like, in the order of the base. A part of the format. */
const dictionary = (base: Buffer, size: number, copies: ReadonlyArray<Match.Copy>): Buffer => {
  const ranges: Array<readonly [begin: number, end: number]> = []
  const near = (begin: number, end: number): void => {
    const first = Math.max(0, begin - margin)
    const behind = Math.min(base.length, end + margin)
    if (behind > first) ranges.push([first, behind])
  }
  let at = 0
  let from = 0
  const gap = (length: number, next: number | undefined): void => {
    if (length === 0) return
    const between = next === undefined ? -1 : next - from
    if (next !== undefined && between >= 0 && between <= 4 * length + 256) near(from, next)
    else {
      near(from, from + length)
      if (next !== undefined) near(next - length, next)
    }
  }
  for (const copy of copies) {
    gap(copy.at - at, copy.from)
    at = copy.at + copy.length
    from = copy.from + copy.length
  }
  gap(size - at, undefined)

  ranges.sort(([a], [b]) => a - b)
  const parts: Array<Buffer> = [lead]
  let end = 0
  for (const [begin, behind] of ranges) {
    if (behind > end) parts.push(base.subarray(Math.max(begin, end), behind))
    end = Math.max(end, behind)
  }
  return gathered(dictionarySpace, parts)
}

/** Parts one behind the other, in memory that is used again: fresh memory costs more than the copy into it. */
const gathered = (space: Space, parts: ReadonlyArray<Buffer>): Buffer => {
  const all = room(
    space,
    parts.reduce((sum, { length }) => sum + length, 0)
  )
  let at = 0
  for (const part of parts) at += part.copy(all, at)
  return all
}

const freshSpace = space()
const dictionarySpace = space()

/** No copy is shorter, or the list of them could be larger than what they make. A part of the format. */
const leastCopy = 64

/** Bytes on both sides of a gap. */
const margin = 1024

/** A dictionary that began like one of zstd's own would be taken for one. */
const lead = Buffer.alloc(8)
