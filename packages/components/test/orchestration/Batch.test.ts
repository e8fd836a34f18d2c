import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import * as Batch from "../../src/orchestration/Batch.ts"

describe("Batch", () => {
  it.effect("asks together what comes while an answer is awaited, and answers each its own", () =>
    Effect.gen(function* () {
      const sizes: Array<number> = []
      const gate = yield* Deferred.make<void>()
      const double = yield* Batch.make({
        max: 100,
        run: (items: ReadonlyArray<number>) =>
          Effect.andThen(
            Effect.sync(() => void sizes.push(items.length)),
            Effect.as(
              Deferred.await(gate),
              items.map((n) => 2 * n)
            )
          )
      })
      const first = yield* Effect.forkChild(double(1), { startImmediately: true })
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      const others = yield* Effect.forkChild(Effect.forEach([2, 3, 4], double, { concurrency: "unbounded" }), {
        startImmediately: true
      })
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(first), 2)
      assert.deepStrictEqual(yield* Fiber.join(others), [4, 6, 8])
      assert.strictEqual(
        sizes.reduce((a, b) => a + b, 0),
        4
      )
      assert.isAtMost(sizes.length, 3)
    })
  )

  it.effect("never asks for more than it may at once", () =>
    Effect.gen(function* () {
      const sizes: Array<number> = []
      const same = yield* Batch.make({
        max: 7,
        run: (items: ReadonlyArray<number>) => Effect.sync(() => (sizes.push(items.length), items))
      })
      const numbers = Array.from({ length: 100 }, (_, i) => i)
      assert.deepStrictEqual(yield* Effect.forEach(numbers, same, { concurrency: "unbounded" }), numbers)
      assert.strictEqual(Math.max(...sizes), 7)
    })
  )

  it.effect("fails each call of a round that fails, and goes on", () =>
    Effect.gen(function* () {
      let isBroken = true
      const call = yield* Batch.make({
        max: 10,
        run: (items: ReadonlyArray<number>) =>
          Effect.suspend(() => (isBroken ? Effect.fail("broken") : Effect.succeed(items)))
      })
      const exits = yield* Effect.forEach([1, 2, 3], (n) => Effect.exit(call(n)), { concurrency: "unbounded" })
      assert.isTrue(exits.every(Exit.isFailure))
      isBroken = false
      assert.strictEqual(yield* call(4), 4)
    })
  )
})
