import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Environment } from "../../src/itp/Objective.ts"
import * as Placement from "../../src/itp/Placement.ts"
import * as Rebalance from "../../src/itp/Rebalance.ts"
import * as clusters from "./fixtures/clusters.ts"

describe("Rebalance", () => {
  it("plans within its budget, changes nothing by planning, and keeps every constraint at every step", () => {
    let moved = 0
    const environments = fc.constantFrom<Array<Environment>>("datacenter", "internet", "hybrid")
    fc.assert(
      fc.property(
        environments,
        clusters.nodes,
        clusters.tasks(20),
        fc.nat(10),
        fc.nat(3),
        (kind, nodes, tasks, budget, gone) => {
          const cluster = Placement.make(kind)
          for (const node of nodes) cluster.join(node)
          for (const task of tasks) cluster.place(task)
          // Departures leave holes. Who others need near stays, or the start would be broken.
          for (const [i, task] of tasks.entries())
            if (i % 4 < gone && task.groups === undefined) cluster.remove(task.id)
          assert.deepStrictEqual(clusters.broken(cluster), [])
          const before = clusters.picture(cluster)
          const plan = Rebalance.plan(cluster, budget)
          assert.deepStrictEqual(clusters.picture(cluster), before)
          assert.isAtMost(plan.moves.length, budget)
          if (kind === "datacenter") assert.isAtMost(plan.nodesAfter, plan.nodesBefore)
          for (const move of plan.moves) {
            assert.strictEqual(cluster.where(move.task), move.from)
            assert.deepStrictEqual(Rebalance.apply(cluster, { ...plan, moves: [move] }), [move])
            assert.deepStrictEqual(clusters.broken(cluster), [])
            moved++
          }
          const inUse = clusters.picture(cluster).filter(([, here]) => here.length > 0).length
          assert.strictEqual(inUse, plan.nodesAfter)
        }
      ),
      { numRuns: 300 }
    )
    assert.isAbove(moved, 50)
  })

  it("empties the node that takes the fewest moves, and none when the budget does not reach", () => {
    const cluster = Placement.make("datacenter")
    for (const id of ["a", "b", "c"]) cluster.join({ id, cpu: 8, memory: 8 })
    const at = (node: string, ...ids: ReadonlyArray<string>) => {
      for (const id of ids) assert.isTrue(cluster.adopt({ id, cpu: 2, memory: 2 }, node))
    }
    at("a", "a1", "a2")
    at("b", "b1", "b2", "b3")
    at("c", "c1")
    assert.deepStrictEqual(Rebalance.plan(cluster, 0).moves, [])
    assert.deepStrictEqual(Rebalance.plan(cluster, 1), {
      moves: [{ task: "c1", from: "c", to: "b" }],
      nodesBefore: 3,
      nodesAfter: 2
    })
    assert.deepStrictEqual(Rebalance.plan(cluster, Number.NaN).moves, [])
  })

  it("moves a task on the internet to where it is clearly better off", () => {
    const cluster = Placement.make("internet")
    cluster.join({ id: "far", cpu: 8, memory: 8, latencyMs: 300 })
    cluster.join({ id: "near", cpu: 8, memory: 8, latencyMs: 5 })
    assert.isTrue(cluster.adopt({ id: "t", cpu: 1, memory: 1 }, "far"))
    assert.deepStrictEqual(Rebalance.plan(cluster, 5).moves, [{ task: "t", from: "far", to: "near" }])
    assert.isTrue(Result.isSuccess(cluster.place({ id: "u", cpu: 1, memory: 1 })))
    assert.strictEqual(cluster.where("u"), "near")
  })
})
