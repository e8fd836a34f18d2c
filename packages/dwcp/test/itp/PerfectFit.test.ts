import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Chance from "../../src/itp/Chance.ts"
import * as PerfectFit from "../../src/itp/PerfectFit.ts"
import * as Workload from "../../src/itp/Workload.ts"

/** Triples that fill a host of 100 × 3 exactly, in some order. */
const triplets = fc
  .array(fc.tuple(...[0, 1, 2].map(() => fc.tuple(fc.integer({ min: 5, max: 45 }), fc.integer({ min: 5, max: 45 })))), {
    minLength: 1,
    maxLength: 25
  })
  .chain((triples) =>
    fc.shuffledSubarray(
      triples.flatMap((columns) => [
        columns.map(([a]) => a),
        columns.map(([, b]) => b),
        columns.map(([a, b]) => 100 - a - b)
      ]),
      { minLength: triples.length * 3 }
    )
  )

const workloadOf = (items: ReadonlyArray<ReadonlyArray<number>>): Workload.Workload =>
  Result.getOrThrow(Workload.make({ cap: [100, 100, 100], items }))

describe("PerfectFit", () => {
  it("finds the packing without any waste, where one was hidden", () => {
    fc.assert(
      fc.property(triplets, (items) => {
        const groups = PerfectFit.groups(workloadOf(items), () => false)
        assert(groups !== undefined)
        const chosen = PerfectFit.cover(items.length, groups, Chance.make(1), () => false)
        const covered = chosen.flatMap((g) => [...groups.subarray(g * 3, g * 3 + 3)])
        assert.deepStrictEqual(
          covered.toSorted((a, b) => a - b),
          items.map((_, i) => i)
        )
        for (const g of chosen) {
          const sums = [0, 1, 2].map((k) =>
            [...groups.subarray(g * 3, g * 3 + 3)].reduce((sum, i) => sum + (items[i]?.[k] ?? 0), 0)
          )
          assert.deepStrictEqual(sums, [100, 100, 100])
        }
      }),
      { numRuns: 60 }
    )
  })

  it("has nothing to say where hosts need not be full", () => {
    assert.isUndefined(
      PerfectFit.groups(
        workloadOf([
          [50, 50, 50],
          [50, 50, 49],
          [20, 20, 20]
        ]),
        () => false
      )
    )
  })

  it("stops when the time is over", () => {
    const items = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? [40, 40, 40] : [30, 30, 30]))
    assert.isUndefined(PerfectFit.groups(workloadOf(items), () => true))
  })
})
