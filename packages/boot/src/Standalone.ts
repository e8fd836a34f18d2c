/**
 * A component without the kernel: its recipe as one plain effect that tries, probes, retries, times out, falls back and
 * does without, in the scope of whoever asked. `component.layer` is made of it.
 */
import { Cause, Context, Duration, Effect, Exit, Option, Scope } from "effect"
import { Environment } from "./Environment.ts"
import * as Policy from "./Policy.ts"
import * as Recipe from "./Recipe.ts"
import { classify, TimedOut, Unhealthy, wrap } from "./Severity.ts"
import { failureOf } from "./Verdict.ts"

/** Builds the services of a recipe; fails with a severity. */
export const build = (recipe: Recipe.Recipe): Effect.Effect<Context.Context<never>, unknown, unknown> =>
  Effect.gen(function* () {
    const services = new Map<string, unknown>()
    const environment = yield* Environment
    if (recipe.environments !== undefined && !recipe.environments.includes(environment)) {
      return absent(recipe, services)
    }
    if (recipe.validate !== undefined) {
      yield* Effect.mapError(recipe.validate, (cause) => wrap("Critical", recipe.name, cause))
    }
    const fallbacks = recipe.builds.slice(1)
    for (let build = recipe.builds[0]; ;) {
      const exit = yield* Effect.exit(tryAll(build))
      if (Exit.isSuccess(exit)) {
        for (const key of recipe.provides) {
          const built = Recipe.serviceOf(build.yields, exit.value, key)
          if (Option.isSome(built)) services.set(key.key, built.value)
          Recipe.complete(services, key.key, built, Effect.succeed(built))
        }
        return Context.makeUnsafe<never>(services)
      }
      const cause = exit.cause
      if (Cause.hasInterruptsOnly(cause)) return yield* Effect.failCause(cause)
      const error = failureOf(build.name, cause)
      const severity = classify(build.table, error)
      const next = fallbacks.shift()
      if (severity === "Degraded" && next !== undefined) build = next
      else if (severity === "Warning" && recipe.optional) {
        return absent(recipe, services)
      } else return yield* Effect.fail(wrap(severity, recipe.name, error))
    }
  })

const absent = (recipe: Recipe.Recipe, services: Map<string, unknown>): Context.Context<never> => {
  for (const key of recipe.provides) Recipe.complete(services, key.key, Option.none(), Effect.succeedNone)
  return Context.makeUnsafe<never>(services)
}

const tryAll = (build: Recipe.Build): Recipe.AnyEffect =>
  Effect.suspend(() => {
    const nextDelay = Policy.delays(build.policy)
    const attempts = Policy.maxAttempts(build.policy)
    const from = (attempt: number): Recipe.AnyEffect =>
      Effect.catch(tryOnce(build), (error) =>
        attempt >= attempts
          ? Effect.fail(error)
          : Effect.flatMap(nextDelay(error), (delayMs) =>
              delayMs === null ? Effect.fail(error) : Effect.andThen(Effect.sleep(delayMs), from(attempt + 1))
            )
      )
    return build.deadlineMs === Infinity
      ? from(1)
      : Effect.timeoutOrElse(from(1), {
          duration: Duration.millis(build.deadlineMs),
          orElse: () => Effect.fail(late(build.name, "component", build.deadlineMs, "start"))
        })
  })

/** One attempt, in a scope of its own that is closed at once when it fails. */
const tryOnce = (build: Recipe.Build): Recipe.AnyEffect =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      let during: "start" | "probe" = "start"
      const attempt = Effect.flatMap(Scope.provide(build.start, scope), (built) => {
        during = "probe"
        return Effect.as(
          Effect.mapError(build.probe(built), (cause) => new Unhealthy({ component: build.name, cause })),
          built
        )
      })
      const exit = yield* Effect.exit(
        restore(
          Effect.timeoutOrElse(attempt, {
            duration: Duration.millis(build.timeoutMs),
            orElse: () => Effect.fail(late(build.name, "attempt", build.timeoutMs, during))
          })
        )
      )
      if (Exit.isFailure(exit)) yield* Scope.close(scope, exit)
      return yield* exit
    })
  )

const late = (component: string, scope: "attempt" | "component", afterMs: number, during: "start" | "probe") =>
  new TimedOut({ component, scope, afterMs, during })
