import { assert, describe, it } from "@effect/vitest"
import * as Phase from "../src/Phase.ts"

describe("Phase", () => {
  it("ranks phases in their order", () => {
    assert.deepStrictEqual(
      Phase.all.map((phase) => Phase.rank[phase]),
      [0, 1, 2, 3]
    )
  })

  it("has a checkpoint at the begin and at the end of each", () => {
    assert.strictEqual(Phase.checkpoints[0], "init_start")
    for (const phase of ["pre", "core", "service"] as const) {
      assert.strictEqual(Phase.checkpoints[Phase.rank[phase] + 1], `${Phase.title[phase]}_complete`)
    }
    assert.strictEqual(Phase.checkpoints[4], "init_complete")
  })

  it("should take less time than it may", () => {
    for (const phase of Phase.all) assert.isBelow(Phase.budget[phase].targetMs, Phase.budget[phase].maxMs)
    // As the sources have them: seconds that each should take at the most, and may take.
    assert.deepStrictEqual(
      Phase.all.map((phase) => [Phase.budget[phase].targetMs / 1_000, Phase.budget[phase].maxMs / 1_000]),
      [
        [5, 10],
        [10, 20],
        [10, 20],
        [5, 10]
      ]
    )
  })
})
