import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Pack from "../../src/itp/Pack.ts"
import type { Instance } from "../../src/itp/Workload.ts"
import * as packings from "./fixtures/packings.ts"
import * as recorded from "./fixtures/recorded.ts"

const packed = (instance: Instance, budgetMs: number, seed = 1) =>
  Result.getOrThrow(Pack.pack(instance, { budgetMs, seed, now: packings.steps() }))

describe("Pack", () => {
  it("places every item and overfills no host", () => {
    fc.assert(
      fc.property(packings.instances(50), fc.constantFrom(0, 5, 200), (instance, budget) => {
        const { hosts, host } = packed(instance, budget)
        assert.deepStrictEqual(packings.faults(instance, hosts, host), [])
      })
    )
  })

  it("finds the fewest hosts there are, for as many items as can be tried out", () => {
    fc.assert(
      fc.property(packings.instances(9), (instance) => {
        assert.strictEqual(packed(instance, 3_000).hosts, packings.exact(instance))
      }),
      { numRuns: 60 }
    )
  })

  it("is never worse with more time", () => {
    fc.assert(
      fc.property(packings.instances(40), (instance) => {
        const hosts = [0, 2, 8, 40, 200, 1_000].map((budget) => packed(instance, budget).hosts)
        assert.deepStrictEqual(
          hosts,
          hosts.toSorted((a, b) => b - a)
        )
      }),
      { numRuns: 50 }
    )
  })

  it("repeats itself for a seed, when the clock does", () => {
    fc.assert(
      fc.property(packings.instances(40), fc.nat(), (instance, seed) => {
        assert.deepStrictEqual(packed(instance, 100, seed), packed(instance, 100, seed))
      })
    )
  })

  it("packs nothing on no hosts, and what takes no room on one", () => {
    assert.strictEqual(packed({ cap: [1], items: [] }, 10).hosts, 0)
    assert.strictEqual(
      packed(
        {
          cap: [1, 0],
          items: [
            [0, 0],
            [0, 0]
          ]
        },
        10
      ).hosts,
      1
    )
  })

  it("answers for twenty thousand items", () => {
    const items = Array.from({ length: 20_000 }, (_, i) => [1 + ((i * 37) % 50), 1 + ((i * 91) % 50)])
    const instance = { cap: [100, 100], items }
    const { hosts, host } = packed(instance, 0)
    assert.deepStrictEqual(packings.faults(instance, hosts, host), [])
    assert.isBelow(hosts, 6_000)
  })

  it.runIf(recorded.present(recorded.packings))(
    `stays within 4.2 % of the proven optimum, and finds every hidden perfect packing of 60 (if not: ${recorded.reason})`,
    () => {
      const instances = recorded.heldOut().filter(({ items }) => items.length <= 61)
      let hosts = 0
      let least = 0
      for (const instance of instances) {
        const found = packed(instance, 300)
        assert.deepStrictEqual(packings.faults(instance, found.hosts, found.host), [])
        assert.isAtLeast(found.hosts, instance.opt)
        if (instance.id.startsWith("Triplet")) assert.strictEqual(found.hosts, instance.opt)
        hosts += found.hosts
        least += instance.opt
      }
      assert.isAbove(instances.length, 50)
      assert.isBelow(hosts / least - 1, 0.042)
    },
    60_000
  )
})
