import { assert } from "vitest"
import { it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Slice from "../../src/database/Slice.ts"

it.effect("a slice runs from whoever begins first, and leaves the next one what is left of it", () =>
  Effect.gen(function* () {
    const slice = Slice.make(Duration.seconds(10))
    yield* TestClock.adjust("1 minute")
    yield* slice.begin
    yield* TestClock.adjust("3 seconds")
    yield* slice.begin
    assert.strictEqual(Duration.toMillis(yield* slice.until(1)), 7_000)
    assert.strictEqual(Duration.toMillis(yield* slice.until(0.5)), 2_000)
    assert.strictEqual(Duration.toMillis(yield* slice.until(0.2)), 0)
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(Duration.toMillis(yield* slice.until(1)), 0)
  })
)

it.effect("a slice that nobody has begun runs from the first question", () =>
  Effect.gen(function* () {
    const slice = Slice.make(Duration.seconds(10))
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(Duration.toMillis(yield* slice.until(1)), 10_000)
  })
)
