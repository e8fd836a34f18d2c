/**
 * First answers, in well under a millisecond: hosts are filled one after the other with the item that points most in the
 * direction of what is left ("bin-centric dot product", Panigrahy and others 2011).
 */
// `!` after an index: positions come from loops over the same arrays.
import type { Chance } from "./Chance.ts"
import type { Workload } from "./Workload.ts"

/** Where each item goes, and how many hosts that takes. */
export interface Packing {
  readonly hosts: number
  readonly host: Int32Array
}

/** How much a resource counts: its scarcity over all items, to a power. 0 counts all alike. */
export const weights = ({ n, d, cap, size }: Workload, power: number): Float64Array => {
  const weight = new Float64Array(d)
  for (let k = 0; k < d; k++) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += size[i * d + k]!
    weight[k] = cap[k]! === 0 ? 0 : Math.pow(sum / cap[k]! / Math.max(1, n), power)
  }
  return weight
}

export interface Taste {
  /** How much the scarcity of a resource counts. */
  readonly power: number
  /** Size of an item beside its direction: 0 is the plain dot product, 1 only the direction. */
  readonly norm: number
  /** Relative noise on each score, for restarts; 0 is deterministic. */
  readonly noise: number
}

/** Fills host after host with the items of `open`; `host` gets their numbers, from `first` on. Returns the next number. */
export const fill = (
  workload: Workload,
  open: Int32Array,
  host: Int32Array,
  first: number,
  { power, norm, noise }: Taste,
  chance: Chance
): number => {
  const { n, d, cap, size } = workload
  const weight = weights(workload, power)
  const rem = new Float64Array(d)
  const factor = new Float64Array(d)
  const list = Int32Array.from(open)
  const scale = new Float64Array(norm === 0 && noise === 0 ? 0 : n)
  for (const i of scale.length === 0 ? [] : list) {
    let squares = 0
    for (let k = 0; k < d; k++) {
      const x = cap[k]! === 0 ? 0 : size[i * d + k]! / cap[k]!
      squares += weight[k]! * x * x
    }
    const jitter = noise === 0 ? 1 : 1 + noise * (chance(2048) / 1024 - 1)
    scale[i] = squares === 0 ? 0 : jitter * (norm === 0 ? 1 : Math.pow(squares, -norm / 2))
  }
  let left = list.length
  let bin = first
  while (left > 0) {
    rem.set(cap)
    for (;;) {
      for (let k = 0; k < d; k++) factor[k] = cap[k]! === 0 ? 0 : (weight[k]! * rem[k]!) / (cap[k]! * cap[k]!)
      let best = -1
      let bestScore = -1
      scan: for (let p = 0; p < left; p++) {
        const base = list[p]! * d
        let score = 0
        for (let k = 0; k < d; k++) {
          const x = size[base + k]!
          if (x > rem[k]!) continue scan
          score += x * factor[k]!
        }
        if (scale.length > 0) score *= scale[list[p]!]!
        if (score > bestScore) {
          bestScore = score
          best = p
        }
      }
      if (best < 0) break
      const item = list[best]!
      for (let k = 0; k < d; k++) rem[k]! -= size[item * d + k]!
      host[item] = bin
      list[best] = list[--left]!
    }
    bin++
  }
  return bin
}
