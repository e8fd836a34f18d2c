/**
 * Metrics as Prometheus reads them: its own text format, and OpenMetrics with exemplars.
 *
 * **Details**
 *
 * What comes in may be named by anybody: names are brought into form (`snake_case`, counters end in `_total`, nothing else
 * does), values of labels are escaped, end after {@link maxLabel} characters and hold no control characters. A series that
 * is there already, a metric of another type under the same name, and what is more than the limit is left out and
 * counted: one bad series would cost the whole scrape.
 *
 * **Gotchas**
 *
 * Of two series with the same name and labels the first one counts.
 */
import { crc32 } from "node:zlib"
import type { Metric } from "effect"
import { harmlessText } from "../logger/Redaction.ts"
import type { Figure } from "../post/StartupMetrics.ts"
import * as Catalogue from "./Catalogue.ts"
import type { Distribution, Exemplar, Family, Labels, Point } from "./Tally.ts"

/** Which language the answer is in. */
export type Format = "text" | "openmetrics"

/** What the answer says it is. */
export const contentType: { readonly [F in Format]: string } = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
}

/** Characters of the value of a label. A longer one ends in a checksum, so that two of them stay two. */
export const maxLabel = 200

/** The format that suits whoever asks, by the `Accept` header: the one with the higher weight. */
export const negotiate = (accept: string | undefined): Format => {
  let openmetrics = 0
  let text = 0
  for (const range of (accept ?? "").split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase())
    const version = parameters.find((one) => one.startsWith("version="))?.slice(8) ?? "1.0.0"
    const weight = Number(parameters.find((one) => one.startsWith("q="))?.slice(2) ?? 1)
    if (type === "application/openmetrics-text" && (version === "1.0.0" || version === "0.0.1")) {
      openmetrics = Math.max(openmetrics, weight)
    } else if (type === "text/plain") text = Math.max(text, weight)
  }
  return openmetrics > 0 && openmetrics >= text ? "openmetrics" : "text"
}

// ------------------------------------------------------------------------------------------------------------ families

/** Figures as metrics: what the catalogue does not know is a counter when its name says so. */
export const ofFigures = (figures: ReadonlyArray<Figure>): ReadonlyArray<Family> => {
  const byName = new Map<string, Array<Point>>()
  for (const { labels, name, value } of figures) {
    const points = byName.get(name)
    if (points === undefined) byName.set(name, [{ labels, value }])
    else points.push({ labels, value })
  }
  return [...byName].map(([name, points]) => {
    const known = Catalogue.find(name)
    const type = known?.type ?? (name.endsWith("_total") ? "counter" : "gauge")
    return { name, type, help: known?.help ?? "", points, distributions: [] }
  })
}

/** What is in the registry of Effect. A counter that may go down and is not named like one is a gauge. */
export const ofRegistry = (snapshot: ReadonlyArray<Metric.Metric.Snapshot>): ReadonlyArray<Family> =>
  snapshot.map((metric): Family => {
    const labels = metric.attributes ?? {}
    const help = Catalogue.find(metric.id)?.help ?? metric.description ?? ""
    const common = { name: metric.id, help, distributions: [] }
    switch (metric.type) {
      case "Counter": {
        const isCounter = metric.state.incremental || metric.id.endsWith("_total")
        const points = [{ labels, value: Number(metric.state.count) }]
        return { ...common, type: isCounter ? "counter" : "gauge", points }
      }
      case "Gauge":
        return { ...common, type: "gauge", points: [{ labels, value: Number(metric.state.value) }] }
      case "Frequency": {
        const points = [...metric.state.occurrences].map(([key, value]) => ({ labels: { ...labels, key }, value }))
        return { ...common, type: "counter", points }
      }
      case "Histogram": {
        const { buckets, count, sum } = metric.state
        const finite = buckets.filter(([bound]) => Number.isFinite(bound))
        const bounds = finite.map(([bound]) => bound)
        const one = { labels, bounds, counts: finite.map(([, soFar]) => soFar), sum, count }
        return { ...common, type: "histogram", points: [], distributions: [one] }
      }
      case "Summary": {
        const { count, quantiles, sum } = metric.state
        const points = quantiles.flatMap(([quantile, value]) =>
          value === undefined ? [] : [{ labels: { ...labels, quantile: `${quantile}` }, value }]
        )
        return { ...common, type: "summary", points, totals: [{ labels, sum, count }] }
      }
    }
  })

// -------------------------------------------------------------------------------------------------------------- write

/** What was written, and how many series were left out. */
export interface Written {
  readonly text: string
  readonly dropped: number
}

/** Writes metrics; those of one name stand together, and how many were left out is the last of them. */
export const write = (format: Format, families: ReadonlyArray<Family>, maxSeries: number): Written => {
  const merged = new Map<string, Block>()
  let dropped = 0
  for (const family of families) {
    const name = familyName(family)
    let block = merged.get(name)
    if (block === undefined) merged.set(name, (block = newBlock(family)))
    dropped += block.type === family.type ? add(block, name, family, format, maxSeries) : sizeOf(family)
  }
  const blocks = [...merged].flatMap(([name, block]) => (block.seen.size === 0 ? [] : head(format, name, block)))
  const own = "novacron_monitoring_dropped_series"
  const last = head(format, own, { ...newBlock({ ...Catalogue.node[own] }), lines: [`${own} ${dropped}`] })
  const end = format === "openmetrics" ? ["# EOF"] : []
  return { text: `${[...blocks, ...last, ...end].join("\n")}\n`, dropped }
}

interface Block {
  readonly type: Family["type"]
  readonly help: string
  readonly seen: Set<string>
  readonly lines: Array<string>
}

const newBlock = ({ help, type }: Pick<Family, "type" | "help">): Block => ({ type, help, seen: new Set(), lines: [] })

const sizeOf = ({ distributions, points }: Family): number => points.length + distributions.length

const head = (format: Format, name: string, { help, lines, type }: Block): ReadonlyArray<string> => {
  // OpenMetrics names the metric, and its samples have the suffix.
  const title = format === "openmetrics" && type === "counter" ? name.slice(0, -"_total".length) : name
  const unit = /_(seconds|bytes|ratio)$/.exec(title)?.[1]
  const units = format === "openmetrics" && unit !== undefined ? [`# UNIT ${title} ${unit}`] : []
  const text = escapeHelp(format, help === "" ? `${name}, of which no more is known.` : help)
  return [`# HELP ${title} ${text}`, `# TYPE ${title} ${type}`, ...units, ...lines]
}

/** Adds the series of a metric to those of its name; how many were left out. */
const add = (block: Block, name: string, family: Family, format: Format, maxSeries: number): number => {
  let dropped = 0
  /** Whether there is room for it, and none like it. */
  const isWanted = (labels: string): boolean => {
    const isNew = !block.seen.has(labels) && block.seen.size < maxSeries
    if (isNew) block.seen.add(labels)
    else dropped++
    return isNew
  }
  for (const { exemplar, labels, value } of family.points) {
    const text = labelsOf(labels, family.type === "summary" ? "quantile" : undefined)
    if (isWanted(text))
      block.lines.push(`${name}${braced(text)} ${number(value)}${exemplarOf(format, family.type, exemplar)}`)
  }
  for (const one of family.distributions) {
    const text = labelsOf(one.labels)
    if (isWanted(text)) block.lines.push(...histogram(format, name, text, one))
  }
  for (const { count, labels, sum } of family.totals ?? []) {
    const text = labelsOf(labels)
    if (isWanted(text)) {
      block.lines.push(`${name}_sum${braced(text)} ${number(sum)}`, `${name}_count${braced(text)} ${number(count)}`)
    }
  }
  return dropped
}

const histogram = (format: Format, name: string, labels: string, one: Distribution): ReadonlyArray<string> => {
  const { bounds, count, counts, exemplars = [], sum } = one
  const bucket = (le: string, value: number, exemplar: Exemplar | undefined) => {
    const all = labels === "" ? `le="${le}"` : `${labels},le="${le}"`
    return `${name}_bucket{${all}} ${number(value)}${exemplarOf(format, "histogram", exemplar)}`
  }
  return [
    ...bounds.map((bound, i) => bucket(boundOf(format, bound), counts[i] ?? 0, exemplars[i])),
    bucket("+Inf", count, exemplars[bounds.length]),
    `${name}_sum${braced(labels)} ${number(sum)}`,
    `${name}_count${braced(labels)} ${number(count)}`
  ]
}

/** OpenMetrics wants the same number to be written the same way everywhere: `1.0`. */
const boundOf = (format: Format, bound: number): string =>
  format === "openmetrics" && Number.isInteger(bound) && Math.abs(bound) < 1e21 ? `${bound}.0` : number(bound)

const exemplarOf = (format: Format, type: Family["type"], exemplar: Exemplar | undefined): string => {
  if (format === "text" || exemplar === undefined || (type !== "counter" && type !== "histogram")) return ""
  const { atMs, spanId, traceId, value } = exemplar
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${number(value)} ${(atMs / 1_000).toFixed(3)}`
}

const number = (value: number): string => {
  if (Number.isNaN(value)) return "NaN"
  if (value === Infinity) return "+Inf"
  return value === -Infinity ? "-Inf" : `${value}`
}

// -------------------------------------------------------------------------------------------------------------- names

/** A name in form: what a counter ends in, nothing else does. */
const familyName = ({ name, type }: Pick<Family, "name" | "type">): string => {
  const known = Catalogue.find(name)
  if (known !== undefined && known.type === type) return name
  const plain = snakeCase(name, /[^a-zA-Z0-9_:]+/g).replace(/(_total|_bucket|_sum|_count|_info)+$/, "")
  const base = plain === "" ? "unnamed" : plain
  return type === "counter" ? `${base}_total` : base
}

const snakeCase = (name: string, others: RegExp): string => {
  const plain = name
    .slice(0, maxLabel)
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(others, "_")
    .replace(/_+/g, "_")
    .replace(/^_|_$/g, "")
  return /^[0-9]/.test(plain) ? `_${plain}` : plain
}

/** Labels as they are written, without braces, in the order of their names. `own` is a name that this metric may use. */
const labelsOf = (labels: Labels, own?: string): string => {
  const pairs = new Map<string, string>()
  for (const name of Object.keys(labels).toSorted()) {
    const plain = snakeCase(name, /[^a-zA-Z0-9_]+/g) || "label"
    const isReserved = (plain === "le" || plain === "quantile") && plain !== own
    const key = isReserved ? `label_${plain}` : plain
    if (!pairs.has(key)) pairs.set(key, `${key}="${escapeLabel(`${labels[name]}`)}"`)
  }
  return [...pairs.values()].join(",")
}

const braced = (labels: string): string => (labels === "" ? "" : `{${labels}}`)

const escapeLabel = (value: string): string => {
  const whole = value.toWellFormed()
  const short =
    whole.length <= maxLabel ? whole : `${whole.slice(0, maxLabel).toWellFormed()}…${crc32(whole).toString(16)}`
  return harmlessText(short).replace(/\\/g, "\\\\").replace(/"/g, '\\"')
}

const escapeHelp = (format: Format, help: string): string => {
  const plain = harmlessText(help.toWellFormed().slice(0, 1_000).toWellFormed()).replace(/\\/g, "\\\\")
  return format === "openmetrics" ? plain.replace(/"/g, '\\"') : plain
}
