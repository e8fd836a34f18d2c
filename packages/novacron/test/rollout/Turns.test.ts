import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Turns from "../../src/rollout/Turns.ts"

const sharers = fc
  .uniqueArray(
    fc.record({ name: fc.string({ minLength: 1, maxLength: 3 }), weight: fc.integer({ min: 0, max: 100 }) }),
    {
      minLength: 1,
      maxLength: 6,
      selector: ({ name }) => name
    }
  )
  .filter((all) => all.some(({ weight }) => weight > 0))

const take = (all: ReadonlyArray<Turns.Sharer>, turns: number): ReadonlyArray<string | undefined> => {
  let debts = Turns.none
  return Array.from({ length: turns }, () => {
    const turn = Turns.next(all, debts)
    debts = turn.debts
    return turn.name
  })
}

describe("turns", () => {
  it("give each its whole share in every round, and nothing to who has no weight", () => {
    const holds = fc.property(sharers, (all) => {
      const total = all.reduce((sum, { weight }) => sum + weight, 0)
      const taken = take(all, 2 * total)
      for (const { name, weight } of all) {
        assert.strictEqual(taken.filter((one) => one === name).length, 2 * weight)
      }
    })
    fc.assert(holds)
  })

  it("never leave anybody behind or before a share by more than the number of sharers", () => {
    const holds = fc.property(sharers, fc.integer({ min: 1, max: 300 }), (all, turns) => {
      const total = all.reduce((sum, { weight }) => sum + weight, 0)
      const taken = take(all, turns)
      for (const { name, weight } of all) {
        const share = (turns * weight) / total
        assert.isAtMost(Math.abs(taken.filter((one) => one === name).length - share), all.length)
      }
    })
    fc.assert(holds)
  })

  it("are nobody's when nobody has a weight", () => {
    assert.isUndefined(Turns.next([{ name: "a", weight: 0 }], Turns.none).name)
    assert.isUndefined(Turns.next([], Turns.none).name)
  })

  it("are spread: ten of a hundred never come one after the other", () => {
    const taken = take(
      [
        { name: "blue", weight: 90 },
        { name: "green", weight: 10 }
      ],
      100
    )
    assert.notMatch(taken.join(), /green,green/)
    assert.strictEqual(taken.filter((name) => name === "green").length, 10)
  })
})
