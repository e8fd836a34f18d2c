/**
 * Everything that can happen during the life of a boot, as a closed union of plain data. Journal, log lines, spans,
 * metrics, terminal, status and report are folds over these events and learn nothing that the events do not say.
 *
 * **Details**
 *
 * `atMs` is milliseconds since the boot began, by the monotonic clock. `component` is a name; inside a group it is a
 * path, `dwcp/amst`. Errors are carried as tag and message: the objects themselves stay in the error channel.
 *
 * Some events report what the world did (`ComponentAcquired`, `AttemptFailed`), the others what was decided because of
 * it (`ComponentStarted`, `ComponentSkipped`). Feeding the first kind to `Progress` again yields the second: that is how
 * a journal is replayed.
 */
import { Schema } from "effect"

const atMs = Schema.Finite
const component = Schema.String
const severity = Schema.Literals(["critical", "degraded", "warning"])
const phase = Schema.Literals(["pre", "core", "service", "post"])

/** How an attempt went wrong, in records: `kind` says who found out. */
export const Failure = Schema.Struct({
  kind: Schema.Literals(["error", "defect", "timeout", "unhealthy", "interrupted"]),
  tag: Schema.String,
  message: Schema.String,
  severity
})
export type Failure = typeof Failure.Type

/** Why a component is not up. Following `need` from component to component ends at a root cause. */
export const Reason = Schema.Union([
  Schema.TaggedStruct("Failed", { failure: Failure }),
  Schema.TaggedStruct("Need", { need: component }),
  Schema.TaggedStruct("Environment", { environment: Schema.String, only: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("RolledBack", { because: Schema.String })
])
export type Reason = typeof Reason.Type

/** How the finalizers of a component ended: `abandoned` means that they did not, within their deadline. */
export const Closing = Schema.Literals(["clean", "failed", "abandoned"])
export type Closing = typeof Closing.Type

/** What an operator has asked for: of which component, and how it is done. */
export const ByHand = Schema.Struct({ how: Schema.Literals(["exchange", "restart", "stop"]), of: component })
export type ByHand = typeof ByHand.Type

const Member = Schema.Struct({
  name: component,
  phase,
  severity,
  needs: Schema.Array(component),
  fallbacks: Schema.Array(Schema.String)
})

// ------------------------------------------------------------------------------------------------ the boot as a whole

export const BootStarted = Schema.TaggedStruct("BootStarted", {
  atMs,
  version: Schema.Literal(1),
  bootId: Schema.String,
  nodeId: Schema.String,
  environment: Schema.String,
  configVersion: Schema.String,
  /** Wall-clock time, milliseconds since 1970. */
  startedAt: Schema.Finite,
  concurrency: Schema.Finite,
  /** The longest this boot can take under its policies and deadlines. */
  worstCaseMs: Schema.Finite,
  components: Schema.Array(Member)
})
export const PhaseStarted = Schema.TaggedStruct("PhaseStarted", { atMs, phase })
export const CheckpointReached = Schema.TaggedStruct("CheckpointReached", {
  atMs,
  checkpoint: Schema.Literals([
    "init_start",
    "pre_init_complete",
    "core_init_complete",
    "service_init_complete",
    "init_complete"
  ])
})
/** The phase took longer than it should; it may go on until its deadline. */
export const PhaseSlow = Schema.TaggedStruct("PhaseSlow", { atMs, phase, waitingFor: Schema.Array(component) })
export const BootReady = Schema.TaggedStruct("BootReady", { atMs, outcome: Schema.Literals(["ready", "degraded"]) })
/** Everything started is taken down again: after a failure, on cancellation, or because the node is asked to stop. */
export const RollbackStarted = Schema.TaggedStruct("RollbackStarted", {
  atMs,
  why: Schema.Literals(["failed", "cancelled", "deadline", "stopped"]),
  because: Schema.String,
  /** How long it may take altogether before what is left is abandoned. */
  budgetMs: Schema.Finite
})
export const BootEnded = Schema.TaggedStruct("BootEnded", {
  atMs,
  outcome: Schema.Literals(["failed", "cancelled", "stopped"]),
  /** Whether each finalizer ran to its end, without failing. */
  clean: Schema.Boolean
})

// ------------------------------------------------------------------------------------------------------ one component

/** Its needs are up, and it waits for a slot. */
export const ComponentQueued = Schema.TaggedStruct("ComponentQueued", { atMs, component })
/** An attempt begins. `variant` is 0 for the component itself and counts its fallbacks from 1. */
export const ComponentStarted = Schema.TaggedStruct("ComponentStarted", {
  atMs,
  component,
  variant: Schema.Finite,
  attempt: Schema.Finite
})
/** `start` succeeded: its resources are held, its probe runs. */
export const ComponentAcquired = Schema.TaggedStruct("ComponentAcquired", { atMs, component })
export const ComponentReady = Schema.TaggedStruct("ComponentReady", { atMs, component })
/** It is up on a fallback. */
export const ComponentDegraded = Schema.TaggedStruct("ComponentDegraded", {
  atMs,
  component,
  fallback: Schema.String,
  reason: Reason
})
/** The attempt takes longer than it should; it may go on until its deadline. */
export const ComponentSlow = Schema.TaggedStruct("ComponentSlow", {
  atMs,
  component,
  runningMs: Schema.Finite
})
/** An attempt went wrong; what it held is being closed. `retryInMs` is null when the policy is at its end. */
export const AttemptFailed = Schema.TaggedStruct("AttemptFailed", {
  atMs,
  component,
  attempt: Schema.Finite,
  failure: Failure,
  retryInMs: Schema.NullOr(Schema.Finite)
})
/** An attempt is told to stop: a sibling was critical, a deadline passed, or the boot was cancelled. */
export const ComponentInterrupted = Schema.TaggedStruct("ComponentInterrupted", { atMs, component })
/** What a failed or interrupted attempt held is closed. */
export const AttemptClosed = Schema.TaggedStruct("AttemptClosed", { atMs, component, closing: Closing })
/** The next attempt waits until its delay is over. */
export const ComponentBackoff = Schema.TaggedStruct("ComponentBackoff", { atMs, component, untilMs: Schema.Finite })
/** The component gives way to its next fallback. */
export const FallbackChosen = Schema.TaggedStruct("FallbackChosen", {
  atMs,
  component,
  variant: Schema.Finite,
  fallback: Schema.String
})
export const ComponentAbsent = Schema.TaggedStruct("ComponentAbsent", { atMs, component, reason: Reason })
export const ComponentSkipped = Schema.TaggedStruct("ComponentSkipped", { atMs, component, reason: Reason })
export const ComponentFailed = Schema.TaggedStruct("ComponentFailed", { atMs, component, failure: Failure })
/** It is closed: because everything goes down, or `byHand`, while the rest goes on. */
export const ComponentStopping = Schema.TaggedStruct("ComponentStopping", {
  atMs,
  component,
  byHand: Schema.optionalKey(ByHand)
})
export const ComponentStopped = Schema.TaggedStruct("ComponentStopped", { atMs, component, closing: Closing })

// ------------------------------------------------------------------------------------------------------ while running

/**
 * A swap begins: `variant` is built beside the one that serves. 0 restores, another one gives way to a fallback; `byHand`
 * it may be the one that serves.
 */
export const SwapStarted = Schema.TaggedStruct("SwapStarted", {
  atMs,
  component,
  variant: Schema.Finite,
  byHand: Schema.optionalKey(ByHand)
})
/** The swap is done: `variant` serves, the old one is drained and closed. */
export const SwapCompleted = Schema.TaggedStruct("SwapCompleted", {
  atMs,
  component,
  variant: Schema.Finite,
  closing: Closing
})
/** The old one goes on serving. */
export const SwapFailed = Schema.TaggedStruct("SwapFailed", {
  atMs,
  component,
  variant: Schema.Finite,
  failure: Failure,
  retryInMs: Schema.NullOr(Schema.Finite)
})
/** Continuous health turned; hysteresis has had its say. */
export const HealthChanged = Schema.TaggedStruct("HealthChanged", {
  atMs,
  component,
  healthy: Schema.Boolean,
  message: Schema.String
})

/** The union. `switch` over `_tag` without a `default`: the compiler then tells a view that it forgot one. */
export const BootEvent = Schema.Union([
  BootStarted,
  PhaseStarted,
  CheckpointReached,
  PhaseSlow,
  BootReady,
  RollbackStarted,
  BootEnded,
  ComponentQueued,
  ComponentStarted,
  ComponentAcquired,
  ComponentReady,
  ComponentDegraded,
  ComponentSlow,
  AttemptFailed,
  ComponentInterrupted,
  AttemptClosed,
  ComponentBackoff,
  FallbackChosen,
  ComponentAbsent,
  ComponentSkipped,
  ComponentFailed,
  ComponentStopping,
  ComponentStopped,
  SwapStarted,
  SwapCompleted,
  SwapFailed,
  HealthChanged
])
export type BootEvent = typeof BootEvent.Type

/** An event of one kind. */
export type Of<Tag extends BootEvent["_tag"]> = Extract<BootEvent, { readonly _tag: Tag }>

/** Reads an event from data of unknown origin, such as a line of a journal. */
export const decode = Schema.decodeUnknownResult(BootEvent)
