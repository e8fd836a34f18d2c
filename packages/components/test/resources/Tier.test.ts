import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Tier from "../../src/resources/Tier.ts"

const ranks: ReadonlyArray<Tier.Tier> = ["small", "minimum", "recommended", "enterprise"]
const machine = fc.record({
  cores: fc.double({ min: 0.1, max: 64, noNaN: true }),
  memoryBytes: fc.double({ min: 1e8, max: 1e11, noNaN: true }),
  diskBytes: fc.double({ min: 1e9, max: 4e12, noNaN: true }),
  linkMbps: fc.constantFrom(10, 1_000, 10_000, 100_000)
})
type Part = keyof Tier.Machine

describe("the tier of a machine", () => {
  it("is the one whose every demand it meets", () => {
    assert.strictEqual(Tier.of({ cores: 4, memoryBytes: 8e9, diskBytes: 100e9, linkMbps: 1_000 }), "minimum")
    assert.strictEqual(Tier.of({ cores: 8, memoryBytes: 16e9, diskBytes: 500e9, linkMbps: 10_000 }), "recommended")
    assert.strictEqual(Tier.of({ cores: 32, memoryBytes: 64e9, diskBytes: 2e12, linkMbps: 100_000 }), "enterprise")
    assert.strictEqual(Tier.of({ cores: 3.9, memoryBytes: 64e9, diskBytes: 2e12, linkMbps: 100_000 }), "small")
  })

  it("does not hold against it what is unknown, unless everything is", () => {
    assert.strictEqual(Tier.of({ cores: 8, memoryBytes: 16e9, diskBytes: 500e9 }), "recommended")
    assert.strictEqual(Tier.of({}), "small")
  })

  it("never falls when a machine gets more of anything", () => {
    fc.assert(
      fc.property(machine, fc.constantFrom<Part>("cores", "memoryBytes", "diskBytes", "linkMbps"), (one, part) => {
        const more = { ...one, [part]: one[part] * 2 }
        assert.isAtLeast(ranks.indexOf(Tier.of(more)), ranks.indexOf(Tier.of(one)))
      })
    )
  })
})

describe("the strategy of a boot", () => {
  it("is aggressive on a large machine in a data centre, conservative on the internet, balanced otherwise", () => {
    const table = ["datacenter", "internet", "hybrid", "development"].map((environment) =>
      ranks.map((tier) => Tier.slots[Tier.strategy(environment, tier)])
    )
    assert.deepStrictEqual(table, [
      [8, 8, 16, 16],
      [4, 4, 4, 4],
      [8, 8, 8, 8],
      [8, 8, 8, 8]
    ])
  })
})
