/**
 * Tells what has happened to those who only write it down, in order, as soon as whoever made it happen pauses: a boot that
 * begins starts its components first, and describes itself then.
 */

/** One who is told soon. */
export interface Soon<A> {
  /** Keeps it until the work that is going on pauses. */
  readonly hear: (it: A) => void
  /** Tells what is kept, now. */
  readonly flush: () => void
}

/** A queue in front of somebody who is quick and does not throw. */
export const make = <A>(tell: (it: A) => void): Soon<A> => {
  let kept: Array<A> = []
  const flush = (): void => {
    while (kept.length > 0) {
      const all = kept
      kept = []
      for (const it of all) tell(it)
    }
  }
  return {
    hear: (it) => {
      if (kept.push(it) === 1) queueMicrotask(flush)
    },
    flush
  }
}
