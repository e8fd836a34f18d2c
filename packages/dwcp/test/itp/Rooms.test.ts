import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Constraints from "../../src/itp/Constraints.ts"
import type { Node, Task } from "../../src/itp/Inventory.ts"
import * as Objective from "../../src/itp/Objective.ts"
import * as Placement from "../../src/itp/Placement.ts"
import * as Rooms from "../../src/itp/Rooms.ts"
import * as clusters from "./fixtures/clusters.ts"

interface Expected {
  readonly best: string | undefined
  readonly feasible: number
  readonly impossible: boolean
  readonly counts: ReadonlyArray<string>
}

/** What a decision must be, by asking the cluster about every node of it. Sizes are whole numbers: sums are exact. */
const byEvery = (cluster: Placement.Cluster, task: Task): Expected => {
  let best: string | undefined
  let most = -1
  let feasible = 0
  let impossible = true
  const failing = new Map<string, number>()
  for (const node of cluster.nodes()) {
    const empty = Constraints.unfit(task, node) | Constraints.short(task, node.cpu, node.memory, node.gpus ?? 0)
    if (empty === 0) impossible = false
    const broken = cluster.broken(task, node.id)
    for (const name of broken) failing.set(name, (failing.get(name) ?? 0) + 1)
    if (broken.length > 0) continue
    feasible++
    const free = { cpu: node.cpu, memory: node.memory }
    for (const { cpu, memory } of cluster.tasksOn(node.id)) {
      free.cpu -= cpu
      free.memory -= memory
    }
    const left = Rooms.share(free.cpu - task.cpu, node.cpu) + Rooms.share(free.memory - task.memory, node.memory)
    const score = Objective.quick(cluster.environment, task, node, 1 - left / 2)
    if (score > most) [best, most] = [node.id, score]
  }
  const counts = Constraints.names.filter((name) => failing.has(name)).map((name) => `${name} ${failing.get(name)}`)
  return { best, feasible, impossible, counts }
}

const decided = (cluster: Placement.Cluster, task: Task): Expected | undefined => {
  const outcome = cluster.place(task)
  if (Result.isSuccess(outcome)) {
    return { best: outcome.success.node, feasible: outcome.success.feasible, impossible: false, counts: [] }
  }
  if (outcome.failure._tag === "BadTask") return undefined
  const { counts, impossible } = outcome.failure
  return { best: undefined, feasible: 0, impossible, counts: counts.map((it) => `${it.constraint} ${it.nodes}`) }
}

/** Places, removes, moves and lets nodes go, and holds every decision against what looking at every node says. */
const sameAsByEvery = (cluster: Placement.Cluster, tasks: ReadonlyArray<Task>, gone: ReadonlyArray<number>): number => {
  let placed = 0
  for (const [i, task] of tasks.entries()) {
    const expected = byEvery(cluster, task)
    const outcome = decided(cluster, task)
    if (outcome === undefined) continue
    if (outcome.best !== undefined) placed++
    assert.deepStrictEqual(
      outcome,
      outcome.best === undefined ? expected : { ...expected, impossible: false, counts: [] }
    )
    const other = gone[i]
    if (other === undefined) continue
    if (other % 3 === 0) cluster.remove(`t${other % (i + 1)}`)
    if (other % 3 === 1) cluster.move(`t${other % (i + 1)}`, `n${other % 7}`)
    if (other % 31 === 2) cluster.leave(`n${other % 11}`)
  }
  return placed
}

const environments = fc.constantFrom<Array<Objective.Environment>>("datacenter", "internet", "hybrid")
const workloads = fc.constantFrom("datacenter" as const, "internet" as const, undefined)

const joined = (environment: Objective.Environment, nodes: ReadonlyArray<Node>): Placement.Cluster => {
  const cluster = Placement.make(environment)
  for (const node of nodes) Result.getOrThrow(cluster.join(node))
  return cluster
}

/** Nodes of a few kinds, as clusters are. */
const alike = fc
  .tuple(clusters.nodes, fc.array(fc.nat(7), { minLength: 1, maxLength: 60, size: "max" }))
  .filter(([kinds]) => kinds.length > 0)
  .map(([kinds, list]) => list.map((k, i) => ({ ...kinds[k % kinds.length]!, id: `n${i}` })))

describe("Rooms", () => {
  it("leads to the node that looking at each of them would, counts the same and refuses for the same reasons", () => {
    let placed = 0
    fc.assert(
      fc.property(
        environments,
        alike,
        clusters.tasks(60),
        fc.array(workloads, { minLength: 60, maxLength: 60 }),
        fc.array(fc.nat(), { maxLength: 60, size: "max" }),
        (environment, nodes, tasks, kinds, gone) => {
          const wishes = tasks.map((task, i) => (kinds[i] === undefined ? task : { ...task, workload: kinds[i] }))
          placed += sameAsByEvery(joined(environment, nodes), wishes, gone)
        }
      ),
      { numRuns: 150 }
    )
    assert.isAbove(placed, 1_000)
  })

  it("does so where rooms are many and all different", () => {
    const size = fc.record({ cpu: fc.nat(400), memory: fc.nat(4_000) })
    fc.assert(
      fc.property(
        fc.constantFrom<Array<Objective.Environment>>("datacenter", "internet"),
        fc.array(size, { minLength: 300, maxLength: 600, size: "max" }),
        fc.array(fc.nat(), { maxLength: 400, size: "max" }),
        (environment, sizes, gone) => {
          const nodes = Array.from({ length: 200 }, (_, i) => ({ id: `n${i}`, cpu: 1_000, memory: 10_000 }))
          const tasks = sizes.map((room, i) => ({ id: `t${i}`, ...room }))
          assert.isAbove(sameAsByEvery(joined(environment, nodes), tasks, gone), 200)
        }
      ),
      { numRuns: 4 }
    )
  })

  it("gives itself up where nodes are of more kinds than it gathers, and nothing changes", () => {
    const nodes = Array.from({ length: Rooms.mostShapes + 9 }, (_, i) => ({
      id: `n${i}`,
      cpu: 8 + i / 1_024,
      memory: 9
    }))
    const cluster = joined("datacenter", nodes.slice(0, Rooms.mostShapes))
    const place = (i: number, task: Partial<Task> = {}) =>
      assert.deepStrictEqual(
        decided(cluster, { id: `t${i}`, cpu: 8, memory: 2, ...task })?.best,
        // The fullest afterwards: the smallest node that has the room.
        `n${i}`
      )
    for (let i = 0; i < 9; i++) place(i)
    for (const node of nodes.slice(Rooms.mostShapes)) Result.getOrThrow(cluster.join(node))
    for (let i = 9; i < 20; i++) place(i)
    cluster.leave("n20")
    place(21)
    const rooms = Rooms.make(({ id }) => id)
    for (const [i, node] of nodes.entries()) {
      assert.strictEqual(rooms.shapes()?.length, i <= Rooms.mostShapes ? i : undefined)
      rooms.add(Rooms.hostOf(node, i))
    }
  })

  it("holds a hundred thousand hosts in as many cells as there are different rooms", () => {
    const rooms = Rooms.make(() => "alike")
    const hosts = Array.from({ length: 100_000 }, (_, i) => Rooms.hostOf({ id: `n${i}`, cpu: 64, memory: 256 }, i))
    for (const host of hosts) rooms.add(host)
    for (const [i, host] of hosts.entries()) {
      host.cpu -= i % 10
      rooms.refile(host)
    }
    const cells: Array<readonly [cpu: number, hosts: number, first: number | undefined]> = []
    for (const shape of rooms.shapes() ?? []) {
      Rooms.each(shape, ({ cpu, hosts: here }) => cells.push([cpu, here.length, here[0]?.rank]))
    }
    assert.deepStrictEqual(
      cells,
      Array.from({ length: 10 }, (_, i) => [55 + i, 10_000, 9 - i])
    )
    for (const host of hosts) rooms.remove(host)
    assert.deepStrictEqual(rooms.shapes(), [])
  })
})
