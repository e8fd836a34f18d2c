/**
 * A report for those who read it: its Schema, the chain of reasons for whoever asks why, and the text at the end of a
 * boot. `Report.ts` makes reports and is the door to all of this.
 *
 * **Details**
 *
 * Times are milliseconds; one whose name ends in `AtMs` counts from the begin of the boot. `null` means that it did not
 * come to that. The text holds no colours and no control characters, whatever the messages of errors hold.
 *
 * **Example**
 *
 * ```ts
 * Report.why(report, "search")
 * // => ["search is skipped: it needs index", "index is absent: Refused no route after 3 attempts in 3.1 s"]
 * Report.text(report) // => "…\nREADY (degraded: cache) in 231 ms · critical path 227 ms · overhead 1.8 %"
 * ```
 */
import { Schema } from "effect"
import { CheckpointReached, Closing, Failure, Reason } from "./BootEvent.ts"
import * as Count from "./Count.ts"
import { statusNames } from "./ProgressState.ts"

const phase = Schema.Literals(["pre", "core", "service", "post"])
const severity = Schema.Literals(["critical", "degraded", "warning"])
const ms = Schema.Finite
const msOrNull = Schema.NullOr(Schema.Finite)
const names = Schema.Array(Schema.String)

/** What a component is doing, in one word. */
export const State = Schema.Literals(statusNames)
export type State = typeof State.Type

/** One try to start a component, from its start until it was up, or until all it held was closed. */
export const Attempt = Schema.Struct({
  /** 0 for the component itself, from 1 for its fallbacks; `attempt` counts within it, from 1. */
  variant: ms,
  attempt: ms,
  startedAtMs: ms,
  durationMs: ms,
  /** Null when it succeeded, goes on, or was only told to stop. */
  error: Schema.NullOr(Failure),
  interrupted: Schema.Boolean
})
export type Attempt = typeof Attempt.Type

/**
 * One component. Until it first settled, `waitingMs` (for needs and phase), `queuedMs` (for a slot), `runningMs` (with
 * the closing of failed attempts) and `backoffMs` add up to the time since the boot began.
 */
export const Component = Schema.Struct({
  /** `dwcp/amst` inside a group; then it tells of the latest attempt of its group. */
  name: Schema.String,
  phase,
  severity,
  state: State,
  /** Since when it is in this state. */
  sinceMs: ms,
  needs: names,
  fallbacks: names,
  startedAtMs: msOrNull,
  readyAtMs: msOrNull,
  settledAtMs: msOrNull,
  waitingMs: ms,
  queuedMs: ms,
  runningMs: ms,
  backoffMs: ms,
  /** Until it first settled; later ones are counted in `restorations`. */
  attempts: Schema.Array(Attempt),
  /** The fallback that serves, served last, or was tried last. */
  fallback: Schema.NullOr(Schema.String),
  /** Why it is not up, or not up itself. */
  reason: Schema.NullOr(Reason),
  /** What continuous health said last; null as long as only the first probe has spoken. */
  health: Schema.NullOr(Schema.Struct({ healthy: Schema.Boolean, message: Schema.String, sinceMs: ms })),
  /** Whether an attempt took longer than it should. */
  slow: Schema.Boolean,
  /** The worst that came of closing it; null when nothing was closed. */
  closing: Schema.NullOr(Closing)
})
export type Component = typeof Component.Type

/** The report of a boot. `version` changes with every change that a reader has to know about. */
export const Report = Schema.Struct({
  version: Schema.Literal(1),
  bootId: Schema.String,
  nodeId: Schema.String,
  environment: Schema.String,
  configVersion: Schema.String,
  /** `booting` until it is decided; `stopped` after a stop that was asked for when the node was up. */
  outcome: Schema.Literals(["booting", "ready", "degraded", "failed", "cancelled", "stopped"]),
  /** What the process should exit with, should it exit now. See `exitCodes`. */
  exitCode: ms,
  /** ISO 8601; empty when the events do not tell. */
  startedAt: Schema.String,
  /** When the last thing happened that this report knows of. */
  atMs: ms,
  readyAtMs: msOrNull,
  endedAtMs: msOrNull,
  /** From the begin until READY, until the rollback of a boot that never was ready, or until now. */
  durationMs: ms,
  worstCaseMs: ms,
  /** How many attempts could run at the same time. */
  concurrency: ms,
  /** Running and backoff along `criticalPath`. */
  criticalPathMs: ms,
  /** Running and backoff of all components: what a boot one after the other would have taken. */
  sequentialMs: ms,
  /** `sequentialMs / durationMs` */
  speedup: ms,
  /** The speedup as a share of what the critical path and the slots allow, from 0 to 1. */
  parallelEfficiency: ms,
  /** `durationMs - criticalPathMs` */
  overheadMs: ms,
  phases: Schema.Array(
    Schema.Struct({
      phase,
      /** When the first of its components started, and when its checkpoint was reached. */
      startedAtMs: msOrNull,
      endedAtMs: msOrNull,
      /** From the completion of the phases before it, so that durations add up; this is what the budgets limit. */
      durationMs: ms,
      /** The default budget: the events do not carry another one. */
      targetMs: ms,
      maxMs: ms,
      overTarget: Schema.Boolean,
      /** Of the duration of the boot, from 0 to 1. */
      share: ms,
      /** The share of its work that was saved by doing things at the same time, from 0 to 1. */
      overlap: ms
    })
  ),
  checkpoints: Schema.Array(Schema.Struct({ checkpoint: CheckpointReached.fields.checkpoint, atMs: ms })),
  components: Schema.Array(Component),
  /** The chain that determined when the boot was ready, or had failed: each released the next. */
  criticalPath: names,
  /** Root causes, the severest first: equal tag and message count as one. */
  failures: Schema.Array(
    Schema.Struct({
      ...Failure.fields,
      components: names,
      /** Those that never came up because of it, directly or not. */
      notStarted: names
    })
  ),
  /** What was done while running about components that were not up themselves. */
  restorations: Schema.Array(
    Schema.Struct({
      component: Schema.String,
      started: ms,
      completed: ms,
      failed: ms,
      lastError: Schema.NullOr(Failure)
    })
  ),
  rollback: Schema.NullOr(
    Schema.Struct({
      why: Schema.Literals(["failed", "cancelled", "deadline", "stopped"]),
      because: Schema.String,
      startedAtMs: ms,
      durationMs: ms,
      /** How many held something that was closed. */
      components: ms,
      /** False until it is over, and when a finalizer failed or had to be abandoned. */
      clean: Schema.Boolean
    })
  )
})
export type Report = typeof Report.Type

// ------------------------------------------------------------------------------------------------------ why it is so

/** What reasons are looked up in. */
export interface Scene {
  readonly byName: ReadonlyMap<string, Component>
  readonly rollback: Report["rollback"]
  readonly concurrency: number
  /** The first member that failed, by group. */
  readonly culprits: ReadonlyMap<string, string>
  /** What keeps phases closed: the first unsettled component of `pre`, and the first critical one before `post`. */
  readonly gates: { readonly pre: string | undefined; readonly post: string | undefined }
  readonly atMs: number
}

type Told = Pick<Report, "atMs" | "components" | "rollback" | "concurrency">

/** Sets the scene, in one pass over the components. */
export const scene = ({ atMs, components, concurrency, rollback }: Told): Scene => {
  const byName = new Map<string, Component>()
  const culprits = new Map<string, string>()
  let pre: string | undefined
  let post: string | undefined
  for (const component of components) {
    byName.set(component.name, component)
    const group = groupOf(component.name)
    if (group !== undefined) {
      if (component.state === "failed" && !culprits.has(group)) culprits.set(group, component.name)
    } else if (component.settledAtMs === null) {
      if (component.phase === "pre") pre ??= component.name
      if (component.phase !== "post" && component.severity === "critical") post ??= component.name
    }
  }
  return { byName, rollback, concurrency, culprits, gates: { pre, post }, atMs }
}

/** The group that a member is inside of. */
export const groupOf = (name: string): string | undefined => {
  const slash = name.lastIndexOf("/")
  return slash < 0 ? undefined : name.slice(0, slash)
}

/** The component at which the search for the reason goes on; undefined at a root cause. */
const nextOf = (at: Scene, component: Component): string | undefined => {
  const { name, reason, state } = component
  if (state === "waiting") {
    return at.rollback === null ? blockerOf(at, component) : groupOrCulprit(at, name, at.rollback.because)
  }
  if (state === "ready" || isBusy(state)) return undefined
  switch (reason?._tag) {
    case undefined:
    case "Environment":
      return undefined
    case "Need":
      return reason.need
    case "RolledBack":
      return groupOrCulprit(at, name, reason.because)
    case "Failed":
      return reason.failure.tag === "NeedAbsent" ? lostNeed(at, component, reason.failure) : at.culprits.get(name)
  }
}

const isBusy = (state: State): boolean =>
  state === "queued" || state === "running" || state === "closing" || state === "backoff"

/** The need that was lost before anything was rolled back. Of several the sentence names the one that counts. */
const lostNeed = (at: Scene, { needs }: Component, { message }: Failure): string | undefined => {
  const lost = needs.filter((need) => {
    const component = at.byName.get(need)
    return component?.state === "absent" || (component?.state === "skipped" && component.reason?._tag === "Need")
  })
  return lost.find((need) => message.includes(` needs ${need},`)) ?? lost[0]
}

/** A rollback names those it happened because of, or a person's reason, which ends the search. */
const groupOrCulprit = (at: Scene, name: string, because: string): string | undefined => {
  const group = groupOf(name)
  return group !== undefined && at.byName.get(group)?.state !== "ready"
    ? group
    : because.split(", ").find((one) => one !== name && at.byName.has(one))
}

/** What a component is still waiting for. */
const blockerOf = (at: Scene, component: Component): string | undefined => {
  const group = at.byName.get(groupOf(component.name) ?? "")
  if (group !== undefined && group.state !== "running") return group.name
  const need = component.needs.find((one) => at.byName.get(one)?.settledAtMs === null)
  if (need !== undefined || component.phase === "pre") return need
  return at.gates.pre ?? (component.phase === "post" ? at.gates.post : undefined)
}

/** From a component to its root cause, both included. */
const chain = (at: Scene, name: string): ReadonlyArray<Component> => {
  const links = new Set<Component>()
  for (let link = at.byName.get(name); link !== undefined && !links.has(link);) {
    links.add(link)
    const next = nextOf(at, link)
    link = next === undefined ? undefined : at.byName.get(next)
  }
  return [...links]
}

/**
 * The root cause of each component, itself perhaps: the last failure on the way, or the end of it when nothing failed.
 * Takes time linear in the components.
 */
export const roots = (at: Scene): ReadonlyMap<string, Component> => {
  const found = new Map<string, Component>()
  for (const component of at.byName.values()) {
    const walked = new Set<Component>()
    let link: Component | undefined = component
    while (link !== undefined && !walked.has(link) && !found.has(link.name)) {
      walked.add(link)
      const next = nextOf(at, link)
      link = next === undefined ? undefined : at.byName.get(next)
    }
    let root = link === undefined ? undefined : found.get(link.name)
    for (const one of [...walked].reverse()) {
      if (root?.reason?._tag !== "Failed") root = root === undefined || one.reason?._tag === "Failed" ? one : root
      found.set(one.name, root)
    }
  }
  return found
}

/** Why a component is as it is: a sentence for each step, from itself to the root cause. */
export const why = (report: Report, name: string): ReadonlyArray<string> => {
  const at = scene(report)
  if (!at.byName.has(name)) return [`This boot knows no component "${visible(name)}".`]
  const links = chain(at, name)
  return links.map((link, k) => visible(sentence(at, link, links[k + 1])))
}

const sentence = (at: Scene, component: Component, next: Component | undefined): string => {
  const { name, state } = component
  switch (state) {
    case "ready":
      return component.health?.healthy === false
        ? `${name} is ready, but not healthy: ${component.health.message}`
        : `${name} is ready: it came up after ${duration(component.readyAtMs ?? 0)}`
    case "waiting": {
      if (at.rollback !== null) return `${name} was not started: ${rolledBack(at.rollback, at.rollback.because)}`
      if (next === undefined) return `${name} is still waiting for its turn`
      return component.needs.includes(next.name) || groupOf(name) === next.name
        ? `${name} is waiting: it needs ${next.name}`
        : `${name} is waiting: its phase has not begun before ${next.name} has settled`
    }
    case "queued":
      return `${name} is still queued: all ${at.concurrency} slots are taken`
    case "running":
      return `${name} is still starting: ${ordinal(component)} for ${duration(at.atMs - component.sinceMs)}`
    case "closing":
      return `${name} is still closing: ${ordinal(component)} ${lastError(component)}`
    case "backoff":
      return `${name} is still waiting for its next attempt: ${ordinal(component)} ${lastError(component)}`
    case "degraded":
      return `${name} is degraded, on its fallback ${component.fallback ?? "?"}: ${because(at, component)}`
    case "failed":
      return `${name} failed: ${because(at, component)}`
    case "absent":
    case "skipped":
    case "stopping":
    case "stopped":
      return `${name} is ${state}: ${because(at, component)}`
  }
}

const because = (at: Scene, component: Component): string => {
  const { reason } = component
  switch (reason?._tag) {
    case undefined:
      return "nothing is known about the reason"
    case "Need":
      return `it needs ${reason.need}`
    case "Environment":
      return `it exists only in ${reason.only.join(", ") || "no environment"}, and this is ${reason.environment}`
    case "RolledBack":
      return rolledBack(at.rollback, reason.because)
    case "Failed":
      return `${failureText(reason.failure)}${tries(component)}`
  }
}

const rolledBack = (rollback: Report["rollback"], because: string): string => {
  if (rollback === null || because.endsWith(" by hand")) return `it went down for ${because || "an unknown reason"}`
  const what = { failed: "was rolled back", deadline: "ran out of time", cancelled: "was cancelled" }
  const why = rollback?.why ?? "failed"
  return `${why === "stopped" ? "the node was stopped" : `the boot ${what[why]}`}${because && ` because of ${because}`}`
}

/** `Refused connect ECONNREFUSED 127.0.0.1:9200`; a message that already begins with its tag is enough. */
const failureText = ({ message, tag }: Failure): string => (message.startsWith(tag) ? message : `${tag} ${message}`)

const tries = ({ attempts }: Component): string => {
  const failed = attempts.filter(({ error }) => error !== null)
  return failed.length === 0 ? "" : ` after ${Count.of(failed.length, "attempt")} in ${duration(spanMs(failed))}`
}

const spanMs = (attempts: ReadonlyArray<Attempt>): number => {
  const [first, last] = [attempts[0], attempts.at(-1)]
  return first && last ? last.startedAtMs + last.durationMs - first.startedAtMs : 0
}

const ordinal = ({ attempts, fallback }: Component): string =>
  `attempt ${attempts.at(-1)?.attempt ?? 1}${fallback === null ? "" : ` of ${fallback}`}`

const lastError = ({ attempts }: Component): string => {
  const error = attempts.at(-1)?.error
  return error ? `failed with ${failureText(error)}` : "was told to stop"
}

// ------------------------------------------------------------------------------------------------------------- text

/** What a person reads at the end, the most important line last; of a failed boot, what to do. */
export const text = (report: Report): string =>
  linesOf(report)
    .map((line) => visible(line).trimEnd())
    .join("\n")

const linesOf = (report: Report): ReadonlyArray<string> => {
  switch (report.outcome) {
    case "booting":
      return [...table(report), bootingLine(report)]
    case "ready":
    case "degraded":
      return [...table(report), ...phaseLine(report), readyLine(report)]
    case "failed":
      return failed(report)
    case "cancelled":
      return closed(report, "BOOT CANCELLED")
    case "stopped":
      return closed(report, "STOPPED")
  }
}

/** How many rows a table has at the most, and names a list. */
const limit = { rows: 60, names: 4, attempts: 8 } as const

const table = (report: Report): ReadonlyArray<string> => {
  const top = report.components.filter(isTop)
  const path = new Set(report.criticalPath)
  const at = scene(report)
  // Of a large boot, what went wrong and what took long.
  const some = top.filter(({ name, state }) => state !== "ready" || path.has(name)).slice(0, limit.rows)
  const shown = (top.length <= limit.rows ? top : some).toSorted(
    (a, b) => (a.settledAtMs ?? Infinity) - (b.settledAtMs ?? Infinity) || (a.name < b.name ? -1 : 1)
  )
  const width = Math.max(0, ...shown.map(({ name }) => name.length))
  const more = top.length - shown.length
  const rows = shown.map((component) => {
    const { backoffMs, name, runningMs, startedAtMs, state } = component
    const took = startedAtMs === null ? "" : duration(runningMs + backoffMs)
    return `  ${mark[state] ?? "·"} ${name.padEnd(width)}  ${took.padStart(7)}   ${remark(at, component)}`
  })
  return more === 0 ? rows : [...rows, `    and ${Count.of(more, "more component")}`]
}

const mark: { readonly [S in State]?: string } = { ready: "✓", degraded: "~", absent: "-", skipped: "-", failed: "✗" }

const remark = (at: Scene, component: Component): string => {
  const { fallback, needs, state } = component
  if (state !== "ready" && component.reason !== null) {
    return `${state === "degraded" ? `on its fallback ${fallback ?? "?"}` : state}: ${because(at, component)}`
  }
  return `${state === "ready" ? "" : `${state} `}${needs.length === 0 ? "" : `← ${list(needs)}`}`
}

const readyLine = ({ components, criticalPathMs, durationMs, overheadMs }: Report): string => {
  const parts = (["degraded", "absent", "skipped"] as const).flatMap((state) =>
    titled(state, components, (one) => one.state === state && one.reason?._tag !== "Environment")
  )
  const overhead = criticalPathMs === 0 ? 0 : (100 * overheadMs) / criticalPathMs
  return [
    `READY${parts.length === 0 ? "" : ` (${parts.join("; ")})`} in ${duration(durationMs)}`,
    `critical path ${duration(criticalPathMs)}`,
    `overhead ${round(overhead, 1)} %`
  ].join(" · ")
}

/** What each phase had of the time, when there was more than one. */
const phaseLine = ({ components, phases }: Report): ReadonlyArray<string> => {
  const begun = phases.filter(({ phase }) => components.some((one) => one.phase === phase))
  if (begun.length < 2) return []
  const each = begun.map(({ durationMs, overTarget, phase, share }) => {
    const of = `${phase} ${duration(durationMs)} (${round(100 * share, 0)} %)`
    return overTarget ? `${of}, over its target` : of
  })
  return [`  phases: ${each.join(" · ")}`]
}

const isTop = ({ name }: Component): boolean => groupOf(name) === undefined

/** `degraded: cache, search`; nothing when there is nobody like that. */
const titled = (
  title: string,
  components: ReadonlyArray<Component>,
  isLike: (one: Component) => boolean
): ReadonlyArray<string> => {
  const found = components.filter((one) => isTop(one) && isLike(one))
  return found.length === 0 ? [] : [`${title}: ${list(found.map(({ name }) => name))}`]
}

const bootingLine = ({ atMs, components }: Report): string => {
  const open = components.filter(({ settledAtMs }) => settledAtMs === null)
  const busy = open.filter(({ state }) => isBusy(state)).map(({ name }) => name)
  const of = `${components.length - open.length} of ${Count.of(components.length, "component")}`
  return `BOOTING  ${of} after ${duration(atMs)}${busy.length === 0 ? "" : `, waiting for ${list(busy)}`}`
}

const header = (report: Report, title: string): string => `${title.padEnd(76)}  exit ${report.exitCode}`

const item = (key: string, value: string): string => `  ${key.padEnd(9)} ${value}`

const closed = (report: Report, title: string): ReadonlyArray<string> => {
  const { rollback } = report
  if (rollback === null) return [header(report, title)]
  const why = rollback.because === "" ? "" : `  because of ${rollback.because}`
  return [header(report, `${title}${why}, after ${duration(rollback.startedAtMs)}`), item("undone", undone(report))]
}

const failed = (report: Report): ReadonlyArray<string> => {
  const { components, failures, readyAtMs } = report
  const at = scene(report)
  const fallen = components.filter((one) => one.state === "failed" && isTop(one))
  const title = readyAtMs === null ? "BOOT FAILED" : `NODE FAILED after ${duration(readyAtMs)}`
  // The causes of what failed; when time ran out before anything did, whatever has gone wrong until then.
  const fatal = failures.filter((one) =>
    fallen.some(({ name }) => one.components.includes(name) || one.notStarted.includes(name))
  )
  const causes = (fatal.length > 0 ? fatal : failures).slice(0, limit.names)
  const worst = causes[0]
  const impaired = [
    ...titled("degraded", components, (one) => one.fallback !== null && one.readyAtMs !== null),
    ...titled("absent", components, (one) => one.state === "absent" && one.reason?._tag === "Failed")
  ]
  return [
    header(report, `${title}  ${subject(report, fallen)}`),
    ...causes.flatMap((cause) => [
      item("cause", causes.length > 1 ? `${list(cause.components)}: ${cause.message}` : cause.message),
      item("tried", tried(at.byName.get(cause.components[0] ?? ""))),
      ...(cause.notStarted.length === 0
        ? []
        : [item("needed by", `${neededBy(report, cause.components)} (${cause.notStarted.length} not started)`)])
    ]),
    ...(impaired.length === 0 ? [] : [item("besides", impaired.join("; "))]),
    item("undone", undone(report)),
    ...(worst === undefined ? [] : [item("do", `${advice(worst)}      more: why ${worst.components[0] ?? ""}`)])
  ]
}

const subject = ({ rollback }: Report, fallen: ReadonlyArray<Component>): string => {
  const names = list(fallen.map(({ name }) => `"${name}"`))
  if (rollback?.why === "deadline") return `the boot ran out of time, waiting for ${names || rollback.because}`
  const critical = fallen.every((one) => one.severity === "critical") ? "critical " : ""
  return `${critical}component${fallen.length === 1 ? "" : "s"} ${names} did not start`
}

/** `3 times over 3.1 s (0 s · 1.1 s · 3.1 s), then memory once over 5 ms, in phase core` */
const tried = (component: Component | undefined): string => {
  if (component === undefined || component.attempts.length === 0) return "nothing: it was not started"
  const variants = Map.groupBy(component.attempts, ({ variant }) => variant)
  const each = [...variants].map(([variant, attempts]) => {
    const times = attempts.length === 1 ? "once" : `${attempts.length} times`
    const unit = spanMs(attempts) < 1_000 ? duration : seconds
    const starts = attempts.map((one) => unit(one.startedAtMs - (attempts[0]?.startedAtMs ?? 0)))
    const shown = starts.length > limit.attempts ? [...starts.slice(0, limit.attempts), "…"] : starts
    const when = attempts.length === 1 ? "" : ` (${shown.join(" · ")})`
    const what = variant === 0 ? "" : `${component.fallbacks[variant - 1] ?? "a fallback"} `
    return `${what}${times} over ${duration(spanMs(attempts))}${when}`
  })
  return `${each.join(", then ")}, in phase ${component.phase}`
}

/** Up to three steps along the arrows of time. */
const neededBy = ({ components }: Report, causes: ReadonlyArray<string>): string => {
  const steps: Array<string> = []
  const seen = new Set(causes)
  for (let from = seen; steps.length < 3;) {
    const next = components.filter(({ name, needs }) => !seen.has(name) && needs.some((need) => from.has(need)))
    if (next.length === 0) break
    from = new Set(next.map(({ name }) => name))
    for (const name of from) seen.add(name)
    steps.push(list([...from]))
  }
  return steps.length === 0 ? "nobody" : steps.join(" → ")
}

const undone = ({ components, endedAtMs, rollback }: Report): string => {
  const unclean = components.filter(({ closing }) => closing !== null && closing !== "clean")
  const left = list(unclean.map(({ closing, name }) => `${name} (${closing})`))
  if (rollback === null || rollback.components === 0) {
    return left === "" ? "nothing: nothing was held" : `nothing, and not clean: ${left}`
  }
  const how = rollback.clean ? "all clean" : endedAtMs === null ? "not yet over" : `not clean: ${left}`
  return `${Count.of(rollback.components, "component")} in reverse order in ${duration(rollback.durationMs)}, ${how}`
}

const advice = ({ components, kind, tag }: Report["failures"][number]): string => {
  const name = components[0] ?? ""
  if (tag.startsWith("Config")) return `correct the settings of ${name}`
  switch (kind) {
    case "error":
      return `put right what the cause says, then boot again`
    case "defect":
      return `this is a bug in ${name}: the log has its stack`
    case "timeout":
      return `does what ${name} waits for answer? if it only needs longer, raise its timeout`
    case "unhealthy":
      return `${name} started, but its probe said no: look at what it stands on`
    case "interrupted":
      return `find out who interrupted ${name}`
  }
}

// ----------------------------------------------------------------------------------------------------------- in words

const list = (all: ReadonlyArray<string>): string =>
  all.length <= limit.names
    ? all.join(", ")
    : `${all.slice(0, limit.names).join(", ")} and ${all.length - limit.names} more`

/** `0.4 ms`, `81 ms`, `3.1 s`, `2 min 30 s`, `26 h 5 min` */
const duration = (ms: number): string => {
  if (ms < 9.95) return `${round(ms, 1)} ms`
  if (ms < 999.5) return `${round(ms, 0)} ms`
  if (ms < 119_950) return seconds(ms)
  const s = Math.round(ms / 1_000)
  return s < 7_200
    ? `${Math.floor(s / 60)} min ${s % 60} s`
    : `${Math.floor(s / 3_600)} h ${Math.floor(s / 60) % 60} min`
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

const round = (n: number, digits: number): number => Math.round(n * 10 ** digits) / 10 ** digits

/** Messages may hold anything; line breaks and control characters must not reach a terminal. */
const visible = (line: string): string =>
  line
    .replace(/\s*[\r\n\u2028\u2029]\s*/g, " ")
    .replace(/[\p{Cc}\p{Cf}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
