/**
 * A queue of moments, earliest first: what a boot waits for besides its components. A binary heap over parallel arrays,
 * because a boot sets a timer for each attempt and seldom sees one fire.
 *
 * **Gotchas**
 *
 * Equal moments leave in the order in which they came: a simulation must be repeatable.
 */

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
  if (atMs === Infinity) return
  const entry: Entry = { atMs, kind, subject, stamp, seq: self.seq++ }
  const heap = self.heap
  let i = heap.length
  heap.push(entry)
  while (i > 0) {
    const up = (i - 1) >> 1
    const parent = heap[up]!
    if (!before(entry, parent)) break
    heap[i] = parent
    i = up
  }
  heap[i] = entry
}

/** Takes the earliest timer away. */
export const pop = (self: Timers): Timer | undefined => {
  const heap = self.heap
  const top = heap[0]
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return top
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, last)) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = last
  return top
}

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq)
