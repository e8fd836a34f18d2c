import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as NodeMode from "../../src/group/NodeMode.ts"

const links = (datacenter: number, internet: number, hybrid = 0): ReadonlyArray<NodeMode.Weighed> => [
  { mode: "datacenter", weight: datacenter },
  { mode: "internet", weight: internet },
  { mode: "hybrid", weight: hybrid }
]

describe("NodeMode", () => {
  it("is that of most of the traffic, and hybrid without one", () => {
    const from = NodeMode.initial("hybrid")
    assert.strictEqual(NodeMode.step(from, links(70, 30), 0).mode, "datacenter")
    assert.strictEqual(NodeMode.step(from, links(10, 90), 0).mode, "internet")
    assert.strictEqual(NodeMode.step(from, links(60, 40), 0).mode, "hybrid")
    assert.strictEqual(NodeMode.step(NodeMode.initial("internet"), links(50, 50), 0).mode, "hybrid")
  })

  it("stays where it is without traffic, and while a little less of it is of its mode", () => {
    const on = NodeMode.initial("datacenter")
    assert.strictEqual(NodeMode.step(on, [], 0), on)
    assert.strictEqual(NodeMode.step(on, links(0, 0), 0), on)
    assert.strictEqual(NodeMode.step(on, links(65, 35), 0).mode, "datacenter")
    assert.strictEqual(NodeMode.step(on, links(55, 45), 0).mode, "hybrid")
  })

  it("changes at most once within the cooldown, however the traffic swings", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(100), fc.nat(100)), { maxLength: 200 }), (rounds) => {
        let state = NodeMode.initial("hybrid")
        const changes: Array<number> = []
        rounds.forEach(([a, b], second) => {
          const next = NodeMode.step(state, links(a, b), second * 1_000)
          if (next.mode !== state.mode) changes.push(second)
          state = next
        })
        for (let k = 1; k < changes.length; k++) assert.isAtLeast(changes[k]! - changes[k - 1]!, 30)
      })
    )
  })
})
