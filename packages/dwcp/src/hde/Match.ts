/**
 * What a target has in common with its base: long runs of bytes, wherever they stand in the base.
 *
 * **Details**
 *
 * First the diagonal: pages that stand where they stood, compared at the speed of memory. Then, for what is left, the
 * anchors: places that the gear hash picks by their content, one in 128, looked up in an index of those of the base and
 * extended in both directions. A hash only proposes, bytes decide.
 *
 * Short runs are left alone on purpose. Each copy cuts the new bytes in two, and the compressor, which is given the bytes
 * of the base around them, says a short run in less.
 */
import * as Gear from "./Gear.ts"

/** `length` bytes from `at` of the target on are those from `from` of the base on. */
export interface Copy {
  readonly at: number
  readonly from: number
  readonly length: number
}

/** Bytes compared at once on the diagonal: a page of memory, a block of a file system. */
const pageBytes = 4096
/** The shortest copy on the diagonal: it says little more than its length. */
const shortestAligned = 512
/** The shortest copy from elsewhere. */
const shortestAnchored = 256
/** One place in `2 ** anchorBits` is an anchor. */
const anchorBits = 7
const anchorMask = Gear.highBits(anchorBits)

/** The copies of a diagonal: target at `i`, base at `i + shift`. In the order of the target. */
export const aligned = (target: Buffer, base: Buffer, shift: number): ReadonlyArray<Copy> => {
  const copies: Array<Copy> = []
  const begin = Math.max(0, -shift)
  const end = Math.min(target.length, base.length - shift)
  // The bytes before `free` are said; those from `open` on are alike so far.
  let free = begin
  let open = -1
  const close = (at: number): void => {
    if (at - open >= shortestAligned) {
      copies.push({ at: open, from: open + shift, length: at - open })
      free = at
    }
    open = -1
  }
  for (let page = begin; page < end; page += pageBytes) {
    const next = Math.min(end, page + pageBytes)
    if (base.compare(target, page, next, page + shift, next + shift) === 0) {
      if (open < 0) {
        open = page
        while (open > free && target[open - 1] === base[open - 1 + shift]) open--
      }
      continue
    }
    let i = page
    if (open >= 0) {
      while (target[i] === base[i + shift]) i++
      close(i)
    }
    // A run that is long enough has a byte at one of the probes: nothing else is looked at first.
    for (let probe = i + shortestAligned - 1; probe < next; probe += shortestAligned) {
      if (target[probe] !== base[probe + shift]) continue
      let first = probe
      while (first > i && target[first - 1] === base[first - 1 + shift]) first--
      let behind = probe + 1
      while (behind < next && target[behind] === base[behind + shift]) behind++
      open = first
      if (behind === next) break
      close(behind)
      i = behind
      probe = behind
    }
  }
  if (open >= 0) close(end)
  return copies
}

/** Where the anchors of a base are. */
export interface Index {
  readonly bits: number
  /** The position behind the window of an anchor, by its hash; 0 where there is none. Of several the last one. */
  readonly slots: Uint32Array
}

export const index = (base: Buffer): Index => {
  const { table } = Gear
  const bits = Math.min(24, Math.max(10, Math.ceil(Math.log2((base.length >>> (anchorBits - 1)) + 1))))
  const slots = new Uint32Array(2 ** bits)
  const end = base.length
  let hash = 0
  for (let i = 0; i < end;) {
    hash = ((hash << 1) + table[base[i++]!]!) | 0
    while ((hash & anchorMask) !== 0 && i < end) hash = ((hash << 1) + table[base[i++]!]!) | 0
    slots[Gear.slot(hash, bits)] = i
  }
  return { bits, slots }
}

/** The copies of `known`, and in the gaps between them those that the index leads to. In the order of the target. */
export const anchored = (
  target: Buffer,
  base: Buffer,
  index: Index,
  known: ReadonlyArray<Copy>
): ReadonlyArray<Copy> => {
  const copies: Array<Copy> = []
  let done = 0
  for (const copy of known) {
    search(copies, target, base, index, done, copy.at)
    copies.push(copy)
    done = copy.at + copy.length
  }
  search(copies, target, base, index, done, target.length)
  return copies
}

const search = (
  copies: Array<Copy>,
  target: Buffer,
  base: Buffer,
  { bits, slots }: Index,
  begin: number,
  end: number
): void => {
  const { table } = Gear
  let free = begin
  let hash = 0
  let i = begin
  while (i < end) {
    hash = ((hash << 1) + table[target[i++]!]!) | 0
    while ((hash & anchorMask) !== 0 && i < end) hash = ((hash << 1) + table[target[i++]!]!) | 0
    const near = slots[Gear.slot(hash, bits)]!
    if (near === 0 || target[i - 1] !== base[near - 1]) continue
    let at = i
    let from = near
    while (at > free && from > 0 && target[at - 1] === base[from - 1]) {
      at--
      from--
    }
    if (i - at < Gear.width / 2) continue
    let until = i
    let there = near
    while (until < end && there < base.length && target[until] === base[there]) {
      until++
      there++
    }
    if (until - at >= shortestAnchored) {
      copies.push({ at, from, length: until - at })
      free = until
    }
    i = until
    hash = 0
  }
}

/** How many bytes of a target of so many no copy says. */
export const missing = (copies: ReadonlyArray<Copy>, size: number): number =>
  copies.reduce((left, copy) => left - copy.length, size)
