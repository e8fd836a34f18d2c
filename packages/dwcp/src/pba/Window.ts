/** The latest values of a series, kept in order of size: quantiles of a sliding window without sorting it each time. */

export interface Window {
  readonly count: () => number
  readonly push: (value: number) => void
  /** Between the two nearest values, linearly; NaN while empty. */
  readonly quantile: (q: number) => number
  /** The nearest of them, if it is there more than once; else what was given. */
  readonly settled: (value: number) => number
}

/** At most `size` values; then the oldest makes room. */
export const make = (size: number): Window => {
  const ring = new Float64Array(size)
  const sorted = new Float64Array(size)
  let count = 0
  let next = 0
  /** The first place whose value is not below. */
  const place = (value: number): number => {
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >> 1
      if (sorted[middle]! < value) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    count: () => count,
    push: (value) => {
      if (count === size) {
        const gone = place(ring[next]!)
        sorted.copyWithin(gone, gone + 1, count)
        count--
      }
      ring[next] = value
      next = (next + 1) % size
      const at = place(value)
      sorted.copyWithin(at + 1, at, count)
      sorted[at] = value
      count++
    },
    quantile: (q) => {
      if (count === 0) return Number.NaN
      const at = q * (count - 1)
      const below = Math.floor(at)
      const low = sorted[below]!
      return below + 1 < count ? low + (at - below) * (sorted[below + 1]! - low) : low
    },
    settled: (value) => {
      const at = place(value)
      const near = at === count || (at > 0 && value - sorted[at - 1]! <= sorted[at]! - value) ? at - 1 : at
      const nearest = sorted[near]!
      const twice = (near > 0 && sorted[near - 1] === nearest) || (near + 1 < count && sorted[near + 1] === nearest)
      return twice ? nearest : value
    }
  }
}
