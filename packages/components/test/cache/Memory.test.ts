import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Ledger from "../../src/cache/Ledger.ts"
import * as Memory from "../../src/cache/Memory.ts"
import { settingsOf } from "./fixtures/caches.ts"

const alone = (fields = {}) => Memory.make(settingsOf(fields), Ledger.make(), "alone")

describe("a cache in memory", () => {
  it.effect("keeps a value for its time, an hour unless it is told otherwise", () =>
    Effect.gen(function* () {
      const cache = yield* alone()
      yield* cache.set("default", "1")
      yield* cache.set("brief", "2", "1 second")
      yield* cache.set("never", "3", 0)
      assert.deepStrictEqual(yield* cache.get("never"), Option.none())
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* cache.get("brief"), Option.some("2"))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* cache.get("brief"), Option.none())
      yield* TestClock.adjust("58 minutes")
      assert.deepStrictEqual(yield* cache.get("default"), Option.some("1"))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* cache.get("default"), Option.none())
    })
  )

  it.effect("counts what it holds and how it does", () =>
    Effect.gen(function* () {
      const cache = yield* alone({ maxEntries: 2 })
      yield* cache.set("a", "1")
      yield* cache.set("b", "2")
      yield* cache.set("c", "3")
      yield* cache.get("a")
      yield* cache.get("c")
      yield* cache.delete("c")
      const { bytes, ...rest } = yield* cache.stats
      assert.deepStrictEqual(rest, {
        tier: "memory",
        entries: 1,
        hits: 1,
        misses: 1,
        evictions: 1,
        errors: 0,
        owed: 0
      })
      assert.isAbove(bytes, 2)
    })
  )

  it.effect("stays within the memory it was given", () =>
    Effect.gen(function* () {
      const cache = yield* alone({ maxMemory: "10 KiB" })
      for (let i = 0; i < 100; i++) yield* cache.set(`${i}`, "x".repeat(1_000))
      const { bytes, entries, evictions } = yield* cache.stats
      assert.isAtMost(bytes, 10 * 1_024)
      assert.deepStrictEqual([entries, evictions], [9, 91])
    })
  )

  it.effect("remembers what it changed in the place of Redis, and only then", () =>
    Effect.gen(function* () {
      const ledger = Ledger.make()
      const instead = yield* Memory.make(settingsOf(), ledger, "instead")
      yield* instead.set("a", "1")
      yield* instead.delete("b")
      yield* instead.get("c")
      assert.deepStrictEqual(ledger.owed.take(), { _tag: "Keys", keys: ["a", "b"] })
      const own = yield* Memory.make(settingsOf(), ledger, "alone")
      yield* own.set("a", "1")
      assert.strictEqual(ledger.owed.size(), 0)
    })
  )
})
