/**
 * One attempt at one component: the scope that holds what it acquires, the context it runs in, and what has become of it.
 */
import { type Context, Duration, Effect, Exit, Fiber, Scope } from "effect"
import type { Closing } from "./BootEvent.ts"
import * as Live from "./Live.ts"
import type { Late } from "./Progress.ts"
import type { AnyEffect, Build } from "./Recipe.ts"
import type { TimedOut } from "./Severity.ts"

/** An attempt, or the component that it has become. */
export interface Instance {
  readonly build: Build
  readonly scope: Scope.Closeable
  readonly context: Context.Context<never>
  /** What runs at the moment: the start, or the probe. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  built: unknown
  during: "start" | "probe"
  /** Set when it was told to stop; with a deadline, when that was why. */
  stop: { readonly late: Late | undefined } | undefined
  closing: boolean
  abandoned: boolean
}

/** An attempt about to begin. The scope is already in the context. */
export const make = (build: Build, scope: Scope.Closeable, context: Context.Context<never>): Instance => ({
  build,
  scope,
  context,
  fiber: undefined,
  built: undefined,
  during: "start",
  stop: undefined,
  closing: false,
  abandoned: false
})

/** Asks whether it works. A probe that throws before it is an effect has a defect like any other. */
export const probe = ({ build, built }: Instance): AnyEffect => {
  try {
    return build.probe(built)
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** Runs an effect in a context, without asking what it needs: that was checked where its component was declared. */
export const run = <A>(
  context: Context.Context<never>,
  effect: Effect.Effect<A, unknown, unknown>,
  uninterruptible = false
): Fiber.Fiber<A, unknown> =>
  Effect.runForkWith(context)(trusted(effect), uninterruptible ? { uninterruptible } : undefined)

/** Its needs are in the context it is run with. */
export const trusted = <A, E>(effect: Effect.Effect<A, E, unknown>): Effect.Effect<A, E> =>
  effect as Effect.Effect<A, E>

/** What an effect ends with, or what is said when it is late; one that cannot be interrupted is then left behind. */
export const patiently = (
  context: Context.Context<never>,
  effect: AnyEffect,
  ms: number,
  late: () => unknown
): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.callback((resume) => {
    const fiber = run(context, effect)
    const patience = run(context, Effect.sleep(Duration.millis(ms)))
    patience.addObserver((exit) => {
      // The first word counts, and one that is interrupted may have its own at once.
      if (Exit.isSuccess(exit)) resume(Effect.succeed(Exit.fail(late())))
      fiber.interruptUnsafe()
    })
    fiber.addObserver((exit) => {
      patience.interruptUnsafe()
      resume(Effect.succeed(exit))
    })
    return Effect.sync(() => patience.interruptUnsafe())
  })

// ------------------------------------------------------------------------------------------------------------ exchange

/** What an exchange needs to know besides the new instance. */
export interface Exchange {
  readonly stopMs: number
  readonly drainMs: number
  readonly timedOut: () => TimedOut
  /** What the probe's complaint becomes. */
  readonly unhealthy: (cause: unknown) => unknown
  /** Hears how each of the two that is not to serve was closed, also when nobody waits for the exchange any more. */
  readonly closed: (closing: Closing) => void
  /** Puts the new instance in the place of the old one, which is the answer, with what has to be drained. */
  readonly install: () => { readonly old: Instance | undefined; readonly generations: ReadonlyArray<Live.Generation> }
}

/**
 * Build, probe, install, drain, close: the old instance serves until the new one does, and goes on when that fails.
 * Fails with what was wrong with the new one, which is closed; yields how the old one was closed.
 */
export const exchange = (instance: Instance, plan: Exchange): Effect.Effect<Closing, unknown> => {
  const brought = Effect.flatMap(instance.build.start, (built) => {
    instance.built = built
    instance.during = "probe"
    return Effect.mapError(probe(instance), plan.unhealthy)
  })
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      // In a fiber of its own, because what cannot be interrupted is not waited for.
      const bringing = run(instance.context, brought)
      const bounded = Effect.timeoutOrElse(Fiber.join(bringing), {
        duration: Duration.millis(instance.build.timeoutMs),
        orElse: () => Effect.fail(plan.timedOut())
      })
      const exit = yield* Effect.exit(restore(bounded))
      if (Exit.isFailure(exit)) {
        bringing.interruptUnsafe()
        const closing = yield* closeWithin(instance, plan.stopMs, bringing)
        instance.abandoned = closing === "abandoned"
        plan.closed(closing)
        return yield* Effect.failCause(exit.cause)
      }
      const { generations, old } = plan.install()
      const drained = Effect.forEach(generations, Live.drained, { discard: true })
      yield* Effect.ignoreCause(restore(Effect.timeoutOption(drained, Duration.millis(plan.drainMs))))
      const closing = old === undefined ? "clean" : yield* closeWithin(old, plan.stopMs)
      plan.closed(closing)
      return closing
    })
  )
}

/** Closes what a start holds once it has ended, however long after. */
const closeWithin = (
  instance: Instance,
  stopMs: number,
  bringing?: Fiber.Fiber<unknown, unknown>
): Effect.Effect<Closing> =>
  Effect.suspend(() => {
    const close = () => Scope.closeUnsafe(instance.scope, Exit.void)
    const isOver = bringing === undefined || bringing.pollUnsafe() !== undefined
    const closing = isOver
      ? close()
      : Effect.andThen(
          Fiber.await(bringing),
          Effect.suspend(() => close() ?? Effect.void)
        )
    if (closing === undefined) return Effect.succeed<Closing>("clean")
    // Not a race: what loses one is interrupted, and a closing must be waited for whoever loses patience.
    return Effect.uninterruptible(
      Effect.callback<Closing>((resume) => {
        const deadline = run(instance.context, Effect.sleep(Duration.millis(stopMs)))
        deadline.addObserver((exit) => {
          if (Exit.isSuccess(exit)) resume(Effect.succeed<Closing>("abandoned"))
        })
        run(instance.context, closing, true).addObserver((exit) => {
          deadline.interruptUnsafe()
          resume(Effect.succeed<Closing>(Exit.isSuccess(exit) ? "clean" : "failed"))
        })
      })
    )
  })
