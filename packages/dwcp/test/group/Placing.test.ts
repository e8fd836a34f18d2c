import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Placing from "../../src/group/Placing.ts"

const nodes = ["a", "b", "c"].map((id) => ({ id, cpu: 2, memory: 4 }))
const task = (id: string) => ({ id, cpu: 1, memory: 1 })

describe.each([
  ["by ITP", (known: Placing.Known) => Placing.ofItp("datacenter", known)],
  ["in turn", Placing.inTurn]
] as const)("Placing, %s", (_, make) => {
  it.effect("fills nodes and no further, and takes a task once", () =>
    Effect.gen(function* () {
      const known = Placing.nothing()
      const placing = make(known)
      yield* Effect.forEach(nodes, placing.join)
      for (let k = 0; k < 6; k++) yield* placing.place(task(`t${k}`))
      assert.include((yield* Effect.flip(placing.place(task("t6")))).message, "Nothing was placed")
      assert.include((yield* Effect.flip(placing.place(task("t0")))).message, "placed already")
      for (const { id } of nodes) assert.lengthOf(yield* placing.tasksOn(id), 2)
      assert.isTrue(yield* placing.remove("t0"))
      assert.isFalse(yield* placing.remove("t0"))
      yield* placing.place(task("t6"))
      assert.lengthOf(yield* placing.leave("b"), 2)
      assert.lengthOf(yield* placing.nodes, 2)
    })
  )

  it.effect("knows what another one has placed before it", () =>
    Effect.gen(function* () {
      const known = Placing.nothing()
      const before = Placing.inTurn(known)
      yield* Effect.forEach(nodes, before.join)
      for (let k = 0; k < 5; k++) yield* before.place(task(`t${k}`))
      const after = make(known)
      assert.strictEqual(yield* after.place(task("t5")), "c")
      yield* Effect.flip(after.place(task("t6")))
    })
  )
})

describe("Placing in turn", () => {
  it.effect("goes from node to node", () =>
    Effect.gen(function* () {
      const placing = Placing.inTurn(Placing.nothing())
      yield* Effect.forEach(nodes, placing.join)
      const went = yield* Effect.forEach(["x", "y", "z", "w"], (id) => placing.place(task(id)))
      assert.deepStrictEqual(went, ["a", "b", "c", "a"])
    })
  )
})
