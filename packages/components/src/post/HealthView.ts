/**
 * What the health endpoints say, as data: the bodies with their schemas, and the weight of a node that has just become
 * ready. Pure.
 *
 * **Details**
 *
 * `latency` is in milliseconds, the slowest last probe. `throughput` is per second: the sum of what components report,
 * and where none does what the health server itself has answered. `errorRate` goes from 0 to 1: the highest that a
 * component reports, and where none does the share of components that are unhealthy.
 *
 * A node is one of three: `healthy`, `degraded` (a part suffers that it can do without; it answers 200), `unhealthy`
 * (503). Not known yet counts as unhealthy; of a component it is said as it is, `unknown`.
 *
 * Between the components and the node are the phases of the boot, where it is known which component is of which: one is as
 * its critical components are, and degraded when only others suffer.
 */
import type { Health } from "@novacron/boot"
import { DateTime, Schema } from "effect"

// ------------------------------------------------------------------------------------------------------------ bodies

const ComponentStatus = Schema.Literals(["unknown", "healthy", "degraded", "unhealthy"])
const NodeStatus = Schema.Literals(["healthy", "degraded", "unhealthy"])
const Statuses = Schema.Record(Schema.String, ComponentStatus)

/** Whether this process answers; it always says so. */
export const LiveBody = Schema.Struct({ live: Schema.Literal(true) })

export const ReadyBody = Schema.Struct({
  ready: Schema.Boolean,
  /** The share of its full load that the node may be given, in per cent; 0 when it is not ready. */
  weight: Schema.Int,
  /** Why not, for people. */
  reason: Schema.String
})
export type ReadyBody = typeof ReadyBody.Type

export const HealthBody = Schema.Struct({
  status: NodeStatus,
  ready: Schema.Boolean,
  weight: Schema.Int,
  latency: Schema.Finite,
  throughput: Schema.Finite,
  errorRate: Schema.Finite,
  /** Every component of the node. */
  dependencies: Statuses,
  /** Each phase of the boot: pre, core, service, post. */
  phases: Statuses,
  /** When the components were asked, ISO 8601. */
  at: Schema.String,
  message: Schema.String
})
export type HealthBody = typeof HealthBody.Type

/** More about a component than its health: what the boot and the component itself have to tell. */
export const Details = Schema.Struct({
  /** Its state in the boot: ready, degraded, absent, … */
  state: Schema.optionalKey(Schema.String),
  /** The phase of the boot that it belongs to. */
  phase: Schema.optionalKey(Schema.String),
  metrics: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  /** The last few, oldest first. */
  errors: Schema.optionalKey(Schema.Array(Schema.String))
})
export type Details = typeof Details.Type

export const ComponentRow = Schema.Struct({
  name: Schema.String,
  critical: Schema.Boolean,
  status: ComponentStatus,
  message: Schema.String,
  latency: Schema.optionalKey(Schema.Finite),
  throughput: Schema.optionalKey(Schema.Finite),
  errorRate: Schema.optionalKey(Schema.Finite),
  lastCheck: Schema.optionalKey(Schema.String),
  dependencies: Statuses,
  ...Details.fields
})
export type ComponentRow = typeof ComponentRow.Type

export const ComponentsBody = Schema.Struct({
  status: NodeStatus,
  at: Schema.String,
  phases: Statuses,
  components: Schema.Array(ComponentRow)
})
export type ComponentsBody = typeof ComponentsBody.Type

// ------------------------------------------------------------------------------------------------------------ weight

/** How a node takes up its load. */
export interface Ramp {
  /** Of the full load, in per cent, the moment it becomes ready. */
  readonly from: number
  /** From then until the full load. 0: at once. */
  readonly overMs: number
}

/**
 * The share of its full load that a node may be given, in whole per cent: 0 while it is not ready, then from `ramp.from`
 * up to 100 in a straight line.
 */
export const weight = (ramp: Ramp, readySinceMs: number | undefined, nowMs: number): number => {
  if (readySinceMs === undefined) return 0
  const share = ramp.overMs <= 0 ? 1 : Math.min(1, Math.max(0, (nowMs - readySinceMs) / ramp.overMs))
  return Math.floor(ramp.from + (100 - ramp.from) * share)
}

// -------------------------------------------------------------------------------------------------------------- views

/** All that the bodies are made of. */
export interface Situation {
  readonly report: Health.HealthReport
  readonly isReady: boolean
  readonly weight: number
  /** Why it is not ready, when nothing in the report says so. */
  readonly reason: string
  readonly details: { readonly [component: string]: Details }
  /** What the server itself has answered, per second. */
  readonly requestsPerSecond: number
}

/** Of the node as a whole. What is not known is no good. */
export const nodeStatus = (report: Health.HealthReport): HealthBody["status"] =>
  report.status === "unknown" ? "unhealthy" : report.status

/** The answer of `/ready`. */
export const ready = ({ isReady, reason, report, weight }: Situation): ReadyBody => ({
  ready: isReady,
  weight: isReady ? weight : 0,
  reason: isReady ? "" : reason === "" ? complaintOf(report) : reason
})

/** The answer of `/health`. */
export const health = (situation: Situation): HealthBody => {
  const { isReady, report, requestsPerSecond, weight } = situation
  const { components } = report
  const told = (of: (component: Health.ComponentHealth) => number | undefined) =>
    components.flatMap((one) => of(one) ?? [])
  const throughputs = told(({ throughput }) => throughput)
  const errorRates = told(({ errorRate }) => errorRate)
  const unhealthy = components.filter(({ status }) => status === "unhealthy").length
  return {
    status: nodeStatus(report),
    ready: isReady,
    weight: isReady ? weight : 0,
    latency: rounded(Math.max(0, ...told(({ latencyMs }) => latencyMs))),
    throughput: rounded(throughputs.length > 0 ? throughputs.reduce((a, b) => a + b, 0) : requestsPerSecond),
    errorRate: rounded(errorRates.length > 0 ? Math.max(...errorRates) : unhealthy / Math.max(1, components.length)),
    dependencies: Object.fromEntries(components.map(({ name, status }) => [name, status])),
    phases: phases(situation),
    at: DateTime.formatIso(report.at),
    message: report.status === "healthy" ? "" : complaintOf(report)
  }
}

/** Of each phase that a component is known to belong to. */
const phases = ({ details, report }: Situation): HealthBody["phases"] => {
  const members = Map.groupBy(report.components, ({ name }) => details[name]?.phase)
  return Object.fromEntries(
    [...members].flatMap(([phase, all]) => (phase === undefined ? [] : [[phase, phaseStatus(all)]]))
  )
}

const phaseStatus = (all: ReadonlyArray<Health.ComponentHealth>): Health.Status => {
  const isSome = (...statuses: ReadonlyArray<Health.Status>) => all.some(({ status }) => statuses.includes(status))
  const critical = all.filter((one) => one.critical)
  if (critical.some(({ status }) => status === "unhealthy")) return "unhealthy"
  if (critical.some(({ status }) => status === "unknown")) return "unknown"
  return isSome("unhealthy", "degraded", "unknown") ? "degraded" : "healthy"
}

/** The answer of `/health/components`. */
export const components = (situation: Situation): ComponentsBody => ({
  status: nodeStatus(situation.report),
  at: DateTime.formatIso(situation.report.at),
  phases: phases(situation),
  components: situation.report.components.map((component) => ({
    name: component.name,
    critical: component.critical,
    status: component.status,
    message: component.message,
    ...(component.latencyMs === undefined ? {} : { latency: rounded(component.latencyMs) }),
    ...(component.throughput === undefined ? {} : { throughput: rounded(component.throughput) }),
    ...(component.errorRate === undefined ? {} : { errorRate: rounded(component.errorRate) }),
    ...(component.lastCheckedAt === undefined ? {} : { lastCheck: DateTime.formatIso(component.lastCheckedAt) }),
    dependencies: component.dependencies,
    ...situation.details[component.name]
  }))
})

/** The worst first, up to three. */
const complaintOf = ({ components, status }: Health.HealthReport): string => {
  const rank = ({ critical, status }: Health.ComponentHealth) =>
    (critical ? 0 : 4) + ["unhealthy", "unknown", "degraded", "healthy"].indexOf(status)
  const bad = components.filter(({ status }) => status !== "healthy").toSorted((a, b) => rank(a) - rank(b))
  if (bad.length === 0) return status === "healthy" ? "" : "nothing has been checked yet"
  const rest = bad.length > 3 ? `, and ${bad.length - 3} more` : ""
  return `${bad
    .slice(0, 3)
    .map(({ message, name }) => `${name}: ${message}`)
    .join("; ")}${rest}`
}

/** To a thousandth; a body is read by people too. */
const rounded = (n: number): number => Math.round(n * 1_000) / 1_000
