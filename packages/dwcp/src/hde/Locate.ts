/**
 * Where in a large base the bytes of a piece of the target probably are, by a coarse index of all of the base.
 *
 * **Details**
 *
 * One place in 4096 is an anchor, picked by the gear hash; a base of more than 2 GiB has fewer, so that the index stays
 * within 12 MiB. The index is in shared memory: it is made once and used by all threads.
 */
import * as Gear from "./Gear.ts"
import * as Source from "./Source.ts"

export interface Coarse {
  /** One place in `2 ** anchorBits` is an anchor. */
  readonly anchorBits: number
  /** Hashes of anchors, and behind which byte of the base they are; 0 where there is none. */
  readonly hashes: Uint32Array
  readonly places: Float64Array
}

const slotBits = 20

/** Reads all of the base once. */
export const scan = (base: Source.Source): Coarse => {
  const anchorBits = Math.max(12, Math.ceil(Math.log2((base.size + 1) / 2 ** (slotBits - 1))))
  const hashes = new Uint32Array(new SharedArrayBuffer(4 * 2 ** slotBits))
  const places = new Float64Array(new SharedArrayBuffer(8 * 2 ** slotBits))
  Source.each(base, (piece, at) => {
    for (let i = anchor(piece, 0, anchorBits); i > 0; i = anchor(piece, i, anchorBits)) {
      const named = name(piece, i)
      const slot = Gear.slot(named, slotBits)
      hashes[slot] = named
      places[slot] = at + i
    }
  })
  return { anchorBits, hashes, places }
}

/** Behind which byte the next anchor is, if one comes; 0 if none does. The first bytes of a piece have none. */
const anchor = (piece: Buffer, from: number, anchorBits: number): number => {
  const { table } = Gear
  const mask = Gear.highBits(anchorBits)
  const end = piece.length
  let hash = 0
  let i = Math.max(0, from - Gear.width)
  for (const warm = Math.min(end, i + Gear.width); i < warm;) hash = ((hash << 1) + table[piece[i++]!]!) | 0
  while (i < end) {
    hash = ((hash << 1) + table[piece[i++]!]!) | 0
    if ((hash & mask) === 0) return i
  }
  return 0
}

/** The bytes of an anchor by another hash: half of the bits of the one that picked it are the same for all. FNV-1a. */
const name = (bytes: Buffer, end: number): number => {
  let hash = 0x811c9dc5
  for (let i = end - Gear.width; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash >>> 0
}

export interface Region {
  readonly offset: number
  readonly length: number
}

export interface Located {
  /** In the order of the base, apart from each other, together at most `limit` bytes. */
  readonly regions: ReadonlyArray<Region>
  /** What most anchors say: byte `i` of the target is byte `i + shift` of the base. */
  readonly shift: number
}

/** Looks up the piece of the target that begins at `at`. */
export const locate = (
  piece: Buffer,
  at: number,
  { anchorBits, hashes, places }: Coarse,
  baseSize: number,
  limit: number
): Located => {
  const shifts = new Map<number, number>()
  const granules = new Map<number, number>()
  for (let i = anchor(piece, 0, anchorBits); i > 0; i = anchor(piece, i, anchorBits)) {
    const named = name(piece, i)
    const slot = Gear.slot(named, slotBits)
    const place = places[slot]!
    if (place === 0 || hashes[slot] !== named) continue
    more(shifts, place - (at + i))
    more(granules, Math.floor((place - 1) / granuleBytes))
  }
  const [shift] = most(shifts)[0] ?? [0, 0]
  // What the anchors agree on first, then the rest by the number of anchors there, with their neighbours.
  const wanted = new Set<number>()
  const room = Math.floor(limit / granuleBytes)
  const last = Math.floor((baseSize - 1) / granuleBytes)
  const want = (granule: number): void => {
    if (granule >= 0 && granule <= last && wanted.size < room) wanted.add(granule)
  }
  const first = Math.floor((at + shift) / granuleBytes)
  const behind = Math.floor((at + piece.length + shift) / granuleBytes)
  for (let granule = first; granule <= behind; granule++) want(granule)
  for (const [granule, count] of most(granules)) {
    want(granule)
    if (count > 1) for (const near of [granule + 1, granule - 1]) want(near)
  }
  // What lies between two of them is probably of the same piece, and only has no anchors.
  const chosen = [...wanted].toSorted((a, b) => a - b)
  for (const [i, granule] of chosen.entries()) {
    const next = chosen[i + 1] ?? granule
    if (next - granule <= holes) for (let hole = granule + 1; hole < next; hole++) want(hole)
  }
  return { regions: merged(wanted, baseSize), shift }
}

/** The most granules without an anchor between two that belong together. */
const holes = 4

const granuleBytes = 2 ** 16

const more = (counts: Map<number, number>, key: number): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const most = (counts: Map<number, number>): ReadonlyArray<readonly [key: number, count: number]> =>
  [...counts].toSorted(([a, m], [b, n]) => n - m || a - b)

const merged = (granules: ReadonlySet<number>, baseSize: number): ReadonlyArray<Region> => {
  const regions: Array<{ offset: number; length: number }> = []
  for (const granule of [...granules].toSorted((a, b) => a - b)) {
    const offset = granule * granuleBytes
    const length = Math.min(granuleBytes, baseSize - offset)
    const before = regions.at(-1)
    if (before !== undefined && before.offset + before.length === offset) before.length += length
    else regions.push({ offset, length })
  }
  return regions
}
