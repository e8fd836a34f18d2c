import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { settings } from "./fixtures/worlds.ts"

describe("Settings", () => {
  it("are complete when nothing is set", () => {
    const given = settings({})
    assert.deepStrictEqual(
      [given.streams, given.congestion, given.environment, Duration.toSeconds(given.stall)],
      ["auto", "auto", "internet", 4]
    )
  })

  it("take a fixed number of streams, and no number of none", () => {
    assert.strictEqual(settings({ streams: 16 }).streams, 16)
    assert.throws(() => settings({ streams: 0 }))
    assert.throws(() => settings({ streams: -5 }))
  })
})
