/**
 * The node that is asked, and its parts: how it is, why it is so, whom the loss of a part would touch. What its report
 * says is the `Report` of the kernel.
 */
import { Schema } from "effect"

/** Of the node or of a part, as probes say. */
export const HealthStatus = Schema.Literals(["healthy", "degraded", "unhealthy", "unknown"])

/** A part, as the boot has left it. */
export const ComponentState = Schema.Struct({
  name: Schema.String,
  /** `ready`, `degraded`, `absent`, …, as in the report. */
  state: Schema.String,
  severity: Schema.String
})
export type ComponentState = typeof ComponentState.Type

/** How the node is, without asking anything. */
export const Status = Schema.Struct({
  node: Schema.String,
  version: Schema.String,
  /** `booting`, `ready`, `degraded`, …, as in the report. */
  outcome: Schema.String,
  /** Whether tasks are taken: the orchestration is up, and the node is not leaving. */
  accepting: Schema.Boolean,
  startedAt: Schema.String,
  components: Schema.Array(ComponentState)
})
export type Status = typeof Status.Type

/** A part, as its probe says. */
export const ComponentHealth = Schema.Struct({
  name: Schema.String,
  critical: Schema.Boolean,
  status: HealthStatus,
  message: Schema.String,
  latencyMs: Schema.NullOr(Schema.Finite)
})
export type ComponentHealth = typeof ComponentHealth.Type

/** How the node is, from fresh probes. */
export const Health = Schema.Struct({
  status: HealthStatus,
  ready: Schema.Boolean,
  at: Schema.String,
  components: Schema.Array(ComponentHealth)
})
export type Health = typeof Health.Type

/** Why a part is as it is: from itself to the root cause, a sentence each. */
export const Why = Schema.Struct({ component: Schema.String, reasons: Schema.Array(Schema.String) })
export type Why = typeof Why.Type

/** Whom the loss of a part touches, and what becomes of them. */
export const Impact = Schema.Struct({
  component: Schema.String,
  state: Schema.String,
  concerned: Schema.Array(Schema.Struct({ component: Schema.String, effect: Schema.String })),
  /** Whether it is being built again now. */
  restoring: Schema.Boolean
})
export type Impact = typeof Impact.Type
