/**
 * What became of a boot: a fold over its events, from which a report can be read at any time. The report is plain data
 * with a Schema; the CLI prints it, the API serves it, the dashboard draws it.
 *
 * **Details**
 *
 * A fold changes in place, because a large boot has tens of thousands of events; what `read` returns is never changed,
 * and takes time linear in components and needs. While the boot is under way it tells how far it has come.
 *
 * The critical path is measured, not planned: from the last component that settled before READY back to the one that
 * released it, and so on. A component is released by the need that settled last, or by the end of the phase before it.
 *
 * **Gotchas**
 *
 * `BootStarted` begins a new report. Members of a group have rows of their own, but their time is part of the group's
 * and not counted twice; when their group starts again, so do they.
 *
 * **Example**
 *
 * ```ts
 * const fold = Report.make()
 * for (const event of events) Report.step(fold, event)
 * const report = Report.read(fold)
 * report.outcome // => "degraded"
 * ```
 */
import { DateTime, Option } from "effect"
import type { BootEvent, ByHand, Closing, Failure, Of, Reason } from "./BootEvent.ts"
import * as Phase from "./Phase.ts"
import { groupOf, roots, scene } from "./Reasons.ts"
import type { Attempt, Component, Report, State } from "./ReportView.ts"

export { why } from "./Reasons.ts"
export { text } from "./ReportText.ts"
export { Report } from "./ReportView.ts"

/** The facts of a boot as they come in. Make one with {@link make}; only {@link step} changes it. */
export interface Fold {
  /** Counts events: what happened at the same moment still happened in an order. */
  seq: number
  atMs: number
  started: Of<"BootStarted"> | undefined
  readonly rows: Map<string, Row>
  readonly phases: ReadonlyArray<{ startedAtMs: number; slow: boolean }>
  readonly checkpoints: Array<{ readonly checkpoint: Phase.Checkpoint; readonly atMs: number }>
  ready: Of<"BootReady"> | undefined
  rollback: Of<"RollbackStarted"> | undefined
  rollbackSeq: number
  /** Components that were closed during the rollback. */
  undone: number
  ended: Of<"BootEnded"> | undefined
}

/** An empty fold. */
export const make = (): Fold => ({
  seq: 0,
  atMs: 0,
  started: undefined,
  rows: new Map(),
  phases: Phase.all.map(() => ({ startedAtMs: NaN, slow: false })),
  checkpoints: [],
  ready: undefined,
  rollback: undefined,
  rollbackSeq: 0,
  undone: 0,
  ended: undefined
})

/** The report of a whole log. */
export const fromEvents = (events: Iterable<BootEvent>): Report => {
  const fold = make()
  for (const event of events) step(fold, event)
  return read(fold)
}

/** Takes in one event, in place. */
export const step = (fold: Fold, event: BootEvent): void => {
  fold.seq++
  if (event.atMs > fold.atMs) fold.atMs = event.atMs
  if ("component" in event) return stepRow(fold, rowOf(fold, event.component), event)
  switch (event._tag) {
    case "BootStarted":
      return begin(fold, event)
    case "PhaseStarted":
      fold.phases[Phase.rank[event.phase]]!.startedAtMs = event.atMs
      return
    case "CheckpointReached":
      fold.checkpoints.push({ checkpoint: event.checkpoint, atMs: event.atMs })
      return
    case "PhaseSlow":
      fold.phases[Phase.rank[event.phase]]!.slow = true
      return
    case "BootReady":
      fold.ready = event
      return
    case "RollbackStarted":
      fold.rollback = event
      fold.rollbackSeq = fold.seq
      return
    case "BootEnded":
      fold.ended = event
      return
  }
}

// ---------------------------------------------------------------------------------------------------------- the fold

/**
 * What is known of one component. A time that has not come, or was not spent, is NaN: a field that begins as a whole
 * number and becomes a fraction would change the shape of ten thousand rows, one by one.
 */
interface Row {
  readonly name: string
  readonly phase: Phase.Phase
  readonly severity: Component["severity"]
  readonly needs: ReadonlyArray<string>
  readonly fallbacks: ReadonlyArray<string>
  readonly members: Array<Row>
  readonly isMember: boolean
  state: State
  sinceMs: number
  /** When it stopped waiting, and when it first settled; a `Seq` of 0 means not yet. */
  releasedAtMs: number
  releasedSeq: number
  settledAtMs: number
  settledSeq: number
  startedAtMs: number
  readyAtMs: number
  waitingMs: number
  queuedMs: number
  runningMs: number
  backoffMs: number
  attempts: Array<Mutable<Attempt>>
  current: Mutable<Attempt> | undefined
  fallback: string | null
  reason: Reason | null
  health: Component["health"]
  slow: boolean
  closing: Closing | null
  /** Restorations begun, completed and failed. */
  restored: { started: number; completed: number; failed: number; lastError: Failure | null } | undefined
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

type RowEvent = Extract<BootEvent, { readonly component: string }>

type Declared = Of<"BootStarted">["components"][number]

const begin = (fold: Fold, event: Of<"BootStarted">): void => {
  Object.assign(fold, make(), { seq: fold.seq, atMs: event.atMs, started: event })
  for (const declared of event.components) addRow(fold, declared)
}

/** A component that `BootStarted` did not name can only be inside a group: it is like its group. */
const rowOf = (fold: Fold, name: string): Row => {
  const row = fold.rows.get(name)
  if (row !== undefined) return row
  const { phase, severity } = fold.rows.get(groupOf(name) ?? "") ?? { phase: "core", severity: "critical" }
  return addRow(fold, { name, phase, severity, needs: [], fallbacks: [] })
}

const addRow = (fold: Fold, declared: Declared): Row => {
  const group = groupOf(declared.name)
  const row = unborn(declared, group !== undefined)
  fold.rows.set(row.name, row)
  if (group !== undefined) fold.rows.get(group)?.members.push(row)
  return row
}

/** Nothing has become of it yet. */
const unborn = ({ fallbacks, name, needs, phase, severity }: Declared, isMember: boolean): Row => ({
  name,
  phase,
  severity,
  needs,
  fallbacks,
  members: [],
  isMember,
  state: "waiting",
  sinceMs: NaN,
  releasedAtMs: NaN,
  releasedSeq: 0,
  settledAtMs: NaN,
  settledSeq: 0,
  startedAtMs: NaN,
  readyAtMs: NaN,
  waitingMs: NaN,
  queuedMs: NaN,
  runningMs: NaN,
  backoffMs: NaN,
  attempts: [],
  current: undefined,
  fallback: null,
  reason: null,
  health: null,
  slow: false,
  closing: null,
  restored: undefined
})

const stepRow = (fold: Fold, row: Row, event: RowEvent): void => {
  const { atMs } = event
  switch (event._tag) {
    case "ComponentQueued":
      return enter(fold, row, "queued", atMs)
    case "ComponentStarted":
      return startAttempt(fold, row, event)
    case "ComponentAcquired":
      return
    case "ComponentReady":
      row.fallback = null
      row.reason = null
      return comeUp(fold, row, "ready", atMs)
    case "ComponentDegraded":
      row.fallback = event.fallback
      row.reason = event.reason
      return comeUp(fold, row, "degraded", atMs)
    case "ComponentSlow":
      row.slow = true
      return
    case "AttemptFailed":
      if (row.current !== undefined) row.current.error = event.failure
      row.reason = { _tag: "Failed", failure: event.failure }
      if (row.state === "running") enter(fold, row, "closing", atMs)
      return
    case "ComponentInterrupted":
      if (row.current !== undefined) row.current.interrupted = true
      return enter(fold, row, "closing", atMs)
    case "AttemptClosed":
      endAttempt(row, atMs)
      row.closing = worse(row.closing, event.closing)
      if (fold.rollback !== undefined && !row.isMember) fold.undone++
      return
    case "ComponentBackoff":
      return enter(fold, row, "backoff", atMs)
    case "FallbackChosen":
      row.fallback = event.fallback
      return enter(fold, row, "queued", atMs)
    case "ComponentAbsent":
      return goWithout(fold, row, "absent", event.reason, atMs)
    case "ComponentSkipped":
      return goWithout(fold, row, "skipped", event.reason, atMs)
    case "ComponentFailed":
      return goWithout(fold, row, "failed", { _tag: "Failed", failure: event.failure }, atMs)
    case "ComponentStopping":
      row.reason = { _tag: "RolledBack", because: askedFor(event.byHand) ?? fold.rollback?.because ?? "" }
      return enter(fold, row, "stopping", atMs)
    case "ComponentStopped":
      // Out of time, and never told to stop.
      if (row.state !== "stopping") row.reason = { _tag: "RolledBack", because: fold.rollback?.because ?? "" }
      row.closing = worse(row.closing, event.closing)
      if (fold.rollback !== undefined && !row.isMember) fold.undone++
      return enter(fold, row, "stopped", atMs)
    case "SwapStarted":
      if (event.variant === 0) restoring(row).started++
      return
    case "SwapCompleted":
      row.closing = worse(row.closing, event.closing)
      return swap(fold, row, event.variant, atMs)
    case "SwapFailed":
      if (event.variant === 0) restorationFailed(row, event.failure)
      return
    case "HealthChanged":
      row.health = { healthy: event.healthy, message: event.message, sinceMs: atMs }
      return
  }
}

/** What an operator has asked for, as the reason of whoever goes down for it. */
const askedFor = (byHand: ByHand | undefined): string | undefined =>
  byHand === undefined ? undefined : `the ${byHand.how} of ${byHand.of} by hand`

/** Moves a row to a state. Until it first settled, the time in the state before counts. */
const enter = (fold: Fold, row: Row, state: State, atMs: number): void => {
  const spent = row.settledSeq === 0 ? spentIn[row.state] : undefined
  if (spent !== undefined) row[spent] = orZero(row[spent]) + atMs - orZero(row.sinceMs)
  if (row.state === "waiting") {
    row.releasedAtMs = atMs
    row.releasedSeq = fold.seq
  }
  row.state = state
  row.sinceMs = atMs
}

/** What the time in a state counts as. */
const spentIn: { readonly [S in State]?: "waitingMs" | "queuedMs" | "runningMs" | "backoffMs" } = {
  waiting: "waitingMs",
  queued: "queuedMs",
  running: "runningMs",
  closing: "runningMs",
  backoff: "backoffMs"
}

const settle = (fold: Fold, row: Row, state: State, atMs: number): void => {
  enter(fold, row, state, atMs)
  if (row.settledSeq !== 0) return
  row.settledSeq = fold.seq
  row.settledAtMs = atMs
}

const startAttempt = (fold: Fold, row: Row, { atMs, attempt, variant }: Of<"ComponentStarted">): void => {
  enter(fold, row, "running", atMs)
  if (row.settledSeq === 0) {
    if (row.attempts.length === 0) row.startedAtMs = atMs
    row.current = { variant, attempt, startedAtMs: atMs, durationMs: NaN, error: null, interrupted: false }
    row.attempts.push(row.current)
    if (variant === 0) for (const member of row.members) startAgain(member, atMs)
  } else if (variant === 0 && attempt === 1) restoring(row).started++
}

/** The members of a group begin with it; until then they were waiting, whatever became of them before. */
const startAgain = (row: Row, atMs: number): void => {
  if (row.state === "waiting") return
  const { closing, members, restored } = row
  Object.assign(row, unborn(row, true), { sinceMs: atMs, waitingMs: atMs, closing, members, restored })
  for (const member of row.members) startAgain(member, atMs)
}

const endAttempt = (row: Row, atMs: number): void => {
  if (row.current === undefined) return
  row.current.durationMs = atMs - row.current.startedAtMs
  row.current = undefined
}

const comeUp = (fold: Fold, row: Row, state: "ready" | "degraded", atMs: number): void => {
  endAttempt(row, atMs)
  if (row.restored !== undefined && row.settledSeq !== 0) row.restored.completed++
  if (Number.isNaN(row.readyAtMs)) row.readyAtMs = atMs
  settle(fold, row, state, atMs)
}

const goWithout = (fold: Fold, row: Row, state: State, reason: Reason, atMs: number): void => {
  if (row.restored && row.settledSeq !== 0 && reason._tag === "Failed") restorationFailed(row, reason.failure)
  row.reason = reason
  settle(fold, row, state, atMs)
}

/** No event of its own says why a component gave way to its fallback while running: health did, just before. */
const swap = (fold: Fold, row: Row, variant: number, atMs: number): void => {
  if (variant === 0) {
    restoring(row).completed++
    row.fallback = null
    row.reason = null
  } else {
    row.fallback = row.fallbacks[variant - 1] ?? null
    const message = row.health?.healthy === false ? row.health.message : ""
    row.reason = { _tag: "Failed", failure: { kind: "unhealthy", tag: "Unhealthy", message, severity: "degraded" } }
  }
  enter(fold, row, variant === 0 ? "ready" : "degraded", atMs)
}

const restoring = (row: Row) => (row.restored ??= { started: 0, completed: 0, failed: 0, lastError: null })

const restorationFailed = (row: Row, failure: Failure): void => {
  const counts = restoring(row)
  counts.failed++
  counts.lastError = failure
}

const closings: ReadonlyArray<Closing | null> = [null, "clean", "failed", "abandoned"]

const worse = (a: Closing | null, b: Closing): Closing =>
  a !== null && closings.indexOf(a) > closings.indexOf(b) ? a : b

// ------------------------------------------------------------------------------------------------------- the report

/** The report as of now. */
export const read = (fold: Fold): Report => {
  const { ended, ready, rollback, started } = fold
  const rows = [...fold.rows.values()]
  const components = rows.map((row) => component(row, fold.atMs))
  const durationMs = ready?.atMs ?? rollback?.atMs ?? fold.atMs
  const path = criticalPath(fold, rows)
  const onPath = new Set(path.map(({ name }) => name))
  const criticalPathMs = sum(components.filter(({ name }) => onPath.has(name)).map(workOf))
  const sequentialMs = sum(components.map(workOf))
  const concurrency = started?.concurrency ?? 1
  const boundMs = Math.max(criticalPathMs, sequentialMs / Math.max(1, concurrency))
  const told = {
    atMs: fold.atMs,
    concurrency,
    components,
    rollback:
      rollback === undefined
        ? null
        : {
            why: rollback.why,
            because: rollback.because,
            startedAtMs: rollback.atMs,
            durationMs: (ended?.atMs ?? fold.atMs) - rollback.atMs,
            components: fold.undone,
            clean: ended?.clean ?? false
          }
  }
  const rootOf = roots(scene(told))
  const outcome = outcomeOf(fold)
  return {
    version: 1,
    bootId: started?.bootId ?? "",
    nodeId: started?.nodeId ?? "",
    environment: started?.environment ?? "",
    configVersion: started?.configVersion ?? "",
    outcome,
    exitCode: exitCode({
      outcome,
      rollback: told.rollback,
      causes: components.flatMap(({ name, state }) => {
        const root = rootOf.get(name)
        return state === "failed" && root?.reason?._tag === "Failed" ? [root.reason.failure] : []
      })
    }),
    startedAt: started === undefined ? "" : isoOf(started.startedAt),
    readyAtMs: ready?.atMs ?? null,
    endedAtMs: ended?.atMs ?? null,
    durationMs,
    worstCaseMs: started?.worstCaseMs ?? 0,
    criticalPathMs,
    sequentialMs,
    speedup: durationMs > 0 ? sequentialMs / durationMs : 1,
    parallelEfficiency: durationMs > 0 ? Math.min(1, boundMs / durationMs) : 1,
    overheadMs: Math.max(0, durationMs - criticalPathMs),
    phases: phases(fold, components, durationMs),
    checkpoints: [...fold.checkpoints],
    criticalPath: [...onPath],
    failures: failures(components, rootOf),
    restorations: rows.flatMap(({ name, restored }) =>
      restored === undefined ? [] : [{ component: name, ...restored }]
    ),
    ...told
  }
}

const component = (row: Row, nowMs: number): Component => {
  const goesOn = row.settledSeq === 0 ? spentIn[row.state] : undefined
  const spentMs = (where: typeof goesOn & string) =>
    orZero(row[where]) + (where === goesOn ? nowMs - orZero(row.sinceMs) : 0)
  return {
    name: row.name,
    phase: row.phase,
    severity: row.severity,
    state: row.state,
    sinceMs: orZero(row.sinceMs),
    needs: row.needs,
    fallbacks: row.fallbacks,
    startedAtMs: orNull(row.startedAtMs),
    readyAtMs: orNull(row.readyAtMs),
    settledAtMs: orNull(row.settledAtMs),
    waitingMs: spentMs("waitingMs"),
    queuedMs: spentMs("queuedMs"),
    runningMs: spentMs("runningMs"),
    backoffMs: spentMs("backoffMs"),
    attempts: row.attempts.map((one) =>
      one === row.current ? { ...one, durationMs: nowMs - one.startedAtMs } : { ...one }
    ),
    fallback: row.fallback,
    reason: row.reason,
    health: row.health,
    slow: row.slow,
    closing: row.closing
  }
}

const orZero = (ms: number): number => (Number.isNaN(ms) ? 0 : ms)

const orNull = (ms: number): number | null => (Number.isNaN(ms) ? null : ms)

/** What a component took by itself; the time of a member is part of its group's. */
const workOf = ({ backoffMs, name, runningMs }: Component): number =>
  groupOf(name) === undefined ? runningMs + backoffMs : 0

const sum = (all: ReadonlyArray<number>): number => all.reduce((total, one) => total + one, 0)

const isoOf = (ms: number): string =>
  Option.match(DateTime.make(ms), { onNone: () => "", onSome: (time) => DateTime.formatIso(time) })

const outcomeOf = ({ ended, ready, rollback }: Fold): Report["outcome"] => {
  if (ended !== undefined) return ended.outcome
  if (rollback !== undefined) return rollback.why === "deadline" ? "failed" : rollback.why
  return ready?.outcome ?? "booting"
}

// ------------------------------------------------------------------------------------------------------- exit codes

/** How a boot ended, with the root causes of what failed. */
type Ending = Pick<Report, "outcome" | "rollback"> & { readonly causes: ReadonlyArray<Failure> }

/** What a process exits with after a boot: the first row that applies. */
export const exitCodes: ReadonlyArray<{
  readonly code: number
  readonly meaning: string
  readonly applies: (ending: Ending) => boolean
}> = [
  {
    code: 70,
    meaning: "left unfinished: still booting, or not everything was closed",
    applies: ({ outcome, rollback }) => outcome === "booting" || rollback?.clean === false
  },
  {
    code: 0,
    meaning: "up, or stopped when asked to and everything closed",
    applies: ({ outcome }) => outcome === "ready" || outcome === "degraded" || outcome === "stopped"
  },
  {
    code: 143,
    meaning: "cancelled by SIGTERM",
    applies: ({ outcome, rollback }) => outcome === "cancelled" && rollback?.because.includes("SIGTERM") === true
  },
  { code: 130, meaning: "cancelled by SIGINT, or otherwise", applies: ({ outcome }) => outcome === "cancelled" },
  { code: 124, meaning: "a deadline of boot or phase", applies: ({ rollback }) => rollback?.why === "deadline" },
  { code: 70, meaning: "a defect", applies: ({ causes }) => causes.some(({ kind }) => kind === "defect") },
  { code: 78, meaning: "wrong settings", applies: ({ causes }) => causes.some(({ tag }) => tag.startsWith("Config")) },
  { code: 69, meaning: "a critical component is unavailable", applies: () => true }
]

const exitCode = (ending: Ending): number => exitCodes.find(({ applies }) => applies(ending))?.code ?? 70

// ---------------------------------------------------------------------------------------------- where the time went

/** From the first to the last: each was released by the settling of the one before it. */
const criticalPath = (fold: Fold, rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const top = rows.filter(({ isMember }) => !isMember)
  const lastOf = (which: (row: Row) => boolean) =>
    top.reduce<Row | undefined>((last, row) => (which(row) ? later(last, row) : last), undefined)
  const lastByPhase = Phase.all.map((phase) => lastOf((row) => row.phase === phase))
  const lastCritical = lastOf(({ phase, severity }) => phase !== "post" && severity === "critical")
  // Dataflow has two gates. When neither explains the moment, the boot was a phased one.
  const releaserOf = (row: Row): Row | undefined => {
    if (row.reason?._tag === "Environment") return undefined
    if (row.state === "skipped" && row.reason?._tag === "Need" && row.attempts.length === 0)
      return fold.rows.get(row.reason.need)
    const rank = Phase.rank[row.phase]
    const gates = [rank > 0 ? lastByPhase[0] : undefined, rank === 3 ? lastCritical : undefined]
    const candidates = [...row.needs.map((need) => fold.rows.get(need)), ...gates]
    const found = candidates.reduce((last, one) => (released(one, row) ? later(last, one) : last), undefined)
    if (found !== undefined && found.settledAtMs === row.releasedAtMs) return found
    const barrier = lastByPhase.slice(0, rank).find((one) => released(one, row) && one.settledAtMs === row.releasedAtMs)
    return barrier ?? found
  }
  // A set, for in a log that no boot has written two may have been skipped for want of each other.
  const path = new Set<Row>()
  for (let row = lastOne(fold, top); row !== undefined && !path.has(row); row = releaserOf(row)) path.add(row)
  return [...path].reverse()
}

const released = (one: Row | undefined, row: Row): one is Row =>
  one !== undefined && one.settledSeq > 0 && one.settledSeq < row.releasedSeq && one.reason?._tag !== "Environment"

const later = (a: Row | undefined, b: Row): Row => (a !== undefined && a.settledSeq > b.settledSeq ? a : b)

/** The one that the end of the boot waited for: who failed it, or else who settled last before the end. */
const lastOne = (fold: Fold, top: ReadonlyArray<Row>): Row | undefined => {
  const failure = fold.ready === undefined ? fold.rollback : undefined
  const blamed = failure?.because.split(", ").map((name) => fold.rows.get(name)) ?? []
  const culprit = blamed.find((row) => row !== undefined && row.attempts.length > 0)
  if (culprit !== undefined) return culprit
  const endSeq = failure === undefined ? Infinity : fold.rollbackSeq
  return top.reduce<Row | undefined>(
    (last, row) => (row.attempts.length > 0 && row.settledSeq > 0 && row.settledSeq < endSeq ? later(last, row) : last),
    undefined
  )
}

const phases = (fold: Fold, components: ReadonlyArray<Component>, durationMs: number): Report["phases"] => {
  const reachedAtMs = new Map(fold.checkpoints.map(({ atMs, checkpoint }) => [checkpoint, atMs]))
  const nowMs = fold.rollback?.atMs ?? fold.atMs
  return Phase.all.map((phase, rank) => {
    const fromMs = reachedAtMs.get(Phase.checkpoints[rank]!)
    const endedAtMs = reachedAtMs.get(Phase.checkpoints[rank + 1]!)
    const ownMs = fromMs === undefined ? 0 : Math.max(0, (endedAtMs ?? nowMs) - fromMs)
    const { slow, startedAtMs } = fold.phases[rank]!
    const spanMs = Number.isNaN(startedAtMs) ? 0 : (endedAtMs ?? nowMs) - startedAtMs
    const workMs = sum(components.filter((one) => one.phase === phase).map(workOf))
    const { maxMs, targetMs } = Phase.budget[phase]
    return {
      phase,
      startedAtMs: orNull(startedAtMs),
      endedAtMs: endedAtMs ?? null,
      durationMs: ownMs,
      targetMs,
      maxMs,
      overTarget: slow || ownMs > targetMs,
      share: durationMs > 0 ? Math.min(1, ownMs / durationMs) : 0,
      overlap: workMs > 0 ? Math.min(1, Math.max(0, 1 - spanMs / workMs)) : 0
    }
  })
}

// -------------------------------------------------------------------------------------------------- what went wrong

const failures = (components: ReadonlyArray<Component>, rootOf: ReadonlyMap<string, Component>): Report["failures"] => {
  const groups = new Map<string, Failure & { readonly components: Array<string>; readonly notStarted: Array<string> }>()
  for (const one of components) {
    const root = rootOf.get(one.name)
    if (root?.reason?._tag !== "Failed") continue
    const { failure } = root.reason
    const key = `${failure.tag}\n${failure.message}`
    let group = groups.get(key)
    if (group === undefined) {
      group = { ...failure, components: [], notStarted: [] }
      groups.set(key, group)
    } else if (gravity[failure.severity] > gravity[group.severity]) Object.assign(group, { severity: failure.severity })
    if (one === root) group.components.push(one.name)
    else if (one.readyAtMs === null) group.notStarted.push(one.name)
  }
  return [...groups.values()].toSorted((a, b) => gravity[b.severity] - gravity[a.severity])
}

const gravity = { critical: 2, degraded: 1, warning: 0 } as const
