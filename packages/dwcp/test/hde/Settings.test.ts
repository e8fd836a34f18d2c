import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Result, Schema } from "effect"
import { Settings } from "../../src/hde/Settings.ts"
import { settingsOf } from "./fixtures/service.ts"

describe("the settings of HDE", () => {
  it("may all be left out", () => {
    const settings = settingsOf()
    assert.strictEqual(settings.goal, "hybrid")
    assert.strictEqual(ByteSize.toNumberUnsafe(settings.bandwidth), 12_500_000)
    assert.strictEqual(settings.threads, 2)
  })

  it("refuse what makes no sense", () => {
    for (const wrong of [{ threads: 0 }, { goal: "mars" }, { maxMessage: "much" }, { baselines: -1 }]) {
      assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(Settings)(wrong)), JSON.stringify(wrong))
    }
  })
})
