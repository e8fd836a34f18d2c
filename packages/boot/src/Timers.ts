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

/** A heap of timers, and those that were set since it was last looked at. It changes in place. */
export interface Timers {
  readonly heap: Array<Entry>
  /** Four numbers each: moment, kind, subject, stamp. */
  readonly fresh: Array<number>
  /** No fresh one comes before this moment. */
  freshMs: number
  seq: number
}

/** An empty queue. */
export const make = (): Timers => ({ heap: [], fresh: [], freshMs: Infinity, seq: 0 })

/** An independent copy. */
export const copy = (self: Timers): Timers => ({
  ...self,
  heap: self.heap.slice(),
  fresh: self.fresh.slice()
})

/** Adds a timer. An infinite moment never comes and is not kept. */
export const push = (self: Timers, atMs: number, kind: number, subject: number, stamp: number): void => {
  if (atMs === Infinity) return
  self.fresh.push(atMs, kind, subject, stamp)
  if (atMs < self.freshMs) self.freshMs = atMs
}

/**
 * The earliest timer that counts; it stays. Most attempts end before their deadline is anywhere near, and their timers
 * never reach the heap: that is why setting one and queueing it are two steps.
 */
export const peek = <Owner>(self: Timers, owner: Owner, counts: Counts<Owner>): Timer | undefined => {
  const { heap } = self
  for (;;) {
    const top = heap[0]
    if (top !== undefined && !counts(owner, top.kind, top.subject, top.stamp)) Heap.pop(heap, before)
    else if (self.freshMs === Infinity || (top !== undefined && top.atMs <= self.freshMs)) return top
    else queueFresh(self, owner, counts)
  }
}

/** Whether a timer still counts for its owner. */
export type Counts<Owner> = (owner: Owner, kind: number, subject: number, stamp: number) => boolean

const queueFresh = <Owner>(self: Timers, owner: Owner, counts: Counts<Owner>): void => {
  const { fresh, heap } = self
  for (let k = 0; k < fresh.length; k += 4) {
    const kind = fresh[k + 1]!
    const subject = fresh[k + 2]!
    const stamp = fresh[k + 3]!
    if (!counts(owner, kind, subject, stamp)) continue
    Heap.push(heap, before, { atMs: fresh[k]!, kind, subject, stamp, seq: self.seq++ })
  }
  Heap.clear(fresh)
  self.freshMs = Infinity
}

/** Takes the earliest timer away. */
export const pop = (self: Timers): Timer | undefined => Heap.pop(self.heap, before)

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq)
