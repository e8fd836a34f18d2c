/**
 * What a benchmark measured before, in a file of lines of JSON, and whether it has become worse since. Pure, apart from
 * the file.
 *
 * **Details**
 *
 * A figure is compared with the median of the last runs on a machine of the same kind: as many processors, the same major
 * version of Node. It has become worse when it is beyond that by more than `slack`, and beyond what those runs differed among
 * each other (three times their median deviation): a figure that was never steady accuses nobody. Less than three runs judge
 * nothing.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import type { Figure } from "./Figure.ts"

/** A run, as it is kept. */
export interface Run {
  readonly bench: string
  /** ISO 8601. */
  readonly at: string
  /** `v24.21.0` */
  readonly node: string
  readonly cpus: number
  readonly loadavg: ReadonlyArray<number>
  readonly figures: ReadonlyArray<Pick<Figure, "id" | "value" | "unit" | "better">>
}

/** A figure that is worse than it was. */
export interface Worse {
  readonly id: string
  readonly unit: string
  readonly value: number
  /** The median of the runs before. */
  readonly usual: number
  /** Beyond which it counts as worse. */
  readonly limit: number
  readonly runs: number
}

/** How many runs are looked back at, the fewest that judge, and how much worse is no matter. */
const [back, fewest, slack] = [10, 3, 0.15]

/** What was kept; lines that are no runs are not there. */
export const read = (file: string): ReadonlyArray<Run> =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .flatMap((line) => {
          try {
            const run: Run = JSON.parse(line)
            return typeof run.bench === "string" && Array.isArray(run.figures) ? [run] : []
          } catch {
            // A line that was torn, or the empty one at the end.
            return []
          }
        })
    : []

/** Keeps a run. */
export const append = (file: string, { figures, ...run }: Run): void => {
  const kept = figures.map(({ better, id, unit, value }) => ({ id, value, unit, better }))
  appendFileSync(file, `${JSON.stringify({ ...run, figures: kept })}\n`)
}

/** The figures of a run that are worse than in those before it. */
export const worse = (before: ReadonlyArray<Run>, run: Run): ReadonlyArray<Worse> => {
  const alike = before
    .filter(({ bench, cpus, node }) => bench === run.bench && cpus === run.cpus && major(node) === major(run.node))
    .slice(-back)
  return run.figures.flatMap(({ better, id, unit, value }) => {
    const values = alike.flatMap(({ figures }) => figures.flatMap((one) => (one.id === id ? (one.value ?? []) : [])))
    if (value === null || values.length < fewest) return []
    const usual = median(values)
    const spread = 3 * median(values.map((one) => Math.abs(one - usual)))
    const room = Math.max(slack * Math.abs(usual), spread)
    const limit = better === "lower" ? usual + room : usual - room
    const isWorse = better === "lower" ? value > limit : value < limit
    return isWorse ? [{ id, unit, value, usual, limit, runs: values.length }] : []
  })
}

const major = (version: string): string => version.split(".")[0] ?? ""

const median = (samples: ReadonlyArray<number>): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2
}
