import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Node, Task } from "../../src/itp/Inventory.ts"
import type { Environment } from "../../src/itp/Objective.ts"
import * as Placement from "../../src/itp/Placement.ts"
import * as clusters from "./fixtures/clusters.ts"

const clusterOf = (nodes: ReadonlyArray<Node>, environment: Environment = "datacenter"): Placement.Cluster => {
  const cluster = Placement.make(environment)
  for (const node of nodes) Result.getOrThrow(cluster.join(node))
  return cluster
}

const environments = fc.constantFrom<Array<Environment>>("datacenter", "internet", "hybrid")

const refusal = (result: Result.Result<unknown, { readonly message: string }>): string =>
  Result.isFailure(result) ? result.failure.message : "it was placed"

const small = { cpu: 1, memory: 1 }

/** Whether there is a node for every task, by trying everything; `undefined` is not asked of groups. */
const packable = (nodes: ReadonlyArray<Node>, tasks: ReadonlyArray<Task>): boolean => {
  const free = nodes.map(({ cpu, memory }) => ({ cpu, memory }))
  const go = (i: number): boolean => {
    const task = tasks[i]
    if (task === undefined) return true
    return free.some((room) => {
      if (room.cpu < task.cpu || room.memory < task.memory) return false
      room.cpu -= task.cpu
      room.memory -= task.memory
      const fits = go(i + 1)
      room.cpu += task.cpu
      room.memory += task.memory
      return fits
    })
  }
  return go(0)
}

/** When the last job ends, if each is placed as soon as a worker is free, in the order given. */
const makespan = (speeds: ReadonlyArray<number>, jobs: ReadonlyArray<number>): number => {
  const cluster = clusterOf(speeds.map((performance, w) => ({ id: `w${w}`, cpu: 1, memory: 1, performance })))
  const ends = new Map<string, number>()
  let now = 0
  let last = 0
  for (const [i, work] of jobs.entries()) {
    const id = `job${i}`
    for (;;) {
      const outcome = cluster.place({ id, cpu: 1, memory: 0 })
      if (Result.isSuccess(outcome)) {
        const end = now + work / (speeds[Number(outcome.success.node.slice(1))] ?? 1)
        ends.set(id, end)
        last = Math.max(last, end)
        break
      }
      const [next, end] = [...ends].toSorted(([, a], [, b]) => a - b)[0] ?? ["", now]
      now = end
      ends.delete(next)
      cluster.remove(next)
    }
  }
  return last
}

describe("Placement", () => {
  it("keeps every constraint of every task, through placements, removals and moves", () => {
    let placed = 0
    fc.assert(
      fc.property(
        environments,
        clusters.nodes,
        clusters.tasks(25),
        fc.array(fc.tuple(fc.nat(), fc.nat())),
        (kind, nodes, tasks, moves) => {
          const cluster = clusterOf(nodes, kind)
          for (const task of tasks) if (Result.isSuccess(cluster.place(task))) placed++
          assert.deepStrictEqual(clusters.broken(cluster), [])
          for (const [who, to] of moves) cluster.move(`t${who % 25}`, `n${to % 8}`)
          assert.deepStrictEqual(clusters.broken(cluster), [])
          for (const task of tasks) cluster.remove(task.id)
          assert.isTrue(clusters.picture(cluster).every(([, here]) => here.length === 0))
          for (const task of tasks) if (task.affinity === undefined) cluster.place(task)
          assert.deepStrictEqual(clusters.broken(cluster), [])
        }
      )
    )
    assert.isAbove(placed, 300)
  })

  it("refuses only what no node can take, and names a constraint that really fails", () => {
    let refused = 0
    fc.assert(
      fc.property(clusters.nodes, clusters.tasks(25), (nodes, tasks) => {
        const cluster = clusterOf(nodes)
        for (const task of tasks) {
          const outcome = cluster.place(task)
          if (Result.isSuccess(outcome)) continue
          if (outcome.failure._tag === "BadTask") {
            assert.include(["affinity", "region"], outcome.failure.constraint)
            continue
          }
          refused++
          const failing = nodes.map(({ id }) => cluster.broken(task, id))
          assert.isTrue(failing.every((names) => names.length > 0))
          const { constraint, impossible } = outcome.failure
          if (nodes.length > 0) assert.isTrue(failing.some((names) => names.includes(constraint)))
          // If one alone stands in the way somewhere, the one that is named does.
          if (failing.some((names) => names.length === 1)) {
            assert.isTrue(failing.some((names) => names.length === 1 && names[0] === constraint))
          }
          if (impossible) assert.isTrue(Result.isFailure(clusterOf(nodes).place(task)))
          assert.include(outcome.failure.message, `Task ${task.id} is not placed because of ${constraint}`)
        }
      })
    )
    assert.isAbove(refused, 300)
  })

  it("explains a placement by the very terms that decided it", () => {
    fc.assert(
      fc.property(environments, clusters.nodes, clusters.tasks(10), (kind, nodes, tasks) => {
        const cluster = clusterOf(nodes, kind)
        for (const task of tasks) {
          const feasible = nodes.filter(({ id }) => cluster.broken(task, id).length === 0)
          const outcome = cluster.place(task)
          if (Result.isFailure(outcome)) continue
          const { because, score, node, considered } = outcome.success
          assert.closeTo(
            because.reduce((sum, { value, weight }) => sum + value * weight, 0),
            score,
            1e-12
          )
          assert.strictEqual(outcome.success.feasible, feasible.length)
          assert.strictEqual(considered, nodes.length)
          assert.include(
            feasible.map(({ id }) => id),
            node
          )
          assert.strictEqual(cluster.where(task.id), node)
        }
      })
    )
  })

  it("answers the same to the same: nothing is tried out by chance", () => {
    fc.assert(
      fc.property(environments, clusters.nodes, clusters.tasks(20), (kind, nodes, tasks) => {
        const answers = () => {
          const cluster = clusterOf(nodes, kind)
          for (const task of tasks) cluster.place(task)
          return clusters.picture(cluster)
        }
        assert.deepStrictEqual(answers(), answers())
      })
    )
  })

  it("places all of a batch or nothing of it", () => {
    let all = 0
    let none = 0
    fc.assert(
      fc.property(clusters.nodes, clusters.tasks(4), clusters.tasks(6), (nodes, before, batch) => {
        const cluster = clusterOf(nodes)
        for (const task of before) cluster.place({ ...task, id: `earlier ${task.id}` })
        const was = clusters.picture(cluster)
        const outcome = cluster.placeAll(batch)
        if (Result.isSuccess(outcome)) {
          all++
          assert.deepStrictEqual(
            outcome.success.map(({ task, node }) => [task, node]),
            batch.map(({ id }) => [id, cluster.where(id)])
          )
          assert.deepStrictEqual(clusters.broken(cluster), [])
        } else {
          none++
          assert.deepStrictEqual(clusters.picture(cluster), was)
          assert.include(outcome.failure.message, `None of the ${batch.length} tasks was placed`)
        }
      }),
      { numRuns: 300 }
    )
    assert.isAbove(all, 50)
    assert.isAbove(none, 50)
  })

  it("finds a place for nearly every batch that an exact solver finds one for", () => {
    const sizes = fc.array(fc.record({ cpu: fc.integer({ min: 1, max: 8 }), memory: fc.integer({ min: 1, max: 8 }) }), {
      minLength: 1,
      maxLength: 8
    })
    let possible = 0
    let found = 0
    fc.assert(
      fc.property(sizes, (list) => {
        const nodes = [0, 1, 2].map((i) => ({ id: `n${i}`, cpu: 10, memory: 10 }))
        const tasks = list.map((size, i) => ({ id: `t${i}`, ...size }))
        const outcome = clusterOf(nodes).placeAll(tasks)
        const can = packable(nodes, tasks)
        if (Result.isSuccess(outcome)) assert.isTrue(can)
        if (can) possible++
        if (Result.isSuccess(outcome)) found++
      }),
      { numRuns: 400 }
    )
    assert.isAbove(possible, 50)
    assert.isAbove(found / possible, 0.95)
  })

  it("puts back to the last bit what a failed batch had taken", () => {
    const cluster = clusterOf([{ id: "n", cpu: 0.3, memory: 1 }])
    const tenths = ["a", "b", "c", "d"].map((id) => ({ id, cpu: 0.1, memory: 0 }))
    assert.isTrue(Result.isSuccess(cluster.place({ id: "first", cpu: 0.1, memory: 0 })))
    assert.isTrue(Result.isFailure(cluster.placeAll(tenths)))
    assert.isTrue(Result.isSuccess(cluster.place({ id: "rest", cpu: 0.3 - 0.1, memory: 0 })))
  })

  it("says what is impossible, and what merely does not fit now", () => {
    const cluster = clusterOf([
      { id: "a", cpu: 4, memory: 8, region: "eu" },
      { id: "b", cpu: 4, memory: 8, region: "us" }
    ])
    const never = refusal(cluster.place({ id: "huge", cpu: 64, memory: 1 }))
    assert.strictEqual(
      never,
      "Task huge is not placed because of cpu: of 2 nodes, cpu fails on 2. Change the request or add such nodes."
    )
    cluster.place({ id: "full", cpu: 4, memory: 8, regions: { required: ["eu"] } })
    const now = refusal(cluster.place({ id: "late", ...small, regions: { required: ["eu"] } }))
    assert.include(now, "Free some room or add nodes")
    assert.include(refusal(clusterOf([]).place({ id: "lonely", ...small })), "there are no nodes")
    assert.include(refusal(cluster.place({ id: "full", ...small })), "a task of this name is placed already")
  })

  it("keeps newcomers away from who wants to be alone, too", () => {
    const cluster = clusterOf([{ id: "a", cpu: 8, memory: 8 }])
    cluster.place({ id: "hermit", ...small, antiAffinity: ["web"] })
    assert.include(refusal(cluster.place({ id: "guest", ...small, groups: ["web"] })), "anti-affinity")
    cluster.remove("hermit")
    assert.strictEqual(cluster.where("hermit"), undefined)
    assert.isTrue(Result.isSuccess(cluster.place({ id: "guest", ...small, groups: ["web"] })))
  })

  it("keeps who needs company with it, and lets the first of a group found it", () => {
    const cluster = clusterOf([
      { id: "a", cpu: 2, memory: 8 },
      { id: "b", cpu: 8, memory: 8 }
    ])
    assert.include(refusal(cluster.place({ id: "early", ...small, affinity: ["db"] })), "affinity")
    cluster.place({ id: "db", cpu: 4, memory: 4, groups: ["db"], affinity: ["db"] })
    const outcome = Result.getOrThrow(cluster.place({ id: "near", ...small, affinity: ["db"] }))
    assert.strictEqual(outcome.node, "b")
    assert.isFalse(cluster.move("db", "a"))
  })

  it("gives back the tasks of a node that leaves", () => {
    const cluster = clusterOf([{ id: "a", cpu: 8, memory: 8 }])
    cluster.place({ id: "t", ...small })
    assert.deepStrictEqual(
      cluster.leave("a").map(({ id }) => id),
      ["t"]
    )
    assert.deepStrictEqual(cluster.nodes(), [])
    assert.strictEqual(cluster.where("t"), undefined)
    assert.isTrue(Result.isSuccess(cluster.join({ id: "a", cpu: 8, memory: 8 })))
    assert.isTrue(Result.isFailure(cluster.join({ id: "a", cpu: 8, memory: 8 })))
    assert.isTrue(Result.isFailure(cluster.join({ id: "b", cpu: Number.NaN, memory: 8 })))
  })

  it("finishes jobs on workers of unequal speed sooner than taking turns does", () => {
    const job = fc.integer({ min: 1, max: 100 })
    const speed = fc.constantFrom(0.5, 1, 1, 2, 4)
    let sum = 0
    let sumInTurns = 0
    let sooner = 0
    let runs = 0
    fc.assert(
      fc.property(
        fc.array(speed, { minLength: 2, maxLength: 6 }),
        fc.array(job, { minLength: 6, maxLength: 60, size: "max" }),
        (speeds, jobs) => {
          const placed = makespan(speeds, jobs)
          const inTurns = Math.max(
            ...speeds.map((one, w) =>
              jobs.reduce((time, work, i) => time + (i % speeds.length === w ? work / one : 0), 0)
            )
          )
          // No schedule is shorter than all the work at full speed.
          const least = jobs.reduce((all, work) => all + work, 0) / speeds.reduce((all, one) => all + one, 0)
          assert.isAtLeast(placed, least - 1e-9)
          sum += placed
          sumInTurns += inTurns
          runs++
          if (placed <= inTurns) sooner++
        }
      ),
      { numRuns: 200 }
    )
    assert.isBelow(sum / sumInTurns, 0.9)
    assert.isAbove(sooner / runs, 0.9)
  })

  it("adopts what runs already, as far as there is room", () => {
    const cluster = clusterOf([{ id: "a", cpu: 2, memory: 2 }])
    assert.isTrue(cluster.adopt({ id: "one", ...small, labels: { disk: "ssd" } }, "a"))
    assert.isFalse(cluster.adopt({ id: "one", ...small }, "a"))
    assert.isFalse(cluster.adopt({ id: "two", cpu: 2, memory: 1 }, "a"))
    assert.isFalse(cluster.adopt({ id: "two", ...small }, "nowhere"))
    assert.strictEqual(cluster.where("one"), "a")
  })
})
