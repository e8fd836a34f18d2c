/**
 * The check of all parts together, after each has come up by itself and before the node says that it is ready: what works
 * alone may not work beside the others, and what worked ten seconds ago may not work now.
 */
import { Health } from "@novacron/boot"
import { Context, Data, type Duration, Effect, type Scope } from "effect"

/** The parts, checked together. */
export class SystemHealth extends Context.Service<
  SystemHealth,
  {
    /** What the check before readiness found. */
    readonly report: Health.HealthReport
    /** Checks again. */
    readonly check: Effect.Effect<Health.HealthReport, SystemUnhealthy>
  }
>()("novacron/system-health") {}

/** A part that the node cannot do without came up and is not well. Nothing is announced, and the boot is rolled back. */
export class SystemUnhealthy extends Data.TaggedError("SystemUnhealthy")<{
  readonly components: ReadonlyArray<{ readonly name: string; readonly message: string }>
}> {
  readonly code = "NVC-2401"
  override get message() {
    const all = this.components.map(({ message, name }) => `${name} (${message})`).join(", ")
    return `Everything came up, but the node is not fit to serve: ${all}. Look at these first; nothing was announced.`
  }
}

/**
 * Asks every check once, at the same time. Fails when a critical one does; the others are named in a warning. Unlike the
 * health of a running node it has no patience: one failure counts.
 */
export const make = Effect.fn("SystemHealth.make")(function* (
  checks: ReadonlyArray<Health.Check>,
  deadline: Duration.Duration
): Effect.fn.Return<SystemHealth["Service"], SystemUnhealthy, Scope.Scope> {
  const health = yield* Health.make(checks, { deadline, failures: 1, successes: 1, timeToLive: 0 })
  const check = Effect.flatMap(health.report, (report) => {
    const broken = report.components.filter(({ critical, status }) => critical && status === "unhealthy")
    return broken.length === 0
      ? Effect.succeed(report)
      : Effect.fail(new SystemUnhealthy({ components: broken.map(({ message, name }) => ({ name, message })) }))
  })
  const report = yield* check
  for (const { message, name, status } of report.components) {
    if (status !== "healthy") yield* Effect.logWarning(`${name} is ${status}: ${message}`)
  }
  return { report, check }
})
