/**
 * The facts of a boot as they come in, for its report: what became of each component, when, and for how long. It takes one
 * event after the other and judges nothing; `Report` reads it.
 *
 * **Details**
 *
 * A fold changes in place, because a large boot has tens of thousands of events.
 *
 * **Gotchas**
 *
 * `BootStarted` begins anew. Members of a group have rows of their own; when their group starts again, so do they.
 */
import type { BootEvent, ByHand, Closing, Failure, Of, Reason } from "./BootEvent.ts"
import * as Phase from "./Phase.ts"
import { groupOf } from "./Reasons.ts"
import type { Attempt, Component, State } from "./ReportView.ts"

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
export interface Row {
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
export const spentIn: { readonly [S in State]?: "waitingMs" | "queuedMs" | "runningMs" | "backoffMs" } = {
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

/** A time that was not spent took none. */
export const orZero = (ms: number): number => (Number.isNaN(ms) ? 0 : ms)
