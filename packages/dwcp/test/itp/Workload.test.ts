import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Workload from "../../src/itp/Workload.ts"

const problemOf = (instance: unknown): string => {
  // What comes over a wire can be anything.
  const made = Workload.make(instance as Workload.Instance)
  return Result.isFailure(made) ? made.failure.message : "it was taken"
}

describe("Workload", () => {
  it("takes whole numbers as they are, and bounds the hosts from below", () => {
    const made = Result.getOrThrow(
      Workload.make({
        cap: [10, 10],
        items: [
          [6, 1],
          [6, 1],
          [6, 9],
          [1, 9]
        ]
      })
    )
    assert.deepStrictEqual([...made.size], [6, 1, 6, 1, 6, 9, 1, 9])
    assert.strictEqual(made.bound, 3)
  })

  it("counts tenths exactly: ten of them fill one", () => {
    const made = Result.getOrThrow(Workload.make({ cap: [1], items: Array.from({ length: 10 }, () => [0.1]) }))
    assert.strictEqual(made.bound, 1)
    assert.strictEqual(
      made.size.reduce((sum, size) => sum + size, 0),
      made.cap[0]
    )
  })

  it("counts shares exactly: three thirds fill one, and so do seven sevenths of what has a half more", () => {
    for (const [cap, parts] of [
      [1, 3],
      [1.5, 7],
      [64, 48]
    ] as const) {
      const items = Array.from({ length: 11 * parts }, () => [cap / parts])
      const made = Result.getOrThrow(Workload.make({ cap: [cap], items }))
      assert.strictEqual(made.bound, 11)
      assert.strictEqual((made.size[0] ?? 0) * parts, made.cap[0])
    }
  })

  it("rounds other numbers up, never down", () => {
    const made = Result.getOrThrow(Workload.make({ cap: [1], items: [[1 / 3], [1 / 3], [Math.PI / 10]] }))
    for (const [i, size] of [1 / 3, 1 / 3, Math.PI / 10].entries()) {
      assert.isAtLeast((made.size[i] ?? 0) / (made.cap[0] ?? 1), size)
    }
  })

  it("takes the small negative sizes that published instances have, and no larger ones", () => {
    assert.strictEqual(problemOf({ cap: [100, 100], items: [[48, -2]] }), "it was taken")
    assert.include(problemOf({ cap: [100, 100], items: [[48, -6]] }), "size 1 of item 0 is -6")
  })

  it("says what is wrong, and where", () => {
    assert.include(
      problemOf({ id: "x", cap: [10], items: [[Number.NaN]] }),
      "Instance x cannot be packed: size 0 of item 0 is NaN"
    )
    assert.include(problemOf({ cap: [10], items: [[3], [11]] }), "item 1 needs 11 of resource 0 and a host has 10")
    assert.include(problemOf({ cap: [10, 10], items: [[1]] }), "item 0 does not have 2 sizes")
    assert.include(problemOf({ cap: [], items: [] }), "no capacity")
    assert.include(problemOf({ cap: [Infinity], items: [] }), "not made of amounts")
    assert.include(problemOf({}), "no capacity")
    assert.include(problemOf({ cap: [1] }), "no list of items")
    assert.include(problemOf({ cap: [1], items: ["one"] }), "item 0")
  })

  it("refuses more than it has memory for", () => {
    assert.include(problemOf({ cap: [1], items: new Array(Workload.limits.items + 1).fill([0]) }), "the most is")
    assert.include(problemOf({ cap: new Array(17).fill(1), items: [] }), "the most is 16")
  })
})
