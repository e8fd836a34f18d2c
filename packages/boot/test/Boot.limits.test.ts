import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Exit, Random } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as Component from "../src/Component.ts"
import * as Policy from "../src/Policy.ts"
import { type Critical, messageOf, TimedOut } from "../src/Severity.ts"
import { at, Broken, criticals, fails, key, lines, only, world } from "./fixtures/parts.ts"

const exact = Policy.make({ name: "exact", jitter: 0 })

/** The delays between the attempts of one component. */
const delaysIn = (attempts: number, policy: Policy.Policy, seed: number) =>
  Effect.gen(function* () {
    const { boot, events, part } = world()
    const flaky = part("flaky", { takes: 0, then: (n) => (n < attempts ? fails("flaky") : Effect.void) })
    const exit = yield* boot([flaky.pipe(Component.retry(policy))]).pipe(Random.withSeed(seed))
    assert.strictEqual(Exit.isSuccess(exit), attempts <= policy.attempts)
    const starts = only(events, "ComponentStarted").map(({ atMs }) => atMs)
    return starts.slice(1).map((atMs, i) => atMs - starts[i]!)
  })

describe("an attempt that fails", () => {
  it.effect("is tried again after 1 and 2 seconds, each in a scope of its own", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const flaky = part("flaky", { then: (n) => (n < 3 ? fails("flaky") : Effect.void) }).pipe(Component.retry(exact))
      assert.isTrue(Exit.isSuccess(yield* boot([flaky])))
      assert.deepStrictEqual(ledger.slice(0, 5), ["0 +flaky", "10 -flaky", "1010 +flaky", "1020 -flaky", "3020 +flaky"])
      assert.deepStrictEqual(lines(events, "Backoff", "Ready"), [
        "10 Backoff flaky",
        "1020 Backoff flaky",
        "3030 Ready flaky"
      ])
      assert.deepStrictEqual(
        only(events, "AttemptFailed").map(({ attempt, retryInMs }) => [attempt, retryInMs]),
        [
          [1, 1000],
          [2, 2000]
        ]
      )
    })
  )

  it.effect("waits for a share of each delay that chance decides, from half of it to all of it", () =>
    Effect.gen(function* () {
      const nominal = [1000, 2000, 4000, 4000]
      const patient = Policy.make({ name: "patient", attempts: 5 })
      const spread = new Set<number>()
      for (let seed = 0; seed < 20; seed++) {
        const delays = yield* delaysIn(5, patient, seed)
        assert.strictEqual(delays.length, 4)
        delays.forEach((ms, i) => assert.isTrue(ms >= nominal[i]! / 2 && ms <= nominal[i]!, `${ms} of ${nominal[i]}`))
        spread.add(delays[0]!)
      }
      assert.isAbove(spread.size, 15)
      assert.deepStrictEqual(yield* delaysIn(5, patient, 7), yield* delaysIn(5, patient, 7))
      assert.deepStrictEqual(yield* delaysIn(5, { ...patient, jitter: 0 }, 1), nominal)
    })
  )

  it.effect("has three attempts within three seconds under the standard policy", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 10; seed++) {
        const delays = yield* delaysIn(4, Policy.standard, seed)
        assert.strictEqual(delays.length, 2)
        assert.isAtMost(delays[0]! + delays[1]!, 3000)
      }
    })
  )

  it.effect("follows the policy of its error: a bad password is not tried again, a refusal is", () =>
    Effect.gen(function* () {
      class BadPassword extends Data.TaggedError("BadPassword") {}
      class Refused extends Data.TaggedError("Refused") {}
      const attempts = (error: BadPassword | Refused) =>
        Effect.gen(function* () {
          const { boot, events } = world()
          const database = Component.make(key("database"), { start: Effect.fail(error), health: () => Effect.void })
          yield* boot([database.pipe(Component.retry(Policy.perError(exact, { BadPassword: Policy.never })))])
          return only(events, "ComponentStarted").length
        })
      assert.strictEqual(yield* attempts(new BadPassword()), 1)
      assert.strictEqual(yield* attempts(new Refused()), 3)
    })
  )

  it.effect("is asked whether it is worth another one, when its policy has a question", () =>
    Effect.gen(function* () {
      const attempts = (message: string) =>
        Effect.gen(function* () {
          const { boot, events, part } = world()
          const isHopeless = (error: unknown) => error instanceof Broken && error.message.includes("certificate")
          const policy = Policy.when(exact, isHopeless, Policy.never)
          const exit = yield* boot([
            part("remote", { then: () => fails("remote", message) }).pipe(Component.retry(policy))
          ])
          assert.isTrue(Exit.isFailure(exit))
          return only(events, "ComponentStarted").length
        })
      assert.strictEqual(yield* attempts("the certificate has expired"), 1)
      assert.strictEqual(yield* attempts("connection reset"), 3)
    })
  )

  it.effect("follows the policy of its own component, whatever the others of the boot do", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const hasty = Policy.make({ name: "hasty", attempts: 5, delay: "100 millis", factor: 1, jitter: 0 })
      const patient = Policy.make({
        name: "patient",
        attempts: 3,
        delay: "1 second",
        cap: "9 seconds",
        factor: 3,
        jitter: 0
      })
      const exit = yield* boot([
        part("fast", { takes: 0, then: (n) => (n < 5 ? fails("fast") : Effect.void) }).pipe(Component.retry(hasty)),
        part("slow", { takes: 0, then: (n) => (n < 3 ? fails("slow") : Effect.void) }).pipe(Component.retry(patient))
      ])
      assert.isTrue(Exit.isSuccess(exit))
      const attempts = (name: string) => only(events, "ComponentStarted", name).map(({ atMs }) => atMs)
      assert.deepStrictEqual(attempts("fast"), [0, 100, 200, 300, 400])
      assert.deepStrictEqual(attempts("slow"), [0, 1_000, 4_000])
    })
  )

  it.effect("frees its slot while it waits for the next one", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const flaky = part("flaky", { priority: 1, then: (n) => (n < 2 ? fails("flaky") : Effect.void) })
      yield* boot([flaky.pipe(Component.retry(exact)), part("other", { takes: 100 })], { concurrency: 1 })
      assert.deepStrictEqual(at(events, "Ready"), { other: 110, flaky: 1020 })
    })
  )
})

describe("a probe", () => {
  it.effect("that says no is tried again like a failure, with what was acquired released before", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const probe = (n: number) => (n < 2 ? Effect.fail("warming up") : Effect.void)
      const exit = yield* boot([part("slow", { probe }).pipe(Component.retry(exact))])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(ledger.slice(0, 3), ["0 +slow", "10 -slow", "1010 +slow"])
    })
  )

  it.effect("that never answers is a timeout of the attempt, and says that it was the probe", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot([part("mute", { probe: () => Effect.never }).pipe(Component.timeout("2 seconds"))])
      const [[component, cause] = []] = criticals(exit)
      assert.strictEqual(component, "mute")
      assert.instanceOf(cause, TimedOut)
      assert.strictEqual(
        cause.message,
        "mute started, but its probe did not answer within 2000 ms (deadline of the attempt)"
      )
      assert.strictEqual(only(events, "AttemptFailed")[0]?.atMs, 2_000)
    })
  )
})

describe("a deadline", () => {
  it.effect("of an attempt interrupts it, releases what it holds, and lets the policy try again", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const stuck = part("stuck", { then: (n) => (n < 2 ? Effect.never : Effect.void) })
      const exit = yield* boot([stuck.pipe(Component.retry(exact), Component.timeout("500 millis"))])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(ledger.slice(0, 3), ["0 +stuck", "500 -stuck", "1500 +stuck"])
    })
  )

  it.effect("of an attempt keeps the root cause of the attempts before it", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const stuck = part("stuck", { then: (n) => (n < 3 ? fails("stuck", "connection refused") : Effect.never) })
      const exit = yield* boot([stuck.pipe(Component.retry(exact), Component.timeout("1 second"))])
      const [[, cause] = []] = criticals(exit)
      assert.instanceOf(cause, TimedOut)
      assert.deepStrictEqual(cause.cause, new Broken({ by: "stuck", message: "connection refused" }))
      assert.strictEqual(
        messageOf(cause),
        "stuck did not start within 1000 ms (deadline of the attempt): connection refused"
      )
    })
  )

  it.effect("of a component covers all of its attempts, and says so", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const stuck = part("stuck", { then: (n) => (n < 2 ? fails("stuck") : Effect.never) })
      const exit = yield* boot([stuck.pipe(Component.retry(exact), Component.deadline("2500 millis"))])
      const [[, cause] = []] = criticals(exit)
      assert.instanceOf(cause, TimedOut)
      assert.strictEqual(cause.scope, "component")
      assert.strictEqual(cause.afterMs, 2_500)
      assert.strictEqual(only(events, "ComponentFailed")[0]?.atMs, 2_500)
    })
  )

  it.effect("of a component leaves out an attempt that could only begin after it", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const flaky = part("flaky", { then: () => fails("flaky") })
      const exit = yield* boot([flaky.pipe(Component.retry(exact), Component.deadline("2 seconds"))])
      assert.deepStrictEqual(criticals(exit), [["flaky", new Broken({ by: "flaky", message: "flaky broke" })]])
      assert.deepStrictEqual(
        only(events, "ComponentStarted").map(({ atMs }) => atMs),
        [0, 1_010]
      )
    })
  )

  it.effect("of the boot ends it, names who was late, and rolls back", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const exit = yield* boot(
        [
          part("good"),
          part("stuck", { needs: ["good"], takes: 1e9 }).pipe(Component.timeout("1 hour")),
          part("waiting", { needs: ["stuck"] })
        ],
        { deadline: "5 seconds" }
      )
      const [[component, cause] = [], ...more] = criticals(exit)
      assert.strictEqual(component, "stuck")
      assert.deepStrictEqual(more, [])
      assert.instanceOf(cause, TimedOut)
      assert.deepStrictEqual([cause.scope, cause.afterMs, cause.during], ["boot", 5_000, "start"])
      assert.deepStrictEqual(ledger.slice(-2), ["5000 -stuck", "5000 -good"])
      const [rollback] = only(events, "RollbackStarted")
      assert.deepStrictEqual([rollback?.why, rollback?.because], ["deadline", "stuck"])
      assert.strictEqual(only(events, "BootEnded")[0]?.outcome, "failed")
    })
  )

  it.effect("of the boot keeps the root cause of who was waiting to try again", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const patient = Policy.make({ name: "patient", attempts: 9, delay: "4 seconds", jitter: 0 })
      const flaky = part("flaky", { then: () => fails("flaky", "connection refused") })
      const exit = yield* boot([flaky.pipe(Component.retry(patient))], { deadline: "5 seconds" })
      const [[component, cause] = []] = criticals(exit)
      assert.strictEqual(component, "flaky")
      assert.instanceOf(cause, TimedOut)
      assert.strictEqual(cause.scope, "boot")
      assert.include(messageOf(cause), "connection refused")
    })
  )

  it.effect("of the boot gives up what it can do without", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const stuck = part("stuck", { takes: 1e9, severity: "Warning" })
      const optional = stuck.pipe(Component.timeout("1 hour"), Component.optional)
      const exit = yield* boot([part("good"), optional], { deadline: "5 seconds", restoration: "off" })
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lines(events, "Absent"), ["5000 Absent stuck"])
      assert.strictEqual(only(events, "BootReady")[0]?.outcome, "ready")
    })
  )

  it.effect("of a phase fails the critical, and makes the degraded fall back", () =>
    Effect.gen(function* () {
      const phases = { core: "3 seconds" } as const
      const mild = world()
      const redis = mild
        .part("redis", { as: "cache", takes: 1e9, severity: "Degraded" })
        .pipe(Component.timeout("1 hour"), Component.fallback(mild.part("memory", { as: "cache" })))
      assert.isTrue(Exit.isSuccess(yield* mild.boot([redis], { phases, restoration: "off" })))
      assert.deepStrictEqual(lines(mild.events, "Degraded"), ["3010 Degraded redis"])
      const hard = world()
      const stuck = hard.part("stuck", { takes: 1e9 }).pipe(Component.timeout("1 hour"))
      const [[component, cause] = []] = criticals(yield* hard.boot([stuck], { phases }))
      assert.strictEqual(component, "stuck")
      assert.instanceOf(cause, TimedOut)
      assert.deepStrictEqual([cause.scope, cause.afterMs], ["phase", 3_000])
    })
  )

  it.effect("of a phase is named as such for who was waiting to try again", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const patient = Policy.make({ name: "patient", attempts: 9, delay: "4 seconds", jitter: 0 })
      const flaky = part("flaky", { then: () => fails("flaky", "connection refused") })
      const exit = yield* boot([flaky.pipe(Component.retry(patient))], { phases: { core: "3 seconds" } })
      const [[, cause] = []] = criticals(exit)
      assert.include(only(events, "ComponentFailed")[0]?.failure.message, "deadline of the phase")
      assert.instanceOf(cause, TimedOut)
      assert.strictEqual(cause.scope, "phase")
    })
  )
})

describe("a soft deadline", () => {
  it.effect("says that an attempt is slow, once, long before it fails", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      yield* boot([
        part("slow", { takes: 8_000 }),
        part("fast", { takes: 2_999 }),
        part("own", { takes: 50, slow: "20 millis" })
      ])
      assert.deepStrictEqual(
        only(events, "ComponentSlow").map(({ atMs, component, runningMs }) => [atMs, component, runningMs]),
        [
          [20, "own", 20],
          [3_000, "slow", 3_000]
        ]
      )
    })
  )

  it.effect("says of a phase what it waits for", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const stuck = part("stuck", { takes: 12_000 }).pipe(Component.timeout("15 seconds"))
      yield* boot([stuck, part("good"), part("next", { needs: ["stuck"] })])
      assert.deepStrictEqual(only(events, "PhaseSlow"), [
        { _tag: "PhaseSlow", atMs: 10_000, phase: "core", waitingFor: ["next", "stuck"] }
      ])
    })
  )
})

describe("slots", () => {
  it.effect("are never exceeded, and none is idle while somebody could use it", () =>
    Effect.gen(function* () {
      for (const concurrency of [1, 2, 5]) {
        const { boot, events, part } = world()
        const exit = yield* boot(
          Array.from({ length: 10 }, (_, i) => part(`p${i}`, { takes: 100 })),
          { concurrency }
        )
        assert.isTrue(Exit.isSuccess(exit))
        let running = 0
        let most = 0
        for (const { _tag } of events) {
          if (_tag === "ComponentStarted") most = Math.max(most, ++running)
          else if (_tag === "ComponentReady") running--
        }
        assert.strictEqual(most, concurrency)
        assert.strictEqual(only(events, "BootReady")[0]?.atMs, (10 / concurrency) * 100)
      }
    })
  )

  it.effect("go to the longest remaining path first, from durations learned earlier", () =>
    Effect.gen(function* () {
      const parts = ({ part }: ReturnType<typeof world>) => [
        part("a", { takes: 100 }),
        part("b", { takes: 100 }),
        part("z", { takes: 100 }),
        part("after-z", { needs: ["z"], takes: 500 })
      ]
      const learned = world()
      const durationsMs = { a: 100, b: 100, z: 100, "after-z": 500 }
      yield* learned.boot(parts(learned), { concurrency: 2, durationsMs })
      assert.deepStrictEqual(at(learned.events, "Started"), { z: 0, a: 0, "after-z": 100, b: 100 })
      const hops = world()
      yield* hops.boot(parts(hops), { concurrency: 1 })
      assert.deepStrictEqual(Object.keys(at(hops.events, "Started"))[0], "z")
    })
  )

  it.effect("go to the higher priority before anything else", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      yield* boot(
        [
          part("a", { takes: 10 }),
          part("b", { takes: 10, priority: 1 }),
          part("c", { takes: 10, priority: 2 }),
          part("d", { takes: 10, needs: ["a"] })
        ],
        { concurrency: 1 }
      )
      assert.deepStrictEqual(Object.keys(at(events, "Started")), ["c", "b", "a", "d"])
    })
  )
})

describe("whatever the world does", () => {
  /** Up to eight parts that need earlier ones, take a while, and may fail, hang or close badly. */
  const worlds = fc.array(
    fc.record({
      needs: fc.array(fc.nat(), { maxLength: 3 }),
      takes: fc.integer({ min: 0, max: 400 }),
      fate: fc.constantFrom("good", "good", "good", "fails", "hangs", "flaky", "unhealthy", "defect"),
      closing: fc.constantFrom("fast", "fast", "slow", "fails", "hangs"),
      kind: fc.constantFrom("critical", "degraded", "warning")
    }),
    { minLength: 1, maxLength: 8 }
  )

  it("a boot keeps every promise, ends in time, and leaves nothing behind", () =>
    fc.assert(
      fc.asyncProperty(worlds, fc.integer({ min: 1, max: 4 }), fc.nat(), (specs, concurrency, seed) => {
        const { boot, part } = world()
        const fates = {
          good: () => Effect.void,
          unhealthy: () => Effect.void,
          fails: () => fails("x"),
          hangs: () => Effect.never,
          flaky: (n: number) => (n < 2 ? fails("x") : Effect.void),
          defect: () => Effect.die("bug")
        }
        const closings = { fast: Effect.void, slow: Effect.sleep(50), fails: Effect.die("no"), hangs: Effect.never }
        const parts = specs.map((spec, i) => {
          const common = {
            needs: i === 0 ? [] : [...new Set(spec.needs.map((need) => `p${need % i}`))],
            takes: spec.takes,
            then: fates[spec.fate],
            probe: () => (spec.fate === "unhealthy" ? Effect.fail("no") : Effect.void),
            closing: closings[spec.closing],
            stop: "100 millis"
          } as const
          const limit = Component.timeout("600 millis")
          const name = `p${i}`
          if (spec.kind === "critical") return part(name, common).pipe(limit, Component.retry(exact))
          if (spec.kind === "warning")
            return part(name, { ...common, severity: "Warning" }).pipe(limit, Component.optional)
          return part(name, { ...common, severity: "Degraded" }).pipe(
            limit,
            Component.fallback(part("spare", { as: name }))
          )
        })
        // Whoever needs a warning hard is refused by the compiler: here it is what the world brings.
        const list = parts as ReadonlyArray<unknown> as ReadonlyArray<Component.Component<never, Critical>>
        const lived = boot<typeof list>(list, { concurrency }, () => Effect.sleep(3_000))
        const checked = Effect.asVoid(lived).pipe(Random.withSeed(seed), Effect.provide(TestClock.layer()))
        return Effect.runPromise(checked)
      }),
      { numRuns: 150 }
    ))
})
