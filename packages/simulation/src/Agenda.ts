/**
 * What is going to happen in virtual time: a fixed number of slots, each empty or holding one moment, and the earliest
 * of all at hand. Setting a slot again replaces its moment, so nothing is ever cancelled by searching.
 *
 * **Details**
 *
 * The moments lie side by side in no order, and the first one is found by looking at all. That is faster than a heap
 * or a tree while there are some dozens of them, and a boot seldom waits for more. Among equal moments the smaller
 * `turn` comes first, then the smaller slot: whoever draws the turns decides how things interleave. Moments are whole
 * milliseconds from 0 to below 2^31 and turns whole numbers from -2^20 to below 2^20, so that one number holds both
 * exactly, and one comparison says which of two comes first.
 */

/** A moment that never comes. */
export const never = Infinity

/** How many turns there are at one moment. */
const turns = 2 ** 21

/** Moments by slot. Make it with {@link make}; {@link set} changes it. */
export interface Agenda {
  /** How many slots hold a moment; the lists count for so many of their items. */
  count: number
  /** Moment and turn in one. */
  readonly key: Float64Array
  readonly slot: Int32Array
  /** Where each slot's moment lies in the lists; -1 when the slot is empty. */
  readonly place: Int32Array
}

/** An agenda of so many slots, all of them empty. */
export const make = (slots: number): Agenda => ({
  count: 0,
  key: new Float64Array(slots),
  slot: new Int32Array(slots),
  place: new Int32Array(slots).fill(-1)
})

/** Empties all slots. */
export const clear = (self: Agenda): void => {
  self.count = 0
  self.place.fill(-1)
}

/** The slot that comes first; -1 when all are empty. */
export const first = (self: Agenda): number => {
  const { count, key, slot } = self
  if (count === 0) return -1
  let least = 0
  let leastKey = key[0]!
  for (let at = 1; at < count; at++) {
    const other = key[at]!
    if (other > leastKey || (other === leastKey && slot[at]! > slot[least]!)) continue
    least = at
    leastKey = other
  }
  return slot[least]!
}

/** When a slot is due, in milliseconds; {@link never} when it is empty. */
export const dueMs = (self: Agenda, slot: number): number => {
  const at = slot < 0 ? -1 : self.place[slot]!
  return at < 0 ? never : Math.floor(self.key[at]! / turns)
}

/** Puts a moment into a slot. */
export const set = (self: Agenda, slot: number, atMs: number, turn = 0): void => {
  let at = self.place[slot]!
  if (at < 0) {
    at = self.count++
    self.place[slot] = at
    self.slot[at] = slot
  }
  self.key[at] = atMs * turns + (turn + turns / 2)
}

/** Takes the moment out of a slot, if there is one. */
export const empty = (self: Agenda, slot: number): void => {
  const at = self.place[slot]!
  if (at < 0) return
  const last = --self.count
  const moved = self.slot[last]!
  self.key[at] = self.key[last]!
  self.slot[at] = moved
  self.place[moved] = at
  self.place[slot] = -1
}
