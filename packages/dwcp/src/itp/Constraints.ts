/**
 * Which constraints of a task a node does not keep, as bits: one evaluation serves the decision, its explanation and the
 * refusal.
 */
import { type Node, type Task, uptimeOf } from "./Inventory.ts"

/** In the order in which they are named when several fail alike. A bit each: `1 << position`. */
export const names = [
  "region required",
  "region excluded",
  "kind",
  "labels",
  "uptime",
  "cost",
  "gpu",
  "cpu",
  "memory",
  "affinity",
  "anti-affinity"
] as const

export type Name = (typeof names)[number]

export const bit = (name: Name): number => 1 << names.indexOf(name)

/** What holds of a node whoever lives there: everything but room and neighbours. */
export const unfit = (task: Task, node: Node): number => {
  let failing = 0
  const { required, excluded } = task.regions ?? {}
  if (required !== undefined && (node.region === undefined || !required.includes(node.region))) failing |= bits.required
  if (excluded !== undefined && node.region !== undefined && excluded.includes(node.region)) failing |= bits.excluded
  if (task.kinds !== undefined && (node.kind === undefined || !task.kinds.includes(node.kind))) failing |= bits.kind
  if (task.labels !== undefined) {
    for (const [key, value] of Object.entries(task.labels)) if (node.labels?.[key] !== value) failing |= bits.labels
  }
  if (task.uptime !== undefined && uptimeOf(node) < task.uptime) failing |= bits.uptime
  if (task.maxCost !== undefined && (node.cost ?? 0) > task.maxCost) failing |= bits.cost
  return failing
}

/** Room: what is asked beside what is free, or beside all of the node. */
export const short = (task: Task, cpu: number, memory: number, gpus: number): number =>
  (task.cpu > cpu ? bits.cpu : 0) | (task.memory > memory ? bits.memory : 0) | ((task.gpus ?? 0) > gpus ? bits.gpu : 0)

/** The names of the bits. */
export const listed = (failing: number): ReadonlyArray<Name> => names.filter((name) => (failing & bit(name)) !== 0)

/** How many nodes fail each, in the order of {@link names}; those that none fails are left out. */
export interface Count {
  readonly constraint: Name
  readonly nodes: number
}

/**
 * The one to name in a refusal: without it a node would do, or else no node keeps it, or else the most nodes fail it.
 * `failing` has how many nodes fail just these bits, none of them 0.
 */
export const decisive = (
  failing: ReadonlyMap<number, number>
): { readonly constraint: Name; readonly counts: ReadonlyArray<Count> } => {
  const nodes = new Float64Array(names.length)
  let alone = 0
  for (const [bits, some] of failing) {
    if ((bits & (bits - 1)) === 0) alone |= bits
    for (let b = 0; b < names.length; b++) if ((bits & (1 << b)) !== 0) nodes[b] = (nodes[b] ?? 0) + some
  }
  const counts = names.map((constraint, b) => ({ constraint, nodes: nodes[b] ?? 0 })).filter(({ nodes }) => nodes > 0)
  const most = counts.reduce(
    (best, one) => (one.nodes > best.nodes ? one : best),
    counts[0] ?? { constraint: "cpu", nodes: 0 }
  )
  const only = counts
    .filter(({ constraint }) => (alone & bit(constraint)) !== 0)
    .reduce<Count | undefined>((best, one) => (best === undefined || one.nodes > best.nodes ? one : best), undefined)
  return { constraint: (only ?? most).constraint, counts }
}

const bits = {
  required: bit("region required"),
  excluded: bit("region excluded"),
  kind: bit("kind"),
  labels: bit("labels"),
  uptime: bit("uptime"),
  cost: bit("cost"),
  gpu: bit("gpu"),
  cpu: bit("cpu"),
  memory: bit("memory")
} as const
