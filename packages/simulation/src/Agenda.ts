/**
 * What is going to happen in virtual time: a fixed number of slots, each empty or holding one moment, and the earliest of
 * all at hand. Setting a slot again replaces its moment, so nothing is ever cancelled by searching.
 *
 * **Details**
 *
 * A tournament over typed arrays: each inner node of a binary tree holds the slot that comes first below it. Setting costs
 * the logarithm of the slots, looking costs nothing, and nothing is allocated. Among equal moments the smaller `turn`
 * comes first, then the smaller slot: whoever draws the turns decides how things interleave.
 */

/** A moment that never comes: the slot is empty. */
export const never = Infinity

/** Moments by slot. Make it with {@link make}; {@link set} changes it. */
export interface Agenda {
  /** Slots, rounded up to a power of two. */
  readonly size: number
  /** Milliseconds, by slot. */
  readonly atMs: Float64Array
  readonly turn: Int32Array
  /** The root is 1, the children of `k` are `2k` and `2k + 1`, the leaf of a slot is `size + slot`. */
  readonly winner: Int32Array
}

/** An agenda of so many slots, all of them empty. */
export const make = (slots: number): Agenda => {
  let size = 2
  while (size < slots) size *= 2
  const winner = new Int32Array(2 * size)
  for (let slot = 0; slot < size; slot++) winner[size + slot] = slot
  const agenda = { size, atMs: new Float64Array(size), turn: new Int32Array(size), winner }
  clear(agenda)
  return agenda
}

/** Empties all slots. */
export const clear = (self: Agenda): void => {
  self.atMs.fill(never)
  self.turn.fill(0)
  for (let node = self.size - 1; node > 0; node--) self.winner[node] = self.winner[2 * node]!
}

/** The slot that comes first; when all are empty, one that is {@link never} due. */
export const first = (self: Agenda): number => self.winner[1]!

/** When the first slot is due, in milliseconds. */
export const firstMs = (self: Agenda): number => self.atMs[self.winner[1]!]!

/** Puts a moment into a slot, or {@link never}. */
export const set = (self: Agenda, slot: number, atMs: number, turn = 0): void => {
  const { winner } = self
  self.atMs[slot] = atMs
  self.turn[slot] = turn
  for (let node = (self.size + slot) >> 1; node > 0; node >>= 1) {
    const left = winner[2 * node]!
    const right = winner[2 * node + 1]!
    winner[node] = precedes(self, right, left) ? right : left
  }
}

const precedes = (self: Agenda, a: number, b: number): boolean =>
  self.atMs[a]! < self.atMs[b]! || (self.atMs[a] === self.atMs[b] && self.turn[a]! < self.turn[b]!)
