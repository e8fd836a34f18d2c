/**
 * A queue of moments, earliest first: what a boot waits for besides its components. A boot sets a timer for each attempt and
 * seldom sees one fire.
 *
 * **Gotchas**
 *
 * Equal moments leave in the order in which they came: a simulation must be repeatable.
 */
import * as Heap from "./Heap.ts"

/** One moment: `kind` and `subject` are the owner's, `stamp` lets it recognise a timer that no longer counts. */
export interface Timer {
  readonly atMs: number
  readonly kind: number
  readonly subject: number
  readonly stamp: number
}

interface Entry extends Timer {
  readonly seq: number
}

/** A heap of timers. It changes in place. */
export interface Timers {
  readonly heap: Array<Entry>
  seq: number
}

/** An empty queue. */
export const make = (): Timers => ({ heap: [], seq: 0 })

/** An independent copy. */
export const copy = (self: Timers): Timers => ({ heap: self.heap.slice(), seq: self.seq })

/** The earliest timer, which stays. */
export const peek = (self: Timers): Timer | undefined => self.heap[0]

/** Adds a timer. An infinite moment never comes and is not kept. */
export const push = (self: Timers, atMs: number, kind: number, subject: number, stamp: number): void => {
  if (atMs !== Infinity) Heap.push(self.heap, before, { atMs, kind, subject, stamp, seq: self.seq++ })
}

/** Takes the earliest timer away. */
export const pop = (self: Timers): Timer | undefined => Heap.pop(self.heap, before)

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq)
