import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Window from "../../src/pba/Window.ts"

describe("a window of values", () => {
  it("has the quantiles of the latest values, as sorting them would give", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.constantFrom(0, 1, 2, 2.5, 7, 1e9), { minLength: 1, maxLength: 80 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (size, values, q) => {
          const window = Window.make(size)
          for (const value of values) window.push(value)
          const sorted = values.slice(-size).toSorted((a, b) => a - b)
          assert.strictEqual(window.count(), sorted.length)
          const at = q * (sorted.length - 1)
          const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
          assert.closeTo(window.quantile(q), low + (at - Math.floor(at)) * (high - low), 1e-6 * (1 + high))
        }
      )
    )
  })

  it("has no quantile while it is empty", () => {
    assert.isNaN(Window.make(4).quantile(0.5))
  })

  it("settles on the nearest of its values if that came more than once, and else leaves what it is given", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 40 }),
        fc.integer({ min: -4, max: 44 }),
        (size, values, quarters) => {
          const window = Window.make(size)
          for (const value of values) window.push(value)
          const kept = values.slice(-size)
          const given = quarters / 4
          const distance = Math.min(...kept.map((value) => Math.abs(value - given)))
          // Of two that are equally near, the lower one.
          const nearest = kept.filter((value) => Math.abs(value - given) === distance).toSorted((a, b) => a - b)[0]
          const twice = kept.filter((value) => value === nearest).length > 1
          assert.strictEqual(window.settled(given), twice ? nearest : given)
        }
      )
    )
  })
})
