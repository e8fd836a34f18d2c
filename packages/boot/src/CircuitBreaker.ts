/**
 * A circuit breaker for calls to something that may be down: after a few failures in a row it stops asking, so that the
 * caller fails at once and the other side gets the quiet it needs to recover.
 *
 * Our own, and not `effect/persistence/CircuitBreaker`, because that one lets a single half-open probe through (we
 * promise two), needs a store, and is marked experimental.
 *
 * **Details**
 *
 * - Closed: calls run. Three failures in a row (in order of completion) open it; one success in between starts the
 *   count anew.
 * - Open: calls fail with {@link CircuitOpen}, which says how long this will last, 30 seconds from the failure.
 * - Half-open: at most two calls at once are let through as probes. The first that succeeds closes the breaker, the
 *   first that fails opens it for another 30 seconds.
 *
 * A call counts for the era it was let through in: one that began before the breaker opened and ends long after changes
 * nothing. A call that is interrupted, by its caller or by a timeout around it, counts neither way and gives its place
 * back. What decides is {@link step}, a pure function; the rest reads the clock and runs the call.
 *
 * **Gotchas**
 *
 * The breaker never interrupts a call: two probes that hang keep it half-open for ever. Put the timeout inside, as
 * below, where it also counts as a failure. Retries around it should wait for `retryAfter`.
 *
 * **Example**
 *
 * ```ts
 * const guarded = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.make({ name: "redis" })
 *   return (key: string) => breaker.call(Effect.timeout(redis.get(key), "2 seconds"))
 * })
 * ```
 */
import { Cause, Clock, Data, Duration, Effect, Exit, Ref } from "effect"
import { duration } from "./Words.ts"

// ------------------------------------------------------------------------------------------------------------- model

/** Rejected without a call: the breaker is open, or half-open with all of its probes under way. */
export class CircuitOpen extends Data.TaggedError("CircuitOpen")<{
  readonly breaker: string
  /** Time until a probe is let through. Zero while probes are under way: nobody knows how long they take. */
  readonly retryAfter: Duration.Duration
}> {
  override get message() {
    const { breaker, retryAfter } = this
    return Duration.isZero(retryAfter)
      ? `"${breaker}" is being probed after failures, so this call was not made. Try again shortly.`
      : `"${breaker}" failed too often, so this call was not made. Try again in ${duration(Duration.toMillis(retryAfter))}.`
  }
}

/** What a call says about the other side. `Ignored` says nothing: the error was the caller's own, say. */
export type Outcome = "Success" | "Failure" | "Ignored"

/** Each state has an `era`; every change of state begins a new one. Times are whole milliseconds of one clock. */
export type State =
  | { readonly _tag: "Closed"; readonly era: number; readonly failures: number }
  | { readonly _tag: "Open"; readonly era: number; readonly untilMs: number }
  | { readonly _tag: "HalfOpen"; readonly era: number; readonly probes: number }

/** A call asks to be let through, and later tells how it ended, with the era in which it was let through. */
export type Input =
  | { readonly _tag: "Ask"; readonly atMs: number }
  | { readonly _tag: "Tell"; readonly atMs: number; readonly era: number; readonly outcome: Outcome }

/** The answer to a call: go on, in this era, or not for so long. What a call tells is always welcome: `Admitted`. */
export type Answer =
  | { readonly _tag: "Admitted"; readonly era: number }
  | { readonly _tag: "Rejected"; readonly forMs: number }

/** The numbers that {@link step} goes by. */
export interface Rules {
  readonly failures: number
  readonly openMs: number
  readonly probes: number
}

/** A change of state, as {@link Options} `onChange` is told. */
export interface Change {
  readonly breaker: string
  readonly from: State["_tag"]
  readonly to: State["_tag"]
}

export interface Options {
  /** What is called, for errors and events: `redis`. */
  readonly name: string
  /** Failures in a row that open the breaker. Default 3. */
  readonly failures?: number | undefined
  /** How long it stays open. Default 30 seconds. */
  readonly openFor?: Duration.Input | undefined
  /** Calls let through at once while half-open. Default 2. */
  readonly probes?: number | undefined
  /** What an expected error says about the other side. Default: `Failure`. Defects are failures always. */
  readonly classify?: ((error: unknown) => Outcome) | undefined
  /** Told of every change of state, in the fiber of the call that caused it: be quick. */
  readonly onChange?: ((change: Change) => Effect.Effect<void>) | undefined
}

export interface CircuitBreaker {
  readonly name: string
  /** Runs `effect`, or fails with {@link CircuitOpen} at once. */
  readonly call: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitOpen, R>
  /** The state that a call would meet now. */
  readonly state: Effect.Effect<State>
}

// ------------------------------------------------------------------------------------------------------ construction

/** Makes a closed breaker. Numbers that make no sense are a bug, and die as a `RangeError`. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<CircuitBreaker> {
  const rules: Rules = {
    failures: options.failures ?? 3,
    openMs: Duration.toMillis(options.openFor ?? "30 seconds"),
    probes: options.probes ?? 2
  }
  for (const key of ["failures", "probes"] as const) {
    if (Number.isInteger(rules[key]) && rules[key] >= 1) continue
    throw new RangeError(`CircuitBreaker "${options.name}": ${key} is ${rules[key]}, it must be a whole number from 1.`)
  }
  if (!(rules.openMs >= 0)) {
    throw new RangeError(`CircuitBreaker "${options.name}": openFor is ${rules.openMs} ms, it must not be negative.`)
  }
  const state = yield* Ref.make(initial)

  const put = Effect.fnUntraced(function* (input: Input) {
    const [from, to, answer] = yield* Ref.modify(state, (from) => {
      const [to, answer] = step(from, input, rules)
      return [[from, to, answer] as const, to]
    })
    if (from._tag !== to._tag) yield* publish({ breaker: options.name, from: from._tag, to: to._tag })
    return answer
  })

  // A listener with a defect must not cost a call its place.
  const publish = (change: Change) =>
    Effect.suspend(() => options.onChange?.(change) ?? Effect.void).pipe(
      Effect.ignoreCause({ log: "Warn", message: `CircuitBreaker "${options.name}": onChange failed` })
    )

  const admit = Effect.flatMap(nowMs, (atMs) => put({ _tag: "Ask", atMs })).pipe(
    Effect.flatMap((answer) =>
      answer._tag === "Admitted"
        ? Effect.succeed(answer.era)
        : Effect.fail(new CircuitOpen({ breaker: options.name, retryAfter: Duration.millis(answer.forMs) }))
    )
  )

  const record = (era: number, outcome: Outcome) =>
    Effect.asVoid(Effect.flatMap(nowMs, (atMs) => put({ _tag: "Tell", atMs, era, outcome })))

  const call = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(admit, (era) =>
        Effect.onExit(restore(effect), (exit) =>
          Effect.suspend(() => record(era, outcomeOf(exit, options.classify))).pipe(
            // `classify` threw: its defect goes on to the caller, but the place must not stay taken.
            Effect.onError(() => record(era, "Ignored"))
          )
        )
      )
    )

  return {
    name: options.name,
    call,
    state: Effect.zipWith(nowMs, Ref.get(state), (atMs, state) => settle(state, atMs))
  }
})

// ---------------------------------------------------------------------------------------------------------- decision

/** The state of a new breaker. */
export const initial: State = { _tag: "Closed", era: 0, failures: 0 }

/** What happens next: the new state, and the answer for the one who asked. */
export const step = (state: State, input: Input, rules: Rules): readonly [State, Answer] => {
  switch (input._tag) {
    case "Ask":
      return ask(settle(state, input.atMs), input.atMs, rules)
    case "Tell":
      return [input.era === state.era ? tell(state, input, rules) : state, { _tag: "Admitted", era: input.era }]
  }
}

/** Time alone turns open into half-open. */
const settle = (state: State, atMs: number): State =>
  state._tag === "Open" && atMs >= state.untilMs ? { _tag: "HalfOpen", era: state.era + 1, probes: 0 } : state

const ask = (state: State, atMs: number, rules: Rules): readonly [State, Answer] => {
  switch (state._tag) {
    case "Closed":
      return [state, { _tag: "Admitted", era: state.era }]
    case "Open":
      return [state, { _tag: "Rejected", forMs: state.untilMs - atMs }]
    case "HalfOpen":
      return state.probes < rules.probes
        ? [
            { ...state, probes: state.probes + 1 },
            { _tag: "Admitted", era: state.era }
          ]
        : [state, { _tag: "Rejected", forMs: 0 }]
  }
}

const tell = (state: State, { atMs, outcome }: Input & { readonly _tag: "Tell" }, rules: Rules): State => {
  const open: State = { _tag: "Open", era: state.era + 1, untilMs: atMs + rules.openMs }
  switch (state._tag) {
    case "Closed": {
      if (outcome === "Ignored") return state
      if (outcome === "Success") return { ...state, failures: 0 }
      return state.failures + 1 < rules.failures ? { ...state, failures: state.failures + 1 } : open
    }
    case "Open":
      return state // nobody is let through, so nobody can tell
    case "HalfOpen": {
      if (outcome === "Ignored") return { ...state, probes: state.probes - 1 }
      return outcome === "Success" ? { _tag: "Closed", era: state.era + 1, failures: 0 } : open
    }
  }
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown>, classify: Options["classify"] = () => "Failure"): Outcome => {
  if (Exit.isSuccess(exit)) return "Success"
  if (Cause.hasInterruptsOnly(exit.cause)) return "Ignored"
  if (Cause.hasDies(exit.cause)) return "Failure"
  return classify(Cause.squash(exit.cause))
}

/** Whole milliseconds of the monotonic clock: a wall clock that is set back must not keep a breaker open. */
const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
