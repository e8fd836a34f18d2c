/**
 * Packing one item at a time, in the order of arrival, never moving one: each goes where it leaves the most useful rest.
 *
 * **Details**
 *
 * What a rest is worth is learned from the items seen so far: the share of the latest of them that would still fit, and
 * how much they would at best leave over. A new host is opened when the best rest is a bad one, before it must be. The
 * weights were tuned on the even instances of `bp-vector-opt` and are reported on the odd ones.
 */
// `!` after an index: positions come from loops over the same arrays.
import type { Packing } from "./Construct.ts"
import type { Workload } from "./Workload.ts"

/** How many of the latest items a rest is judged by. */
const remembered = 48

/** How many of the latest hosts are looked at, so that an item takes bounded time. */
const considered = 1024

/** What counts against a choice: of the rest it leaves its mean, deviation, extremes, and what the latest items say. */
const taste = {
  mean: 1.244,
  deviation: 0.365,
  largest: 0.829,
  smallest: -0.538,
  fitting: -0.938,
  leftover: 2.458,
  filled: -1.164,
  fittingBefore: 0.259,
  leftoverBefore: -1.218,
  filledBefore: -0.603,
  opening: 1.224
} as const

/** Decides items `0 … n-1` in this order; what it decides for one depends on no later one. */
export const pack = ({ n, d, cap, size }: Workload): Packing => {
  const share = new Float64Array(n * d)
  for (let i = 0; i < n * d; i++) share[i] = cap[i % d]! === 0 ? 0 : size[i]! / cap[i % d]!
  const exact = new Float64Array(n * d)
  const rem = new Float64Array(n * d)
  const host = new Int32Array(n)
  const before = new Float64Array(d)
  const after = new Float64Array(d)
  const fresh = new Float64Array(d).fill(1)
  const seen = { fitting: 0, leftover: 0, filled: 0 }

  /** What the items from `from` to `to` say about a rest of `sum` in all. */
  const judge = (rest: Float64Array, sum: number, from: number, to: number): void => {
    let fitting = 0
    let least = sum
    let filled = 0
    look: for (let j = from; j < to; j++) {
      let total = 0
      for (let k = 0; k < d; k++) {
        const x = share[j * d + k]!
        if (x > rest[k]! + 1e-9) continue look
        total += x
      }
      fitting++
      filled += total
      if (sum - total < least) least = sum - total
    }
    const count = Math.max(1, to - from)
    seen.fitting = fitting / count
    seen.leftover = least / d
    seen.filled = filled / count / d
  }

  const cost = (rest: Float64Array, offset: number, i: number, from: number): number => {
    let sumBefore = 0
    let sum = 0
    let squares = 0
    let largest = 0
    let smallest = Infinity
    for (let k = 0; k < d; k++) {
      const had = rest[offset + k]!
      const left = had - share[i * d + k]!
      before[k] = had
      after[k] = left
      sumBefore += had
      sum += left
      squares += left * left
      if (left > largest) largest = left
      if (left < smallest) smallest = left
    }
    const mean = sum / d
    judge(after, sum, from, i)
    const value =
      taste.mean * mean +
      taste.deviation * Math.sqrt(Math.max(0, squares / d - mean * mean)) +
      taste.largest * largest +
      taste.smallest * smallest +
      taste.fitting * seen.fitting +
      taste.leftover * seen.leftover +
      taste.filled * seen.filled
    judge(before, sumBefore, from, i)
    return (
      value +
      taste.fittingBefore * seen.fitting +
      taste.leftoverBefore * seen.leftover +
      taste.filledBefore * seen.filled
    )
  }

  let m = 0
  for (let i = 0; i < n; i++) {
    const from = Math.max(0, i - remembered)
    let best = -1
    let least = Infinity
    scan: for (let b = Math.max(0, m - considered); b < m; b++) {
      for (let k = 0; k < d; k++) if (size[i * d + k]! > exact[b * d + k]!) continue scan
      const found = cost(rem, b * d, i, from)
      if (found < least) {
        least = found
        best = b
      }
    }
    if (best >= 0 && cost(fresh, 0, i, from) + taste.opening < least) best = -1
    if (best < 0) {
      best = m++
      rem.fill(1, best * d, m * d)
      exact.set(cap, best * d)
    }
    for (let k = 0; k < d; k++) {
      rem[best * d + k]! -= share[i * d + k]!
      exact[best * d + k]! -= size[i * d + k]!
    }
    host[i] = best
  }
  return { hosts: m, host }
}
