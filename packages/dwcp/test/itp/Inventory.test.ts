import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Inventory from "../../src/itp/Inventory.ts"

const node: Inventory.Node = { id: "n", cpu: 8, memory: 32 }
const task: Inventory.Task = { id: "t", cpu: 1, memory: 1 }

const wrong = (given: Partial<Inventory.Task>): string => {
  const checked = Inventory.checkTask({ ...task, ...given })
  return Result.isFailure(checked) ? checked.failure.message : "it was taken"
}

describe("Inventory", () => {
  it("measures uptime by what was seen: a node known for a month can have been up for 99.9 % of it", () => {
    const month = 30 * 86_400
    const seen = { ...node, uptime: { upSeconds: month - 600, knownSeconds: month } }
    assert.isAbove(Inventory.uptimeOf(seen), 0.999)
    assert.strictEqual(Inventory.uptimeOf(node), 0)
    assert.strictEqual(Inventory.uptimeOf({ ...node, uptime: { upSeconds: 0, knownSeconds: 0 } }), 0)
  })

  it("refuses a request that contradicts itself, and says in what", () => {
    assert.include(
      wrong({ affinity: ["db"], antiAffinity: ["web", "db"] }),
      '(affinity): it wants to be both near to and away from group "db"'
    )
    assert.include(
      wrong({ regions: { required: ["eu"], excluded: ["eu", "us"] } }),
      "(region): every region it requires"
    )
    assert.include(wrong({ regions: { required: [] } }), "(region)")
    assert.include(wrong({ kinds: [] }), "(kind)")
    assert.include(wrong({ uptime: 1.5 }), "(uptime)")
    assert.strictEqual(wrong({ regions: { required: ["eu", "us"], excluded: ["us"] } }), "it was taken")
  })

  it("refuses amounts that are none", () => {
    assert.include(wrong({ cpu: Number.NaN }), "(cpu): it asks for NaN")
    assert.include(wrong({ memory: -1 }), "(memory): it asks for -1")
    assert.include(wrong({ gpus: Infinity }), "(gpu")
    assert.include(wrong({ position: { latitude: 91, longitude: 0 } }), "not on Earth")
    for (const bad of [
      { cpu: Number.NaN },
      { memory: -1 },
      { cost: Infinity },
      { position: { latitude: Number.NaN, longitude: 0 } }
    ]) {
      const checked = Inventory.checkNode({ ...node, ...bad })
      assert.isTrue(Result.isFailure(checked))
    }
    assert.isTrue(Result.isSuccess(Inventory.checkNode(node)))
  })
})
