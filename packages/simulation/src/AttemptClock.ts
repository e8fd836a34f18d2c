/**
 * The clock that one attempt of a component sees: it counts who goes to sleep in it, hands each of these awaits to
 * whoever wants to change it, and stretches time. Once the attempt has started it is a clock like any other.
 */
import type { Clock } from "effect"
import { Duration, Effect } from "effect"

/** Changes the `k`-th await of an attempt; 0 is before its start. */
export type OnAwait = (k: number, sleep: Effect.Effect<void>) => Effect.Effect<void>

/** A clock over the one outside. */
export const make = (clock: Clock.Clock, onAwait: OnAwait): AttemptClock => new AttemptClock(clock, onAwait)

export class AttemptClock implements Clock.Clock {
  /** How much longer sleeps take. */
  factor = 1
  /** Whether the attempt has started, or has failed to: nothing is counted or changed any more. */
  over = false
  readonly currentTimeMillis: Effect.Effect<number>
  readonly currentTimeNanos: Effect.Effect<bigint>
  readonly monotonicTimeNanos: Effect.Effect<bigint>
  private count = 0
  private readonly clock: Clock.Clock
  private readonly onAwait: OnAwait

  constructor(clock: Clock.Clock, onAwait: OnAwait) {
    this.clock = clock
    this.onAwait = onAwait
    this.currentTimeMillis = clock.currentTimeMillis
    this.currentTimeNanos = clock.currentTimeNanos
    this.monotonicTimeNanos = clock.monotonicTimeNanos
  }

  /** Await 0. */
  before(start: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => this.onAwait(0, start))
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.over) return this.clock.sleep(duration)
      // What strikes at this await may slow it down, so the factor is read after it has.
      const sleep = Effect.suspend(() => this.clock.sleep(Duration.times(duration, this.factor)))
      return this.onAwait(++this.count, sleep)
    })
  }

  currentTimeMillisUnsafe(): number {
    return this.clock.currentTimeMillisUnsafe()
  }
  currentTimeNanosUnsafe(): bigint {
    return this.clock.currentTimeNanosUnsafe()
  }
  monotonicTimeNanosUnsafe(): bigint {
    return this.clock.monotonicTimeNanosUnsafe()
  }
}
