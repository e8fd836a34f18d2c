/**
 * Nodes and tasks as placement sees them, and the checks that let nothing impossible in.
 *
 * **Details**
 *
 * A task that leaves a constraint out does not have it; `kinds: ["cloud"]` means cloud and nothing else. Uptime is what
 * was observed: the seconds a node was up of the seconds it was known, however long that is.
 */
import { Data, Result } from "effect"

export type Kind = "cloud" | "datacenter" | "edge" | "volunteer"

/** Degrees. */
export interface Position {
  readonly latitude: number
  readonly longitude: number
}

export interface Node {
  readonly id: string
  /** vCPU, GB and whole GPUs it offers. */
  readonly cpu: number
  readonly memory: number
  readonly gpus?: number
  readonly labels?: { readonly [key: string]: string }
  readonly region?: string
  readonly kind?: Kind
  readonly uptime?: { readonly upSeconds: number; readonly knownSeconds: number }
  /** Measured to the users of the node; without it the distance between positions is what is known. */
  readonly latencyMs?: number
  readonly position?: Position
  /** Per hour, in any currency, the same for all nodes. */
  readonly cost?: number
  /** Speed beside an ordinary node, 1 by default. */
  readonly performance?: number
}

export interface Task {
  readonly id: string
  readonly cpu: number
  readonly memory: number
  readonly gpus?: number
  /** The groups it belongs to, which others may want to be near to or away from. */
  readonly groups?: ReadonlyArray<string>
  /** On a node with a member of each of these; the first member of a group may found it anywhere. */
  readonly affinity?: ReadonlyArray<string>
  /** On a node without any member of these, now and later. */
  readonly antiAffinity?: ReadonlyArray<string>
  readonly labels?: { readonly [key: string]: string }
  readonly regions?: { readonly required?: ReadonlyArray<string>; readonly excluded?: ReadonlyArray<string> }
  readonly kinds?: ReadonlyArray<Kind>
  /** The least share of time, 0 to 1. */
  readonly uptime?: number
  readonly maxCost?: number
  /** Where its users are. */
  readonly position?: Position
  /** Regions whose law it should stay under: a wish, where `regions` is a must. */
  readonly sovereignty?: ReadonlyArray<string>
  /** In a hybrid environment: by which objective it is placed. */
  readonly workload?: "datacenter" | "internet"
}

/** The most nodes and tasks a cluster holds. */
export const limits = { nodes: 1_000_000, tasks: 10_000_000 } as const

export class BadNode extends Data.TaggedError("BadNode")<{ readonly node: string; readonly problem: string }> {
  override get message(): string {
    return `Node ${this.node} cannot take part: ${this.problem}. It is left out; correct what it announces.`
  }
}

/** A request that contradicts itself, or is no request: no node could ever fulfil it. */
export class BadTask extends Data.TaggedError("BadTask")<{
  readonly task: string
  readonly constraint: string
  readonly problem: string
}> {
  override get message(): string {
    return `Task ${this.task} cannot be placed anywhere (${this.constraint}): ${this.problem}. Correct the request.`
  }
}

/** The share of time it was up; a node nobody has known for a second has shown nothing yet. */
export const uptimeOf = ({ uptime }: Node): number =>
  uptime === undefined || uptime.knownSeconds <= 0 ? 0 : Math.min(1, uptime.upSeconds / uptime.knownSeconds)

export const checkNode = (node: Node): Result.Result<Node, BadNode> => {
  const amounts = [
    ["cpu", node.cpu],
    ["memory", node.memory],
    ["gpus", node.gpus ?? 0],
    ["uptime", node.uptime?.upSeconds ?? 0],
    ["uptime", node.uptime?.knownSeconds ?? 0],
    ["latencyMs", node.latencyMs ?? 0],
    ["cost", node.cost ?? 0],
    ["performance", node.performance ?? 1]
  ] as const
  const wrong = amounts.find(([, value]) => !isAmount(value))
  if (wrong !== undefined) return badNode(node, `its ${wrong[0]} is ${String(wrong[1])}`)
  if (!isPosition(node.position)) return badNode(node, "its position is not on Earth")
  return Result.succeed(node)
}

export const checkTask = (task: Task): Result.Result<Task, BadTask> => {
  const bad = (constraint: string, problem: string) =>
    Result.fail(new BadTask({ task: String(task.id), constraint, problem }))
  const amounts = [
    ["cpu", task.cpu],
    ["memory", task.memory],
    ["gpus", task.gpus ?? 0],
    ["uptime", task.uptime ?? 0],
    ["cost", task.maxCost ?? 0]
  ] as const
  const wrong = amounts.find(([, value]) => !isAmount(value))
  if (wrong !== undefined) return bad(wrong[0], `it asks for ${String(wrong[1])}, which is not an amount`)
  if (!isPosition(task.position)) return bad("position", "its position is not on Earth")
  if ((task.uptime ?? 0) > 1) return bad("uptime", `it asks for an uptime of ${task.uptime}, and 1 is always`)
  const torn = task.affinity?.find((group) => task.antiAffinity?.includes(group))
  if (torn !== undefined) return bad("affinity", `it wants to be both near to and away from group "${torn}"`)
  const { required, excluded = [] } = task.regions ?? {}
  if (required !== undefined && required.every((region) => excluded.includes(region))) {
    return bad("region", "every region it requires is one it excludes")
  }
  if (task.kinds?.length === 0) return bad("kind", "it allows no kind of node at all")
  return Result.succeed(task)
}

// ---------------------------------------------------------------------------------------------------------------------

const badNode = (node: Node, problem: string) => Result.fail(new BadNode({ node: String(node.id), problem }))

const isAmount = (x: number): boolean => Number.isFinite(x) && x >= 0 && x <= 1e12

const isPosition = (position: Position | undefined): boolean =>
  position === undefined || (Math.abs(position.latitude) <= 90 && Math.abs(position.longitude) <= 180)
