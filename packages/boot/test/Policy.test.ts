import { assert, describe, it } from "@effect/vitest"
import { Data, Duration, Effect, Exit, Pull, Random, Schedule } from "effect"
import * as fc from "fast-check"
import * as Policy from "../src/Policy.ts"

class Busy extends Data.TaggedError("Busy")<{ readonly n: number }> {}
class BadPassword extends Data.TaggedError("BadPassword")<{ readonly user: string }> {}

const policies = fc
  .record({
    attempts: fc.integer({ min: 1, max: 8 }),
    delay: fc.integer({ min: 0, max: 5_000 }),
    factor: fc.double({ min: 1, max: 4, noNaN: true }),
    above: fc.integer({ min: 0, max: 20_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true })
  })
  .map(({ above, ...options }) => Policy.make({ name: "any", ...options, cap: options.delay + above }))

/** Durations are whole nanoseconds. */
const grainMs = 1e-4

/** All delays that a schedule yields to one error after the other, in milliseconds. */
const delaysOf = (schedule: Schedule.Schedule<unknown>, seed: string) =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(schedule)
    const delays: Array<number> = []
    for (let k = 0; k < 20; k++) {
      const next = yield* Pull.matchEffect(step(0, "error"), {
        onSuccess: ([, delay]) => Effect.succeed(Duration.toMillis(delay)),
        onFailure: () => Effect.succeed(undefined),
        onDone: () => Effect.succeed(undefined)
      })
      if (next === undefined) break
      delays.push(next)
    }
    return delays
  }).pipe(Random.withSeed(seed))

describe("Policy", () => {
  it("without a delay waits for nothing, after however many attempts", () => {
    const eager = Policy.make({ name: "eager", attempts: 2_000, delay: 0 })
    assert.strictEqual(Policy.worstCaseMs(eager), 0)
    assert.deepStrictEqual([...new Set(Policy.delaysMs(eager))], [0])
  })

  it("waits 1 and 2 seconds by default, and never more than 4", () => {
    assert.deepStrictEqual(Policy.delaysMs(Policy.standard), [1_000, 2_000])
    assert.deepStrictEqual(Policy.delaysMs(Policy.make({ name: "five", attempts: 5 })), [1_000, 2_000, 4_000, 4_000])
    assert.strictEqual(Policy.worstCaseMs(Policy.standard), 3_000)
  })

  it.effect(
    "is the schedule that it says: as many delays, each from the jittered part of the nominal one up to it",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(policies, fc.string(), async (policy, seed) => {
            const delays = await Effect.runPromise(delaysOf(Policy.schedule(policy), seed))
            const nominal = Policy.delaysMs(policy)
            assert.strictEqual(delays.length, policy.attempts - 1)
            delays.forEach((ms, k) => {
              assert.isAtMost(ms, nominal[k]! + grainMs)
              assert.isAtLeast(ms, nominal[k]! * (1 - policy.jitter) - grainMs)
            })
            const sum = delays.reduce((all, ms) => all + ms, 0)
            assert.isAtMost(sum, Policy.worstCaseMs(policy) + grainMs)
          })
        )
      )
  )

  it.effect("spreads the delays of many nodes", () =>
    Effect.gen(function* () {
      const first = yield* Effect.forEach(
        Array.from({ length: 1_000 }, (_, node) => `node ${node}`),
        (seed) => Effect.map(delaysOf(Policy.schedule(Policy.standard), seed), (delays) => delays[0]!)
      )
      assert.isAbove(new Set(first).size, 990)
      const quarters = [0, 1, 2, 3].map((k) => first.filter((ms) => Math.floor((ms - 500) / 125) === k).length)
      for (const many of quarters) assert.isAbove(many, 180)
    })
  )

  it.effect("draws the same delays from the same seed", () =>
    Effect.gen(function* () {
      const twice = yield* Effect.all([
        delaysOf(Policy.schedule(Policy.standard), "seed"),
        delaysOf(Policy.schedule(Policy.standard), "seed")
      ])
      assert.deepStrictEqual(twice[0], twice[1])
    })
  )

  it.effect("gives an error its own policy", () =>
    Effect.gen(function* () {
      const slow = Policy.make({ name: "slow", attempts: 4, delay: "8 seconds", cap: "8 seconds", jitter: 0 })
      const policy = Policy.perError(Policy.standard, { BadPassword: Policy.never, Busy: slow })
      const next = Policy.delays(policy)
      assert.isNull(yield* next(new BadPassword({ user: "root" })))
      assert.deepStrictEqual(
        [yield* next(new Busy({ n: 1 })), yield* next(new Busy({ n: 2 })), yield* next(new Busy({ n: 3 }))],
        [8_000, 8_000, 8_000]
      )
      assert.isNull(yield* next(new Busy({ n: 4 })))
      assert.isNumber(yield* next("something else"))
      assert.strictEqual(Policy.maxAttempts(policy), 4)
      assert.isAtLeast(Policy.worstCaseMs(policy), 24_000)
    })
  )

  it.effect("gives errors of which something is true a policy of their own, before it looks at their tag", () =>
    Effect.gen(function* () {
      const slow = Policy.make({ name: "slow", attempts: 5, delay: "9 seconds", cap: "9 seconds", jitter: 0 })
      const isSystem = (error: unknown, code: string) =>
        error instanceof Error && "code" in error && error.code === code
      const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })
      const byTag = Policy.perError(Policy.never, { BadPassword: Policy.standard })
      const isRoot = (error: unknown) => error instanceof BadPassword && error.user === "root"
      const policy = [
        [() => "no".repeat(-1) === "", slow] as const, // throws, whatever it is asked
        [isRoot, Policy.never] as const,
        [(error: unknown) => isSystem(error, "ECONNREFUSED"), slow] as const,
        [(error: unknown) => isSystem(error, "ECONNREFUSED"), Policy.never] as const
      ].reduce((it, [is, own]) => Policy.when(it, is, own), byTag)
      assert.isNull(yield* Policy.delays(policy)(new BadPassword({ user: "root" })))
      assert.isNumber(yield* Policy.delays(policy)(new BadPassword({ user: "guest" })))
      assert.strictEqual(yield* Policy.delays(policy)(refused), 9_000)
      assert.isNull(yield* Policy.delays(policy)(new Error("something else")))
      assert.strictEqual(Policy.maxAttempts(policy), 5)
      assert.isAtLeast(Policy.worstCaseMs(policy), 4 * 9_000)
    })
  )

  it.effect("works with Effect.retry", () =>
    Effect.gen(function* () {
      let tries = 0
      const failing = Effect.suspend(() => Effect.fail(++tries))
      const policy = Policy.make({ name: "quick", attempts: 3, delay: 0, cap: 0 })
      const exit = yield* Effect.exit(Effect.retry(failing, Policy.schedule(policy)))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(tries, 3)
    })
  )

  it("refuses numbers that make no sense, by name", () => {
    const refused = (options: Partial<Parameters<typeof Policy.make>[0]>, says: RegExp) =>
      assert.throws(() => Policy.make({ name: "odd", ...options }), says)
    refused({ attempts: 0 }, /"odd": attempts is 0/)
    refused({ attempts: 1.5 }, /attempts is 1.5/)
    refused({ attempts: NaN }, /attempts is NaN/)
    refused({ factor: 0.5 }, /factor is 0.5/)
    refused({ jitter: 2 }, /jitter is 2/)
    refused({ delay: "5 seconds", cap: "1 second" }, /cap is 1000 ms/)
    refused({ delay: -1 }, /delay is -1 ms, it must be finite and at least 0/)
  })

  it("takes a first delay that is longer than the cap which nobody has named", () => {
    const patient = Policy.make({ name: "patient", attempts: 3, delay: "10 seconds" })
    assert.deepStrictEqual(Policy.delaysMs(patient), [10_000, 10_000])
  })

  it("says in words what it does", () => {
    assert.strictEqual(Policy.describe(Policy.never), "1 attempt")
    assert.strictEqual(Policy.describe(Policy.standard), "3 attempts, after 1 s, 2 s")
    assert.strictEqual(Policy.describe(Policy.restoration), "for ever, after 1 s up to 60 s")
  })

  it("has no worst case when it never ends", () => {
    assert.strictEqual(Policy.worstCaseMs(Policy.restoration), Infinity)
  })
})
