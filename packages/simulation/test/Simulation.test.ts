import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Random, Ref, Schedule } from "effect"
import * as Simulation from "../src/Simulation.ts"

describe("Simulation", () => {
  it("sleeps without waiting", () => {
    const { deadlock, exit, timeMs } = Simulation.run(Effect.as(Effect.sleep("1 hour"), "rested"), { seed: 1 })
    assert.deepStrictEqual(exit, Exit.succeed("rested"))
    assert.strictEqual(timeMs, 3_600_000)
    assert.isFalse(deadlock)
  })

  it("tells the time, by both clocks, with fractions", () => {
    const { exit } = Simulation.run(
      Effect.andThen(Effect.sleep("1.25 millis"), Effect.all([Clock.currentTimeMillis, Clock.monotonicTimeNanos])),
      { seed: 1 }
    )
    assert.deepStrictEqual(exit, Exit.succeed([1.25, 1_250_000n]))
  })

  it("wakes sleepers in the order of their moments, and equal ones first come, first served", () => {
    const { exit } = Simulation.run(order([3, 1, 2, 1]), { seed: 1 })
    assert.deepStrictEqual(exit, Exit.succeed([1, 3, 2, 0]))
  })

  it("passes failures, defects and interruption on", () => {
    assert.deepStrictEqual(Simulation.run(Effect.fail("no"), { seed: 1 }).exit, Exit.fail("no"))
    assert.deepStrictEqual(Simulation.run(Effect.die("bug"), { seed: 1 }).exit, Exit.die("bug"))
    assert.isTrue(Exit.hasInterrupts(Simulation.run(Effect.interrupt, { seed: 1 }).exit))
  })

  it("finds fibers that wait for each other, and says when", () => {
    let released = false
    const { deadlock, exit, timeMs } = Simulation.run(
      Effect.gen(function* () {
        const never = yield* Deferred.make<void>()
        yield* Effect.sleep("5 seconds")
        yield* Effect.ensuring(
          Deferred.await(never),
          Effect.sync(() => {
            released = true
          })
        )
      }),
      { seed: 1 }
    )
    assert.isTrue(deadlock)
    assert.strictEqual(timeMs, 5000)
    assert.deepStrictEqual(exit, Exit.die(new Simulation.Deadlock({ atMs: 5000 })))
    assert.isTrue(released, "finalizers run")
  })

  it("says of a promise that it cannot come", () => {
    const { deadlock, exit } = Simulation.run(
      Effect.promise(() => Promise.resolve(1)),
      { seed: 1 }
    )
    assert.isTrue(deadlock)
    assert.match(String(Exit.isFailure(exit) ? exit.cause : ""), /promise/)
  })

  it("gives up what never ends", () => {
    const poll = Effect.forever(Effect.yieldNow)
    const { deadlock, exit, steps } = Simulation.run(poll, { seed: 1, maxSteps: 1000 })
    assert.isFalse(deadlock)
    assert.strictEqual(steps, 1000)
    assert.deepStrictEqual(exit, Exit.die(new Simulation.OutOfSteps({ atMs: 0, steps: 1000 })))
  })

  it("spends no time on sleepers who were woken early", () => {
    const { timeMs } = Simulation.run(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.sleep("1 hour"))
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(fiber)
        yield* Effect.sleep("1 second")
      }),
      { seed: 1 }
    )
    assert.strictEqual(timeMs, 2000)
  })

  it("counts the fibers that were left behind, those included that had yet to begin", () => {
    const leave = Effect.andThen(Effect.forkDetach(Effect.sleep("1 hour")), Effect.forkDetach(Effect.never))
    const { asleep, timeMs } = Simulation.run(leave, { seed: 1 })
    assert.deepStrictEqual({ asleep, timeMs }, { asleep: 1, timeMs: 0 })
  })

  it("lets them go on when they may linger, but not for ever", () => {
    const linger = (effect: Effect.Effect<unknown>) =>
      Simulation.run(Effect.forkDetach(effect), { seed: 1, maxSteps: 1000, lingerMs: () => 60_000 })
    const { asleep, exit, timeMs } = linger(Effect.andThen(Effect.sleep("1 minute"), Effect.sleep("1 hour")))
    assert.isTrue(Exit.isSuccess(exit))
    assert.deepStrictEqual({ asleep, timeMs }, { asleep: 1, timeMs: 60_000 })
    const busy = linger(Effect.forever(Effect.sleep("1 millis")))
    assert.isTrue(Exit.isSuccess(busy.exit))
    assert.isBelow(busy.steps, 200)
  })

  it("draws the same chance from the same seed, and another from another", () => {
    const draw = (seed: number) => Simulation.run(Effect.all([Random.next, Random.nextInt]), { seed }).exit
    assert.deepStrictEqual(draw(7), draw(7))
    assert.notDeepEqual(draw(7), draw(8))
  })

  it("draws whole numbers of both signs that are safe", () => {
    const { exit } = Simulation.run(Effect.all(Array.from({ length: 1000 }, () => Random.nextInt)), { seed: 1 })
    const numbers = Exit.isSuccess(exit) ? exit.value : []
    assert.isTrue(numbers.length === 1000 && numbers.every(Number.isSafeInteger))
    assert.isTrue(numbers.some((n) => n < -(2 ** 52)) && numbers.some((n) => n > 2 ** 52))
  })

  it("takes another way through a fuzzed run with each seed, and the same one again with the same seed", () => {
    const ways = new Set<string>()
    for (let seed = 0; seed < 100; seed++) {
      const go = () => JSON.stringify(Simulation.run(order([1, 1, 1, 1, 1]), { seed, fuzz: true }))
      const way = go()
      assert.strictEqual(way, go())
      ways.add(way)
    }
    // There are 120 orders of five.
    assert.isAbove(ways.size, 60)
  })

  it("permutes tasks as well as sleepers", () => {
    const ways = new Set<string>()
    for (let seed = 0; seed < 50; seed++)
      ways.add(JSON.stringify(Simulation.run(order([0, 0, 0]), { seed, fuzz: true })))
    assert.isAbove(ways.size, 3)
  })

  it("keeps the order of moments in a fuzzed run", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { exit } = Simulation.run(order([30, 10, 20]), { seed, fuzz: true })
      assert.deepStrictEqual(exit, Exit.succeed([1, 2, 0]))
    }
  })

  it("runs what Effect builds on time: schedules, timeouts, races", () => {
    const { exit, timeMs } = Simulation.run(
      Effect.gen(function* () {
        const count = yield* Ref.make(0)
        const flaky = Effect.flatMap(
          Ref.updateAndGet(count, (n) => n + 1),
          (n) => (n < 4 ? Effect.fail(n) : Effect.succeed(n))
        )
        const tries = yield* Effect.retry(flaky, Schedule.exponential("1 second"))
        const timedOut = yield* Effect.timeoutOption(Effect.never, "10 seconds")
        return [tries, timedOut._tag]
      }),
      { seed: 1 }
    )
    assert.deepStrictEqual(exit, Exit.succeed([4, "None"]))
    assert.strictEqual(timeMs, 17_000)
  })

  it("keeps the heap of sleepers in order when many leave early", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { exit } = Simulation.run(
        Effect.gen(function* () {
          const woken: Array<number> = []
          const sleeper = (ms: number) => Effect.map(Effect.sleep(ms), () => woken.push(ms))
          const fibers = yield* Effect.forEach(
            Array.from({ length: 200 }, () => 0),
            () => Effect.flatMap(Random.nextIntBetween(10, 1000), (ms) => Effect.forkChild(sleeper(ms)))
          )
          yield* Effect.sleep("5 millis")
          yield* Effect.forEach(
            fibers.filter((_, i) => i % 3 === 0),
            Fiber.interrupt
          )
          yield* Fiber.awaitAll(fibers)
          return woken
        }),
        { seed }
      )
      const woken = Exit.isSuccess(exit) ? exit.value : []
      assert.strictEqual(woken.length, 133)
      assert.deepStrictEqual(
        woken,
        woken.toSorted((a, b) => a - b)
      )
    }
  })
})

/** Forks one sleeper for each number of milliseconds and says in which order they came back. */
const order = (sleepsMs: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const back: Array<number> = []
    yield* Effect.forEach(sleepsMs, (ms, i) => Effect.map(Effect.sleep(ms), () => back.push(i)), {
      concurrency: "unbounded"
    })
    return back
  })
