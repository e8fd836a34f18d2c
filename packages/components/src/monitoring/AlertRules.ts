/**
 * What somebody should be told about a node, as rules that a node can evaluate by itself: those of
 * `docs/monitoring/alerts.yml`, but for the one that says that a node does not answer.
 *
 * **Details**
 *
 * A rule is a small part of PromQL, as data: selections, comparisons with a number, `increase` and `rate` with the
 * extrapolation of Prometheus, `sum by`, `or`, `and` and `unless` for the same node. {@link promql} writes it down, and a
 * test holds that this is what the file says.
 */
import type { Family, Labels } from "./Tally.ts"

/** A selection of series, and what is made of them. */
export type Expression =
  | {
      readonly _tag: "Series"
      readonly metric: string
      readonly where?: { readonly [label: string]: ReadonlyArray<string> }
    }
  | { readonly _tag: "Increase" | "Rate"; readonly of: Selection; readonly minutes: number }
  | { readonly _tag: "SumBy"; readonly of: Expression; readonly by: ReadonlyArray<string> }
  /** Seconds until a moment, and since one, that is given in seconds since 1970. */
  | { readonly _tag: "Until" | "Since"; readonly of: Expression }
  | {
      readonly _tag: "Is"
      readonly of: Expression
      readonly how: "==" | ">" | "<"
      readonly than: number
      /** How the number is written, if not by its digits. */
      readonly written?: string
    }
  | { readonly _tag: "Or"; readonly first: Expression; readonly second: Expression }
  /** The first, if the other has anything for this node, or has nothing. */
  | { readonly _tag: "And" | "Unless"; readonly of: Expression; readonly other: Expression }

type Selection = Extract<Expression, { readonly _tag: "Series" }>

/** When to tell somebody, and what. `{{ $labels.x }}` stands for a label. */
export interface Rule {
  readonly alert: string
  readonly severity: "critical" | "warning"
  readonly when: Expression
  /** How long it has to be so. */
  readonly forMinutes: number
  readonly summary: string
  readonly description: string
}

const series = (metric: string, where?: Selection["where"]): Selection =>
  where === undefined ? { _tag: "Series", metric } : { _tag: "Series", metric, where }
const is = (of: Expression, how: "==" | ">" | "<", than: number, written?: string): Expression =>
  written === undefined ? { _tag: "Is", of, how, than } : { _tag: "Is", of, how, than, written }

const day = 86_400
const expiry: Expression = { _tag: "Until", of: series("novacron_certificate_expiry_timestamp_seconds") }

/** The rules. */
export const rules: ReadonlyArray<Rule> = [
  {
    alert: "NovacronBootFailed",
    severity: "critical",
    when: {
      _tag: "Or",
      first: is(series("novacron_boot_outcome", { outcome: ["failed"] }), "==", 1),
      second: {
        _tag: "And",
        of: is(series("novacron_previous_boot_outcome", { outcome: ["failed", "killed"] }), "==", 1),
        other: is({ _tag: "Since", of: series("novacron_boot_start_timestamp_seconds") }, "<", 3_600)
      }
    },
    forMinutes: 0,
    summary: "A boot of {{ $labels.instance }} ended as {{ $labels.outcome }}.",
    description:
      "`novacron trace` shows where, `novacron why` the root cause. " +
      "A node that comes up at the second try has a problem all the same."
  },
  {
    alert: "NovacronNotReady",
    severity: "critical",
    when: is(series("novacron_boot_outcome", { outcome: ["booting"] }), "==", 1),
    forMinutes: 2,
    summary: "{{ $labels.instance }} is not ready after 2 minutes.",
    description: "`novacron status` says what the boot is waiting for. It gives up by itself after system.boot_timeout."
  },
  {
    alert: "NovacronDegraded",
    severity: "warning",
    when: is(series("novacron_component_state", { state: ["degraded"] }), "==", 1),
    forMinutes: 10,
    summary: "{{ $labels.component }} of {{ $labels.instance }} has been on its fallback for 10 minutes.",
    description:
      "The node serves, with less. It tries to restore the component by itself; " +
      "what that fails with is in novacron_component_errors_total."
  },
  {
    alert: "NovacronComponentUnhealthy",
    severity: "warning",
    when: {
      _tag: "Unless",
      of: is(series("novacron_component_health_status"), "==", 0),
      other: is(series("novacron_boot_outcome", { outcome: ["booting", "stopped"] }), "==", 1)
    },
    forMinutes: 2,
    summary: "{{ $labels.component }} of {{ $labels.instance }} is not healthy.",
    description:
      "It is absent or its probe fails for 2 minutes. `novacron why {{ $labels.component }}` names the root cause."
  },
  {
    alert: "NovacronRollback",
    severity: "critical",
    when: is(series("novacron_rollbacks_total"), ">", 0),
    forMinutes: 0,
    summary: "{{ $labels.instance }} takes everything down: {{ $labels.reason }}.",
    description:
      "Something critical failed for good, or a deadline has passed. " +
      "The trace of the boot has a span for each component that was closed."
  },
  {
    alert: "NovacronRestorationLoop",
    severity: "warning",
    when: is(
      {
        _tag: "Increase",
        of: series("novacron_component_restorations_total", { outcome: ["completed"] }),
        minutes: 30
      },
      ">",
      5
    ),
    forMinutes: 0,
    summary: "{{ $labels.component }} of {{ $labels.instance }} is restored again and again.",
    description:
      "It was restored more than 5 times within 30 minutes. Each time is a trace of its own with a link to the boot."
  },
  {
    alert: "NovacronErrors",
    severity: "warning",
    when: is(
      {
        _tag: "SumBy",
        by: ["job", "instance", "component", "error_type"],
        of: { _tag: "Rate", of: series("novacron_component_errors_total"), minutes: 5 }
      },
      ">",
      0.1
    ),
    forMinutes: 10,
    summary: "{{ $labels.component }} of {{ $labels.instance }} fails with {{ $labels.error_type }}, 10 minutes long.",
    description: "More than 6 errors a minute."
  },
  {
    alert: "NovacronCertificateExpiresSoon",
    severity: "warning",
    when: is(expiry, "<", 7 * day, "7 * 86400"),
    forMinutes: 60,
    summary: "The certificate of {{ $labels.instance }} runs out in {{ $value | humanizeDuration }}.",
    description: "It should have been renewed by now: renewal failed, or the authority itself is about to run out."
  },
  {
    alert: "NovacronCertificateExpiresNow",
    severity: "critical",
    when: is(expiry, "<", day),
    forMinutes: 0,
    summary: "The certificate of {{ $labels.instance }} runs out in {{ $value | humanizeDuration }}.",
    description: "Peers will refuse the node from then on."
  },
  {
    alert: "NovacronSpansDropped",
    severity: "warning",
    when: is({ _tag: "Increase", of: series("novacron_trace_spans_dropped_total"), minutes: 15 }, ">", 0),
    forMinutes: 15,
    summary: "{{ $labels.instance }} drops spans: {{ $labels.reason }}.",
    description:
      "full: the collector is down for long. refused: it does not want them, look at monitoring.traces. " +
      "lost: the process ended before they were taken."
  }
]

/** Where it says what to do about it: an address, for whoever reads the alert has no checkout before them. */
export const runbookOf = ({ alert }: Rule): string => `${runbooks}#${alert.toLowerCase()}`

const runbooks = "https://github.com/khryptorgraphics/novacron/blob/main/docs/monitoring/ALERTS.md"

/** The expression as PromQL, on one line. */
export const promql = (expression: Expression): string => {
  switch (expression._tag) {
    case "Series": {
      const pairs = Object.entries(expression.where ?? {}).map(([label, values]) =>
        values.length === 1 ? `${label}="${values[0]}"` : `${label}=~"${values.join("|")}"`
      )
      return `${expression.metric}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`}`
    }
    case "Increase":
    case "Rate":
      return `${expression._tag.toLowerCase()}(${promql(expression.of)}[${expression.minutes}m])`
    case "SumBy":
      return `sum by (${expression.by.join(", ")}) (${promql(expression.of)})`
    case "Until":
      return `${promql(expression.of)} - time()`
    case "Since":
      return `time() - ${promql(expression.of)}`
    case "Is":
      return `${promql(expression.of)} ${expression.how} ${expression.written ?? expression.than}`
    case "Or":
      return `${promql(expression.first)} or ( ${promql(expression.second)} )`
    case "And":
    case "Unless":
      return `${promql(expression.of)} ${expression._tag.toLowerCase()} on (job, instance) ${promql(expression.other)}`
  }
}

// ---------------------------------------------------------------------------------------------------------- evaluation

/** A series at a moment. */
export interface Sample {
  readonly labels: Labels
  readonly value: number
}

/** What series were, for those that are asked how they grow. Only {@link remember} changes it. */
export interface Memory {
  readonly series: Map<
    string,
    { readonly labels: Labels; readonly points: Array<readonly [atMs: number, value: number]> }
  >
}

/** How many series are remembered; what comes beyond is not watched. */
const mostSeries = 2_000

/** How much of the past any rule looks at. */
const reachMs = 30 * 60_000

export const makeMemory = (): Memory => ({ series: new Map() })

const metricsThatGrow = (of: Expression): ReadonlyArray<string> => {
  switch (of._tag) {
    case "Increase":
    case "Rate":
      return [of.of.metric]
    case "Series":
      return []
    case "Or":
      return [...metricsThatGrow(of.first), ...metricsThatGrow(of.second)]
    case "And":
    case "Unless":
      return [...metricsThatGrow(of.of), ...metricsThatGrow(of.other)]
    case "Is":
    case "Since":
    case "SumBy":
    case "Until":
      return metricsThatGrow(of.of)
  }
}

/** Those that are remembered. */
const grown: ReadonlySet<string> = new Set(rules.flatMap(({ when }) => metricsThatGrow(when)))

const keyOf = (metric: string, labels: Labels): string => `[${JSON.stringify(metric)},${identity(labels)}`

/** The same for the same labels, in whatever order they are. */
export const identity = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))

/** Takes in what is now, by a clock that nobody sets, and forgets what no rule asks for any more. */
export const remember = (memory: Memory, families: ReadonlyArray<Family>, steadyMs: number): void => {
  for (const { name, points } of families) {
    if (!grown.has(name)) continue
    for (const { labels, value } of points) {
      const key = keyOf(name, labels)
      const known = memory.series.get(key)
      if (known !== undefined) known.points.push([steadyMs, value])
      else if (memory.series.size < mostSeries) memory.series.set(key, { labels, points: [[steadyMs, value]] })
    }
  }
  for (const [key, { points }] of memory.series) {
    while (points[0] !== undefined && points[0][0] < steadyMs - reachMs) points.shift()
    if (points.length === 0) memory.series.delete(key)
  }
}

/**
 * The series for which an expression holds, or what it is for them. `nowMs` is milliseconds since 1970, `steadyMs` the same
 * moment by the clock of the memory.
 */
export const evaluate = (
  expression: Expression,
  families: ReadonlyArray<Family>,
  memory: Memory,
  nowMs: number,
  steadyMs: number
): ReadonlyArray<Sample> => {
  const inner = (of: Expression) => evaluate(of, families, memory, nowMs, steadyMs)
  switch (expression._tag) {
    case "Series":
      return families
        .filter(({ name }) => name === expression.metric)
        .flatMap(({ points }) => points.filter(({ labels }) => selects(expression, labels)))
    case "Increase":
    case "Rate":
      return growth(expression, memory, steadyMs)
    case "SumBy":
      return summed(inner(expression.of), expression.by)
    case "Until":
      return inner(expression.of).map(({ labels, value }) => ({ labels, value: value - nowMs / 1_000 }))
    case "Since":
      return inner(expression.of).map(({ labels, value }) => ({ labels, value: nowMs / 1_000 - value }))
    case "Is":
      return inner(expression.of).filter(({ value }) => compare(value, expression.how, expression.than))
    case "Or": {
      const first = inner(expression.first)
      const known = new Set(first.map(({ labels }) => identity(labels)))
      return [...first, ...inner(expression.second).filter(({ labels }) => !known.has(identity(labels)))]
    }
    case "And":
      return inner(expression.other).length > 0 ? inner(expression.of) : []
    case "Unless":
      return inner(expression.other).length > 0 ? [] : inner(expression.of)
  }
}

const selects = ({ where = {} }: Selection, labels: Labels): boolean =>
  Object.entries(where).every(([label, values]) => values.includes(labels[label] ?? ""))

const compare = (value: number, how: "==" | ">" | "<", than: number): boolean =>
  how === "==" ? value === than : how === ">" ? value > than : value < than

const summed = (samples: ReadonlyArray<Sample>, by: ReadonlyArray<string>): ReadonlyArray<Sample> => {
  const groups = new Map<string, { readonly labels: Labels; value: number }>()
  for (const { labels, value } of samples) {
    const kept = Object.fromEntries(
      by.flatMap((label) => (labels[label] === undefined ? [] : [[label, labels[label]]]))
    )
    const key = identity(kept)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { labels: kept, value })
    else group.value += value
  }
  return [...groups.values()]
}

const growth = (
  { _tag, minutes, of }: Extract<Expression, { readonly _tag: "Increase" | "Rate" }>,
  { series: all }: Memory,
  steadyMs: number
): ReadonlyArray<Sample> => {
  const from = steadyMs - minutes * 60_000
  const prefix = `[${JSON.stringify(of.metric)},`
  return [...all].flatMap(([key, { labels, points }]): ReadonlyArray<Sample> => {
    if (!key.startsWith(prefix) || !selects(of, labels)) return []
    const increase = extrapolated(
      points.filter(([atMs]) => atMs >= from),
      from,
      steadyMs
    )
    if (increase === undefined) return []
    return [{ labels, value: _tag === "Increase" ? increase : increase / (minutes * 60) }]
  })
}

/** By how much a counter grew within a window: as Prometheus has it (promql/functions.go, `extrapolatedRate`). */
const extrapolated = (
  points: ReadonlyArray<readonly [atMs: number, value: number]>,
  from: number,
  to: number
): number | undefined => {
  const [first] = points
  const last = points.at(-1)
  if (first === undefined || last === undefined || points.length < 2) return undefined
  // A counter that is smaller than it was began anew from nothing.
  let result = last[1] - first[1]
  for (const [k, [, value]] of points.entries()) {
    const before = points[k - 1]?.[1] ?? value
    if (value < before) result += before
  }
  const sampled = last[0] - first[0]
  const average = sampled / (points.length - 1)
  const toZero = result > 0 && first[1] >= 0 ? sampled * (first[1] / result) : Infinity
  const toStart = Math.min(first[0] - from, toZero)
  const threshold = average * 1.1
  const whole =
    sampled + (toStart < threshold ? toStart : average / 2) + (to - last[0] < threshold ? to - last[0] : average / 2)
  return result * (whole / sampled)
}
