import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Trend from "../src/Trend.ts"

const every = 5_000
const readings = (values: ReadonlyArray<number>): ReadonlyArray<Trend.Reading> =>
  values.map((value, i) => ({ atMs: i * every, value }))
const series = fc.array(fc.double({ min: 0, max: 1_000, noNaN: true }), { maxLength: Trend.window })

describe("Trend", () => {
  it("tells of a straight rise when it will have reached the limit", () => {
    const rises = fc.record({
      n: fc.integer({ min: 6, max: Trend.window }),
      from: fc.integer({ min: 0, max: 500 }),
      step: fc.integer({ min: 1, max: 100 }),
      ahead: fc.integer({ min: 0, max: 100 })
    })
    fc.assert(
      fc.property(rises, ({ ahead, from, n, step }) => {
        const values = Array.from({ length: n }, (_, i) => from + step * i)
        const found = Trend.outlook(readings(values), from + step * (n - 1 + ahead))
        assert.closeTo(found?.inMs ?? NaN, ahead * every, 1e-3)
        assert.closeTo(found?.perSecond ?? NaN, step / 5, 1e-6)
        assert.closeTo(found?.value ?? NaN, values.at(-1)!, 1e-6)
      })
    )
  })

  it("tells of a rise that scatters as well, and is not far off", () => {
    const rising = [100, 180, 160, 310, 290, 400, 380, 520, 500, 620, 590, 700]
    const found = Trend.outlook(readings(rising), 2_000)
    assert.closeTo(found?.inMs ?? NaN, 115_000, 20_000)
  })

  it("says nothing of what stays or falls", () => {
    fc.assert(
      fc.property(series, (values) => {
        assert.isUndefined(Trend.outlook(readings(values.toSorted((a, b) => b - a)), 0))
      })
    )
  })

  it("says nothing because of one reading, whatever it is and wherever", () => {
    fc.assert(
      fc.property(fc.nat({ max: 11 }), fc.double({ min: 0, max: 1e9, noNaN: true }), (at, outlier) => {
        const values = Array.from({ length: 12 }, (_, i) => (i === at ? outlier : 100))
        assert.isUndefined(Trend.outlook(readings(values), 200))
      })
    )
  })

  it("says nothing of fewer than six", () => {
    assert.isUndefined(Trend.outlook(readings([1, 2, 3, 4, 5]), 6))
    assert.isDefined(Trend.outlook(readings([1, 2, 3, 4, 5, 6]), 7))
    assert.isUndefined(Trend.outlook([], 1))
  })

  it("takes chance for a trend in less than one of a hundred series", () => {
    let found = 0
    let all = 0
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 }),
        fc.nat(),
        (set, seed) => {
          // In an order that nobody has chosen: generators prefer some to others.
          const shuffled = set.map((value, i) => ({
            value,
            key: Math.imul(seed + 1, 0x9e3779b1 + i * 0x85ebca6b) >>> 0
          }))
          const values = shuffled.toSorted((a, b) => a.key - b.key).map(({ value }) => value)
          all++
          if (Trend.outlook(readings(values), 2) !== undefined) found++
        }
      ),
      { numRuns: 3_000 }
    )
    assert.isBelow(found / all, 0.01)
  })

  it("does not depend on when the clock began, nor on the unit", () => {
    fc.assert(
      fc.property(
        series,
        fc.integer({ min: 0, max: 1e9 }),
        fc.constantFrom(0.25, 2, 1_024),
        (values, shiftMs, unit) => {
          const found = Trend.outlook(readings(values), 2_000)
          const other = Trend.outlook(
            values.map((value, i) => ({ atMs: shiftMs + i * every, value: value * unit })),
            2_000 * unit
          )
          assert.strictEqual(other === undefined, found === undefined)
          if (found !== undefined && other !== undefined) assert.closeTo(other.inMs / found.inMs, 1, 1e-6)
        }
      )
    )
  })

  it("forgets all but the last twelve", () => {
    let kept: ReadonlyArray<Trend.Reading> = []
    for (let i = 0; i < 30; i++) {
      kept = Trend.add(kept, { atMs: i, value: i })
      assert.strictEqual(kept.length, Math.min(i + 1, Trend.window))
    }
    assert.deepStrictEqual([kept[0]?.value, kept.at(-1)?.value], [18, 29])
  })
})
