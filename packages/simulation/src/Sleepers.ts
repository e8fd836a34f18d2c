/**
 * Those who sleep in virtual time, the next one first; equal moments in the order in which they went to sleep. Whoever
 * is woken early leaves at once, wherever in the queue it is, and keeps neither memory nor time.
 */

/** One who sleeps, until `atMs`. `slot` is its place in the heap, -1 when it is not there. */
export interface Sleeper {
  readonly atMs: number
  readonly seq: number
  slot: number
  wake: () => void
}

/** A queue of sleepers: a binary heap in which each knows its place. */
export interface Sleepers {
  readonly heap: Array<Sleeper>
  seq: number
}

/** Nobody sleeps. */
export const make = (): Sleepers => ({ heap: [], seq: 0 })

/** Who wakes next. */
export const first = (self: Sleepers): Sleeper | undefined => self.heap[0]

/** Somebody goes to sleep. */
export const add = (self: Sleepers, atMs: number, wake: () => void): Sleeper => {
  const sleeper: Sleeper = { atMs, seq: self.seq++, slot: -1, wake }
  self.heap.push(sleeper)
  rise(self.heap, sleeper, self.heap.length - 1)
  return sleeper
}

/** Somebody leaves; who has left already is nobody. */
export const remove = (self: Sleepers, sleeper: Sleeper): void => {
  const { slot } = sleeper
  if (slot < 0) return
  sleeper.slot = -1
  const last = self.heap.pop()
  if (last === undefined || last === sleeper) return
  sink(self.heap, last, slot)
  if (last.slot === slot) rise(self.heap, last, slot)
}

/**
 * The moment at which a sleep ends, in milliseconds. Clocks tell whole nanoseconds: nobody is woken before the clock
 * shows the time that was asked for, and nobody at the time at which it went to sleep.
 */
export const endMs = (nowMs: number, ms: number): number =>
  Math.max(Math.ceil((nowMs + ms) * 1e6 - rounding), Math.floor(nowMs * 1e6 + rounding) + 1) / 1e6

/** What is lost when milliseconds are added up, in nanoseconds. */
const rounding = 1e-3

const rise = (heap: Array<Sleeper>, sleeper: Sleeper, from: number): void => {
  let slot = from
  while (slot > 0) {
    const parent = heap[(slot - 1) >> 1]!
    if (!isBefore(sleeper, parent)) break
    put(heap, parent, slot)
    slot = (slot - 1) >> 1
  }
  put(heap, sleeper, slot)
}

const sink = (heap: Array<Sleeper>, sleeper: Sleeper, from: number): void => {
  let slot = from
  for (;;) {
    let child = 2 * slot + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, sleeper)) break
    put(heap, heap[child]!, slot)
    slot = child
  }
  put(heap, sleeper, slot)
}

const put = (heap: Array<Sleeper>, sleeper: Sleeper, slot: number): void => {
  heap[slot] = sleeper
  sleeper.slot = slot
}

const isBefore = (a: Sleeper, b: Sleeper): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq)
