/**
 * How often and how patiently a component's start is tried again: a `Schedule` with a name, whose worst case can be
 * computed and printed before anything runs.
 *
 * **Details**
 *
 * A policy is `Schedule.exponential`, capped, jittered and bounded by a number of attempts. Jitter only ever shortens a
 * delay, down to half of it by default, so the nominal delays are also the worst case. Errors may have policies of their
 * own, by tag or by a question about them: a bad password is not tried again, a rate limit waits longer.
 *
 * **Gotchas**
 *
 * `attempts` counts the first try: three attempts are two retries.
 *
 * **Example**
 *
 * ```ts
 * const patient = Policy.make({ name: "patient", attempts: 5, delay: "1 second", cap: "4 seconds" })
 * Policy.delaysMs(patient) // => [1000, 2000, 4000, 4000]
 * const database = Policy.perError(patient, { BadPassword: Policy.never })
 * const remote = Policy.when(patient, (error) => error instanceof HttpError && error.status === 404, Policy.never)
 * ```
 */
import { Clock, Duration, Effect, Pull, Random, Schedule } from "effect"
import { tagOf } from "./Severity.ts"

/** A retry policy. Make one with {@link make}. */
export interface Policy {
  readonly name: string
  /** Attempts in total, the first one included. */
  readonly attempts: number
  readonly delayMs: number
  readonly factor: number
  readonly capMs: number
  /** The share of a delay that chance may take off, from 0 (none) to 1. */
  readonly jitter: number
  /** Policies for errors by tag; the rest follow this one. */
  readonly perError: { readonly [tag: string]: Policy }
  /** Policies for errors of which something is true, asked in this order and before the tags. */
  readonly cases: ReadonlyArray<Case>
}

/** Errors of which something is true, and what they fall under. */
export interface Case {
  readonly is: (error: unknown) => boolean
  readonly policy: Policy
}

/** A policy that was given impossible numbers: a programming error, thrown where the policy is made. */
export class InvalidPolicy extends RangeError {
  override readonly name = "InvalidPolicy"
}

/**
 * Makes a policy. Defaults are the architecture review's (3.2): 3 attempts, 1 second, doubled, at most 4 seconds or the
 * first delay where that is longer, half of a delay left to chance.
 */
export const make = (options: {
  readonly name: string
  readonly attempts?: number
  readonly delay?: Duration.Input
  readonly factor?: number
  readonly cap?: Duration.Input
  readonly jitter?: number
}): Policy => {
  const delayMs = Duration.toMillis(options.delay ?? "1 second")
  const policy: Policy = {
    name: options.name,
    attempts: options.attempts ?? 3,
    delayMs,
    factor: options.factor ?? 2,
    capMs: options.cap === undefined ? Math.max(4_000, delayMs) : Duration.toMillis(options.cap),
    jitter: options.jitter ?? 0.5,
    perError: {},
    cases: []
  }
  const wrong =
    !(policy.attempts === Infinity || Number.isInteger(policy.attempts)) || policy.attempts < 1
      ? `attempts is ${policy.attempts}, it must be a whole number from 1`
      : !(policy.delayMs >= 0 && Number.isFinite(policy.delayMs))
        ? `delay is ${policy.delayMs} ms, it must be finite and at least 0`
        : !(policy.factor >= 1)
          ? `factor is ${policy.factor}, it must be at least 1`
          : !(policy.capMs >= policy.delayMs && Number.isFinite(policy.capMs))
            ? `cap is ${policy.capMs} ms, it must be finite and at least the first delay, ${policy.delayMs} ms`
            : !(policy.jitter >= 0 && policy.jitter <= 1)
              ? `jitter is ${policy.jitter}, it must be between 0 and 1`
              : undefined
  if (wrong !== undefined) throw new InvalidPolicy(`Policy "${policy.name}": ${wrong}.`)
  return policy
}

/** One attempt, no retry. */
export const never: Policy = make({ name: "never", attempts: 1 })

/** Three attempts, after 1 and 2 seconds. */
export const standard: Policy = make({ name: "standard" })

/** While the node runs: for ever, from 1 second up to a minute between attempts. */
export const restoration: Policy = make({ name: "restoration", attempts: Infinity, cap: "1 minute" })

/** Gives errors policies of their own, by tag. */
export const perError = (otherwise: Policy, table: { readonly [tag: string]: Policy }): Policy => ({
  ...otherwise,
  perError: { ...otherwise.perError, ...table }
})

/**
 * Gives errors of which something is true a policy of their own, whatever their tag. Of several such questions the one that
 * was added first is asked first; one that throws is answered with no.
 */
export const when = (otherwise: Policy, is: (error: unknown) => boolean, policy: Policy): Policy => ({
  ...otherwise,
  cases: [...otherwise.cases, { is, policy }]
})

/** The policy that an error falls under. */
export const forError = (policy: Policy, error: unknown): Policy => {
  for (const one of policy.cases) if (holds(one, error)) return one.policy
  const tag = tagOf(error)
  return Object.hasOwn(policy.perError, tag) ? (policy.perError[tag] ?? policy) : policy
}

/** A question may look into errors of libraries that are not what they seem: a boot must not die of that. */
const holds = ({ is }: Case, error: unknown): boolean => {
  try {
    return is(error)
  } catch {
    return false
  }
}

/** The nominal delay before attempt `retry + 1`, in milliseconds: the most it can be. `retry` counts from 1. */
export const nominalMs = (policy: Policy, retry: number): number =>
  // No delay stays none, however often it is doubled: beyond a thousand times that would be by infinity.
  policy.delayMs === 0 ? 0 : Math.min(policy.capMs, policy.delayMs * policy.factor ** (retry - 1))

/** All nominal delays, in milliseconds. Only for a policy with finite attempts. */
export const delaysMs = (policy: Policy): ReadonlyArray<number> =>
  Array.from({ length: policy.attempts - 1 }, (_, i) => nominalMs(policy, i + 1))

/** The policy as an Effect schedule, to be used with `Effect.retry` as well. Chance comes from `Random`. */
export const schedule = (policy: Policy): Schedule.Schedule<Duration.Duration> =>
  Schedule.exponential(policy.delayMs, policy.factor).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.next, (chance) =>
        Duration.millis(Math.min(policy.capMs, Duration.toMillis(duration)) * (1 - policy.jitter * chance))
      )
    ),
    Schedule.while(({ attempt }) => Effect.succeed(attempt < policy.attempts))
  )

/** Attempts at the most, whichever errors occur. */
export const maxAttempts = (policy: Policy): number => {
  let most = policy.attempts
  for (const tag in policy.perError) most = Math.max(most, maxAttempts(policy.perError[tag]!))
  for (const one of policy.cases) most = Math.max(most, maxAttempts(one.policy))
  return most
}

/** The most that all delays can add up to, in milliseconds, whichever errors occur. */
export const worstCaseMs = (policy: Policy): number => {
  const attempts = maxAttempts(policy)
  if (attempts === 1 || attempts === Infinity) return attempts === 1 ? 0 : Infinity
  const policies = [policy, ...Object.values(policy.perError), ...policy.cases.map((one) => one.policy)]
  let sum = 0
  for (let retry = 1; retry < attempts; retry++) {
    sum += Math.max(0, ...policies.filter((p) => retry < p.attempts).map((p) => nominalMs(p, retry)))
  }
  return sum
}

/** In words, for plans: `3 attempts, after 1 s, 2 s`. */
export const describe = (policy: Policy): string => {
  if (policy.attempts === 1) return "1 attempt"
  const seconds = (ms: number) => `${Number((ms / 1000).toPrecision(3))} s`
  return policy.attempts === Infinity
    ? `for ever, after ${seconds(policy.delayMs)} up to ${seconds(policy.capMs)}`
    : `${policy.attempts} attempts, after ${delaysMs(policy).map(seconds).join(", ")}`
}

/**
 * The delays of one series of attempts, drawn from the schedules: given the error of an attempt it answers how many
 * milliseconds to wait before the next one, or null when there is none.
 */
export const delays = (policy: Policy): ((error: unknown) => Effect.Effect<number | null>) => {
  const steps = new Map<Policy, Step>()
  return (error) =>
    Effect.gen(function* () {
      const own = forError(policy, error)
      if (own.attempts === 1) return null
      const step = steps.get(own) ?? (yield* Schedule.toStep(schedule(own)))
      steps.set(own, step)
      const nowMs = yield* Clock.currentTimeMillis
      return yield* Pull.matchEffect(step(nowMs, error), {
        onSuccess: ([, delay]) => Effect.succeed(Duration.toMillis(delay)),
        onFailure: () => Effect.succeed(null),
        onDone: () => Effect.succeed(null)
      })
    })
}

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<Duration.Duration, unknown, never, never>>>
