/** Chance from a seed, for searches that must repeat exactly: the same seed gives the same numbers on every machine. */

/** The next whole number below `below`, which is at least 1. */
export type Chance = (below: number) => number

/** mulberry32: 32 bits of state, good enough to break ties with and fast enough to ask a million times a second. */
export const make = (seed: number): Chance => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 4294967296) * below)
  }
}
