import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import * as Ledger from "../../src/cache/Ledger.ts"

describe("what is owed", () => {
  it("is known by key up to its capacity, and is everything beyond", () => {
    const owed = Ledger.owing(2)
    owed.add("a")
    owed.add("b")
    owed.add("a")
    assert.deepStrictEqual([owed.has("a"), owed.has("z"), owed.size()], [true, false, 2])
    owed.add("c")
    assert.deepStrictEqual([owed.has("a"), owed.has("z"), owed.size()], [true, true, 3])
    assert.deepStrictEqual(owed.take(), { _tag: "Everything" })
    assert.deepStrictEqual([owed.has("a"), owed.size()], [false, 0])
  })

  it("loses nothing that is put back, or added while the rest is being settled", () => {
    const owed = Ledger.owing(10)
    owed.add("a")
    owed.add("b")
    const debt = owed.take()
    owed.add("c")
    owed.add(debt)
    owed.drop("b")
    assert.deepStrictEqual(owed.take(), { _tag: "Keys", keys: ["c", "a"] })
    owed.add({ _tag: "Everything" })
    owed.add("d")
    assert.deepStrictEqual(owed.take(), { _tag: "Everything" })
  })
})

describe("those who listen", () => {
  it.effect("each hear everything from then on, and are forgotten when they leave", () =>
    Effect.gen(function* () {
      const ledger = Ledger.make()
      const listen = Effect.forkChild(Stream.runCollect(Stream.take(ledger.invalidations, 2)))
      ledger.tell({ _tag: "Anything" })
      const first = yield* listen
      const second = yield* listen
      yield* Effect.repeat(Effect.yieldNow, { times: 20 })
      for (const key of ["a", "b", "c"]) ledger.tell({ _tag: "Changed", key })
      for (const fiber of [first, second]) {
        assert.deepStrictEqual(yield* Fiber.join(fiber), [
          { _tag: "Changed", key: "a" },
          { _tag: "Changed", key: "b" }
        ])
      }
    })
  )

  it.effect("keep the last 256 when they are slow, and hold nobody up", () =>
    Effect.gen(function* () {
      const ledger = Ledger.make()
      let isHeard = false
      const heard: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(ledger.invalidations, (it) =>
          Effect.andThen(
            Effect.sync(() => void (it._tag === "Changed" && heard.push(it.key))),
            Effect.repeat(Effect.yieldNow, { until: () => isHeard })
          )
        )
      )
      yield* Effect.repeat(Effect.yieldNow, { times: 20 })
      for (let i = 0; i < 1_000; i++) ledger.tell({ _tag: "Changed", key: `${i}` })
      isHeard = true
      yield* Effect.repeat(Effect.yieldNow, { times: 2_000 })
      assert.isAtLeast(heard.length, 250)
      assert.isAtMost(heard.length, 600)
      assert.strictEqual(heard.at(-1), "999")
    })
  )
})
