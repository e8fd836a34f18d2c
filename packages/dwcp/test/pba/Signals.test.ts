import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Signals from "../../src/pba/Signals.ts"
import * as series from "./fixtures/series.ts"

const after = (values: ReadonlyArray<number>, seconds: number): Signals.Signals => {
  const signals = Signals.make(seconds)
  for (const value of values) signals.push(value)
  return signals
}

const all = (signals: Signals.Signals): ReadonlyArray<number> => [
  ...signals.inputs,
  ...signals.points.flatMap((anchors) => [...anchors]),
  ...signals.lows.flatMap((anchors) => [...anchors])
]

describe("signals of a series", () => {
  it("are as many as the layout says, and numbers, whatever came", () => {
    const odd = fc.array(fc.constantFrom(0, 1e-300, 1, 3, 1e12), { minLength: 1, maxLength: 400 })
    fc.assert(
      fc.property(odd, fc.constantFrom(1, 300, 900, 3_600, 86_400), (values, seconds) => {
        const signals = after(values, seconds)
        const numbers = all(signals)
        assert.strictEqual(numbers.length, Signals.inputCount + 2 * (Signals.pointAnchors + Signals.lowAnchors))
        assert.isTrue(numbers.every(Number.isFinite))
        assert.isAbove(signals.scale(), 0)
      }),
      { numRuns: 60 }
    )
  })

  it("are the same for a link a thousand times as fast", () => {
    const values = series.link(3, 700)
    const slow = all(after(values, 300))
    const fast = all(
      after(
        values.map((value) => 1_000 * value),
        300
      )
    )
    for (const [i, value] of slow.entries()) assert.closeTo(fast[i]!, value, 1e-6 * (1 + Math.abs(value)))
  })

  it("know the same time yesterday, where values are slow enough for a yesterday", () => {
    const day = 96
    const values = Array.from({ length: 3 * day + 60 }, (_, i) => 10 + (i % day === 44 ? 70 : (i % day) / 10))
    // The next value is the peak.
    const signals = after(values.slice(0, 3 * day + 44), 900)
    const yesterday = signals.points[0]![7]! * signals.scale()
    assert.closeTo(yesterday, 80, 1e-9)
    assert.isBelow(after(values.slice(0, 3 * day + 44), 1).points[0]![7]! * signals.scale(), 40)
  })

  it("judge the regression by what came of it", () => {
    const values = Array.from({ length: 400 }, (_, i) => 10 + (i % 2 === 0 ? 5 : 0))
    const signals = after(values, 1)
    const next = signals.points[0]![Signals.expert.regression]! * signals.scale()
    assert.closeTo(next, 15, 1)
    assert.closeTo(signals.points[0]![Signals.expert.last]! * signals.scale(), 10, 1e-9)
  })
})
