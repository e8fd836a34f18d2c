import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as Bulkhead from "../src/Bulkhead.ts"

const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

/** A call that lasts until told otherwise. */
const held = Effect.fnUntraced(function* (bulkhead: Bulkhead.Bulkhead) {
  const end = yield* Deferred.make<string>()
  const fiber = yield* Effect.forkChild(bulkhead.run(Deferred.await(end)))
  yield* settle
  return { end, fiber }
})

const many = (bulkhead: Bulkhead.Bulkhead, times: number) =>
  Effect.forEach(Array.from({ length: times }), () => held(bulkhead))

describe("Bulkhead", () => {
  it.effect("runs four calls, lets sixteen wait and turns the next away", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make({ name: "database" })
      assert.strictEqual(yield* bulkhead.run(Effect.succeed("row")), "row")
      yield* many(bulkhead, 20)
      assert.deepStrictEqual(yield* bulkhead.load, { running: 4, waiting: 16 })
      const error = yield* Effect.flip(bulkhead.run(Effect.void))
      assert.instanceOf(error, Bulkhead.BulkheadFull)
      assert.strictEqual(error.bulkhead, "database")
      assert.include(error.message, `"database" is busy: 4 calls run and 16 wait`)
    })
  )

  it.effect("serves those who wait in the order in which they came", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make({ name: "database", concurrency: 1 })
      const order: Array<number> = []
      const [first] = yield* many(bulkhead, 1)
      const rest = [1, 2, 3].map((n) => bulkhead.run(Effect.sync(() => order.push(n))))
      const fibers = yield* Effect.forEach(rest, (call) => Effect.forkChild(call))
      yield* settle
      assert.deepStrictEqual(order, [])
      yield* Deferred.succeed(first!.end, "done")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(order, [1, 2, 3])
    })
  )

  it.effect("lets a call wait for 30 seconds and not longer, and keeps its place free afterwards", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make({ name: "database", queue: 1 })
      const running = yield* many(bulkhead, 4)
      let begun = false
      const late = yield* Effect.forkChild(Effect.flip(bulkhead.run(Effect.sync(() => (begun = true)))))
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual(yield* bulkhead.load, { running: 4, waiting: 1 })
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(late)
      assert.instanceOf(error, Bulkhead.BulkheadTimeout)
      assert.strictEqual(error.bulkhead, "database")
      assert.include(error.message, `"database" had no free slot within 30s`)
      assert.isFalse(begun)
      assert.deepStrictEqual(yield* bulkhead.load, { running: 4, waiting: 0 })
      // The timeout is for the queue: those who run may take as long as they like.
      yield* Deferred.succeed(running[0]!.end, "slow")
      assert.strictEqual(yield* Fiber.join(running[0]!.fiber), "slow")
    })
  )

  it.effect("limits the wait of a caller that cannot be interrupted, too", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make({ name: "database", concurrency: 1 })
      yield* held(bulkhead)
      const late = yield* Effect.forkChild(Effect.uninterruptible(Effect.flip(bulkhead.run(Effect.void))))
      yield* TestClock.adjust("30 seconds")
      assert.instanceOf(yield* Fiber.join(late), Bulkhead.BulkheadTimeout)
      assert.deepStrictEqual(yield* bulkhead.load, { running: 1, waiting: 0 })
    })
  )

  it.effect("gives the slot back when a call fails, dies or is interrupted, running or waiting", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make({ name: "database", concurrency: 1 })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(bulkhead.run(Effect.fail("no")))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(bulkhead.run(Effect.die("bug")))))
      const running = yield* held(bulkhead)
      const waiting = yield* held(bulkhead)
      assert.deepStrictEqual(yield* bulkhead.load, { running: 1, waiting: 1 })
      yield* Fiber.interrupt(waiting.fiber)
      assert.deepStrictEqual(yield* bulkhead.load, { running: 1, waiting: 0 })
      yield* Fiber.interrupt(running.fiber)
      assert.deepStrictEqual(yield* bulkhead.load, { running: 0, waiting: 0 })
      assert.strictEqual(yield* bulkhead.run(Effect.succeed("free")), "free")
    })
  )

  it.effect("isolates: a full bulkhead is no concern of another one", () =>
    Effect.gen(function* () {
      const slow = yield* Bulkhead.make({ name: "slow", concurrency: 1, queue: 0 })
      const fast = yield* Bulkhead.make({ name: "fast", concurrency: 1, queue: 0 })
      yield* held(slow)
      assert.instanceOf(yield* Effect.flip(slow.run(Effect.void)), Bulkhead.BulkheadFull)
      assert.strictEqual(yield* fast.run(Effect.succeed("fast")), "fast")
    })
  )

  it.effect("leaves the scope of the caller alone", () =>
    Effect.gen(function* () {
      const bulkhead = yield* Bulkhead.make({ name: "database" })
      const scope = yield* Scope.make()
      let open = false
      const acquire = Effect.acquireRelease(
        Effect.sync(() => (open = true)),
        () => Effect.sync(() => (open = false))
      )
      yield* Scope.provide(bulkhead.run(acquire), scope)
      assert.isTrue(open)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(open)
    })
  )

  it.effect("dies of numbers that make no sense", () =>
    Effect.gen(function* () {
      const wrong = [{ concurrency: 0 }, { concurrency: -1 }, { queue: -1 }, { queue: 0.5 }, { queueTimeout: -1 }]
      for (const options of wrong) {
        const exit = yield* Effect.exit(Bulkhead.make({ name: "database", ...options }))
        assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof RangeError)
      }
    })
  )

  it("never exceeds its limits and is empty at the end, whoever comes, goes, fails or is interrupted", async () => {
    const call = fc.record({
      arrivesMs: fc.nat(2000),
      lastsMs: fc.nat(800),
      leavesMs: fc.option(fc.nat(1000)),
      fails: fc.boolean()
    })
    const count = { ran: 0, full: 0, timeout: 0, interrupted: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 10, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(5),
        (calls, concurrency, queue) =>
          Effect.gen(function* () {
            const bulkhead = yield* Bulkhead.make({ name: "law", concurrency, queue, queueTimeout: "500 millis" })
            let running = 0
            const fibers = yield* Effect.forEach(calls, ({ arrivesMs, fails, lastsMs, leavesMs }) => {
              const work = Effect.acquireUseRelease(
                Effect.sync(() => {
                  running++
                  assert.isAtMost(running, concurrency)
                }),
                () => Effect.andThen(Effect.sleep(lastsMs), fails ? Effect.fail("no") : Effect.void),
                () => Effect.sync(() => running--)
              )
              const run = bulkhead.run(work)
              return Effect.sleep(arrivesMs).pipe(
                Effect.andThen(
                  leavesMs === null
                    ? run
                    : Effect.raceFirst(run, Effect.andThen(Effect.sleep(leavesMs), Effect.interrupt))
                ),
                Effect.forkChild
              )
            })
            for (let ms = 0; ms < 5000; ms += 50) {
              yield* TestClock.adjust(50)
              const load = yield* bulkhead.load
              assert.strictEqual(load.running, running)
              assert.isAtMost(load.waiting, queue)
            }
            for (const fiber of fibers) {
              const exit = yield* Fiber.await(fiber)
              const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
              if (Exit.isSuccess(exit) || error === "no") count.ran++
              else if (error instanceof Bulkhead.BulkheadFull) count.full++
              else if (error instanceof Bulkhead.BulkheadTimeout) count.timeout++
              else if (Cause.hasInterruptsOnly(exit.cause)) count.interrupted++
              else throw error
            }
            assert.deepStrictEqual(yield* bulkhead.load, { running: 0, waiting: 0 })
            assert.strictEqual(yield* bulkhead.run(Effect.succeed("free")), "free")
          }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise)
      ),
      // What must have happened at least once is asked below: not of chance.
      { numRuns: 40, seed: 1 }
    )
    for (const [what, times] of Object.entries(count)) assert.isAbove(times, 0, what)
  })
})
