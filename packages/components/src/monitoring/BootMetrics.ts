/**
 * The metrics of a boot and of the node that came of it: a fold over the events, and what the report says.
 *
 * **Details**
 *
 * The figures of `StartupMetrics` are read from the report and not kept twice. What the report does not count is counted
 * here: errors by their tag, probes, rollbacks, CPU time and memory by component.
 *
 * CPU time belongs to the process. What it used between two events is shared evenly among the components that were
 * starting then, so it is exact for one that was alone and a guess for the others; the sum is true. Growth of the heap
 * cannot be shared, so only those have it that were alone.
 *
 * **Gotchas**
 *
 * Groups and their members start at the same time by nature; the members count, and the group does not.
 */
import { type BootEvent, Report } from "@novacron/boot/model"
import { type Figure, figures as startupFigures } from "../post/StartupMetrics.ts"
import type { Name } from "./Catalogue.ts"
import type { Tally, Trace } from "./Tally.ts"

/** What the process had used when an event came. */
export interface Usage {
  readonly cpuSeconds: number
  readonly heapBytes: number
}

/** The fold. Make one with {@link make}; only {@link step} and {@link probed} change it. */
export interface Fold {
  report: Report.Fold
  startedAt: number
  readonly tally: Tally
  /** Components that are starting, and since when they have been the only one; NaN when they are not, or were not. */
  readonly starting: Map<string, { aloneSinceBytes: number }>
  readonly acquiredAtMs: Map<string, number>
  readonly cpuSeconds: Map<string, number>
  readonly heapBytes: Map<string, number>
  /** States that each component has been in. */
  readonly states: Map<string, Set<string>>
  /** What the probes of a running node say: 1, 0.5, 0. */
  readonly probes: Map<string, number>
  readonly highest: Map<string, number>
  /** Components that are not as they should be, since when, and whether a fallback serves for them. */
  readonly broken: Map<string, { readonly sinceMs: number; isReplaced: boolean }>
  last: Usage
  stopped: { readonly seconds: number; readonly clean: boolean } | undefined
  rollback: BootEvent.Of<"RollbackStarted"> | undefined
}

/** Nothing has happened. */
export const make = (tally: Tally): Fold => ({
  report: Report.make(),
  startedAt: NaN,
  tally,
  starting: new Map(),
  acquiredAtMs: new Map(),
  cpuSeconds: new Map(),
  heapBytes: new Map(),
  states: new Map(),
  probes: new Map(),
  highest: new Map(),
  broken: new Map(),
  last: { cpuSeconds: 0, heapBytes: 0 },
  stopped: undefined,
  rollback: undefined
})

/** Events at which it is worth to ask what the process has used. */
export const changesUsage = ({ _tag }: BootEvent.BootEvent): boolean =>
  _tag === "BootStarted" || _tag === "ComponentStarted" || _tag === "AttemptClosed" || isUp(_tag)

const isUp = (tag: BootEvent.BootEvent["_tag"]): boolean => tag === "ComponentReady" || tag === "ComponentDegraded"

/** Takes in one event, what the process had used by then, and the trace that it belongs to. */
export const step = (fold: Fold, event: BootEvent.BootEvent, usage?: Usage, trace?: Trace): void => {
  if (event._tag === "BootStarted") begin(fold, event)
  Report.step(fold.report, event)
  if (usage !== undefined) share(fold, event, usage)
  const { tally } = fold
  const atMs = fold.startedAt + event.atMs
  switch (event._tag) {
    case "ComponentStarted":
      fold.acquiredAtMs.delete(event.component)
      return enter(fold, event.component, "running")
    case "ComponentAcquired":
      fold.acquiredAtMs.set(event.component, event.atMs)
      return
    case "ComponentReady":
      probeEnded(fold, event, trace)
      return enter(fold, event.component, "ready")
    case "ComponentDegraded":
      breaks(fold, event, true)
      probeEnded(fold, event, trace)
      return enter(fold, event.component, "degraded")
    case "AttemptFailed":
      probeEnded(fold, event, trace)
      return tally.count("novacron_component_errors_total", errorOf(event, event.failure.tag), atMs, trace)
    case "SwapFailed":
      return tally.count("novacron_component_errors_total", errorOf(event, event.failure.tag), atMs, trace)
    case "HealthChanged":
      // A fallback that is well is no repair.
      if (event.healthy) return fold.broken.get(event.component)?.isReplaced ? undefined : repaired(fold, event, trace)
      breaks(fold, event, false)
      return tally.count("novacron_component_errors_total", errorOf(event, "Unhealthy"), atMs, trace)
    case "SwapCompleted":
      if (event.variant === 0) repaired(fold, event, trace)
      else breaks(fold, event, true)
      return enter(fold, event.component, event.variant === 0 ? "ready" : "degraded")
    case "ComponentQueued":
      return enter(fold, event.component, "queued")
    case "ComponentBackoff":
      return enter(fold, event.component, "backoff")
    case "ComponentAbsent":
      return enter(fold, event.component, "absent")
    case "ComponentSkipped":
      return enter(fold, event.component, "skipped")
    case "ComponentFailed":
      return enter(fold, event.component, "failed")
    case "ComponentStopped":
      return enter(fold, event.component, "stopped")
    case "RollbackStarted":
      fold.rollback = event
      return
    case "BootEnded":
      return ended(fold, event, trace)
    case "BootStarted":
    case "PhaseStarted":
    case "CheckpointReached":
    case "PhaseSlow":
    case "BootReady":
    case "ComponentSlow":
    case "ComponentInterrupted":
    case "AttemptClosed":
    case "FallbackChosen":
    case "ComponentStopping":
    case "SwapStarted":
      return
  }
}

/** A probe of the running node took so long, and says how the component is. */
export const probed = (
  fold: Fold,
  component: string,
  seconds: number | undefined,
  health: number,
  atMs: number
): void => {
  fold.probes.set(component, health)
  if (seconds === undefined) return
  fold.tally.observe("novacron_component_health_check_duration_seconds", { component }, seconds, atMs)
}

/** It is broken from now on, if it was not before. */
const breaks = ({ broken }: Fold, { atMs, component }: Moment, isReplaced: boolean): void => {
  const since = broken.get(component)
  if (since === undefined) broken.set(component, { sinceMs: atMs, isReplaced })
  else since.isReplaced ||= isReplaced
}

const repaired = (fold: Fold, { atMs, component }: Moment, trace?: Trace): void => {
  const since = fold.broken.get(component)
  if (since === undefined) return
  fold.broken.delete(component)
  const seconds = Math.max(0, atMs - since.sinceMs) / 1_000
  fold.tally.observe("novacron_component_repair_duration_seconds", { component }, seconds, fold.startedAt + atMs, trace)
}

interface Moment {
  readonly component: string
  readonly atMs: number
}

const begin = (fold: Fold, { startedAt }: BootEvent.Of<"BootStarted">): void => {
  const { broken, cpuSeconds, heapBytes, highest, probes, starting, states } = fold
  for (const map of [broken, cpuSeconds, heapBytes, highest, probes, starting, states, fold.acquiredAtMs]) map.clear()
  Object.assign(fold, { startedAt, stopped: undefined, rollback: undefined })
}

const enter = ({ states }: Fold, component: string, state: string): void => {
  const been = states.get(component)
  if (been === undefined) states.set(component, new Set([state]))
  else been.add(state)
}

const errorOf = ({ component }: { readonly component: string }, error_type: string) => ({ component, error_type })

/** From the moment that its resources were held until it was decided. */
const probeEnded = (fold: Fold, event: Moment, trace?: Trace): void => {
  const { component } = event
  const fromMs = fold.acquiredAtMs.get(component)
  if (fromMs === undefined) return
  fold.acquiredAtMs.delete(component)
  const seconds = Math.max(0, event.atMs - fromMs) / 1_000
  const atMs = fold.startedAt + event.atMs
  fold.tally.observe("novacron_component_health_check_duration_seconds", { component }, seconds, atMs, trace)
}

const ended = (fold: Fold, event: BootEvent.Of<"BootEnded">, trace?: Trace): void => {
  const { rollback, tally } = fold
  if (rollback === undefined) return
  const seconds = Math.max(0, event.atMs - rollback.atMs) / 1_000
  const atMs = fold.startedAt + event.atMs
  if (rollback.why === "stopped") {
    fold.stopped = { seconds, clean: event.clean }
    return
  }
  const reason = { reason: rollback.why }
  tally.count("novacron_rollbacks_total", reason, atMs, trace)
  tally.observe("novacron_rollback_duration_seconds", reason, seconds, atMs, trace)
}

/** Shares what was used since the last time among those who were starting, and sees who is starting now. */
const share = (fold: Fold, event: BootEvent.BootEvent, usage: Usage): void => {
  const { cpuSeconds, heapBytes, last, starting } = fold
  const used = Math.max(0, usage.cpuSeconds - last.cpuSeconds)
  for (const name of starting.keys()) cpuSeconds.set(name, (cpuSeconds.get(name) ?? 0) + used / starting.size)
  fold.last = usage
  if (!("component" in event)) return
  const { component } = event
  if (event._tag === "ComponentStarted") {
    // Its group is waiting for it.
    const slash = component.lastIndexOf("/")
    if (slash > 0) starting.delete(component.slice(0, slash))
    for (const one of starting.values()) one.aloneSinceBytes = NaN
    starting.set(component, { aloneSinceBytes: starting.size === 0 ? usage.heapBytes : NaN })
    if (!cpuSeconds.has(component)) cpuSeconds.set(component, 0)
    return
  }
  const from = starting.get(component)?.aloneSinceBytes ?? NaN
  starting.delete(component)
  if (!Number.isNaN(from)) heapBytes.set(component, usage.heapBytes - from)
}

// ------------------------------------------------------------------------------------------------------------ figures

const outcomes = ["booting", "ready", "degraded", "failed", "cancelled", "stopped"] as const

/** What can be said right now, besides what is in the tally. */
export const figures = (fold: Fold): ReadonlyArray<Figure> => {
  const report = Report.read(fold.report)
  if (report.startedAt === "") return []
  const one = (name: Name, value: number, labels: Figure["labels"] = {}): Figure => ({ name, value, labels })
  const { bootId, components, criticalPathMs, environment, nodeId, outcome, readyAtMs, restorations } = report
  const { stopped } = fold
  return [
    one("novacron_node_info", 1, { node_id: nodeId, boot_id: bootId, environment }),
    ...outcomes.map((each) => one("novacron_boot_outcome", each === outcome ? 1 : 0, { outcome: each })),
    one("novacron_boot_start_timestamp_seconds", fold.startedAt / 1_000),
    ...(readyAtMs === null ? [] : [one("novacron_boot_ready_timestamp_seconds", (fold.startedAt + readyAtMs) / 1_000)]),
    one("novacron_critical_path_duration_seconds", criticalPathMs / 1_000),
    ...startupFigures(report).map((figure) => rising(fold.highest, figure)),
    ...components.filter(exists).flatMap((component) => componentFigures(fold, component)),
    ...restorations.flatMap(({ completed, component, failed, started }) =>
      Object.entries({ started, completed, failed }).map(([how, times]) =>
        one("novacron_component_restorations_total", times, { component, outcome: how })
      )
    ),
    ...(stopped === undefined
      ? []
      : [
          one("novacron_shutdown_duration_seconds", stopped.seconds),
          one("novacron_shutdown_clean", stopped.clean ? 1 : 0)
        ])
  ]
}

type Row = Report.Report["components"][number]

/** In this environment. */
const exists = ({ reason }: Row): boolean => reason?._tag !== "Environment"

const componentFigures = (fold: Fold, row: Row): ReadonlyArray<Figure> => {
  const { name: component, state } = row
  const one = (name: Name, value: number, labels: Figure["labels"] = {}): Figure => ({
    name,
    value,
    labels: { component, ...labels }
  })
  const retried = row.attempts.filter(({ attempt }) => attempt > 1)
  const succeeded = retried.filter(({ error, interrupted }) => error === null && !interrupted && row.readyAtMs !== null)
  const states = new Set([...(fold.states.get(component) ?? []), state])
  const cpu = fold.cpuSeconds.get(component)
  const heap = fold.heapBytes.get(component)
  return [
    one("novacron_component_health_status", healthOf(row, fold.probes.get(component))),
    ...[...states].map((each) => one("novacron_component_state", each === state ? 1 : 0, { state: each })),
    one("novacron_component_retry_successes_total", succeeded.length),
    ...(retried.length === 0 ? [] : [one("novacron_component_retry_success_ratio", succeeded.length / retried.length)]),
    ...(cpu === undefined ? [] : [one("novacron_component_init_cpu_seconds", cpu)]),
    ...(heap === undefined ? [] : [one("novacron_component_init_heap_bytes", heap)])
  ]
}

/** The worse of what the boot and the probes say. */
const healthOf = ({ health, state }: Row, probed: number | undefined): number => {
  if (state !== "ready" && state !== "degraded") return 0
  if (health?.healthy === false) return 0
  return Math.min(state === "ready" ? 1 : 0.5, probed ?? 1)
}

/** A counter does not go down, although those that have come up go down one day. */
const rising = (highest: Map<string, number>, figure: Figure): Figure => {
  if (!figure.name.endsWith("_total")) return figure
  const key = JSON.stringify([figure.name, figure.labels])
  const value = Math.max(figure.value, highest.get(key) ?? 0)
  highest.set(key, value)
  return { ...figure, value }
}
