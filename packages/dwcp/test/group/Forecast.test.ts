import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Forecast from "../../src/group/Forecast.ts"

describe("the moving average", () => {
  it.effect("is the mean of the last ten of a link, and nothing of one that was never measured", () =>
    Effect.gen(function* () {
      const { check, forecast, observe } = Forecast.movingAverage()
      yield* check
      assert.isUndefined(yield* forecast("a"))
      for (const value of [1e9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) yield* observe("a", value)
      for (const value of [0, -1, Number.NaN, Infinity]) yield* observe("a", value)
      const expected = { bytesPerSecond: 5.5, low: 1, high: 10, by: "moving-average" }
      assert.deepStrictEqual(yield* forecast("a"), expected)
      assert.isUndefined(yield* forecast("b"))
    })
  )

  it.effect("remembers a bounded number of links, those that were measured last", () =>
    Effect.gen(function* () {
      const { forecast, observe } = Forecast.movingAverage()
      for (let k = 0; k < 2_000; k++) yield* observe(`link-${k}`, 1)
      assert.isUndefined(yield* forecast("link-0"))
      assert.isDefined(yield* forecast("link-1999"))
    })
  )
})
