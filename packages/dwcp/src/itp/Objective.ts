/**
 * How good a node is for a task, from 0 to 1, by environment.
 *
 * **Details**
 *
 * Datacenter: packing (how full the node is afterwards) .7, performance .3. Internet: reliability .4, latency .3, cost .2,
 * sovereignty .1. In a hybrid environment the task says which of the two it is placed by, and without a word the datacenter's
 * counts. A node with GPUs scores lower for a task without: they are kept for those who need them.
 */
import { type Node, type Position, type Task, uptimeOf } from "./Inventory.ts"

export type Environment = "datacenter" | "internet" | "hybrid"

/** One part of a score: what it measures, how good it is from 0 to 1, how much it counts. */
export interface Term {
  readonly term: string
  readonly value: number
  readonly weight: number
}

export const weights = {
  datacenter: { packing: 0.7, performance: 0.3 },
  internet: { reliability: 0.4, latency: 0.3, cost: 0.2, sovereignty: 0.1 }
} as const

/** `fullness` is what of the node is taken with this task on it, from 0 to 1. */
export const terms = (environment: Environment, task: Task, node: Node, fullness: number): ReadonlyArray<Term> => {
  if (objectiveOf(environment, task) === "datacenter") {
    return [
      { term: "packing", value: packing(task, node, fullness), weight: weights.datacenter.packing },
      { term: "performance", value: half(node.performance ?? 1, 1), weight: weights.datacenter.performance }
    ]
  }
  return [
    { term: "reliability", value: uptimeOf(node), weight: weights.internet.reliability },
    { term: "latency", value: 1 - half(latencyOf(task, node), 50), weight: weights.internet.latency },
    { term: "cost", value: 1 - half(node.cost ?? 0, 1), weight: weights.internet.cost },
    { term: "sovereignty", value: sovereign(task, node) ? 1 : 0, weight: weights.internet.sovereignty }
  ]
}

/** Whether of nodes alike the fuller is the better; where not, they are equally good. */
export const isByRoom = (environment: Environment, task: Task): boolean =>
  objectiveOf(environment, task) === "datacenter"

/** The score alone: what it is made of is asked for once, the score for every node. */
export const quick = (environment: Environment, task: Task, node: Node, fullness: number): number =>
  objectiveOf(environment, task) === "datacenter"
    ? packing(task, node, fullness) * weights.datacenter.packing +
      half(node.performance ?? 1, 1) * weights.datacenter.performance
    : uptimeOf(node) * weights.internet.reliability +
      (1 - half(latencyOf(task, node), 50)) * weights.internet.latency +
      (1 - half(node.cost ?? 0, 1)) * weights.internet.cost +
      (sovereign(task, node) ? weights.internet.sovereignty : 0)

export const score = (terms: ReadonlyArray<Term>): number =>
  terms.reduce((sum, { value, weight }) => sum + value * weight, 0)

/** Great-circle distance (Haversine) on a sphere of the Earth's mean radius, in km. */
export const distanceKm = (a: Position, b: Position): number => {
  const rad = Math.PI / 180
  const latitude = ((b.latitude - a.latitude) * rad) / 2
  const longitude = ((b.longitude - a.longitude) * rad) / 2
  const h = Math.sin(latitude) ** 2 + Math.cos(a.latitude * rad) * Math.cos(b.latitude * rad) * Math.sin(longitude) ** 2
  return 2 * 6371.0088 * Math.asin(Math.min(1, Math.sqrt(h)))
}

// ---------------------------------------------------------------------------------------------------------------------

const objectiveOf = (environment: Environment, task: Task): "datacenter" | "internet" =>
  environment === "hybrid" ? (task.workload ?? "datacenter") : environment

const packing = (task: Task, node: Node, fullness: number): number =>
  (node.gpus ?? 0) > 0 && (task.gpus ?? 0) === 0 ? fullness / 2 : fullness

/** Light in fibre there and back, over roads half as long again: 100 km of distance are 1.5 ms. Unknown is 100 ms. */
const latencyOf = (task: Task, node: Node): number => {
  if (node.latencyMs !== undefined) return node.latencyMs
  if (task.position === undefined || node.position === undefined) return 100
  return distanceKm(task.position, node.position) * 0.015
}

const sovereign = (task: Task, node: Node): boolean =>
  task.sovereignty === undefined || (node.region !== undefined && task.sovereignty.includes(node.region))

/** From 0 to 1, and one half at `middle`. */
const half = (x: number, middle: number): number => (x === 0 ? 0 : x / (x + middle))
