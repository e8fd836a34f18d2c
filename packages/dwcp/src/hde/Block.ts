/**
 * One block: a piece of the content, encoded so that it can be read without the others. What a thread does.
 *
 * **Details**
 *
 * A difference begins with the parts of the base that it is made from (`count`, then offset and length of each), so that
 * whoever reads it needs these and not all of the base. They are found by trial: first where the piece before this one
 * was found; then, if that explains too little, by the coarse index of the base. A difference that is not smaller than the
 * block compressed by itself is not used.
 */
import { Reader, varints } from "./Bytes.ts"
import * as Codec from "./Codec.ts"
import * as Delta from "./Delta.ts"
import { corrupt, tooLarge } from "./Refused.ts"
import type { Kind } from "./Frame.ts"
import * as Locate from "./Locate.ts"
import * as Match from "./Match.ts"
import * as Probe from "./Probe.ts"
import * as Source from "./Source.ts"

/** Content up to this size is one block. */
const soloBytes = 2 ** 24
/** Larger content is cut into blocks of this size. */
export const pieceBytes = 2 ** 23
/** The part of a base that a block may be made from. */
export const shareBytes = 2 ** 25

/** How large the blocks of so much content are. */
export const sizeFor = (size: number): number => (size <= soloBytes ? soloBytes : pieceBytes)

export interface Task {
  readonly target: Source.Source
  readonly at: number
  readonly length: number
  readonly choice: Codec.Choice
  readonly against: Against | undefined
}

export interface Against {
  readonly base: Source.Source
  /** Where the last piece was found: its byte `i` was byte `i + shift` of the base. */
  readonly shift: number
  readonly coarse: Locate.Coarse | undefined
}

export interface Encoded {
  readonly _tag: "Encoded"
  readonly kind: Kind
  readonly stored: Uint8Array<ArrayBuffer>
  readonly shift: number
  /** How a difference was found; `none` when there is no difference. */
  readonly found: "none" | "aligned" | "longRange"
}

export type Answer =
  | Encoded
  /** The piece is not where it was expected, and there is no coarse index yet. */
  | { readonly _tag: "NeedsCoarse" }

export const encode = (task: Task): Answer =>
  Source.using(task.target, (open) => {
    const piece = open.read(task.at, task.length, pieceSpace)
    const { against, choice } = task
    return against === undefined || against.base.size === 0 ? plain(piece, choice) : delta(piece, task, against)
  })

const plain = (piece: Buffer, choice: Codec.Choice): Encoded => {
  const stored = Codec.compressSync(piece, choice)
  const isSmaller = stored.length < piece.length
  return {
    _tag: "Encoded",
    kind: isSmaller ? choice.algorithm : "none",
    stored: isSmaller ? owned(stored) : new Uint8Array(piece),
    shift: 0,
    found: "none"
  }
}

const delta = (piece: Buffer, task: Task, against: Against): Answer => {
  const where = place(piece, task.at, against)
  if (where === undefined) return { _tag: "NeedsCoarse" }
  const { base, regions, shift } = where
  const within = task.at + shift - lead(regions, task.at + shift)
  // To look at all of a large base for little is not worth it; the pieces of a small one are moved more often.
  const difference = Delta.encode(piece, base, within, { elsewhereFrom: task.target.size <= soloBytes ? 0 : 1 / 64 })
  const stored = Buffer.concat([
    varints([regions.length, ...regions.flatMap(({ length, offset }) => [offset, length])]),
    difference.bytes
  ])
  // Only when a sample says that it could be smaller alone is all of it tried.
  const alone = () => piece.length / Probe.ratioOf(Probe.sample(piece), task.choice)
  if (difference.fresh * 2 > piece.length && stored.length > clearly * alone()) {
    const whole = plain(piece, task.choice)
    if (whole.stored.length <= stored.length) return { ...whole, shift }
  }
  if (stored.length >= piece.length) return { ...plain(piece, task.choice), shift }
  const found = difference.isAligned ? "aligned" : "longRange"
  return { _tag: "Encoded", kind: "delta", stored: owned(stored), shift, found }
}

/** A difference of so much of what a sample promises is not doubted: samples are never that far off. */
const clearly = 0.6

interface Place extends Locate.Located {
  /** The bytes of the regions, one behind the other. */
  readonly base: Buffer
}

/** The parts of the base to look at; `undefined` when only the coarse index could tell. */
const place = (piece: Buffer, at: number, { base, coarse, shift }: Against): Place | undefined =>
  Source.using(base, (open) => {
    const located = (regions: ReadonlyArray<Locate.Region>, shift: number): Place => ({
      base: view(open, regions),
      regions,
      shift
    })
    if (base.size <= shareBytes) return located([{ offset: 0, length: base.size }], shift)
    const offset = Math.min(base.size, Math.max(0, at + shift - beside))
    const length = Math.max(0, Math.min(base.size, at + shift + piece.length + beside) - offset)
    if (length > 0) {
      const expected = located([{ offset, length }], shift)
      const left = Match.missing(Match.aligned(piece, expected.base, at + shift - offset), piece.length)
      if (left * 8 <= piece.length) return expected
    }
    if (coarse === undefined) return undefined
    const found = Locate.locate(piece, at, coarse, base.size, shareBytes)
    return located(found.regions, found.shift)
  })

/** Bytes on both sides of where a piece is expected. */
const beside = 2 ** 16

/** How much earlier than in the base a position is in the view of these regions. */
const lead = (regions: ReadonlyArray<Locate.Region>, position: number): number => {
  let before = 0
  let lead = 0
  for (const region of regions) {
    lead = region.offset - before
    if (position < region.offset + region.length) break
    before += region.length
  }
  return lead
}

/** The regions of a source, one behind the other. */
const view = (open: Source.Open, regions: ReadonlyArray<Locate.Region>): Buffer => {
  const [only] = regions
  if (only !== undefined && regions.length === 1) return open.read(only.offset, only.length, baseSpace)
  const all = Source.room(
    baseSpace,
    regions.reduce((sum, { length }) => sum + length, 0)
  )
  let at = 0
  for (const { length, offset } of regions) at += open.read(offset, length, regionSpace).copy(all, at)
  return all
}

/** A thread does one thing at a time: what it reads, it reads to where it read before. */
const pieceSpace = Source.space()
const baseSpace = Source.space()
const regionSpace = Source.space()

/** To hand a block over to another thread its memory must be its own. */
export const owned = (bytes: Buffer): Uint8Array<ArrayBuffer> => {
  const { buffer } = bytes
  return buffer instanceof ArrayBuffer && bytes.length === buffer.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes)
}

// ------------------------------------------------------------------------------------------------------------ decoding

export interface Stored {
  readonly kind: Kind
  readonly size: number
  readonly stored: Uint8Array
  readonly base: Source.Source | undefined
  /** The head's limit. */
  readonly baseLimit: number
}

export const decode = ({ base, baseLimit, kind, size, stored }: Stored): Buffer => {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length)
  if (kind !== "delta") return Codec.expandSync(bytes, kind, size)
  if (base === undefined) throw corrupt("a difference names no baseline")
  const reader = new Reader(bytes)
  const count = reader.varint()
  if (count > bytes.length) throw corrupt("a difference has too many parts")
  const regions: Array<Locate.Region> = []
  let sum = 0
  for (let i = 0; i < count; i++) {
    const offset = reader.varint()
    const length = reader.varint()
    if (offset + length > base.size) throw corrupt("a difference points outside of its base")
    sum += length
    if (sum > baseLimit) throw tooLarge("A share of the baseline", sum, baseLimit)
    regions.push({ offset, length })
  }
  const share = Source.using(base, (open) => view(open, regions))
  return Delta.decode(reader.take(reader.left), share, size)
}
