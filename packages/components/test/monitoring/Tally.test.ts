import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Tally from "../../src/monitoring/Tally.ts"

describe("Tally", () => {
  it("keeps sums true when there are too many series: the rest goes on as `other`", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { minLength: 1 }), fc.integer({ min: 2, max: 20 }), (whos, most) => {
        const tally = Tally.make(most)
        for (const who of whos) {
          tally.count("novacron_component_errors_total", { component: `${who}`, error_type: "x" }, 0)
          tally.observe("novacron_component_health_check_duration_seconds", { component: `${who}` }, who / 100, 0)
        }
        const [errors, probes] = tally.families()
        assert.strictEqual(
          errors?.points.reduce((sum, { value }) => sum + value, 0),
          whos.length
        )
        assert.strictEqual(
          probes?.distributions.reduce((sum, { count }) => sum + count, 0),
          whos.length
        )
        assert.isAtMost(errors?.points.length ?? 0, most)
        assert.isAtMost(probes?.distributions.length ?? 0, most)
      })
    )
  })

  it("counts each value once in every bucket that it fits into", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1 }), (values) => {
        const tally = Tally.make(2)
        for (const value of values) tally.observe("novacron_dependency_resolution_duration_seconds", {}, value, 0)
        const [one] = tally.families()[0]?.distributions ?? []
        assert.isDefined(one)
        one?.bounds.forEach((bound, i) => {
          assert.strictEqual(one.counts[i], values.filter((value) => value <= bound).length)
        })
        assert.strictEqual(one?.count, values.length)
      })
    )
  })

  it("tells repairs of minutes and of hours apart: few are over within seconds", () => {
    const tally = Tally.make(9)
    const seconds = [45, 250, 7_200]
    for (const one of seconds) tally.observe("novacron_component_repair_duration_seconds", { component: "c" }, one, 0)
    const [repairs] = tally.families()[0]?.distributions ?? []
    const buckets = seconds.map((one) => repairs?.bounds.findIndex((bound) => one <= bound) ?? -1)
    assert.isTrue(buckets.every((bucket) => bucket >= 0))
    assert.strictEqual(new Set(buckets).size, seconds.length)
    assert.deepStrictEqual(repairs?.counts.at(-1), seconds.length)
  })
})
