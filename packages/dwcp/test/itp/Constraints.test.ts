import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Constraints from "../../src/itp/Constraints.ts"
import type { Node, Task } from "../../src/itp/Inventory.ts"

const task: Task = { id: "t", cpu: 1, memory: 1 }
const bare: Node = { id: "n", cpu: 8, memory: 32 }

const failing = (request: Partial<Task>, node: Partial<Node>): ReadonlyArray<string> =>
  Constraints.listed(Constraints.unfit({ ...task, ...request }, { ...bare, ...node }))

describe("Constraints", () => {
  it("means cloud when it says cloud, and anything when it says nothing", () => {
    assert.deepStrictEqual(failing({ kinds: ["cloud"] }, { kind: "edge" }), ["kind"])
    assert.deepStrictEqual(failing({ kinds: ["cloud"] }, {}), ["kind"])
    assert.deepStrictEqual(failing({ kinds: ["cloud"] }, { kind: "cloud" }), [])
    assert.deepStrictEqual(failing({}, { kind: "volunteer" }), [])
  })

  it("names each constraint that fails, and no other", () => {
    assert.deepStrictEqual(failing({ regions: { required: ["eu"] } }, { region: "us" }), ["region required"])
    assert.deepStrictEqual(failing({ regions: { excluded: ["us"] } }, { region: "us" }), ["region excluded"])
    assert.deepStrictEqual(failing({ labels: { disk: "ssd" } }, { labels: { disk: "hdd" } }), ["labels"])
    assert.deepStrictEqual(failing({ labels: { disk: "ssd" } }, { labels: { disk: "ssd", rack: "4" } }), [])
    assert.deepStrictEqual(failing({ maxCost: 2 }, { cost: 3 }), ["cost"])
    const month = { upSeconds: 2_590_000, knownSeconds: 2_592_000 }
    assert.deepStrictEqual(failing({ uptime: 0.99 }, { uptime: month }), [])
    assert.deepStrictEqual(failing({ uptime: 0.9999 }, { uptime: month }), ["uptime"])
    assert.deepStrictEqual(Constraints.listed(Constraints.short({ ...task, gpus: 2, cpu: 9 }, 8, 32, 1)), [
      "gpu",
      "cpu"
    ])
  })

  it("names in a refusal a constraint that really fails, if there is one the one without which a node would do", () => {
    const masks = fc.array(fc.integer({ min: 1, max: 2 ** Constraints.names.length - 1 }), {
      minLength: 1,
      maxLength: 20
    })
    fc.assert(
      fc.property(masks, (bits) => {
        const nodes = new Map(bits.map((one) => [one, bits.filter((other) => other === one).length]))
        const { constraint, counts } = Constraints.decisive(nodes)
        const named = Constraints.bit(constraint)
        assert.isTrue(bits.some((one) => (one & named) !== 0))
        if (bits.some((one) => (one & (one - 1)) === 0)) assert.include(bits, named)
        for (const count of counts) {
          assert.strictEqual(count.nodes, bits.filter((one) => (one & Constraints.bit(count.constraint)) !== 0).length)
        }
      })
    )
  })
})
