/**
 * Virtual time for tests in the usual Effect style, with `TestClock`: an effect runs until it has ended, and the clock
 * goes from wake to wake by itself. No test has to know how long anything takes.
 *
 * **Details**
 *
 * `TestClock.adjust` moves the clock by a time that the test chooses, and jumps over a fiber that is about to sleep
 * but has not had its turn yet. Here the clock moves only when nothing can run, to the moment of the next sleeper, and
 * no further than the effect needs.
 *
 * **Gotchas**
 *
 * - Needs a `TestClock`: `it.effect` of `@effect/vitest` has one.
 * - Real promises are waited for when nobody sleeps, for up to a second. While somebody does, time does not wait for
 *   them.
 * - For thousands of boots, `Simulation` is faster, and it finds deadlocks.
 *
 * **Example**
 *
 * ```ts
 * it.effect("falls back to memory when redis is down", () => Effect.gen(function*() {
 *   const { elapsedMs, report } = yield* VirtualTime.boot([settings, redis, api])
 *   assert.strictEqual(report.outcome, "degraded")
 *   assert.isBelow(elapsedMs, 5000)
 * }))
 * ```
 */
import { Boot, type BootEvent, type Component, Report } from "@novacron/boot"
import { Clock, Duration, Effect, Exit, Fiber, Scheduler, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Sleepers from "./Sleepers.ts"

/** What became of a boot. */
export interface Booted<in Services, out E> {
  /** How it ended, or its begin: the running boot, which is stopped when the scope closes. */
  readonly exit: Exit.Exit<Boot.Running<Services, E>, E>
  /** All that has happened so far; it grows while the boot runs. */
  readonly events: ReadonlyArray<BootEvent.BootEvent>
  /** The report at this moment. */
  readonly report: Report.Report
  /** How long it took, in virtual milliseconds. */
  readonly elapsedMs: number
}

/** How far virtual time may go. */
export interface Limit {
  /** In virtual time. Default: 5 minutes. What has not ended then is interrupted. */
  readonly limit?: Duration.Input
}

/**
 * Boots components in virtual time, and succeeds when the boot is ready, or has failed and is rolled back. It is
 * stopped with the scope, for which its finalizers have virtual time as well.
 */
export const boot = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Cs & Boot.Checked<Cs>,
  options: Boot.RunOptions & Limit = {}
): Effect.Effect<Booted<Boot.Services<Cs>, Boot.Failure<Cs>>, never, Boot.Requirements<Cs> | Scope.Scope> =>
  Effect.gen(function* () {
    const { limit, ...rest } = options
    const events: Array<BootEvent.BootEvent> = []
    const observe = (event: BootEvent.BootEvent) => {
      events.push(event)
      options.observe?.(event)
    }
    const beganMs = yield* Clock.currentTimeMillis
    // Stopping it may take time, and nobody else moves that.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => run(Scope.close(scope, Exit.void)))
    const booting = Scope.provide(Boot.make<Cs>(components, { ...rest, observe }), scope)
    const exit = yield* run(booting, limit === undefined ? {} : { limit })
    if (Exit.isFailure(exit)) yield* run(Scope.close(scope, exit))
    const endedMs = yield* Clock.currentTimeMillis
    return { exit, events, report: Report.fromEvents(events), elapsedMs: endedMs - beganMs }
  })

/** Runs an effect to its end, and says how it ended. Time goes from wake to wake. */
export const run = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { limit = "5 minutes" }: Limit = {}
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.gen(function* () {
    const clock = yield* Clock.clockWith(Effect.succeed)
    const watch = watchOf(clock)
    const turns = new Turns(yield* Scheduler.Scheduler)
    const fiber = yield* Effect.forkChild(
      effect.pipe(Effect.provideService(Clock.Clock, watch.clock), Effect.provideService(Scheduler.Scheduler, turns))
    )
    const nextMs = () => Sleepers.first(watch.sleepers)?.atMs
    yield* advance(fiber, turns, nextMs, limit)
    if (fiber.pollUnsafe() !== undefined) return yield* Fiber.await(fiber)
    // Its finalizers may take time as well.
    const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber))
    yield* advance(interruption, turns, nextMs, limit)
    return yield* Fiber.await(fiber)
  })

/**
 * Moves time until a fiber has ended, by steps of 10 milliseconds, or less when something that runs here wakes before
 * that. For a fiber that the test has forked itself; it goes up to a step further than the fiber's end.
 */
export const until = <A, E>(
  fiber: Fiber.Fiber<A, E>,
  { limit = "5 minutes", step = "10 millis" }: Limit & { readonly step?: Duration.Input } = {}
): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.gen(function* () {
    const clock = yield* Clock.clockWith(Effect.succeed)
    const { sleepers } = watchOf(clock)
    const nextMs = () =>
      Math.min(Sleepers.first(sleepers)?.atMs ?? Infinity, clock.currentTimeMillisUnsafe() + Duration.toMillis(step))
    yield* advance(fiber, undefined, nextMs, limit)
    if (fiber.pollUnsafe() === undefined) yield* Effect.forkChild(Fiber.interrupt(fiber))
    yield* advance(fiber, undefined, nextMs, limit)
    return yield* Fiber.await(fiber)
  })

// ----------------------------------------------------------------------------------------------------------- private

/** Moves the clock from wake to wake until the fiber has ended, nobody wakes any more, or the limit is reached. */
const advance = (
  fiber: Fiber.Fiber<unknown, unknown>,
  turns: Turns | undefined,
  nextMs: () => number | undefined,
  limit: Duration.Input
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const endMs = (yield* Clock.currentTimeMillis) + Duration.toMillis(limit)
    for (let patience = 100; patience > 0;) {
      yield* rest(turns)
      if (fiber.pollUnsafe() !== undefined) return
      const atMs = nextMs()
      if (atMs !== undefined && atMs > endMs) return
      if (atMs === undefined) {
        // Somebody waits for something from outside.
        yield* TestClock.withLive(Effect.sleep("10 millis"))
        patience--
      } else {
        yield* TestClock.setTime(atMs)
        patience = 100
      }
    }
  })

/** Lets everybody run who can, the fibers that they fork included. */
const rest = (turns: Turns | undefined): Effect.Effect<void> =>
  Effect.gen(function* () {
    // Without a count of turns, a few of them; what a wake causes, `TestClock` waits for itself.
    for (
      let quiet = 0;
      quiet < (turns === undefined ? 10 : 2);
      quiet = turns === undefined || turns.pending === 0 ? quiet + 1 : 0
    ) {
      yield* Effect.yieldNow
    }
  })

/** A scheduler that knows how many turns are to come. */
class Turns implements Scheduler.Scheduler {
  pending = 0
  readonly executionMode: "sync" | "async"
  private readonly scheduler: Scheduler.Scheduler

  constructor(scheduler: Scheduler.Scheduler) {
    this.scheduler = scheduler
    this.executionMode = scheduler.executionMode
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.scheduler.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const dispatcher = this.scheduler.makeDispatcher()
    return {
      scheduleTask: (task, priority) => {
        this.pending++
        dispatcher.scheduleTask(() => {
          try {
            task()
          } finally {
            this.pending--
          }
        }, priority)
      },
      flush: () => dispatcher.flush()
    }
  }
}

/** A clock, and who sleeps by it. */
interface Watch {
  readonly clock: Clock.Clock
  readonly sleepers: Sleepers.Sleepers
}

const watches = new WeakMap<Clock.Clock, Watch>()

/** One watch for each `TestClock`: what is started in one place and stopped in another sleeps in the same queue. */
const watchOf = (clock: Clock.Clock): Watch => {
  const known = watches.get(clock)
  if (known !== undefined) return known
  const sleepers = Sleepers.make()
  const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
    Effect.suspend(() => {
      const ms = Duration.toMillis(duration)
      if (ms <= 0 || ms === Infinity) return clock.sleep(duration)
      const nowMs = clock.currentTimeMillisUnsafe()
      const asked = Duration.millis(Sleepers.endMs(nowMs, ms) - nowMs)
      // To the last bit the moment at which `TestClock` wakes it.
      const sleeper = Sleepers.add(sleepers, nowMs + Duration.toMillis(asked), () => undefined)
      return Effect.ensuring(
        clock.sleep(asked),
        Effect.sync(() => Sleepers.remove(sleepers, sleeper))
      )
    })
  // Everything else is the clock's own, `adjust` included.
  const watched: Clock.Clock = Object.create(clock, { sleep: { value: sleep } })
  const watch = { clock: watched, sleepers }
  watches.set(clock, watch)
  watches.set(watched, watch)
  return watch
}
