/**
 * A world in which an effect runs: one object that is the scheduler of its fibers, its clock and its chance. An hour of
 * sleeping takes no time, the same seed gives the same run, and fibers that wait for each other are found out.
 *
 * **Details**
 *
 * `run` is synchronous. It runs what can run, then moves the clock to the next sleeper, and so on until the effect has
 * ended. Nothing runnable and nobody asleep, with the effect unfinished, is a deadlock: the exit then dies with
 * {@link Deadlock}, and the effect is interrupted, so that its finalizers run.
 *
 * With `fuzz`, the seed chooses who goes next among all who can: tasks and sleepers that are due at the same moment.
 * Every order is one that the real scheduler could have taken, so seeds explore interleavings. Without it, tasks run
 * first come, first served, and sleepers wake in the order in which they went to sleep, as under `TestClock`.
 *
 * **Gotchas**
 *
 * - Real promises, sockets and timers cannot end inside: the thread never goes back to the event loop. An effect that
 *   waits for one is reported as a deadlock. Simulate such a service by a layer that sleeps.
 * - The priorities of tasks are not looked at. Nothing in Effect but `yieldNowWith` sets any.
 * - When the effect has ended, fibers that it left behind run until they sleep, and stop there, unless they may linger.
 *
 * **Example**
 *
 * ```ts
 * const { exit, timeMs } = Simulation.run(Effect.as(Effect.sleep("1 hour"), "rested"), { seed: 1 })
 * // exit => Exit.succeed("rested"), timeMs => 3_600_000
 * ```
 */
import { Clock, Context, Data, Duration, Effect, Exit, Random as EffectRandom, type Scheduler } from "effect"
import * as Random from "./Random.ts"
import * as Sleepers from "./Sleepers.ts"

/** How to run. */
export interface Options {
  /** A whole number: all chance, and with `fuzz` every choice among those who can run, comes from it. */
  readonly seed: number
  /** Whether the seed also chooses who goes next. Default: false. */
  readonly fuzz?: boolean
  /** After this many turns of fibers the run is given up. Default: ten million. */
  readonly maxSteps?: number
  /**
   * How long, in virtual milliseconds, what the effect has left behind goes on; asked when it has ended. Some may repeat
   * for ever: after a tenth of the steps nobody waits for them. Default: no time at all.
   */
  readonly lingerMs?: () => number
}

/** What became of an effect. */
export interface Run<A, E = never> {
  readonly exit: Exit.Exit<A, E>
  /** Virtual milliseconds from begin to end. */
  readonly timeMs: number
  /** How many turns fibers and sleepers had. */
  readonly steps: number
  readonly deadlock: boolean
  /** How many fibers the effect has left behind asleep. */
  readonly asleep: number
}

/** Nothing could run and nobody slept, and the effect had not ended. */
export class Deadlock extends Data.TaggedError("Deadlock")<{ readonly atMs: number }> {
  override get message() {
    return (
      `Nothing can run and nobody sleeps at ${this.atMs} ms. Either fibers wait for each other, or one waits for a ` +
      `promise or a callback from outside, which never comes in a simulation: replace that service by one that sleeps.`
    )
  }
}

/** The run took more turns than it was allowed: most likely something polls without sleeping, or for ever. */
export class OutOfSteps extends Data.TaggedError("OutOfSteps")<{ readonly atMs: number; readonly steps: number }> {
  override get message() {
    return `The effect has not ended after ${this.steps} turns, at ${this.atMs} ms. Does something repeat for ever?`
  }
}

/** Runs an effect to its end, now, in a world of its own. */
export const run = <A, E>(effect: Effect.Effect<A, E>, options: Options): Run<A, E> => {
  const world = new World(options)
  const fiber = Effect.runForkWith(world.context)(effect, { scheduler: world })
  const end = world.until(() => fiber.pollUnsafe() !== undefined)
  // Whoever could still run does, but time stands still unless more was asked for.
  if (end === "done") world.linger(options.lingerMs?.() ?? 0)
  const { asleep, nowMs: timeMs, steps } = world
  const facts = { timeMs, steps, deadlock: end === "deadlock", asleep }
  if (end === "done") return { exit: fiber.pollUnsafe()!, ...facts }
  // What the effect holds is released, as far as that is possible here.
  fiber.interruptUnsafe()
  world.until(() => fiber.pollUnsafe() !== undefined)
  const error = end === "deadlock" ? new Deadlock({ atMs: timeMs }) : new OutOfSteps({ atMs: timeMs, steps })
  return { exit: Exit.die(error), ...facts }
}

/** Chance from a seed as the service that effects draw from. The same under `TestClock` and in a simulation. */
export const randomOf = (seed: number): EffectRandom.Random => {
  const random = Random.fork(Random.make(seed), "effects")
  const next = () => Random.next(random)
  return {
    nextDoubleUnsafe: next,
    // All 53 bits of a safe integer, and its sign.
    nextIntUnsafe: () =>
      (Math.floor(next() * 2 ** 21) * 2 ** 32 + Math.floor(next() * 2 ** 32)) * (next() < 0.5 ? -1 : 1)
  }
}

// ----------------------------------------------------------------------------------------------------------- private

class World implements Scheduler.Scheduler, Clock.Clock {
  readonly executionMode = "async"
  nowMs = 0
  steps = 0
  readonly context: Context.Context<never>
  private nanos = 0n
  /** Tasks that can run now; those before `head` have run. */
  private tasks: Array<() => void> = []
  private head = 0
  private readonly sleepers = Sleepers.make()
  private readonly chooser: Random.Random | undefined
  private readonly maxSteps: number

  constructor({ fuzz = false, maxSteps = 10_000_000, seed }: Options) {
    this.chooser = fuzz ? Random.fork(Random.make(seed), "interleaving") : undefined
    this.maxSteps = maxSteps
    this.context = Context.make(Clock.Clock, this).pipe(Context.add(EffectRandom.Random, randomOf(seed)))
  }

  get isBusy(): boolean {
    return this.tasks.length > 0
  }

  get asleep(): number {
    return this.sleepers.heap.length
  }

  // ---------------------------------------------------------------------------------------------------- the loop

  linger(ms: number): void {
    const endMs = this.nowMs + ms
    const isQuiet = () => !this.isBusy && (Sleepers.first(this.sleepers)?.atMs ?? Infinity) > endMs
    this.until(isQuiet, ms === 0 ? this.maxSteps : this.maxSteps / 10)
  }

  until(isDone: () => boolean, maxSteps = this.maxSteps): "done" | "deadlock" | "out of steps" {
    const limit = this.steps + maxSteps
    while (!isDone()) {
      if (this.steps >= limit) return "out of steps"
      const task = this.next()
      if (task === undefined) return "deadlock"
      this.steps++
      task()
    }
    return "done"
  }

  private next(): (() => void) | undefined {
    if (this.head === this.tasks.length && !this.advance()) return undefined
    if (this.chooser !== undefined) {
      const chosen = this.head + Random.int(this.chooser, this.tasks.length - this.head)
      const task = this.tasks[chosen]
      this.tasks[chosen] = this.tasks[this.head]!
      this.tasks[this.head] = task!
    }
    const task = this.tasks[this.head++]
    if (this.head === this.tasks.length) {
      this.tasks.length = 0
      this.head = 0
    }
    return task
  }

  /** Moves the clock to the next sleeper. A fuzzed run has all wake who are due then, to be chosen from. */
  private advance(): boolean {
    const first = Sleepers.first(this.sleepers)
    if (first === undefined) return false
    this.nowMs = first.atMs
    this.nanos = BigInt(Math.round(first.atMs * 1e6))
    do {
      const sleeper = Sleepers.first(this.sleepers)!
      Sleepers.remove(this.sleepers, sleeper)
      this.tasks.push(() => sleeper.wake())
    } while (this.chooser !== undefined && Sleepers.first(this.sleepers)?.atMs === first.atMs)
    return true
  }

  // --------------------------------------------------------------------------------------------------- scheduler

  shouldYield(fiber: { readonly currentOpCount: number }): boolean {
    return fiber.currentOpCount >= 2048
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.dispatcher
  }

  private readonly dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task) => {
      this.tasks.push(task)
    },
    // Only this loop runs tasks: a flush from inside one would run others on its stack.
    flush: () => undefined
  }

  // ------------------------------------------------------------------------------------------------------- clock

  currentTimeMillisUnsafe(): number {
    return this.nowMs
  }
  currentTimeNanosUnsafe(): bigint {
    return this.nanos
  }
  monotonicTimeNanosUnsafe(): bigint {
    return this.nanos
  }
  readonly currentTimeMillis = Effect.sync(() => this.nowMs)
  readonly currentTimeNanos = Effect.sync(() => this.nanos)
  readonly monotonicTimeNanos = Effect.sync(() => this.nanos)

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const ms = Duration.toMillis(duration)
    if (ms <= 0) return Effect.yieldNow
    if (ms === Infinity) return Effect.never
    return Effect.callback<void>((resume) => {
      const sleeper = Sleepers.add(this.sleepers, Sleepers.endMs(this.nowMs, ms), () => resume(Effect.void))
      return Effect.sync(() => {
        Sleepers.remove(this.sleepers, sleeper)
        sleeper.wake = () => undefined
      })
    })
  }
}
