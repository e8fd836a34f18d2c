import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { Settings } from "../../src/pbft/Settings.ts"

const settings = Schema.decodeUnknownSync(Settings)

describe("Settings", () => {
  it("are complete when nothing is set", () => {
    const { checkpointEvery, maxBatch, viewChange } = settings({})
    assert.deepStrictEqual([checkpointEvery, maxBatch, Duration.toSeconds(viewChange)], [100, 100, 10])
  })

  it("take no batch of none and no patience without end", () => {
    assert.strictEqual(settings({ maxBatch: 1 }).maxBatch, 1)
    for (const wrong of [{ maxBatch: 0 }, { checkpointEvery: -1 }, { viewChange: "soon" }, { maxFrame: 5 }]) {
      assert.throws(() => settings(wrong))
    }
  })
})
