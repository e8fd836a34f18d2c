/**
 * What stays when the tiers of the cache change places: the counts, who listens, and which values in Redis are out of date
 * because they were changed while it could not be told.
 */
import { Effect, Queue, Stream } from "effect"
import type { Invalidation } from "./Cache.ts"

export interface Ledger {
  readonly counts: { hits: number; misses: number; evictions: number; errors: number }
  readonly owed: Owed
  readonly tell: (invalidation: Invalidation) => void
  readonly invalidations: Stream.Stream<Invalidation>
}

/** Values in Redis that are out of date, by key; beyond a capacity nobody knows which, and it is all of them. */
export type Debt = { readonly _tag: "Keys"; readonly keys: ReadonlyArray<string> } | { readonly _tag: "Everything" }

export interface Owed {
  readonly add: (debt: string | Debt) => void
  readonly has: (key: string) => boolean
  /** One key is settled. */
  readonly drop: (key: string) => void
  /** All that is owed, to be settled; whoever cannot puts it back. */
  readonly take: () => Debt
  /** One more than the capacity stands for everything. */
  readonly size: () => number
}

/** How many keys are remembered one by one. */
const capacity = 10_000

/** How many invalidations are kept for a listener that is slow. */
const slack = 256

export const make = (): Ledger => {
  const listeners = new Set<(invalidation: Invalidation) => void>()
  return {
    counts: { hits: 0, misses: 0, evictions: 0, errors: 0 },
    owed: owing(capacity),
    tell: (invalidation) => listeners.forEach((listener) => listener(invalidation)),
    invalidations: Stream.callback<Invalidation>(
      (queue) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const listener = (invalidation: Invalidation) => void Queue.offerUnsafe(queue, invalidation)
            listeners.add(listener)
            return listener
          }),
          (listener) => Effect.sync(() => listeners.delete(listener))
        ),
      { bufferSize: slack, strategy: "sliding" }
    )
  }
}

/** Keeps count of what is owed, up to so many keys. */
export const owing = (capacity: number): Owed => {
  const keys = new Set<string>()
  let isEverything = false
  const addAll = (more: Iterable<string>): void => {
    if (isEverything) return
    for (const key of more) keys.add(key)
    if (keys.size > capacity) everything()
  }
  const everything = (): void => {
    keys.clear()
    isEverything = true
  }
  return {
    add: (debt) => {
      if (typeof debt === "string") addAll([debt])
      else if (debt._tag === "Keys") addAll(debt.keys)
      else everything()
    },
    has: (key) => isEverything || keys.has(key),
    drop: (key) => void keys.delete(key),
    take: () => {
      const debt: Debt = isEverything ? { _tag: "Everything" } : { _tag: "Keys", keys: [...keys] }
      keys.clear()
      isEverything = false
      return debt
    },
    size: () => (isEverything ? capacity + 1 : keys.size)
  }
}
