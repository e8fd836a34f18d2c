/**
 * What a report says, as a Schema. `Report.ts` makes reports and is the door to all of this.
 *
 * **Details**
 *
 * Times are milliseconds; one whose name ends in `AtMs` counts from the begin of the boot. `null` means that it did not
 * come to that.
 */
import { Schema } from "effect"
import { CheckpointReached, Closing, Failure, Reason } from "./BootEvent.ts"
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
