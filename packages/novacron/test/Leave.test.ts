import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Leave from "../src/Leave.ts"

describe("leaving", () => {
  it.effect("has a documented code, whatever was asked for", () =>
    Effect.gen(function* () {
      const left = yield* Effect.flip(Leave.quietly(69))
      assert.strictEqual(left.exit, 69)
      assert.include(left.message, "unavailable")
      assert.strictEqual((yield* Effect.flip(Leave.quietly(2))).exit, 70)
    })
  )
})
