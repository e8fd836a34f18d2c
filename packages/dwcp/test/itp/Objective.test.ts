import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Node, Task } from "../../src/itp/Inventory.ts"
import * as Objective from "../../src/itp/Objective.ts"

const task: Task = { id: "t", cpu: 1, memory: 1 }
const node: Node = { id: "n", cpu: 8, memory: 32, uptime: { upSeconds: 99, knownSeconds: 100 }, latencyMs: 10, cost: 1 }

const nodes: fc.Arbitrary<Node> = fc.record({
  id: fc.constant("n"),
  cpu: fc.nat(64),
  memory: fc.nat(256),
  gpus: fc.nat(4),
  uptime: fc.constant({ upSeconds: 9, knownSeconds: 10 }),
  latencyMs: fc.nat(500),
  cost: fc.nat(10),
  performance: fc.nat(5)
})

const environments = fc.constantFrom("datacenter" as const, "internet" as const, "hybrid" as const)

describe("Objective", () => {
  it("weighs what SPEC 4.6 weighs", () => {
    assert.deepStrictEqual(Objective.weights.internet, { reliability: 0.4, latency: 0.3, cost: 0.2, sovereignty: 0.1 })
    const worse: ReadonlyArray<Partial<Node>> = [
      { uptime: { upSeconds: 50, knownSeconds: 100 } },
      { latencyMs: 200 },
      { cost: 5 }
    ]
    for (const change of worse) {
      const other = { ...node, ...change }
      assert.isBelow(Objective.quick("internet", task, other, 0), Objective.quick("internet", task, node, 0))
    }
    const home = { ...task, sovereignty: ["eu"] }
    const gain =
      Objective.quick("internet", home, { ...node, region: "eu" }, 0) - Objective.quick("internet", home, node, 0)
    assert.closeTo(gain, 0.1, 1e-12)
  })

  it("scores from 0 to 1, and explains exactly what it scores", () => {
    fc.assert(
      fc.property(environments, nodes, fc.double({ min: 0, max: 1, noNaN: true }), (environment, one, fullness) => {
        const quick = Objective.quick(environment, task, one, fullness)
        assert.closeTo(Objective.score(Objective.terms(environment, task, one, fullness)), quick, 1e-12)
        assert.isAtLeast(quick, 0)
        assert.isAtMost(quick, 1)
      })
    )
  })

  it("lets the task choose in a hybrid environment", () => {
    const terms = (workload?: "internet") =>
      Objective.terms("hybrid", workload === undefined ? task : { ...task, workload }, node, 0.5).map(
        ({ term }) => term
      )
    assert.deepStrictEqual(terms(), ["packing", "performance"])
    assert.deepStrictEqual(terms("internet"), ["reliability", "latency", "cost", "sovereignty"])
  })

  it("keeps GPUs for who needs them", () => {
    const plain = Objective.quick("datacenter", task, node, 0.5)
    assert.isBelow(Objective.quick("datacenter", task, { ...node, gpus: 2 }, 0.5), plain)
    assert.strictEqual(Objective.quick("datacenter", { ...task, gpus: 1 }, { ...node, gpus: 2 }, 0.5), plain)
  })

  it("knows how far Berlin is from Paris, and a pole from the other", () => {
    const berlin = { latitude: 52.52, longitude: 13.405 }
    const paris = { latitude: 48.8566, longitude: 2.3522 }
    assert.closeTo(Objective.distanceKm(berlin, paris), 877.5, 1)
    const poles = Objective.distanceKm({ latitude: 90, longitude: 0 }, { latitude: -90, longitude: 77 })
    assert.closeTo(poles, Math.PI * 6371.0088, 1e-6)
  })
})
