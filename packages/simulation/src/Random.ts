/**
 * Chance from a seed: the same seed gives the same numbers, on every machine and for ever. A simulation draws all of
 * its chance from here, so that a failing run is one number.
 *
 * **Details**
 *
 * The generator is sfc32, "Small Fast Counting" by Chris Doty-Humphrey (PractRand 0.95, 128 bits of state, period at
 * least 2^32, about 2^127 on average). Its state is filled by {@link mix}, the finalizer of MurmurHash3 by Austin
 * Appleby, whose every input bit changes every output bit with a probability of about one half.
 *
 * **Gotchas**
 *
 * - Not for secrets.
 * - A fork depends on the seed and the label, and not on what was drawn before: whoever draws one number more in one
 *   place changes nothing in the others.
 *
 * **Example**
 *
 * ```ts
 * const random = Random.make(42)
 * Random.int(random, 6) + 1 // => a die
 * const graph = Random.fork(random, "graph") // => a generator of its own
 * ```
 */

/** A generator. Make one with {@link make}; drawing changes it. */
export interface Random {
  readonly seed: number
  a: number
  b: number
  c: number
  counter: number
}

/** A generator with the numbers of a seed. Seeds are whole numbers; all of their 53 bits count. */
export const make = (seed: number): Random => {
  const low = seed | 0
  const high = (seed / 0x1_0000_0000) | 0
  const random = { seed, a: mix(low ^ 0x9e3779b9), b: mix(high ^ 0x7f4a7c15), c: mix(low + high), counter: 1 }
  // What is similar in two seeds is gone after some rounds (PractRand discards twelve).
  for (let round = 0; round < 12; round++) uint32(random)
  return random
}

/** A generator of its own for one purpose, made of the seed and the label alone. */
export const fork = (self: Random, label: string): Random =>
  make(
    (mix(self.seed ^ hash(label)) >>> 0) + 0x1_0000_0000 * (mix((self.seed / 0x1_0000_0000) ^ hash(label)) & 0xfffff)
  )

/** A number from 0 inclusive to 1 exclusive, in steps of 2^-32. */
export const next = (self: Random): number => uint32(self) * 2 ** -32

/** A whole number from 0 to `n - 1`, for `n` up to 2^32. None is likelier than another by more than `n` in 2^32. */
export const int = (self: Random, n: number): number => Math.floor(uint32(self) * 2 ** -32 * n)

/** A whole number from `min` to `max`, both included. */
export const between = (self: Random, min: number, max: number): number => min + int(self, max - min + 1)

/** True with probability `p`. */
export const chance = (self: Random, p: number): boolean => next(self) < p

/** One of the items, each as likely as the other. Throws a `RangeError` when there is none. */
export const pick = <A>(self: Random, items: ReadonlyArray<A>): A => {
  if (items.length === 0) throw new RangeError("Nothing can be picked from an empty list.")
  return items[int(self, items.length)]!
}

/** The items in some order, each order as likely as the other (Fisher and Yates). */
export const shuffle = <A>(self: Random, items: ReadonlyArray<A>): Array<A> => {
  const shuffled = items.slice()
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = int(self, i + 1)
    const kept = shuffled[i]!
    shuffled[i] = shuffled[j]!
    shuffled[j] = kept
  }
  return shuffled
}

/** 32 bits, all of which depend on all of `n`: chance without a state, for a place that has a number. */
export const mix = (n: number): number => {
  let h = n | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** A text as 32 bits (FNV-1a by Fowler, Noll and Vo, over code units, mixed once more). */
export const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (let at = 0; at < text.length; at++) h = Math.imul(h ^ text.charCodeAt(at), 0x01000193)
  return mix(h)
}

const uint32 = (self: Random): number => {
  const sum = (self.a + self.b + self.counter) | 0
  self.counter = (self.counter + 1) | 0
  self.a = self.b ^ (self.b >>> 9)
  self.b = (self.c + (self.c << 3)) | 0
  self.c = (((self.c << 21) | (self.c >>> 11)) + sum) | 0
  return sum >>> 0
}
