/**
 * Counters and histograms of what happens, with the last trace that made each of them move. What has too many series goes
 * on under the name `other`, so that sums stay true.
 */
import * as Catalogue from "./Catalogue.ts"

export interface Labels {
  readonly [label: string]: string
}

/** A trace that belongs to a sample. `atMs` is milliseconds since 1970. */
export interface Exemplar {
  readonly traceId: string
  readonly spanId: string
  readonly value: number
  readonly atMs: number
}

/** A number. */
export interface Point {
  readonly labels: Labels
  readonly value: number
  readonly exemplar?: Exemplar | undefined
}

/** A distribution; `counts` are cumulative, one for each upper bound. */
export interface Distribution {
  readonly labels: Labels
  readonly bounds: ReadonlyArray<number>
  readonly counts: ReadonlyArray<number>
  readonly sum: number
  readonly count: number
  /** By bucket; the one after the last bound is that of infinity. */
  readonly exemplars?: ReadonlyArray<Exemplar | undefined>
}

/** A metric as it stands. */
export interface Family {
  readonly name: string
  readonly type: Catalogue.Type | "summary"
  readonly help: string
  readonly points: ReadonlyArray<Point>
  readonly distributions: ReadonlyArray<Distribution>
  /** Sums and counts of summaries, whose quantiles are points. */
  readonly totals?: ReadonlyArray<{ readonly labels: Labels; readonly sum: number; readonly count: number }>
}

/** The trace that something belongs to. */
export type Trace = Pick<Exemplar, "traceId" | "spanId">

export interface Tally {
  readonly count: (name: Catalogue.Name, labels: Labels, atMs: number, trace?: Trace, by?: number) => void
  readonly observe: (name: Catalogue.Name, labels: Labels, value: number, atMs: number, trace?: Trace) => void
  readonly families: () => ReadonlyArray<Family>
}

/** An empty tally with at most so many series for a metric. */
export const make = (maxSeries: number): Tally => {
  const metrics = new Map<Catalogue.Name, Map<string, Series>>()

  const seriesOf = (name: Catalogue.Name, labels: Labels): Series => {
    let all = metrics.get(name)
    if (all === undefined) metrics.set(name, (all = new Map()))
    const key = JSON.stringify(labels)
    const found = all.get(key)
    if (found !== undefined) return found
    const isFull = all.size >= maxSeries - 1 && Object.keys(labels).length > 0
    if (!isFull) return added(all, key, labels)
    const other = Object.fromEntries(Object.keys(labels).map((label) => [label, "other"]))
    const otherKey = JSON.stringify(other)
    return all.get(otherKey) ?? added(all, otherKey, other)
  }

  return {
    count: (name, labels, atMs, trace, by = 1) => {
      const series = seriesOf(name, labels)
      series.sum += by
      series.count++
      if (trace !== undefined) series.exemplars[0] = { ...trace, value: by, atMs }
    },
    observe: (name, labels, value, atMs, trace) => {
      const series = seriesOf(name, labels)
      const bounds = Catalogue.bucketsOf(name)
      const at = bounds.findIndex((bound) => value <= bound)
      const bucket = at < 0 ? bounds.length : at
      series.sum += value
      series.count++
      series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
      if (trace !== undefined) series.exemplars[bucket] = { ...trace, value, atMs }
    },
    families: () => [...metrics].map(([name, all]) => family(name, [...all.values()]))
  }
}

interface Series {
  readonly labels: Labels
  sum: number
  count: number
  readonly counts: Array<number>
  readonly exemplars: Array<Exemplar | undefined>
}

const added = (all: Map<string, Series>, key: string, labels: Labels): Series => {
  const made: Series = { labels, sum: 0, count: 0, counts: [], exemplars: [] }
  all.set(key, made)
  return made
}

const family = (name: Catalogue.Name, all: ReadonlyArray<Series>): Family => {
  const { help, type } = Catalogue.node[name]
  if (type !== "histogram") {
    const points = all.map(({ exemplars, labels, sum }) => ({ labels, value: sum, exemplar: exemplars[0] }))
    return { name, type, help, points, distributions: [] }
  }
  const bounds = Catalogue.bucketsOf(name)
  const distributions = all.map(({ count, counts, exemplars, labels, sum }) => {
    let soFar = 0
    const cumulative = bounds.map((_, i) => (soFar += counts[i] ?? 0))
    return { labels, bounds, counts: cumulative, sum, count, exemplars: [...exemplars] }
  })
  return { name, type, help, points: [], distributions }
}
