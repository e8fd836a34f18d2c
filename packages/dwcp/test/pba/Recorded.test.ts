import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Model from "../../src/pba/Model.ts"
import * as Series from "../../src/pba/Series.ts"
import * as recorded from "./fixtures/recorded.ts"

/** Mean over the lines of the mean absolute error of h1 over the mean, from the 33rd value on. */
const errorOf = (lines: ReadonlyArray<recorded.Line>, make: (dt: number) => (value: number) => number): number => {
  const errors = lines.map(({ dt, v }) => {
    const forecast = make(dt)
    let [error, total] = [0, 0]
    for (const [i, value] of v.entries()) {
      const next = forecast(value)
      const truth = v[i + 1]
      if (i < 32 || truth === undefined) continue
      error += Math.abs(truth - next)
      total += truth
    }
    return error / total
  })
  return errors.reduce((sum, error) => sum + error, 0) / errors.length
}

const gate = (model: Model.Model | undefined) => (dt: number) => {
  const series = Series.make(dt, model)
  return (value: number) => series.push(value).h1
}

/** With a rate of one it is the last value. */
const ewma = (rate: number) => () => {
  let level: number | undefined
  return (value: number) => (level = (level ?? value) + rate * (value - (level ?? value)))
}

const rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]

describe("on recorded lines that nothing was learned from", () => {
  for (const name of ["hsdpa", "fcc"] as const) {
    it.runIf(recorded.present)(
      `of ${name} errors, walking forward, are below those of the best EWMA (if not: ${recorded.reason})`,
      { timeout: 60_000 },
      () => {
        const lines = recorded.heldOut(name)
        assert.isAtLeast(lines.length, 10)
        const ours = errorOf(lines, gate(Result.getOrThrow(Model.read(recorded.model))))
        const best = Math.min(...rates.map((rate) => errorOf(lines, ewma(rate))))
        assert.isBelow(ours, best)
        // What DWCP asks of the internet: seven tenths of the truth.
        assert.isAbove(1 - ours, 0.7)
      }
    )
  }

  it.runIf(recorded.present)(
    `of hsdpa in whole units are hardly worse than the last value (if not: ${recorded.reason})`,
    () => {
      const lines = recorded.heldOut("hsdpa").map(({ dt, v }) => ({ dt, v: v.map(Math.round) }))
      const ours = errorOf(lines, gate(Result.getOrThrow(Model.read(recorded.model))))
      assert.isBelow(ours, 1.02 * errorOf(lines, ewma(1)))
    }
  )

  it.runIf(recorded.present)(`the classical experts alone are near the best EWMA (if not: ${recorded.reason})`, () => {
    const lines = recorded.heldOut("fcc")
    const best = Math.min(...rates.map((rate) => errorOf(lines, ewma(rate))))
    assert.isBelow(errorOf(lines, gate(undefined)), 1.02 * best)
  })
})
