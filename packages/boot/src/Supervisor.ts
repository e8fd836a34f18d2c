/**
 * Supervision of fibers, after Erlang/OTP: children that run side by side, a rule for who is started again when one of
 * them ends, and a limit after which somebody else has to decide.
 *
 * **Details**
 *
 * A supervisor is an effect that never succeeds. It ends by interruption or by {@link GaveUp}, so it is itself a child
 * that another supervisor can hold, and it fits `Layer.effectDiscard(Effect.forkScoped(...))`.
 *
 * - Children start in list order and stop in reverse. Each has a scope of its own that closes when it ends.
 * - Who is started again: `permanent` whenever it ends, `transient` when it fails, `temporary` never.
 * - With whom: `one_for_one` alone; `one_for_all` with all; `rest_for_one` with those after it in the list, or, once
 *   any child names its `needs`, with those that need it, directly or not, and nobody else.
 * - When: after a delay from `backoff`, a schedule for each child, which starts anew once the child has run for
 *   `stableAfter`. While one group waits, the others go on; groups that overlap wait together.
 * - More than `intensity` restarts within `period` end the supervisor. With the defaults, a child that always fails at
 *   once has failed four times after some 1.4 seconds.
 *
 * **Gotchas**
 *
 * - A child that does not stop within its `shutdown` is abandoned: said so in an event, and left behind. It is never
 *   started a second time beside itself; a restart that would do so ends the supervisor. The parent that starts that
 *   supervisor again does so knowingly.
 * - Stopping takes up to the sum of all `shutdown` durations.
 * - A `transient` child that succeeded is done, until a group that it belongs to starts again.
 * - Forked and not watched, `GaveUp` ends just that fiber. Handle it inside the fork, as below.
 *
 * **Example**
 *
 * ```ts
 * const layer = Layer.effectDiscard(
 *   Supervisor.supervise([
 *     { name: "intake", run: intake },
 *     { name: "scheduler", run: scheduler, needs: ["intake"] },
 *     { name: "warm-up", run: warmUp, restart: "transient" }
 *   ], { strategy: "rest_for_one" }).pipe(
 *     Effect.tapError((gaveUp) => Effect.logError(gaveUp)),
 *     Effect.forkScoped
 *   )
 * )
 * ```
 */
import { Cause, Clock, Data, Duration, Effect, Exit, Fiber, Option, Queue, Schedule } from "effect"
import type { Scope } from "effect"
import * as Count from "./Count.ts"

// ------------------------------------------------------------------------------------------------------------- model

/** Who is started again together with a child that ended. */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one"

/** Whether a child that ended is started again: always, when it failed, never. */
export type Restart = "permanent" | "transient" | "temporary"

export interface Child<out R = never> {
  /** Unique among its siblings. */
  readonly name: string
  readonly run: Effect.Effect<unknown, unknown, R>
  /** Default `permanent`. */
  readonly restart?: Restart | undefined
  /** Siblings, earlier in the list, without which this child cannot work. Only `rest_for_one` asks. */
  readonly needs?: ReadonlyArray<string> | undefined
  /** How long it may take to stop. Default 5 seconds. */
  readonly shutdown?: Duration.Input | undefined
}

export interface Options {
  /** Default `one_for_one`. */
  readonly strategy?: Strategy | undefined
  /** Restarts within `period` that are still fine. Zero: the first end is the last. Default 3. */
  readonly intensity?: number | undefined
  /** Default 5 seconds. */
  readonly period?: Duration.Input | undefined
  /** Delays before the restarts of a child. When it ends, so does the supervisor. Default {@link patient}. */
  readonly backoff?: Schedule.Schedule<unknown> | undefined
  /** A child that ran for so long starts its `backoff` anew. Default 30 seconds. */
  readonly stableAfter?: Duration.Input | undefined
  /** Told of everything that happens, in order, by the supervisor's own fiber, which waits: be quick. */
  readonly onEvent?: ((event: Event) => Effect.Effect<void>) | undefined
}

/** The default backoff: 200 ms, doubled up to 10 seconds, 20 % more or less. */
export const patient: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("200 millis"),
  Schedule.spaced("10 seconds")
]).pipe(Schedule.jittered)

/** What happens under a supervisor. `child` is a name. */
export type Event =
  | { readonly _tag: "ChildStarted"; readonly child: string }
  /** `stopped`: because the supervisor interrupted it, and not by itself. */
  | {
      readonly _tag: "ChildExited"
      readonly child: string
      readonly exit: Exit.Exit<unknown, unknown>
      readonly stopped: boolean
    }
  /** It will be started again after `delay`, because the child `because` ended: itself, or one it goes with. */
  | {
      readonly _tag: "ChildRestarting"
      readonly child: string
      readonly because: string
      readonly delay: Duration.Duration
    }
  /** It was told to stop, and `after` its deadline it still runs. */
  | { readonly _tag: "ChildAbandoned"; readonly child: string; readonly after: Duration.Duration }
  /** The last decision; the remaining children are stopped after it. */
  | { readonly _tag: "GaveUp"; readonly error: GaveUp }

/** Why a supervisor did not start a child again. */
export type Reason =
  | { readonly _tag: "TooManyRestarts"; readonly period: Duration.Duration }
  | { readonly _tag: "BackoffEnded" }
  | { readonly _tag: "WouldNotStop"; readonly sibling: string; readonly after: Duration.Duration }

/** The supervisor stopped all children and leaves the rest to whoever holds it. */
export class GaveUp extends Data.TaggedError("GaveUp")<{
  /** The child whose end was one too many. */
  readonly child: string
  /** Restarts within the period, before this end. */
  readonly restarts: number
  readonly reason: Reason
  /** What the child failed with; `undefined` if it just ended. The `ChildExited` event has the whole exit. */
  readonly cause: unknown
}> {
  override get message() {
    const { child, reason, restarts } = this
    const next = `Its siblings are stopped too. Repair what the cause names, then start the supervisor again.`
    switch (reason._tag) {
      case "TooManyRestarts": {
        const period = Duration.format(reason.period)
        const often = Count.of(restarts, "restart")
        return `"${child}" ended again after ${often} within ${period}: its supervisor gave up. ${next}`
      }
      case "BackoffEnded":
        return `"${child}" ended again and its backoff allows no more restarts: its supervisor gave up. ${next}`
      case "WouldNotStop": {
        const { sibling } = reason
        return (
          `"${child}" ended, and "${sibling}", which restarts with it, did not stop within ` +
          `${Duration.format(reason.after)}: its supervisor gave up rather than run "${sibling}" twice at once. ` +
          `Find out what "${sibling}" waits for; it may still run.`
        )
      }
    }
  }
}

/** The list of children cannot be meant: a programming error, a defect of {@link supervise}. */
export class InvalidChildren extends RangeError {
  override readonly name = "InvalidChildren"
}

// ---------------------------------------------------------------------------------------------------------- decision

/** Names of the children that go down and come up again with `failed`, itself included, in list order. */
export const affected = (
  children: ReadonlyArray<Child<unknown>>,
  strategy: Strategy,
  failed: string
): ReadonlyArray<string> => {
  const names = children.map((child) => child.name)
  switch (strategy) {
    case "one_for_one":
      return [failed]
    case "one_for_all":
      return names
    case "rest_for_one": {
      if (children.every((child) => child.needs === undefined)) return names.slice(names.indexOf(failed))
      const down = new Set([failed])
      // One pass is enough: needs come earlier in the list.
      for (const { name, needs } of children) if (needs?.some((need) => down.has(need))) down.add(name)
      return names.filter((name) => down.has(name))
    }
  }
}

const returns = (child: Child<unknown>, exit: Exit.Exit<unknown, unknown>): boolean => {
  switch (child.restart ?? "permanent") {
    case "permanent":
      return true
    case "transient":
      return Exit.isFailure(exit)
    case "temporary":
      return false
  }
}

const check = (children: ReadonlyArray<Child<unknown>>): void => {
  const seen = new Set<string>()
  for (const { name, needs = [] } of children) {
    if (seen.has(name)) throw new InvalidChildren(`Two children are called "${name}". Give one another name.`)
    for (const need of needs) {
      if (!seen.has(need)) throw new InvalidChildren(`"${name}" needs "${need}", which must be listed before it.`)
    }
    seen.add(name)
  }
}

// ------------------------------------------------------------------------------------------------------- supervision

/**
 * Runs the children until interrupted, or until it gives up. `Scope` is not asked for: each run of a child has its own.
 * Numbers that make no sense are a bug, and die as a `RangeError`.
 */
export const supervise = <const C extends ReadonlyArray<Child<unknown>>>(
  children: C,
  options: Options = {}
): Effect.Effect<never, GaveUp, Exclude<Effect.Services<C[number]["run"]>, Scope.Scope>> =>
  // A cast, because inside they are children of whatever: what all of them need together is what this type says.
  Effect.scopedWith((scope) => conduct(children, options, scope)) as Effect.Effect<
    never,
    GaveUp,
    Exclude<Effect.Services<C[number]["run"]>, Scope.Scope>
  >

/** The place of one child. It outlives the child's runs. */
interface Post {
  readonly child: Child<unknown>
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  sinceMs: number
  delays: Effect.Success<ReturnType<typeof Schedule.toStep<unknown, unknown, never, never>>> | undefined
}

/** Posts that wait to be started again together. */
interface Group {
  readonly posts: ReadonlyArray<Post>
  readonly dueMs: number
}

type Letter =
  | {
      readonly _tag: "Exited"
      readonly post: Post
      readonly fiber: Fiber.Fiber<unknown, unknown>
      readonly exit: Exit.Exit<unknown, unknown>
    }
  | { readonly _tag: "Due"; readonly group: Group }

const conduct = Effect.fnUntraced(function* (
  children: ReadonlyArray<Child<unknown>>,
  options: Options,
  scope: Scope.Scope
): Effect.fn.Return<never, GaveUp, unknown> {
  check(children)
  const { backoff = patient, intensity = 3, strategy = "one_for_one" } = options
  const period = Duration.fromInputUnsafe(options.period ?? "5 seconds")
  // With these no end would ever be one too many.
  if (!(intensity >= 0)) throw new RangeError(`Supervisor: intensity is ${intensity}, it must be a number from 0.`)
  if (!Duration.isPositive(period)) {
    throw new RangeError(`Supervisor: period is ${Duration.format(period)}, it must be longer than nothing.`)
  }
  const stableMs = Duration.toMillis(options.stableAfter ?? "30 seconds")
  const posts = children.map((child): Post => ({ child, fiber: undefined, sinceMs: 0, delays: undefined }))
  // Unbounded in name only: each run and each waiting group writes one letter, and there are as many as children.
  const letters = yield* Queue.unbounded<Letter>()
  const tell = teller(options.onEvent)
  let waiting: ReadonlyArray<Group> = []
  let restarts: ReadonlyArray<number> = []

  const start = Effect.fnUntraced(function* (post: Post) {
    yield* tell({ _tag: "ChildStarted", child: post.child.name })
    post.sinceMs = yield* nowMs
    // Detached, because a scope would wait for it without end. `stop` waits as well, up to the deadline.
    const fiber = yield* Effect.forkDetach(Effect.scoped(post.child.run))
    post.fiber = fiber
    fiber.addObserver((exit) => Queue.offerUnsafe(letters, { _tag: "Exited", post, fiber, exit }))
  })

  const giveUp = Effect.fnUntraced(function* (post: Post, exit: Exit.Exit<unknown, unknown>, reason: Reason) {
    const cause = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    const error = new GaveUp({ child: post.child.name, restarts: restarts.length, reason, cause })
    yield* tell({ _tag: "GaveUp", error })
    return yield* error
  })

  const exited = Effect.fnUntraced(function* (post: Post, exit: Exit.Exit<unknown, unknown>) {
    post.fiber = undefined
    yield* tell({ _tag: "ChildExited", child: post.child.name, exit, stopped: false })
    if (!returns(post.child, exit)) return

    const atMs = yield* nowMs
    restarts = restarts.filter((restartMs) => atMs - restartMs < Duration.toMillis(period))
    if (restarts.length >= intensity) return yield* giveUp(post, exit, { _tag: "TooManyRestarts", period })
    const delay = yield* delayOf(post, atMs, backoff, stableMs)
    if (Option.isNone(delay)) return yield* giveUp(post, exit, { _tag: "BackoffEnded" })
    restarts = [...restarts, atMs]

    const names = affected(children, strategy, post.child.name)
    const group = posts.filter((post) => names.includes(post.child.name))
    for (const sibling of group.toReversed()) {
      const abandoned = yield* stop(sibling, tell)
      if (Option.isNone(abandoned) || sibling.child.restart === "temporary") continue
      return yield* giveUp(post, exit, { _tag: "WouldNotStop", sibling: sibling.child.name, after: abandoned.value })
    }
    yield* restartLater(group, post.child.name, delay.value)
  })

  // Groups that overlap become one and wait as long as the last of them: its members need each other.
  const restartLater = Effect.fnUntraced(function* (
    members: ReadonlyArray<Post>,
    because: string,
    delay: Duration.Duration
  ) {
    const atMs = yield* nowMs
    const overlaps = (group: Group) => group.posts.some((post) => members.includes(post))
    const joined = waiting.filter(overlaps)
    const group: Group = {
      posts: [...members, ...joined.flatMap((other) => other.posts)],
      dueMs: Math.max(atMs + Duration.toMillis(delay), ...joined.map((other) => other.dueMs))
    }
    waiting = [...waiting.filter((other) => !overlaps(other)), group]
    const wait = Duration.millis(Math.ceil(group.dueMs - atMs))
    for (const { child } of members) {
      if (child.restart === "temporary") continue
      yield* tell({ _tag: "ChildRestarting", child: child.name, because, delay: wait })
    }
    yield* Effect.forkIn(Effect.andThen(Effect.sleep(wait), Queue.offer(letters, { _tag: "Due", group })), scope)
  })

  const due = Effect.fnUntraced(function* (group: Group) {
    if (!waiting.includes(group)) return // it waits longer now, as part of another one
    waiting = waiting.filter((other) => other !== group)
    for (const post of posts) {
      if (group.posts.includes(post) && post.child.restart !== "temporary") yield* start(post)
    }
  })

  // Uninterruptible but for the wait: a child that was forked must be known before anything else happens.
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      for (const post of posts) yield* start(post)
      while (true) {
        const letter = yield* restore(Queue.take(letters))
        if (letter._tag === "Due") yield* due(letter.group)
        // Others come from children that were stopped, and this was told then.
        else if (letter.post.fiber === letter.fiber) yield* exited(letter.post, letter.exit)
      }
    }).pipe(Effect.ensuring(Effect.forEach(posts.toReversed(), (post) => stop(post, tell), { discard: true })))
  )
})

/** Interrupts a child and waits, up to its deadline, which is the result if it was abandoned. */
const stop = Effect.fnUntraced(function* (post: Post, tell: (event: Event) => Effect.Effect<void>) {
  if (post.fiber === undefined) return Option.none()
  const { child, fiber } = post
  const stopped = fiber.pollUnsafe() === undefined
  const shutdown = Duration.fromInputUnsafe(child.shutdown ?? "5 seconds")
  fiber.interruptUnsafe()
  const exit = yield* Effect.timeoutOption(Fiber.await(fiber), shutdown)
  post.fiber = undefined
  if (Option.isSome(exit)) {
    yield* tell({ _tag: "ChildExited", child: child.name, exit: exit.value, stopped })
    return Option.none()
  }
  yield* tell({ _tag: "ChildAbandoned", child: child.name, after: shutdown })
  return Option.some(shutdown)
})

/** The next delay of a child's own schedule, or none if that has ended. */
const delayOf = Effect.fnUntraced(function* (
  post: Post,
  atMs: number,
  backoff: Schedule.Schedule<unknown>,
  stableMs: number
) {
  const stable = atMs - post.sinceMs >= stableMs
  const next = stable || post.delays === undefined ? yield* Schedule.toStep(backoff) : post.delays
  post.delays = next
  return Option.map(yield* Effect.option(next(atMs, undefined)), ([, delay]) => delay)
})

/** A listener with a defect is worth a warning, not the children. */
const teller =
  (onEvent: Options["onEvent"]) =>
  (event: Event): Effect.Effect<void> =>
    onEvent === undefined
      ? Effect.void
      : Effect.suspend(() => onEvent(event)).pipe(
          Effect.ignoreCause({ log: "Warn", message: `Supervisor: onEvent failed on ${event._tag}` })
        )

/** Whole milliseconds of the monotonic clock: a wall clock that is set must not change what counts as recent. */
const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
