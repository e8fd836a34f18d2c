/**
 * A plan of moves that makes a cluster better within a budget of migrations: decided on a copy, carried out by others.
 *
 * **Details**
 *
 * In a datacenter nodes are emptied, those with the fewest tasks first, each whole or not at all. On the internet tasks
 * move to a node that serves them clearly better, the largest gain first. In a hybrid environment nodes are emptied, then
 * what is left of the budget goes to the tasks placed by the internet's objective. Every step of the plan keeps every
 * constraint, so it can be carried out one move at a time, in its order.
 */
import type { Node, Task } from "./Inventory.ts"
import * as Objective from "./Objective.ts"
import * as Placement from "./Placement.ts"

export interface Move {
  readonly task: string
  readonly from: string
  readonly to: string
}

export interface Plan {
  readonly moves: ReadonlyArray<Move>
  /** Nodes with tasks, before and after. */
  readonly nodesBefore: number
  readonly nodesAfter: number
}

/** What a move must gain of a score from 0 to 1 to be worth it. */
const leastGain = 0.05

/** `migrations` is the most moves there may be. The cluster is left as it is. */
export const plan = (cluster: Placement.Cluster, migrations: number): Plan => {
  const copy = copyOf(cluster)
  const nodesBefore = inUse(copy).length
  const moves: Array<Move> = []
  const budget = Number.isFinite(migrations) ? Math.max(0, Math.floor(migrations)) : 0
  if (copy.environment !== "internet") empty(copy, budget, moves)
  if (copy.environment !== "datacenter") improve(copy, budget, moves)
  return { moves, nodesBefore, nodesAfter: inUse(copy).length }
}

/** Carries a plan out; moves that are no longer possible are left out. Returns those that were made. */
export const apply = (cluster: Placement.Cluster, { moves }: Plan): ReadonlyArray<Move> =>
  moves.filter(({ task, from, to }) => cluster.where(task) === from && cluster.move(task, to))

// ---------------------------------------------------------------------------------------------------------------------

const copyOf = (cluster: Placement.Cluster): Placement.Cluster => {
  const copy = Placement.make(cluster.environment)
  for (const node of cluster.nodes()) {
    copy.join(node)
    for (const task of cluster.tasksOn(node.id)) copy.adopt(task, node.id)
  }
  return copy
}

const inUse = (cluster: Placement.Cluster): ReadonlyArray<Node> =>
  cluster.nodes().filter(({ id }) => cluster.tasksOn(id).length > 0)

const empty = (cluster: Placement.Cluster, budget: number, moves: Array<Move>): void => {
  const few = inUse(cluster).toSorted((a, b) => cluster.tasksOn(a.id).length - cluster.tasksOn(b.id).length)
  for (const node of few) {
    const tasks = cluster.tasksOn(node.id).toSorted((a, b) => b.cpu - a.cpu || b.memory - a.memory)
    if (tasks.length === 0 || tasks.length > budget - moves.length) continue
    const made: Array<Move> = []
    for (const task of tasks) {
      const others = inUse(cluster).filter(({ id }) => id !== node.id)
      const to = byScore(cluster, task, others).find(({ id }) => cluster.move(task.id, id))
      if (to === undefined) break
      made.push({ task: task.id, from: node.id, to: to.id })
    }
    if (made.length === tasks.length) moves.push(...made)
    else for (const { task, from } of made.toReversed()) cluster.move(task, from)
  }
}

const improve = (cluster: Placement.Cluster, budget: number, moves: Array<Move>): void => {
  const moved = new Set(moves.map(({ task }) => task))
  const nodes = cluster.nodes()
  const wishes = nodes.flatMap((from) =>
    cluster
      .tasksOn(from.id)
      .filter(({ id, workload }) => !moved.has(id) && (cluster.environment === "internet" || workload === "internet"))
      .map((task) => {
        const best = byScore(cluster, task, nodes)[0] ?? from
        return { task, from, gain: scoreOf(cluster, task, best) - scoreOf(cluster, task, from) }
      })
  )
  for (const { task, from } of wishes.toSorted((a, b) => b.gain - a.gain)) {
    if (moves.length >= budget) return
    const least = scoreOf(cluster, task, from) + leastGain
    const better = byScore(cluster, task, nodes).filter((node) => scoreOf(cluster, task, node) > least)
    const to = better.find(({ id }) => cluster.move(task.id, id))
    if (to !== undefined) moves.push({ task: task.id, from: from.id, to: to.id })
  }
}

const byScore = (cluster: Placement.Cluster, task: Task, nodes: ReadonlyArray<Node>): ReadonlyArray<Node> => {
  const scored = nodes.map((node) => ({ node, score: scoreOf(cluster, task, node) }))
  return scored.toSorted((a, b) => b.score - a.score).map(({ node }) => node)
}

const scoreOf = (cluster: Placement.Cluster, task: Task, node: Node): number => {
  const used = cluster.tasksOn(node.id).reduce((sum, { cpu }) => sum + cpu, 0)
  return Objective.quick(cluster.environment, task, node, node.cpu === 0 ? 0 : Math.min(1, used / node.cpu))
}
