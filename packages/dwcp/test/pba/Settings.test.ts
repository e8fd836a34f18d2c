import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { Settings } from "../../src/pba/Settings.ts"

const decode = Schema.decodeUnknownEffect(Settings)

describe("the settings of PBA", () => {
  it.effect("that are empty forecast each second, with the model that is shipped", () =>
    Effect.gen(function* () {
      const settings = yield* decode({})
      assert.strictEqual(settings.model, "")
      assert.strictEqual(Duration.toMillis(settings.interval), 1_000)
      assert.deepStrictEqual([settings.critical, settings.normal, settings.background], [50, 30, 20])
    })
  )

  it.effect("refuse no links at all, and weights that are none", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decode({ maxLinks: 5 })).maxLinks, 5)
      for (const wrong of [{ maxLinks: -1 }, { critical: "most" }, { interval: "often" }]) {
        assert.strictEqual((yield* Effect.result(decode(wrong)))._tag, "Failure")
      }
    })
  )
})
