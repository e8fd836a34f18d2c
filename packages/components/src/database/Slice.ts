/**
 * The time that closing may take in all, for those who share it: it runs from the moment when the first of them begins,
 * and who comes later has what is left.
 */
import { Clock, Duration, Effect } from "effect"

export interface Slice {
  /** It runs from now on, if it does not yet. */
  readonly begin: Effect.Effect<void>
  /** How long it is until that share of it (0 to 1) is over; it runs from now on at the latest. Never negative. */
  readonly until: (share: number) => Effect.Effect<Duration.Duration>
  readonly whole: Duration.Duration
}

/** One that does not run yet. */
export const make = (whole: Duration.Duration): Slice => {
  let beganMs: number | undefined
  const began = Effect.map(Clock.monotonicTimeNanos, (nanos) => {
    const nowMs = Number(nanos) / 1e6
    return { beganMs: (beganMs ??= nowMs), nowMs }
  })
  return {
    whole,
    begin: Effect.asVoid(began),
    until: (share) =>
      Effect.map(began, ({ beganMs, nowMs }) =>
        Duration.millis(Math.max(0, beganMs + share * Duration.toMillis(whole) - nowMs))
      )
  }
}
