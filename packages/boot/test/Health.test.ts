import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Deferred, Duration, Effect, Exit, Fiber, Random, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as Health from "../src/Health.ts"

const settle = Effect.repeat(Effect.yieldNow, { times: 30 })

/** A check on strings: it says what it is told to, and counts how often it was asked. */
const puppet = (name: string, options: Partial<Health.Check> = {}) => {
  const state: { runs: number; says: Effect.Effect<Health.Reading | void, unknown> } = { runs: 0, says: Effect.void }
  const probe = Effect.suspend(() => {
    state.runs++
    return state.says
  })
  return { state, check: { name, critical: true, needs: [], probe, ...options } satisfies Health.Check }
}

const down = Effect.fail(new Error("connection refused"))

/** Asks often enough for hysteresis, each time when the last result is too old. */
const ask = (health: Health.Health, times: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust("5 seconds"), health.report), { times: times - 1 })

const statuses = (report: Health.HealthReport) =>
  Object.fromEntries(report.components.map((component) => [component.name, component.status]))

describe("Health", () => {
  it.effect("is unknown before the first probe, and the snapshot runs none", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("database")
      const health = yield* Health.make([check])
      const report = yield* health.snapshot
      assert.strictEqual(report.status, "unknown")
      assert.strictEqual(report.components[0]?.message, "not checked yet")
      assert.strictEqual(state.runs, 0)
    })
  )

  it.effect("takes from a reading what can be meant, and measures the time itself where it says none", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("broker")
      const said = { errorRate: NaN, latencyMs: undefined, degraded: true, detail: "no consumer" }
      state.says = Effect.as(Effect.sleep("30 millis"), said)
      const health = yield* Health.make([check])
      const asked = yield* Effect.forkChild(health.report)
      yield* settle
      yield* TestClock.adjust("30 millis")
      const [broker] = (yield* Fiber.join(asked)).components
      assert.deepStrictEqual([broker?.status, broker?.message], ["degraded", "no consumer"])
      assert.deepStrictEqual([broker?.latencyMs, broker?.errorRate], [30, undefined])
      assert.deepStrictEqual(Health.readingOf(said), { degraded: true, detail: "no consumer" })
      assert.isUndefined(Health.readingOf("pong"))
    })
  )

  it.effect("reports what the probes say, with the time that they took", () =>
    Effect.gen(function* () {
      const database = puppet("database")
      const api = puppet("api", { needs: ["database"] })
      database.state.says = Effect.as(Effect.sleep("30 millis"), { throughput: 12, errorRate: 0.01, detail: "2 of 50" })
      api.state.says = Effect.succeed({ latencyMs: 3 })
      const health = yield* Health.make([database.check, api.check])
      const asked = yield* Effect.forkChild(health.report)
      yield* settle
      yield* TestClock.adjust("30 millis")
      const report = yield* Fiber.join(asked)
      assert.strictEqual(report.status, "healthy")
      assert.deepStrictEqual(report.components, [
        {
          name: "database",
          critical: true,
          status: "healthy",
          latencyMs: 30,
          throughput: 12,
          errorRate: 0.01,
          lastCheckedAt: DateTime.makeUnsafe(30),
          message: "2 of 50",
          dependencies: {}
        },
        {
          name: "api",
          critical: true,
          status: "healthy",
          latencyMs: 3,
          throughput: undefined,
          errorRate: undefined,
          lastCheckedAt: DateTime.makeUnsafe(0),
          message: "healthy",
          dependencies: { database: "healthy" }
        }
      ])
    })
  )

  it.effect("is alive without asking anything, whatever is down", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("database")
      state.says = down
      const health = yield* Health.make([check])
      assert.isTrue(yield* health.live)
      assert.strictEqual(state.runs, 0)
      assert.strictEqual((yield* health.report).status, "unhealthy")
      assert.isTrue(yield* health.live)
    })
  )

  it.effect("is ready by the critical set alone, and degraded for the rest", () =>
    Effect.gen(function* () {
      const api = puppet("api", { needs: ["cache"] })
      const cache = puppet("cache", { critical: false })
      cache.state.says = down
      const health = yield* Health.make([api.check, cache.check])
      assert.isTrue(yield* health.ready)
      assert.strictEqual(cache.state.runs, 0)
      const report = yield* health.report
      assert.strictEqual(report.status, "degraded")
      assert.deepStrictEqual(statuses(report), { api: "degraded", cache: "unhealthy" })
      assert.isTrue(yield* health.ready)
      api.state.says = down
      assert.strictEqual((yield* ask(health, 3)).status, "unhealthy")
      assert.isFalse(yield* health.ready)
    })
  )

  it.effect("stops being ready the moment it drains, and runs no probe for that", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("api")
      const health = yield* Health.make([check])
      assert.isTrue(yield* health.ready)
      assert.strictEqual(state.runs, 1)
      yield* TestClock.adjust("5 seconds")
      yield* health.setAccepting(false)
      assert.isFalse(yield* health.ready)
      assert.strictEqual(state.runs, 1)
      yield* health.setAccepting(true)
      assert.isTrue(yield* health.ready)
    })
  )

  it.effect("is not ready when a drain begins while its probes run", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("api")
      state.says = Effect.sleep("1 second")
      const health = yield* Health.make([check])
      const asked = yield* Effect.forkChild(health.ready)
      yield* settle
      yield* health.setAccepting(false)
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* Fiber.join(asked))
    })
  )

  it.effect("promises nothing without checks: unknown, and not ready", () =>
    Effect.gen(function* () {
      const health = yield* Health.make([])
      assert.strictEqual((yield* health.report).status, "unknown")
      assert.isFalse(yield* health.ready)
      yield* health.set([puppet("a", { critical: false }).check])
      assert.isTrue(yield* health.ready)
    })
  )

  it.effect("runs a probe once for all who ask at the same time, and again when 5 seconds have passed", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("database")
      state.says = Effect.sleep("1 second")
      const health = yield* Health.make([check])
      const first = yield* Effect.forkChild(health.report)
      const rest = yield* Effect.forkChild(
        Effect.all([health.report, health.ready, health.check("database"), health.report], { concurrency: "unbounded" })
      )
      yield* settle
      // Who asked first may leave; the others still get their answer.
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      const [report, ready] = yield* Fiber.join(rest)
      assert.strictEqual(report.status, "healthy")
      assert.isTrue(ready)
      assert.strictEqual(state.runs, 1)
      state.says = Effect.void
      yield* TestClock.adjust("4999 millis")
      yield* health.report
      assert.strictEqual(state.runs, 1)
      yield* TestClock.adjust("1 millis")
      yield* health.report
      assert.strictEqual(state.runs, 2)
    })
  )

  it.effect("gives a probe 2 seconds, and all probes the same 2 seconds", () =>
    Effect.gen(function* () {
      const checks = ["a", "b", "c"].map((name) => puppet(name, { probe: Effect.never }).check)
      const health = yield* Health.make(checks)
      const asked = yield* Effect.forkChild(health.report)
      yield* settle
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(asked.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const report = yield* Fiber.join(asked)
      assert.strictEqual(report.components[2]?.message, "no answer within 2s")
      assert.strictEqual(report.components[2]?.latencyMs, 2000)
    })
  )

  it.effect("does not start a probe beside itself when it ignores its deadline, and counts that as failures", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("database")
      const health = yield* Health.make([check])
      assert.strictEqual((yield* health.report).status, "healthy")
      const end = yield* Deferred.make<void>()
      state.says = Effect.uninterruptible(Deferred.await(end))
      yield* TestClock.adjust("5 seconds")
      const asked = yield* Effect.forkChild(health.report)
      yield* settle
      yield* TestClock.adjust("2 seconds")
      const report = yield* Fiber.join(asked)
      assert.strictEqual(report.components[0]?.message, "works, but 1 of 3 checks failed: no answer within 2s")
      const stuck = yield* ask(health, 2)
      assert.strictEqual(stuck.status, "unhealthy")
      assert.strictEqual(stuck.components[0]?.message, "the last probe still runs, long after its deadline")
      assert.strictEqual(state.runs, 2)
      // Its late success is nobody's business. From now on it can be asked again.
      state.says = Effect.void
      yield* Deferred.succeed(end, undefined)
      yield* settle
      assert.strictEqual((yield* health.snapshot).status, "unhealthy")
      assert.strictEqual((yield* ask(health, 2)).status, "healthy")
      assert.strictEqual(state.runs, 4)
    })
  )

  it.effect("takes three failures to turn and two successes to turn back, but one result to begin with", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("database")
      const health = yield* Health.make([check])
      state.says = down
      assert.strictEqual((yield* health.report).status, "unhealthy")
      state.says = Effect.void
      const hopeful = yield* ask(health, 1)
      assert.strictEqual(hopeful.status, "unhealthy")
      assert.strictEqual(hopeful.components[0]?.message, "connection refused, 1 of 2 checks passed since")
      assert.strictEqual((yield* ask(health, 1)).status, "healthy")
      state.says = down
      assert.strictEqual((yield* ask(health, 2)).status, "degraded")
      state.says = Effect.void
      assert.strictEqual((yield* ask(health, 1)).status, "healthy")
      state.says = down
      assert.strictEqual((yield* ask(health, 2)).status, "degraded")
      assert.strictEqual((yield* ask(health, 1)).status, "unhealthy")
    })
  )

  it.effect("shows a part that was well as degraded within one interval of its first failure, and takes work on", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("database")
      const health = yield* Health.make([check])
      yield* health.monitor("5 seconds")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* health.snapshot).status, "healthy")
      state.says = down
      // An interval, and the fifth of it that is left to chance.
      yield* TestClock.adjust("6 seconds")
      const [database] = (yield* health.snapshot).components
      assert.strictEqual(database?.status, "degraded")
      assert.strictEqual(database?.message, "works, but 1 of 3 checks failed: connection refused")
      assert.isTrue(yield* health.ready)
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual((yield* health.snapshot).status, "unhealthy")
      assert.isFalse(yield* health.ready)
    })
  )

  it.effect("shows a part as degraded that works and says that it does less than it should, and takes work on", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("links")
      const parts = new Map([
        ["door", { detail: "listening" }],
        ["state", { degraded: true, detail: "etcd was not reached" }]
      ])
      state.says = Effect.succeed(Health.together(parts))
      const health = yield* Health.make([check, { ...puppet("api").check, needs: ["links"] }])
      const report = yield* health.report
      assert.deepStrictEqual(statuses(report), { links: "degraded", api: "healthy" })
      assert.strictEqual(report.status, "degraded")
      assert.strictEqual(report.components[0]?.message, "door: listening; state: etcd was not reached")
      assert.isTrue(yield* health.ready)
      state.says = Effect.succeed(Health.together(new Map([["state", { detail: "kept by etcd" }]])))
      assert.strictEqual((yield* ask(health, 1)).status, "healthy")
    })
  )

  it("judges as the last results in a row say, whatever came before", () => {
    const at = DateTime.makeUnsafe(0)
    const rules = { failures: 3, successes: 2 }
    const turned = { healthy: 0, unhealthy: 0 }
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, size: "large", maxLength: 60 }), (passed) => {
        let vitals = Health.unknown
        let expected = passed[0] ? "healthy" : "unhealthy"
        passed.forEach((ok, i) => {
          const result: Health.Result = ok
            ? { _tag: "Passed", at, reading: {} }
            : { _tag: "Failed", at, reading: {}, complaint: "no" }
          vitals = Health.judge(vitals, result, rules)
          const before = expected
          if (i >= 2 && passed.slice(i - 2, i + 1).every((ok) => !ok)) expected = "unhealthy"
          if (i >= 1 && passed.slice(i - 1, i + 1).every((ok) => ok)) expected = "healthy"
          assert.strictEqual(vitals.status, expected)
          if (before !== expected) turned[vitals.status === "healthy" ? "healthy" : "unhealthy"]++
        })
      })
    )
    assert.isAbove(turned.healthy, 50)
    assert.isAbove(turned.unhealthy, 50)
  })

  it.effect("counts a defect as a failure and keeps its message", () =>
    Effect.gen(function* () {
      const { check, state } = puppet("database")
      state.says = Effect.die(new Error("cannot read properties of undefined"))
      const health = yield* Health.make([check])
      const component = yield* health.check("database")
      assert.strictEqual(component.status, "unhealthy")
      assert.strictEqual(component.message, "cannot read properties of undefined")
    })
  )

  it.effect("names the root cause first", () =>
    Effect.gen(function* () {
      const disk = puppet("disk")
      const database = puppet("database", { needs: ["disk"] })
      const api = puppet("api", { needs: ["database", "elsewhere"] })
      const web = puppet("web", { needs: ["api"] })
      disk.state.says = Effect.fail("no space left")
      database.state.says = Effect.fail("read only")
      api.state.says = Effect.fail("503")
      const health = yield* Health.make([web.check, api.check, database.check, disk.check])
      const report = yield* health.report
      const messages = Object.fromEntries(report.components.map(({ message, name }) => [name, message]))
      assert.deepStrictEqual(messages, {
        disk: "no space left",
        database: "disk is unhealthy (no space left); as a consequence: read only",
        api: "disk is unhealthy (no space left); as a consequence: 503",
        web: "disk is unhealthy (no space left); its own check: healthy"
      })
      assert.deepStrictEqual(statuses(report), {
        web: "degraded",
        api: "unhealthy",
        database: "unhealthy",
        disk: "unhealthy"
      })
      assert.deepStrictEqual(report.components[1]?.dependencies, { database: "unhealthy", elsewhere: "unknown" })
    })
  )

  it("blames only unhealthy components without an unhealthy need, and ends on cycles", () => {
    const at = DateTime.makeUnsafe(0)
    const graph = fc.array(fc.record({ needs: fc.array(fc.nat(7), { maxLength: 3 }), sick: fc.boolean() }), {
      minLength: 1,
      maxLength: 8
    })
    let blamed = 0
    fc.assert(
      fc.property(graph, (nodes) => {
        const patients = nodes.map(({ needs, sick }, i): Health.Patient => ({
          check: { ...puppet(`c${i}`).check, needs: needs.map((n) => `c${n}`) },
          vitals: { ...Health.unknown, status: sick ? "unhealthy" : "healthy", complaint: "!" }
        }))
        const report = Health.examine(patients, at, { failures: 3, successes: 2 })
        for (const { message, name } of report.components) {
          for (const [, root] of message.matchAll(/(c\d) is unhealthy/g)) {
            const patient = patients.find(({ check }) => check.name === root)!
            const needs = patients.filter(({ check }) => patient.check.needs.includes(check.name))
            assert.isTrue(patient.vitals.status === "unhealthy" && root !== name)
            assert.isFalse(needs.some((need) => need.vitals.status === "unhealthy"))
            blamed++
          }
        }
      })
    )
    assert.isAbove(blamed, 20)
  })

  it.effect("fails for a check that there is not, and names those that there are", () =>
    Effect.gen(function* () {
      const health = yield* Health.make([puppet("database").check])
      assert.strictEqual((yield* health.check("database")).status, "healthy")
      const error = yield* Effect.flip(health.check("databse"))
      assert.strictEqual(error.message, `There is no health check "databse". There are: database.`)
    })
  )

  it.effect("monitors in the background and tells of each change once", () =>
    Effect.gen(function* () {
      const database = puppet("database")
      const api = puppet("api", { needs: ["database"] })
      const health = yield* Health.make([database.check, api.check])
      const changes: Array<string> = []
      yield* health.changes.pipe(
        Stream.runForEach(({ from, message, name, to }) =>
          Effect.sync(() => changes.push(`${name} ${from} ${to}: ${message}`))
        ),
        Effect.forkScoped
      )
      yield* settle
      const monitoring = yield* Scope.make()
      yield* Scope.provide(health.monitor(), monitoring)
      yield* settle
      assert.deepStrictEqual(changes.splice(0), ["database unknown healthy: healthy", "api unknown healthy: healthy"])
      database.state.says = down
      yield* TestClock.adjust("1 minute")
      yield* settle
      // Api suffers, and does not say so again.
      assert.deepStrictEqual(changes.splice(0), ["database healthy unhealthy: connection refused"])
      assert.strictEqual(statuses(yield* health.snapshot)["api"], "degraded")
      database.state.says = Effect.void
      yield* TestClock.adjust("1 minute")
      yield* settle
      assert.deepStrictEqual(changes.splice(0), ["database unhealthy healthy: healthy"])
      yield* Scope.close(monitoring, Exit.void)
      const { runs } = database.state
      assert.isTrue(runs >= 120 / 6 && runs <= 1 + 120 / 4, `${runs} runs`)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(database.state.runs, runs)
    }).pipe(Random.withSeed("monitor"))
  )

  it.effect("keeps the history of a component when the checks are replaced", () =>
    Effect.gen(function* () {
      const a = puppet("a")
      const b = puppet("b")
      const health = yield* Health.make([a.check])
      yield* health.report
      yield* health.set([a.check, b.check])
      assert.deepStrictEqual(statuses(yield* health.snapshot), { a: "healthy", b: "unknown" })
      assert.deepStrictEqual(statuses(yield* health.report), { a: "healthy", b: "healthy" })
      assert.strictEqual(a.state.runs, 1)
      const other = puppet("a")
      yield* health.set([other.check])
      assert.deepStrictEqual(statuses(yield* health.snapshot), { a: "healthy" })
      yield* health.report
      assert.strictEqual(other.state.runs, 1)
      const exit = yield* Effect.exit(health.set([a.check, a.check]))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect("interrupts a probe at its deadline", () =>
    Effect.gen(function* () {
      let interruptedMs = 0
      const { check, state } = puppet("database")
      state.says = Effect.onInterrupt(Effect.never, () =>
        Effect.map(Clock.currentTimeMillis, (atMs) => (interruptedMs = atMs))
      )
      const health = yield* Health.make([check])
      yield* Effect.forkChild(health.report)
      yield* settle
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(interruptedMs, 2000)
      assert.strictEqual((yield* health.snapshot).status, "unhealthy")
    })
  )

  it.effect("announces nothing of a component that was replaced while it was asked", () =>
    Effect.gen(function* () {
      const changes: Array<string> = []
      const a = puppet("a")
      const b = puppet("b")
      a.state.says = Effect.sleep("1 second")
      b.state.says = Effect.sleep("1 second")
      const health = yield* Health.make([a.check, b.check])
      yield* health.changes.pipe(
        Stream.runForEach(({ name }) => Effect.sync(() => changes.push(name))),
        Effect.forkScoped
      )
      yield* Effect.forkChild(health.report)
      yield* settle
      yield* health.set([b.check])
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(changes, ["b"])
    })
  )

  it.effect("monitors at times of its own, 20 % around the interval", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const probe = Effect.map(Clock.currentTimeMillis, (atMs) => void times.push(atMs))
      const health = yield* Health.make([puppet("a", { probe }).check])
      yield* health.monitor("10 seconds")
      yield* settle
      for (let i = 0; i < 20; i++) yield* TestClock.adjust("5 seconds")
      const gaps = times.slice(1).map((atMs, i) => atMs - times[i]!)
      assert.isAtLeast(gaps.length, 8)
      assert.isTrue(gaps.every((ms) => ms >= 8000 && ms <= 12_000))
      assert.strictEqual(new Set(gaps).size, gaps.length)
    }).pipe(Random.withSeed("jitter"))
  )

  it.effect("stops its probes when its scope closes, and waits for a stuck one no longer than the deadline", () =>
    Effect.gen(function* () {
      let interrupted = false
      const good = puppet("good")
      good.state.says = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      const stuck = puppet("stuck", { probe: Effect.uninterruptible(Effect.never) })
      const scope = yield* Scope.make()
      const health = yield* Scope.provide(Health.make([good.check, stuck.check]), scope)
      yield* Effect.forkChild(health.report)
      yield* settle
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* settle
      assert.isTrue(interrupted)
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(closing)))
    })
  )

  it("keeps one flight and its deadline under random callers, and lets nobody wait longer", async () => {
    const caller = fc.record({
      atMs: fc.nat(20_000),
      asks: fc.constantFrom("report" as const, "ready" as const, "check" as const),
      leavesMs: fc.option(fc.nat(3000))
    })
    const probe = fc.record({ lastsMs: fc.nat(4000), ignores: fc.boolean(), fails: fc.boolean() })
    const count = { answers: 0, runs: 0, shared: 0, late: 0, left: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(caller, { minLength: 5, maxLength: 30 }),
        fc.array(probe, { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        (callers, probes, monitored) =>
          Effect.gen(function* () {
            let running = 0
            let peak = 0
            let runs = 0
            const once = Effect.suspend(() => {
              const { fails, ignores, lastsMs } = probes[runs++ % probes.length]!
              const work = Effect.andThen(Effect.sleep(lastsMs), fails ? Effect.fail("no") : Effect.void)
              if (ignores && lastsMs > 2000) count.late++
              return Effect.acquireUseRelease(
                Effect.sync(() => (peak = Math.max(peak, ++running))),
                () => (ignores ? Effect.uninterruptible(work) : work),
                () => Effect.sync(() => running--)
              )
            })
            const scope = yield* Scope.make()
            const health = yield* Scope.provide(Health.make([puppet("law", { probe: once }).check]), scope)
            if (monitored) yield* Scope.provide(health.monitor(), scope)
            const fibers = yield* Effect.forEach(callers, ({ asks, atMs, leavesMs }) => {
              const questions = { report: health.report, ready: health.ready, check: health.check("law") }
              const question: Effect.Effect<unknown, unknown> = questions[asks]
              const timed = Effect.map(Effect.timed(question), ([took]) => {
                count.answers++
                assert.isAtMost(Duration.toMillis(took), 2000)
              })
              const leaves = Effect.sleep(leavesMs ?? "1 minute").pipe(Effect.andThen(Effect.sync(() => count.left++)))
              return Effect.sleep(atMs).pipe(Effect.andThen(Effect.raceFirst(timed, leaves)), Effect.forkChild)
            })
            for (let ms = 0; ms < 30_000; ms += 250) yield* TestClock.adjust(250)
            for (const fiber of fibers) {
              yield* Fiber.join(fiber)
            }
            const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
            yield* settle
            yield* TestClock.adjust("5 seconds")
            yield* Fiber.join(closing)
            assert.strictEqual(running, 0)
            assert.strictEqual(peak, 1)
            assert.notStrictEqual((yield* health.snapshot).status, "unknown")
            count.runs += runs
            if (runs < callers.length) count.shared++
          }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Random.withSeed("law"), Effect.runPromise)
      ),
      { numRuns: 40 }
    )
    for (const [what, times] of Object.entries(count)) assert.isAbove(times, 10, what)
  })
})
