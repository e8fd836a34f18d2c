/**
 * What each node is to a task: where it is, where it could be, and what speaks against the others. The judge is the
 * placement itself, asked about one node at a time.
 *
 * **Details**
 *
 * A task keeps what was said when it was placed: the score of its node, and how many others there were. What is said here
 * is said of now, from what the nodes and their tasks tell.
 *
 * **Gotchas**
 *
 * How many tasks a node takes at once is not told by nodes, so it is not judged here.
 */
import { Count } from "@novacron/boot/model"
import type { Tasks } from "@novacron/api"
import * as Scheduling from "../orchestration/Scheduling.ts"
import type { Fit } from "./Wire.ts"

/** More slots than any node has tasks. */
const slots = 1_000_000

/** What each of the nodes is to the task. `neighbours` are the tasks that take room now, as many as are known. */
export const judge = (
  environment: Scheduling.Environment,
  task: Tasks.Task,
  nodes: ReadonlyArray<Tasks.Node>,
  neighbours: ReadonlyArray<Tasks.Task>
): ReadonlyArray<Fit> => {
  const others = neighbours.filter(({ id, placement }) => id !== task.id && typeof placement?.node === "string")
  const holds = (node: string, group: string) =>
    others.some((one) => one.placement?.node === node && one.group === group)
  /** The first of its own group may be anywhere; one that follows may not. */
  const follows = (node: string) =>
    (task.submission.constraints?.affinity ?? []).some(
      (group) => group === task.group && others.some((one) => one.group === group) && !holds(node, group)
    )
  const chosen = task.placement?.node
  const candidate = { ...residentOf(task), explanation: null }
  return nodes.map((node): Fit => {
    if (node.state !== "up" && node.id !== chosen) {
      const why = node.state === "draining" ? "It is leaving, and takes no tasks." : "It is down."
      return { node: node.id, verdict: "away", why, score: null }
    }
    const residents = others.filter(({ placement }) => placement?.node === node.id).map(residentOf)
    const isThere = node.id === chosen
    const rest = restOf(node, residents, isThere ? task : undefined)
    const { cpu, memory } = node.capacity
    const { id, labels, region } = node
    const round = Scheduling.decide(
      environment,
      [{ id, labels, region, cpu, memory, slots }],
      [...residents, ...rest],
      [candidate]
    )
    const [placed] = round.placed
    const turned = round.crowded[0] ?? round.impossible[0]
    const explanation = (placed ?? turned)?.placement.explanation ?? ""
    const score = Number(/^Score ([\d.]+)/.exec(explanation)?.[1] ?? NaN)
    if (isThere) {
      const why = task.placement?.explanation ?? ""
      return { node: id, verdict: "chosen", why, score: Number.isNaN(score) ? null : score }
    }
    if (placed !== undefined && !follows(id)) return { node: id, verdict: "fits", why: explanation, score }
    const broken = turned === undefined ? ["affinity"] : turned.failing
    const reasons = broken.map((name) => wordsOf(name, task, node, residents))
    return { node: id, verdict: "refuses", why: reasons.length === 0 ? explanation : sentence(reasons), score: null }
  })
}

// ---------------------------------------------------------------------------------------------------------------------

const residentOf = ({ group, id, placement, submission: { constraints, demand, run } }: Tasks.Task) => ({
  id,
  driver: run.driver,
  group,
  node: placement?.node ?? "",
  demand: demand ?? null,
  constraints: constraints ?? null
})

type Resident = ReturnType<typeof residentOf>

/** What takes room on a node beside the tasks that are known one by one. */
const restOf = (
  { id, used }: Tasks.Node,
  residents: ReadonlyArray<Resident>,
  itself: Tasks.Task | undefined
): ReadonlyArray<Resident> => {
  const known = [...residents.map(({ demand }) => demand), itself?.submission.demand]
  const sum = (of: "cpu" | "memory") => used[of] - known.reduce((total, demand) => total + (demand?.[of] ?? 0), 0)
  const [cpu, memory] = [Math.max(0, sum("cpu")), Math.max(0, sum("memory"))]
  if (cpu < 1e-9 && memory < 1e-9) return []
  return [
    { id: `the rest of ${id}`, driver: "process", group: null, node: id, demand: { cpu, memory }, constraints: null }
  ]
}

/** What a constraint asks for, beside what there is. */
const wordsOf = (
  constraint: string,
  task: Tasks.Task,
  node: Tasks.Node,
  residents: ReadonlyArray<Resident>
): string => {
  const { constraints = {}, demand } = task.submission
  const free = {
    cpu: round(node.capacity.cpu - node.used.cpu),
    memory: round(node.capacity.memory - node.used.memory)
  }
  switch (constraint) {
    case "cpu":
      return `wants ${Count.of(Number(round(demand?.cpu ?? 0)), "core")}, ${free.cpu} of ${round(node.capacity.cpu)} are free`
    case "memory":
      return `wants ${round(demand?.memory ?? 0)} MiB, ${free.memory} of ${round(node.capacity.memory)} are free`
    case "labels": {
      const missing = Object.entries(constraints.labels ?? {}).filter(([name, value]) => node.labels[name] !== value)
      const wanted = missing.map(([name, value]) => `${name}=${value}`)
      if (constraints.node !== undefined && constraints.node !== node.id) wanted.push(`the node ${constraints.node}`)
      return `wants ${wanted.join(", ")}`
    }
    case "region required":
      return `wants the region ${(constraints.regions ?? []).join(" or ")}, this is ${node.region ?? "none"}`
    case "region excluded":
      return `must not be in the region ${node.region ?? ""}`
    case "affinity":
      return `wants to be with ${(constraints.affinity ?? []).join(" and ")}`
    case "anti-affinity": {
      const shunned = (constraints.antiAffinity ?? []).filter((name) => residents.some(({ group }) => group === name))
      return shunned.length > 0
        ? `must not be with ${shunned.join(" and ")}`
        : `is of the group ${task.group ?? ""}, which a task there must not be with`
    }
    default:
      return constraint
  }
}

const sentence = (reasons: ReadonlyArray<string>): string => {
  const text = reasons.join("; ")
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}

const round = (value: number): string => `${Math.round(value * 100) / 100}`
