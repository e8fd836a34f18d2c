import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { Alarm } from "../src/Alarm.ts"
import * as Virtual from "./fixtures/virtual.ts"

/** An alarm in virtual time, and the moments at which it rang. */
const alarm = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const rang: Array<number> = []
  const made = new Alarm(
    yield* Effect.context<never>(),
    () => clock.currentTimeMillisUnsafe(),
    () => void rang.push(clock.currentTimeMillisUnsafe())
  )
  return { made, rang }
})

describe("Alarm", () => {
  it.effect("rings once at the earliest moment that was set, and can be set again", () =>
    Effect.gen(function* () {
      const { made, rang } = yield* alarm
      made.set(100)
      made.set(40)
      made.set(undefined)
      made.set(60)
      yield* Virtual.pass(1_000)
      assert.deepStrictEqual(rang, [40])
      made.set(1_010)
      yield* Virtual.pass(1_000)
      assert.deepStrictEqual(rang, [40, 1_010])
    })
  )

  it.effect("rings a moment later when the moment has passed, and never within the call that sets it", () =>
    Effect.gen(function* () {
      const { made, rang } = yield* alarm
      yield* Virtual.pass(50)
      made.set(10)
      assert.deepStrictEqual(rang, [])
      yield* Virtual.pass(1)
      assert.lengthOf(rang, 1)
    })
  )

  it.effect("does not ring after it was stopped", () =>
    Effect.gen(function* () {
      const { made, rang } = yield* alarm
      made.set(10)
      made.stop()
      yield* Virtual.pass(1_000)
      assert.deepStrictEqual(rang, [])
    })
  )
})
