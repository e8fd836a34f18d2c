/**
 * Whether readings of something rise, and when they will have reached a limit if they go on: what is said before the
 * failure, and not after it.
 *
 * **Details**
 *
 * That they rise is decided by the test of Mann (1945) and Kendall (1975), which counts how many pairs of readings are in
 * order and asks how likely so many are by chance; how fast, by the median of the slopes of all pairs (Theil 1950, Sen
 * 1968). Neither minds outliers, and neither assumes anything about how readings scatter. Both look at all pairs, so the
 * number of readings should be small: {@link window} of them are enough.
 *
 * **Example**
 *
 * ```ts
 * const readings = [100, 210, 290, 420, 500, 610].map((value, i) => ({ atMs: i * 5_000, value }))
 * Trend.outlook(readings, 1_000) // => { value: 605, perSecond: 20.2, inMs: 19_500 }, roughly
 * ```
 */

/** One reading, in any unit. */
export interface Reading {
  /** Of any clock that does not go back. */
  readonly atMs: number
  readonly value: number
}

/** What will be if nothing changes. */
export interface Outlook {
  /** The value now, without the scatter of the last reading. */
  readonly value: number
  /** How much is added in a second. More than 0. */
  readonly perSecond: number
  /** How long until the limit is reached, in milliseconds; 0 when it is. */
  readonly inMs: number
}

/** So many readings are looked at; older ones are forgotten. */
export const window = 12

/** How many standard deviations from chance: one in two hundred series without a trend is taken for a rising one. */
const certainty = 2.58

/** Fewer readings than these are never so far from chance, not even all of them in order. */
const fewest = 6

/**
 * The outlook of readings that rise; undefined when they do not, or when that cannot be told yet. It takes six to tell, all
 * of them in order; more when they scatter.
 */
export const outlook = (readings: ReadonlyArray<Reading>, limit: number): Outlook | undefined => {
  const last = readings.at(-1)
  if (last === undefined || readings.length < fewest || risen(readings) < certainty) return undefined
  const slopes: Array<number> = []
  for (const [i, { atMs, value }] of readings.entries()) {
    for (const later of readings.slice(i + 1)) {
      if (later.atMs > atMs) slopes.push((later.value - value) / (later.atMs - atMs))
    }
  }
  const perMs = median(slopes)
  if (!(perMs > 0)) return undefined
  const value = median(readings.map((one) => one.value + perMs * (last.atMs - one.atMs)))
  return { value, perSecond: perMs * 1_000, inMs: Math.max(0, (limit - value) / perMs) }
}

/** Readings with one more, the oldest left out when there are too many. */
export const add = (readings: ReadonlyArray<Reading>, one: Reading): ReadonlyArray<Reading> => [
  ...readings.slice(1 - window),
  one
]

/** Kendall's count of pairs in order, less those out of order, in standard deviations; pairs of equals count for less. */
const risen = (readings: ReadonlyArray<Reading>): number => {
  const n = readings.length
  const equals = new Map<number, number>()
  let inOrder = 0
  for (const [i, { value }] of readings.entries()) {
    equals.set(value, (equals.get(value) ?? 0) + 1)
    for (const later of readings.slice(i + 1)) inOrder += Math.sign(later.value - value)
  }
  let variance = scatter(n)
  for (const many of equals.values()) variance -= scatter(many)
  return variance > 0 ? (inOrder - 1) / Math.sqrt(variance) : 0
}

const scatter = (n: number): number => (n * (n - 1) * (2 * n + 5)) / 18

/** Of nothing it is not a number. */
const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const [low = NaN, high = NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return (low + high) / 2
}
