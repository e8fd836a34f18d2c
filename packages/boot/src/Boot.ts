/**
 * Boots a list of components, each as soon as what it needs is up; rolls everything back when a critical one fails; and
 * keeps what is up, up. A boot is a `Layer`, so it goes wherever a layer goes, and a layer is a component.
 *
 * **Details**
 *
 * The order of the list means nothing. The types say what is still missing (the layer's requirements), what a boot can
 * fail with (`Critical` alone), and refuse a component whose severities nobody has handled.
 *
 * **Example** (three layers and what they add up to)
 *
 * ```ts
 * const app = Boot.layer([settings, database, api])
 * // Layer<Settings | Database | Api, Critical<BadUrl> | InvalidBoot>
 * NodeRuntime.runMain(Boot.run([settings, database, api], { deadline: "10 seconds" }))
 * ```
 */
import {
  Cause,
  Context,
  Deferred,
  type Duration,
  Effect,
  Layer,
  Result,
  Scope,
  Stream,
  type SubscriptionRef
} from "effect"
import type * as Component from "./Component.ts"
import type { Driver } from "./Driver.ts"
import * as Health from "./Health.ts"
import { begin, type InvalidBoot, type Options, type RunOptions } from "./Launch.ts"
import * as Operator from "./Operator.ts"
import type * as Plan from "./Plan.ts"
import * as Preparation from "./Preparation.ts"
import type * as Recipe from "./Recipe.ts"
import type * as Report from "./Report.ts"
import { type Critical, messageOf } from "./Severity.ts"
import type * as Status from "./Status.ts"

export { InvalidBoot, type Options, type RunOptions } from "./Launch.ts"
export { CannotRestore, NotDone, type Operator, type Prospect, type RestartOptions } from "./Operator.ts"

/** The components of a list, each checked for severities that nobody handles. */
export type Checked<Cs extends ReadonlyArray<Component.Any>> = { readonly [K in keyof Cs]: Component.Bootable<Cs[K]> }

/** What the components of a list provide together. */
export type Services<Cs extends ReadonlyArray<Component.Any>> = Component.Provides<Cs[number]>

/** What a boot of the list can fail with. */
export type Failure<Cs extends ReadonlyArray<Component.Any>> =
  | Critical<Component.CriticalCause<Component.Error<Cs[number]>>>
  | InvalidBoot

/** What the components of a list need and none of them provides. */
export type Requirements<Cs extends ReadonlyArray<Component.Any>> = Component.Missing<
  Component.Needs<Cs[number]>,
  Services<Cs>
>

/** A boot that is up. */
export interface Running<in Services, out E = Critical> extends Operator.Operator {
  readonly plan: Plan.Plan
  readonly services: Context.Context<Services>
  /** What every component is doing, now and from now on; kept from the first time that somebody asks. */
  readonly status: Effect.Effect<SubscriptionRef.SubscriptionRef<Status.Status>>
  readonly report: Effect.Effect<Report.Report>
  /** Liveness, readiness and the health of each part. */
  readonly health: Health.Health
  /** Takes everything down in reverse, and completes with the final report. */
  readonly stop: (because?: string) => Effect.Effect<Report.Report>
  /** Completes when the boot has ended; fails when something critical ended it. */
  readonly ended: Effect.Effect<void, E>
}

/** Everything known before anything runs: order, levels, critical path, impact; or all that is wrong. */
export const plan = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Cs,
  options: Pick<Options, "environment" | "durationsMs"> = {}
): Result.Result<Plan.Plan, Plan.InvalidPlan> =>
  Result.map(
    Preparation.make(
      components.map((c) => c.recipe),
      { environment: options.environment ?? "development", durationsMs: options.durationsMs }
    ),
    ({ plan }) => plan
  )

/**
 * Boots, and succeeds with the running boot when everything has settled and nothing critical is missing. It is stopped
 * when the scope closes. Fails with every critical failure, after the rollback.
 */
export const make = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Cs & Checked<Cs>,
  options: RunOptions = {}
): Effect.Effect<Running<Services<Cs>, Failure<Cs>>, Failure<Cs>, Requirements<Cs> | Scope.Scope> =>
  running<Cs>(components, options)

/** The boot as a layer. */
export const layer = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Cs & Checked<Cs>,
  options: RunOptions = {}
): Layer.Layer<Services<Cs>, Failure<Cs>, Requirements<Cs>> =>
  Layer.effectContext(Effect.map(running<Cs>(components, options), ({ services }) => services))

/** Boots and keeps running until it is interrupted, or until something critical fails for good. */
export const run = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Cs & Checked<Cs>,
  options: RunOptions = {}
): Effect.Effect<void, Failure<Cs>, Requirements<Cs>> =>
  Effect.scoped(Effect.flatMap(running<Cs>(components, options), ({ ended }) => ended))

/**
 * The driver finds requirements in its context and knows no types. What it does is what the types of its callers say,
 * because `Checked`, `Failure` and `Requirements` are computed from the same declarations that it runs.
 */
const running = <const Cs extends ReadonlyArray<Component.Any>>(
  components: ReadonlyArray<Component.Any>,
  options: RunOptions
): Effect.Effect<Running<Services<Cs>, Failure<Cs>>, Failure<Cs>, Requirements<Cs> | Scope.Scope> =>
  start(
    components.map((c) => c.recipe),
    options
  ) as Effect.Effect<never, never, Scope.Scope>

const start = (
  recipes: ReadonlyArray<Recipe.Recipe>,
  options: RunOptions
): Effect.Effect<Running<unknown>, Critical | InvalidBoot, Scope.Scope> =>
  Effect.flatMap(begin(recipes, options), (driver) =>
    Effect.flatMap(Effect.scope, (scope) => {
      // While the first components start; nobody who waits for the last one is to wait for this.
      const running = runningOf(driver, scope)
      const ready = Effect.as(Deferred.await(driver.settled), running)
      const { monitor } = options
      return monitor === undefined ? ready : Effect.tap(ready, ({ health }) => watch(driver, health, monitor))
    })
  )

const runningOf = (driver: Driver, scope: Scope.Scope): Running<unknown> => {
  let made: Health.Health | undefined
  const health = () => (made ??= healthOf(driver, scope))
  const report = Effect.sync(() => driver.views.report())
  return {
    plan: driver.settings.plan,
    services: Context.makeUnsafe<unknown>(driver.services.offers),
    status: driver.views.status,
    report,
    get health() {
      return health()
    },
    ...Operator.make(driver),
    stop: (because = "it was asked to") =>
      Effect.suspend(() => Effect.andThen(Effect.andThen(health().setAccepting(false), driver.stop(because)), report)),
    ended: Deferred.await(driver.ended)
  }
}

/** Made when somebody asks for the first time: a boot that is over in a moment has no use for it. */
const healthOf = (driver: Driver, scope: Scope.Scope): Health.Health => {
  let made: Health.Health | undefined
  let isAccepting = true
  const health = Effect.suspend(() =>
    made === undefined
      ? Effect.map(
          Scope.provide(Health.make(checksOf(driver), { accepting: isAccepting }), scope),
          (health) => (made ??= health)
        )
      : Effect.succeed(made)
  )
  return {
    live: Effect.flatMap(health, ({ live }) => live),
    ready: Effect.flatMap(health, ({ ready }) => ready),
    setAccepting: (accepting) =>
      Effect.suspend(() => {
        isAccepting = accepting
        return made === undefined ? Effect.void : made.setAccepting(accepting)
      }),
    check: (name) => Effect.flatMap(health, (it) => it.check(name)),
    report: Effect.flatMap(health, ({ report }) => report),
    snapshot: Effect.flatMap(health, ({ snapshot }) => snapshot),
    changes: Stream.unwrap(Effect.map(health, ({ changes }) => changes)),
    monitor: (interval) => Effect.flatMap(health, (it) => it.monitor(interval)),
    set: (checks) => Effect.flatMap(health, (it) => it.set(checks))
  }
}

const checksOf = (driver: Driver): ReadonlyArray<Health.Check> => {
  const { plan, redact } = driver.settings
  const { components, excluded, needs } = plan
  const complaint = (cause: Cause.Cause<unknown>) => Effect.fail(redact(messageOf(Cause.squash(cause))))
  return components.flatMap((component, i) =>
    excluded[i]
      ? []
      : [
          {
            name: component.name,
            critical: component.severity === "critical",
            needs: needs[i]!.map((need) => components[need]!.name),
            probe: Effect.catchCause(driver.probe(i), complaint)
          }
        ]
  )
}

/** Tells the driver when a component turns. That what is up is well, as its probe said when it came up, is no news. */
const watch = (
  driver: Driver,
  health: Health.Health,
  interval: Duration.Input
): Effect.Effect<void, never, Scope.Scope> => {
  const tell = ({ from, message, name, to }: Health.Change) =>
    Effect.sync(() => {
      if (from === "unknown" && to === "healthy") return
      const i = driver.settings.plan.index.get(name)
      if (i !== undefined) driver.tellOfHealth(i, to === "healthy", message)
    })
  return Effect.andThen(Effect.forkScoped(Stream.runForEach(health.changes, tell)), health.monitor(interval))
}
