import { assert, describe, it } from "@effect/vitest"
import * as Chance from "../../src/itp/Chance.ts"

const drawn = (seed: number): ReadonlyArray<number> => {
  const chance = Chance.make(seed)
  return Array.from({ length: 6_000 }, () => chance(6))
}

describe("Chance", () => {
  it("repeats itself for a seed, and differs for another", () => {
    assert.deepStrictEqual(drawn(7), drawn(7))
    assert.notDeepEqual(drawn(7), drawn(8))
  })

  it("gives every number below the limit about equally often", () => {
    for (const face of [0, 1, 2, 3, 4, 5]) {
      const times = drawn(1).filter((x) => x === face).length
      assert.isAbove(times, 850)
      assert.isBelow(times, 1_150)
    }
  })
})
