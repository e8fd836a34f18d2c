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
