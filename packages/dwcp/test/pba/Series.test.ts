import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Model from "../../src/pba/Model.ts"
import * as Series from "../../src/pba/Series.ts"
import { chance } from "../../src/pba/Training.ts"
import * as series from "./fixtures/series.ts"

const shipped = Result.getOrThrow(Model.read(Model.shipped()))
const models: ReadonlyArray<Model.Model | undefined> = [undefined, series.model(8), shipped]

const forecasts = (
  values: ReadonlyArray<number>,
  model?: Model.Model,
  seconds = 300
): ReadonlyArray<Series.Forecast> => {
  const made = Series.make(seconds, model)
  return values.map(made.push)
}

const meanError = (values: ReadonlyArray<number>, forecast: (i: number) => number, steps = 1): number => {
  let sum = 0
  for (let i = 32; i + steps < values.length; i++) sum += Math.abs(values[i + steps]! - forecast(i))
  return sum / (values.length - 32 - steps)
}

describe("forecasts of a series", () => {
  it("are made of what came before and of nothing else", () => {
    const value = fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constantFrom(0, Number.NaN, -5))
    const some = fc.array(value, { minLength: 1, maxLength: 120 })
    fc.assert(
      fc.property(some, some, some, fc.constantFrom(...models), (past, one, other, model) => {
        const seen = forecasts([...past, ...one], model).slice(0, past.length)
        assert.deepStrictEqual(forecasts([...past, ...other], model).slice(0, past.length), seen)
      }),
      { numRuns: 40 }
    )
  })

  it("are numbers from zero on, the low ones not above the others, whatever comes", () => {
    const odd = fc.constantFrom(0, -1, Number.NaN, Infinity, -Infinity, 1e-300, 1, 5, 1e12, 1e308)
    fc.assert(
      fc.property(fc.array(odd, { maxLength: 150 }), fc.constantFrom(...models), (values, model) => {
        for (const { h1, h5, p10h1, p10h5 } of forecasts(values, model)) {
          assert.isTrue([h1, h5, p10h1, p10h5].every((answer) => Number.isFinite(answer) && answer >= 0))
          assert.isAtMost(p10h1, h1)
          assert.isAtMost(p10h5, h5)
        }
      }),
      { numRuns: 60 }
    )
  })

  it("of a constant are that constant", () => {
    for (const model of [undefined, shipped]) {
      for (const constant of [0, 3, 1e9]) {
        const last = forecasts(
          Array.from({ length: 300 }, () => constant),
          model
        ).at(-1)!
        assert.closeTo(last.h1, constant, 0.01 * constant + 1e-9)
        assert.closeTo(last.h5, constant, 0.01 * constant + 1e-9)
        assert.isAtLeast(last.p10h1, 0.9 * constant)
      }
    }
  })

  it("of what stays where it is for a while are hardly worse than the last value", () => {
    const random = chance(4)
    let level = 50
    const values = Array.from({ length: 1_000 }, () => {
      if (random() < 0.1) level = 10 * Math.ceil(10 * random())
      return level
    })
    const made = forecasts(values, shipped, 10)
    const last = meanError(values, (i) => values[i]!)
    assert.isBelow(
      meanError(values, (i) => made[i]!.h1),
      1.03 * last
    )
  })

  it("of counts are counts that came, and as near as the last one: a mean between two of them never comes", () => {
    const random = chance(4)
    let level = 3
    const values = Array.from({ length: 600 }, () => {
      if (random() < 0.1) level = 1 + Math.floor(5 * random())
      return Math.max(0, level + Math.round(1.2 * (random() - 0.5)))
    })
    const made = forecasts(values, shipped, 10)
    const late = made.slice(32).flatMap(({ h1, h5 }) => [h1, h5])
    assert.isAbove(late.filter(Number.isInteger).length / late.length, 0.85)
    const last = meanError(values, (i) => values[i]!)
    assert.isBelow(
      meanError(values, (i) => made[i]!.h1),
      1.01 * last
    )
  })

  it("of bursts without a pattern stay near their middle value, which is the best there is", () => {
    const random = chance(6)
    const values = Array.from({ length: 1_000 }, () => (1 - random()) ** (-1 / 1.5))
    const middle = values.toSorted((a, b) => a - b)[500]!
    const best = meanError(values, () => middle)
    for (const [model, most] of [
      [undefined, 1.05],
      [shipped, 1.09]
    ] as const) {
      const made = forecasts(values, model, 1)
      assert.isBelow(
        meanError(values, (i) => made[i]!.h1),
        most * best
      )
    }
  })

  it("of waves follow the wave, which most links do not have", () => {
    const values = Array.from({ length: 1_000 }, (_, i) => 100 + 60 * Math.sin(i / 5))
    const made = forecasts(values, shipped, 1)
    const last = meanError(values, (i) => values[i]!)
    assert.isBelow(
      meanError(values, (i) => made[i]!.h1),
      0.15 * last
    )
    // The fifth soon, too: of the first three hundred values only.
    const early = values.slice(0, 300)
    const lastOfFive = meanError(early, (i) => values[i]!, 5)
    assert.isBelow(
      meanError(early, (i) => made[i]!.h5, 5),
      0.22 * lastOfFive
    )
  })

  it("begin where the link does: zeros and what is missing before its first value leave no trace", () => {
    const values = series.link(7, 120)
    for (const before of [0, Number.NaN]) {
      const made = forecasts([...Array.from({ length: 60 }, () => before), ...values], shipped)
      assert.deepStrictEqual(made[59], { h1: 0, h5: 0, p10h1: 0, p10h5: 0 })
      assert.deepStrictEqual(made.slice(60), forecasts(values, shipped))
    }
  })

  it("are the same in any unit, also where a link is silent now and then", () => {
    const values = series.link(9, 200).map((value, i) => (i % 7 < 3 ? 0 : value))
    const made = forecasts(values, shipped)
    for (const unit of [1e-15, 1e-6, 1e12, 1e100]) {
      const others = forecasts(
        values.map((value) => value * unit),
        shipped
      )
      for (const [i, { h1, h5, p10h1, p10h5 }] of made.entries()) {
        const other = others[i]!
        for (const [a, b] of [
          [h1, other.h1],
          [h5, other.h5],
          [p10h1, other.p10h1],
          [p10h5, other.p10h5]
        ]) {
          assert.closeTo(b! / unit, a!, 1e-6)
        }
      }
    }
  })

  it("take what is no bandwidth as missing, whatever it is", () => {
    assert.deepStrictEqual(
      forecasts([5, 6, 7, Number.NaN, -3, 8], shipped),
      forecasts([5, 6, 7, Infinity, 1e301, 8], shipped)
    )
  })

  it("learn nothing by what is missing: with two values of five gone the low forecast still is as low as it says", () => {
    const values = series.link(5, 4_000)
    const isMissing = (i: number): boolean => i % 5 < 2
    for (const model of models) {
      const made = forecasts(
        values.map((value, i) => (isMissing(i) ? Number.NaN : value)),
        model,
        1
      )
      const judged = values.flatMap((value, i) => (i > 200 && !isMissing(i) ? [value < made[i - 1]!.p10h1] : []))
      assert.closeTo(judged.filter((isBelow) => isBelow).length / judged.length, 0.1, 0.02)
    }
  })

  it("are better than the last value, and hardly worse with a network that knows nothing", () => {
    const values = series.link(11, 3_000)
    const last = meanError(values, (i) => values[i]!)
    const errorOf = (model?: Model.Model): number => {
      const made = forecasts(values, model, 1)
      return meanError(values, (i) => made[i]!.h1)
    }
    assert.isBelow(errorOf(shipped), 0.9 * last)
    assert.isBelow(errorOf(undefined), 0.95 * last)
    // An untrained one, trusted with nine tenths at first.
    assert.isBelow(errorOf(series.model(8)), last)
  })

  it("fall short of the low forecast one time in ten", () => {
    for (const model of models) {
      const values = series.link(5, 4_000)
      const made = forecasts(values, model, 1)
      let below = 0
      for (let i = 200; i + 1 < values.length; i++) if (values[i + 1]! < made[i]!.p10h1) below++
      assert.closeTo(below / (values.length - 201), 0.1, 0.02)
    }
  })

  it("go on when the model is exchanged or taken away between two values", () => {
    const values = series.link(2, 200)
    const made = Series.make(1)
    for (const value of values.slice(0, 100)) made.push(value)
    assert.strictEqual(made.weights().network, 0)
    made.use(shipped)
    made.push(values[100]!)
    assert.isAbove(made.weights().network, 0.1)
    for (const value of values.slice(101, 150)) made.push(value)
    made.use(undefined)
    const { h1 } = made.push(values[150]!)
    assert.strictEqual(made.weights().network, 0)
    assert.closeTo(h1, values[150]!, 0.6 * values[150]!)
  })
})
