import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Wire from "../../src/operator/Wire.ts"

describe("what pages may ask for", () => {
  it("is bounded, and an action is confirmed", () => {
    const wanted = Schema.decodeUnknownExit(Wire.Wanted)
    assert.strictEqual(wanted({ component: "cache", confirmed: true })._tag, "Success")
    for (const wrong of [
      { component: "cache" },
      { component: "x".repeat(513), confirmed: true },
      { confirmed: true }
    ]) {
      assert.strictEqual(wanted(wrong)._tag, "Failure")
    }
    assert.strictEqual(Schema.decodeUnknownExit(Wire.Ticket)({ token: "x".repeat(129) })._tag, "Failure")
  })
})
