import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Shares from "../../src/pba/Shares.ts"

const rate = fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 1e9, noNaN: true }))
const demands = fc.record({ critical: rate, normal: rate, background: rate })
const sum = (of: Shares.PerClass): number => of.critical + of.normal + of.background

describe("shares of a link", () => {
  it("are 50, 30 and 20 of 100 when all want more", () => {
    const all = { critical: Infinity, normal: Infinity, background: Infinity }
    assert.deepStrictEqual(Shares.divide(100, all), { critical: 50, normal: 30, background: 20 })
  })

  it("leave nothing over while any class wants more, and give none more than it wants", () => {
    fc.assert(
      fc.property(rate, demands, (capacity, wanted) => {
        const shares = Shares.divide(capacity, wanted)
        assert.closeTo(sum(shares), Math.min(capacity, sum(wanted)), 1e-6 * (1 + capacity))
        for (const name of Shares.classes) assert.isAtMost(shares[name], wanted[name])
      })
    )
  })

  it("give each class its part of the whole, or all that it wants", () => {
    fc.assert(
      fc.property(rate, demands, (capacity, wanted) => {
        const shares = Shares.divide(capacity, wanted)
        for (const name of Shares.classes) {
          const part = (capacity * Shares.weights[name]) / 100
          assert.isAtLeast(shares[name], Math.min(wanted[name], part) * (1 - 1e-9))
        }
      })
    )
  })

  it("are none of nothing, and none for what is no demand", () => {
    const none = { critical: 0, normal: 0, background: 0 }
    assert.deepStrictEqual(Shares.divide(0, { critical: 5 }), none)
    assert.deepStrictEqual(Shares.divide(Number.NaN, { critical: 5 }), none)
    assert.deepStrictEqual(Shares.divide(10, {}), none)
    assert.deepStrictEqual(Shares.divide(10, { critical: Number.NaN, normal: -3 }), none)
    assert.deepStrictEqual(Shares.divide(10, { background: Infinity, critical: -1 }), { ...none, background: 10 })
  })
})
