import { assert, describe, it } from "@effect/vitest"
import { Duration, Result, Schema } from "effect"
import { Settings } from "../../src/discovery/Settings.ts"

const decode = Schema.decodeUnknownResult(Settings)

describe("the settings of discovery", () => {
  it("enter a node for fifteen seconds at a time, unless told otherwise", () => {
    const { advertise, enabled, interval, lease } = Result.getOrThrow(decode({}))
    assert.isTrue(enabled)
    assert.deepStrictEqual(advertise, [])
    assert.deepStrictEqual([Duration.toSeconds(lease), Duration.toSeconds(interval)], [15, 2])
  })

  it("refuse what cannot be meant", () => {
    for (const wrong of [{ lease: "soon" }, { interval: -1 }, { advertise: [""] }, { enabled: "perhaps" }]) {
      assert.isTrue(Result.isFailure(decode(wrong)), JSON.stringify(wrong))
    }
  })
})
