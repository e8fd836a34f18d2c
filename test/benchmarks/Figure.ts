/** What a benchmark measures. `pnpm bench NAME` runs `src/NAME.ts`, which exports `run: Benchmark["run"]`. */

/** One number, and the bar it is held against. */
export interface Figure {
  readonly id: string
  /** The median of the samples; `null` when this machine cannot measure it. */
  readonly value: number | null
  readonly unit: string
  readonly bar: number | null
  readonly better: "lower" | "higher"
  /** Whether the value meets the bar; `null` when there is no value or no bar. */
  readonly ok: boolean | null
  /** What the median was taken of: the raw samples, or how many there were. */
  readonly samples: number | ReadonlyArray<number>
  /** Why there is no value. */
  readonly skipped?: string
}

/** The shape of a file of `src`. */
export interface Benchmark {
  readonly run: () => Promise<{ readonly figures: ReadonlyArray<Figure> }>
}

/** The value in the middle, or between the two of them. Of nothing it is nothing. */
const median = (samples: ReadonlyArray<number>): number | null => {
  const sorted = samples.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? null : (low + high) / 2
}

/** A figure of these samples: their median, unless `of` says otherwise. */
export const figure = (
  id: string,
  unit: string,
  bar: number | null,
  better: Figure["better"],
  samples: ReadonlyArray<number>,
  of: (samples: ReadonlyArray<number>) => number | null = median
): Figure => {
  const value = of(samples)
  const ok = value === null || bar === null ? null : better === "lower" ? value <= bar : value >= bar
  return { id, unit, bar, better, samples, value, ok }
}
