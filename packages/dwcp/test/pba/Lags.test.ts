import { assert, describe, it } from "@effect/vitest"
import * as Lags from "../../src/pba/Lags.ts"
import { chance } from "../../src/pba/Training.ts"

/** Mean errors over the later half: of the expert, and of the last value. */
const errors = (steps: number, values: ReadonlyArray<number>) => {
  const lags = Lags.make(steps)
  let [ours, last, below, n] = [0, 0, 0, 0]
  for (const [i, value] of values.entries()) {
    lags.push(value, 100)
    const truth = values[i + steps]
    if (2 * i < values.length || truth === undefined) continue
    ours += Math.abs(truth - lags.point())
    last += Math.abs(truth - value)
    if (truth < lags.low()) below++
    n++
  }
  return { ours: ours / n, last: last / n, below: below / n }
}

describe("the expert of the last twelve values", () => {
  it("learns the shape of a series within a few hundred values", () => {
    const random = chance(3)
    const shapes = {
      teeth: (i: number) => 20 + 10 * (i % 8),
      waves: (i: number) => 100 + 60 * Math.sin(i / 5),
      turns: (i: number) => (i % 6 < 3 ? 100 : 20)
    }
    for (const [name, shape] of Object.entries(shapes)) {
      const values = Array.from({ length: 600 }, (_, i) => shape(i) + random() - 0.5)
      for (const steps of [1, 5]) {
        const { last, ours } = errors(steps, values)
        assert.isBelow(ours, 0.2 * last, `${name} ${steps}`)
      }
    }
  })

  it("follows a wave value by value long before it can foresee the fifth at once", () => {
    const values = Array.from({ length: 60 }, (_, i) => 100 + 60 * Math.sin(i / 5))
    const [one, five] = [Lags.make(1), Lags.make(5)]
    let [byOne, atOnce] = [0, 0]
    for (const [i, value] of values.entries()) {
      one.push(value, 100)
      five.push(value, 100)
      assert.strictEqual(one.after(1), one.point())
      const truth = values[i + 5]
      if (i < 24 || truth === undefined) continue
      byOne += Math.abs(truth - one.after(5))
      atOnce += Math.abs(truth - five.point())
    }
    assert.isBelow(byOne, 0.3 * atOnce)
  })

  it("lets about a tenth of noise fall below its low forecast", () => {
    const random = chance(5)
    const { below } = errors(
      1,
      Array.from({ length: 4_000 }, () => 80 + 40 * random())
    )
    assert.closeTo(below, 0.1, 0.05)
  })

  it("says numbers from zero on, however long nothing new is seen and whatever comes then", () => {
    const lags = Lags.make(5)
    for (let i = 0; i < 50_000; i++) lags.push(7, 7)
    for (const value of [0, 1e300, 0, 1e-300, 5]) {
      lags.push(value, Math.max(1e-12, value))
      for (const said of [lags.point(), lags.low(), lags.after(5)]) assert.isTrue(said >= 0 && Number.isFinite(said))
    }
  })
})
