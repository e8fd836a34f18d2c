/**
 * What each component did with its time: a fold over the events of a boot, from which a timeline can be read at any
 * moment. A Gantt chart, a trace and a live view draw it; it can be compared with another one and rehearsed with other
 * durations.
 *
 * **Details**
 *
 * The intervals of a component are disjoint and leave no gap, from the begin of the boot until the last that is known of
 * it. What was running, closing or in backoff until the component first settled is its work: that is what the critical
 * path of the report is measured in.
 *
 * A fold changes in place, what `read` returns is never changed. Time that runs backwards, which no sound log has, is
 * taken for standing still.
 *
 * **Gotchas**
 *
 * A fold keeps all that has happened. Of a node that runs for months the boot is what matters here: what it did later is
 * in its report and its status, which do not grow.
 *
 * **Example**
 *
 * ```ts
 * const timeline = Timeline.fromEvents(events)
 * Rehearsal.whatIf(timeline, new Map([["database", 0.5]])).wonMs // => 410
 * Rehearsal.difference(lastWeek, timeline).culprit // => { component: "database", explainsMs: 380 }
 * ```
 */
import type { BootEvent, Closing, Failure, Of } from "./BootEvent.ts"
import * as Report from "./Report.ts"
import { groupOf } from "./Reasons.ts"
import type { Component, State } from "./ReportView.ts"

/** A time in one state. Times are milliseconds since the boot began. */
export interface Interval {
  readonly state: State
  readonly fromMs: number
  readonly toMs: number
  /** Position in `attempts` of the one that was running or being closed. */
  readonly attempt: number | null
}

/** One try to start a component, with those of restorations. */
export interface Attempt {
  /** The component's own name, or that of the fallback that was tried. */
  readonly name: string
  /** 0 for the component itself, from 1 for its fallbacks; `attempt` counts within it, from 1. */
  readonly variant: number
  readonly attempt: number
  readonly fromMs: number
  /** When its resources were held and its probe began; null when it did not come to that, or nothing was asked. */
  readonly acquiredAtMs: number | null
  /** When it came up or went wrong, and when all that it held was closed or it was up; until now when it goes on. */
  readonly decidedAtMs: number | null
  readonly toMs: number
  readonly failure: Failure | null
  readonly interrupted: boolean
  /** Null when nothing is tried again. */
  readonly retryInMs: number | null
  readonly closing: Closing | null
  readonly isSlow: boolean
}

/** Something that happened to a component at a moment, as a sentence without its name. */
export interface Mark {
  readonly atMs: number
  readonly kind: "slow" | "retry" | "fallback" | "degraded" | "absent" | "skipped" | "failed" | "health"
  readonly text: string
}

/** A component through time. */
export interface Lane {
  readonly name: string
  readonly phase: Component["phase"]
  readonly severity: Component["severity"]
  readonly needs: ReadonlyArray<string>
  /** The group it is inside of. */
  readonly group: string | null
  /** The state at the end of the timeline, and when it first settled. */
  readonly state: State
  readonly settledAtMs: number | null
  readonly isUp: boolean
  readonly onCriticalPath: boolean
  /** Running, closing and backoff until it first settled. */
  readonly workMs: number
  readonly intervals: ReadonlyArray<Interval>
  readonly attempts: ReadonlyArray<Attempt>
  readonly marks: ReadonlyArray<Mark>
}

/** What was done while running about a component that was not up itself, or not healthy. */
export interface Restoration {
  readonly component: string
  /** 0 restores the component itself, another one is the fallback that it gave way to. */
  readonly variant: number
  readonly fromMs: number
  readonly toMs: number
  readonly outcome: "completed" | "failed" | "goes on"
  readonly failure: Failure | null
  readonly retryInMs: number | null
}

/** A link of the critical path. */
export interface Step {
  readonly component: string
  readonly workMs: number
}

/** A boot through time. */
export interface Timeline {
  readonly version: 1
  readonly report: Report.Report
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Until when the intervals go. */
  readonly atMs: number
  /** In the order of the declaration, members after their group. */
  readonly lanes: ReadonlyArray<Lane>
  readonly criticalPath: ReadonlyArray<Step>
  readonly restorations: ReadonlyArray<Restoration>
}

// ---------------------------------------------------------------------------------------------------------- the fold

/** The facts of a boot as they come in. Make one with {@link make}; only {@link step} changes it. */
export interface Fold {
  readonly report: Report.Fold
  started: Of<"BootStarted"> | undefined
  atMs: number
  lanes: Map<string, Draft>
  restorations: Array<Mutable<Restoration>>
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

interface Draft {
  readonly name: string
  readonly phase: Lane["phase"]
  readonly severity: Lane["severity"]
  readonly needs: ReadonlyArray<string>
  readonly fallbacks: ReadonlyArray<string>
  readonly group: string | null
  readonly members: Array<Draft>
  readonly intervals: Array<Interval>
  readonly attempts: Array<Mutable<Attempt>>
  readonly marks: Array<Mark>
  state: State
  sinceMs: number
  settledAtMs: number | null
  workMs: number
  current: Mutable<Attempt> | undefined
  restoration: Mutable<Restoration> | undefined
}

/** An empty fold. */
export const make = (): Fold => ({
  report: Report.make(),
  started: undefined,
  atMs: 0,
  lanes: new Map(),
  restorations: []
})

/** The timeline of a whole log. */
export const fromEvents = (events: Iterable<BootEvent>): Timeline => {
  const fold = make()
  for (const event of events) step(fold, event)
  return read(fold)
}

/** Takes in one event, in place. */
export const step = (fold: Fold, event: BootEvent): void => {
  Report.step(fold.report, event)
  if (event._tag === "BootStarted") begin(fold, event)
  if (event.atMs > fold.atMs) fold.atMs = event.atMs
  if ("component" in event) stepLane(fold, laneOf(fold, event.component), event)
}

const begin = (fold: Fold, event: Of<"BootStarted">): void => {
  Object.assign(fold, { started: event, atMs: event.atMs, lanes: new Map(), restorations: [] })
  for (const declared of event.components) addLane(fold, declared)
}

/** A component that `BootStarted` did not name can only be inside a group: it is like its group. */
const laneOf = (fold: Fold, name: string): Draft => {
  const { phase, severity } = fold.lanes.get(groupOf(name) ?? "") ?? { phase: "core", severity: "critical" }
  return fold.lanes.get(name) ?? addLane(fold, { name, phase, severity, needs: [], fallbacks: [] })
}

const addLane = (fold: Fold, declared: Pick<Draft, "name" | "phase" | "severity" | "needs" | "fallbacks">): Draft => {
  const lane: Draft = {
    ...declared,
    group: groupOf(declared.name) ?? null,
    members: [],
    intervals: [],
    attempts: [],
    marks: [],
    state: "waiting",
    sinceMs: fold.started?.atMs ?? 0,
    settledAtMs: null,
    workMs: 0,
    current: undefined,
    restoration: undefined
  }
  fold.lanes.set(lane.name, lane)
  fold.lanes.get(lane.group ?? "")?.members.push(lane)
  return lane
}

type LaneEvent = Extract<BootEvent, { readonly component: string }>

const stepLane = (fold: Fold, lane: Draft, event: LaneEvent): void => {
  const { atMs } = fold
  const mark = (kind: Mark["kind"], text: string) => void lane.marks.push({ atMs, kind, text })
  switch (event._tag) {
    case "ComponentQueued":
      return enter(lane, "queued", atMs)
    case "ComponentStarted":
      return startAttempt(fold, lane, event)
    case "ComponentAcquired":
      if (lane.current !== undefined) lane.current.acquiredAtMs = atMs
      return
    case "ComponentReady":
      return comeUp(lane, "ready", atMs)
    case "ComponentDegraded":
      mark("degraded", `on its fallback ${event.fallback}`)
      return comeUp(lane, "degraded", atMs)
    case "ComponentSlow":
      if (lane.current !== undefined) lane.current.isSlow = true
      return mark("slow", `takes longer than it should`)
    case "AttemptFailed":
      attemptFailed(lane, event, atMs)
      mark("retry", `attempt ${event.attempt} failed: ${failureText(event.failure)}`)
      if (lane.state === "running") enter(lane, "closing", atMs)
      return
    case "ComponentInterrupted":
      if (lane.current !== undefined) lane.current.interrupted = true
      return enter(lane, "closing", atMs)
    case "AttemptClosed":
      return endAttempt(lane, atMs, event.closing)
    case "ComponentBackoff":
      return enter(lane, "backoff", atMs)
    case "FallbackChosen":
      mark("fallback", `gives way to its fallback ${event.fallback}`)
      return enter(lane, "queued", atMs)
    case "ComponentAbsent":
      return goWithout(lane, "absent", atMs, event.reason)
    case "ComponentSkipped":
      return goWithout(lane, "skipped", atMs, event.reason)
    case "ComponentFailed":
      return goWithout(lane, "failed", atMs, { _tag: "Failed", failure: event.failure })
    case "ComponentStopping":
      return enter(lane, "stopping", atMs)
    case "ComponentStopped":
      endRestoration(lane, "failed", atMs, null)
      return enter(lane, "stopped", atMs)
    case "SwapStarted":
      return beginRestoration(fold, lane, event.variant)
    case "SwapCompleted":
      endRestoration(lane, "completed", atMs, null)
      return enter(lane, event.variant === 0 ? "ready" : "degraded", atMs)
    case "SwapFailed":
      if (lane.restoration !== undefined) lane.restoration.retryInMs = event.retryInMs
      return endRestoration(lane, "failed", atMs, event.failure)
    case "HealthChanged":
      return mark("health", `${event.healthy ? "healthy" : "not healthy"}: ${event.message}`)
  }
}

/** Moves a lane to a state; the time in the one before becomes an interval. */
const enter = (lane: Draft, state: State, atMs: number): void => {
  if (state === lane.state) return
  const { settledAtMs, sinceMs } = lane
  if (atMs > sinceMs) {
    lane.intervals.push(interval(lane, atMs))
    if (settledAtMs === null && isWork(lane.state)) lane.workMs += atMs - sinceMs
  }
  lane.state = state
  lane.sinceMs = atMs
}

const interval = ({ attempts, sinceMs, state }: Draft, toMs: number): Interval => ({
  state,
  fromMs: sinceMs,
  toMs,
  attempt: (state === "running" || state === "closing") && attempts.length > 0 ? attempts.length - 1 : null
})

/** Whether a component that has not settled is busy with itself, and waits for nobody. */
const isWork = (state: State): boolean => state === "running" || state === "closing" || state === "backoff"

const settle = (lane: Draft, state: State, atMs: number): void => {
  enter(lane, state, atMs)
  lane.settledAtMs ??= atMs
}

const startAttempt = (fold: Fold, lane: Draft, { attempt, variant }: Of<"ComponentStarted">): void => {
  const { atMs } = fold
  if (lane.settledAtMs !== null && variant === 0 && attempt === 1) beginRestoration(fold, lane, 0)
  endAttempt(lane, atMs, null)
  // Back from closing at once: another attempt is another interval.
  if (lane.state === "running") enter(lane, "closing", atMs)
  enter(lane, "running", atMs)
  lane.current = {
    name: variant === 0 ? lane.name : (lane.fallbacks[variant - 1] ?? `fallback ${variant}`),
    variant,
    attempt,
    fromMs: atMs,
    acquiredAtMs: null,
    decidedAtMs: null,
    toMs: NaN,
    failure: null,
    interrupted: false,
    retryInMs: null,
    closing: null,
    isSlow: false
  }
  lane.attempts.push(lane.current)
  if (variant === 0) for (const member of lane.members) startAgain(member, atMs)
}

/** The members of a group begin with it: whatever became of them before, now they wait. */
const startAgain = (lane: Draft, atMs: number): void => {
  if (lane.state === "waiting") return
  enter(lane, "waiting", atMs)
  lane.settledAtMs = null
  lane.workMs = 0
  for (const member of lane.members) startAgain(member, atMs)
}

const attemptFailed = ({ current }: Draft, { failure, retryInMs }: Of<"AttemptFailed">, atMs: number): void => {
  if (current !== undefined) Object.assign(current, { failure, retryInMs, decidedAtMs: current.decidedAtMs ?? atMs })
}

const endAttempt = (lane: Draft, atMs: number, closing: Closing | null): void => {
  if (lane.current === undefined) return
  Object.assign(lane.current, { toMs: atMs, closing, decidedAtMs: lane.current.decidedAtMs ?? atMs })
  lane.current = undefined
}

const comeUp = (lane: Draft, state: "ready" | "degraded", atMs: number): void => {
  endAttempt(lane, atMs, null)
  endRestoration(lane, "completed", atMs, null)
  settle(lane, state, atMs)
}

const goWithout = (
  lane: Draft,
  state: "absent" | "skipped" | "failed",
  atMs: number,
  reason: Of<"ComponentAbsent">["reason"]
): void => {
  endRestoration(lane, "failed", atMs, reason._tag === "Failed" ? reason.failure : null)
  lane.marks.push({ atMs, kind: state, text: `${state}: ${reasonText(reason)}` })
  settle(lane, state, atMs)
}

const beginRestoration = (fold: Fold, lane: Draft, variant: number): void => {
  const { atMs } = fold
  endRestoration(lane, "failed", atMs, null)
  const begun = { component: lane.name, variant, fromMs: atMs, toMs: NaN, failure: null, retryInMs: null }
  lane.restoration = { ...begun, outcome: "goes on" }
  fold.restorations.push(lane.restoration)
}

const endRestoration = (
  { attempts, restoration }: Draft,
  outcome: "completed" | "failed",
  atMs: number,
  failure: Failure | null
): void => {
  if (restoration === undefined || restoration.outcome !== "goes on") return
  const why = outcome === "failed" ? (failure ?? attempts.at(-1)?.failure ?? null) : null
  Object.assign(restoration, { outcome, toMs: atMs, failure: why })
}

// -------------------------------------------------------------------------------------------------------- the timeline

/** The timeline as of now: `nowMs`, since the boot began, is when somebody looks at a boot that is under way. */
export const read = (fold: Fold, nowMs: number = fold.atMs): Timeline => {
  const report = Report.read(fold.report)
  const atMs = Math.max(fold.atMs, nowMs)
  const onPath = new Set(report.criticalPath)
  const lanes = [...fold.lanes.values()].map((draft) => lane(draft, atMs, onPath))
  const byName = new Map(lanes.map((one) => [one.name, one]))
  return {
    version: 1,
    report,
    startedAt: fold.started?.startedAt ?? 0,
    atMs,
    lanes,
    criticalPath: report.criticalPath.map((component) => ({ component, workMs: byName.get(component)?.workMs ?? 0 })),
    restorations: fold.restorations.map((one) => ({ ...one, toMs: one.outcome === "goes on" ? atMs : one.toMs }))
  }
}

const lane = (draft: Draft, atMs: number, onPath: ReadonlySet<string>): Lane => {
  const { group, marks, name, needs, phase, severity, settledAtMs, sinceMs, state } = draft
  const goesOn = atMs > sinceMs
  return {
    name,
    phase,
    severity,
    needs,
    group,
    state,
    settledAtMs,
    isUp: state === "ready" || state === "degraded",
    onCriticalPath: onPath.has(name),
    workMs: draft.workMs + (goesOn && settledAtMs === null && isWork(state) ? atMs - sinceMs : 0),
    intervals: goesOn ? [...draft.intervals, interval(draft, atMs)] : [...draft.intervals],
    attempts: draft.attempts.map((one) => (one === draft.current ? { ...one, toMs: atMs } : { ...one })),
    marks: [...marks]
  }
}

/** `Refused connect ECONNREFUSED 127.0.0.1:9200`; a message that already begins with its tag is enough. */
const failureText = ({ message, tag }: Failure): string => (message.startsWith(tag) ? message : `${tag} ${message}`)

const reasonText = (reason: Of<"ComponentAbsent">["reason"]): string => {
  switch (reason._tag) {
    case "Failed":
      return failureText(reason.failure)
    case "Need":
      return `it needs ${reason.need}`
    case "Environment":
      return `it exists only in ${reason.only.join(", ") || "no environment"}, and this is ${reason.environment}`
    case "RolledBack":
      return `the boot was taken down${reason.because && ` because of ${reason.because}`}`
  }
}
