/**
 * Places tasks on the nodes of a cluster under hard constraints, by the objective of its environment, and says why.
 *
 * **Details**
 *
 * Constraints first, then the score: of the nodes that keep every constraint the best is taken, and of equals the one
 * that joined first. The same cluster and the same request give the same answer; nothing is tried out in production.
 * Every placement says what its score is made of. Every refusal names a constraint that fails: the one without which a
 * node would do, if there is one.
 *
 * What depends on the node alone (region, kind, labels, uptime, cost) is worked out once for each kind of request and
 * kept, so that the next request like it looks at room and neighbours only.
 *
 * **Example**
 *
 * ```ts
 * const cluster = Placement.make("datacenter")
 * cluster.join({ id: "a", cpu: 64, memory: 256 })
 * cluster.place({ id: "web", cpu: 4, memory: 8 }) // => Success({ task: "web", node: "a", … })
 * ```
 */
// `!` after an index: positions come from loops over the same arrays.
import { Data, Result } from "effect"
import * as Constraints from "./Constraints.ts"
import { BadNode, BadTask, checkNode, checkTask, limits, type Node, type Task } from "./Inventory.ts"
import * as Objective from "./Objective.ts"

/** Where a task went, and why there. */
export interface Placed {
  readonly task: string
  readonly node: string
  readonly score: number
  readonly because: ReadonlyArray<Objective.Term>
  /** Nodes there were, and nodes that kept every constraint. */
  readonly considered: number
  readonly feasible: number
}

/** No node keeps every constraint now. `impossible`: none would if the cluster were empty, either. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly task: string
  readonly constraint: Constraints.Name
  readonly impossible: boolean
  readonly nodes: number
  readonly counts: ReadonlyArray<Constraints.Count>
}> {
  override get message(): string {
    const counts = this.counts.map(({ constraint, nodes }) => `${constraint} fails on ${nodes}`).join(", ")
    const which = this.nodes === 0 ? "there are no nodes" : `of ${this.nodes} nodes, ${counts}`
    const advice = this.impossible ? "Change the request or add such nodes" : "Free some room or add nodes"
    return `Task ${this.task} is not placed because of ${this.constraint}: ${which}. ${advice}.`
  }
}

/** Nothing of the batch was placed, because of one of its tasks. */
export class BatchRefused extends Data.TaggedError("BatchRefused")<{
  readonly tasks: number
  readonly cause: Refused | BadTask
}> {
  override get message(): string {
    return `None of the ${this.tasks} tasks was placed, all or nothing. ${this.cause.message}`
  }
}

export interface Cluster {
  readonly environment: Objective.Environment
  readonly join: (node: Node) => Result.Result<void, BadNode>
  /** Takes a node out and returns the tasks that were there: they are nowhere now. */
  readonly leave: (node: string) => ReadonlyArray<Task>
  readonly place: (task: Task) => Result.Result<Placed, Refused | BadTask>
  /** All of them or none, in an order of its own; the answers are in the order given. */
  readonly placeAll: (tasks: ReadonlyArray<Task>) => Result.Result<ReadonlyArray<Placed>, BatchRefused>
  readonly remove: (task: string) => boolean
  /** Says that a task runs on this node already, as after a restart: taken as a fact, if it has the room. */
  readonly adopt: (task: Task, node: string) => boolean
  /** Takes a task to this very node, if that keeps its constraints and those of its neighbours, old and new. */
  readonly move: (task: string, node: string) => boolean
  readonly where: (task: string) => string | undefined
  readonly nodes: () => ReadonlyArray<Node>
  readonly tasksOn: (node: string) => ReadonlyArray<Task>
  /** Which constraints this task would break on this node, were it placed there now. */
  readonly broken: (task: Task, node: string) => ReadonlyArray<Constraints.Name>
}

/** How often a batch is tried again with the task that failed put first. */
const batchAttempts = 32

export const make = (environment: Objective.Environment): Cluster => {
  const hosts = new Map<string, Host>()
  const order: Array<Host> = []
  const residents = new Map<string, { readonly task: Task; readonly host: Host }>()
  // How many members of a group are placed anywhere.
  const members = new Map<string, number>()
  // By kind of request, the bits of each host of `order`.
  const unfit = new Map<string, Int32Array>()

  const fitness = (task: Task): Int32Array => {
    const { labels, regions, kinds, uptime, maxCost } = task
    const key = JSON.stringify([labels, regions, kinds, uptime, maxCost])
    const known = unfit.get(key)
    if (known !== undefined) return known
    const bits = Int32Array.from(order, ({ node }) => Constraints.unfit(task, node))
    // Requests may all differ; what is kept must not grow with them.
    if (unfit.size >= 64) unfit.clear()
    unfit.set(key, bits)
    return bits
  }

  const crowded = (task: Task, host: Host): number => {
    let failing = 0
    for (const group of task.affinity ?? []) {
      const founder = (members.get(group) ?? 0) === 0 && task.groups?.includes(group) === true
      if (!founder && !host.groups.has(group)) failing |= affinity
    }
    for (const group of task.antiAffinity ?? []) if (host.groups.has(group)) failing |= antiAffinity
    for (const group of task.groups ?? []) if (host.shunned.has(group)) failing |= antiAffinity
    return failing
  }

  const failingOn = (task: Task, host: Host): number =>
    Constraints.unfit(task, host.node) | Constraints.short(task, host.cpu, host.memory, host.gpus) | crowded(task, host)

  const settle = (task: Task, host: Host, sign: 1 | -1): void => {
    host.cpu -= sign * task.cpu
    host.memory -= sign * task.memory
    host.gpus -= sign * (task.gpus ?? 0)
    if (sign === 1) {
      host.tasks.set(task.id, task)
      residents.set(task.id, { task, host })
    } else {
      host.tasks.delete(task.id)
      residents.delete(task.id)
      if (host.tasks.size === 0) {
        // Exactly, whatever the sums of decimals have become.
        host.cpu = host.node.cpu
        host.memory = host.node.memory
        host.gpus = host.node.gpus ?? 0
      }
    }
    for (const group of new Set(task.groups)) {
      count(host.groups, group, sign)
      count(members, group, sign)
    }
    for (const group of new Set(task.antiAffinity)) count(host.shunned, group, sign)
  }

  const fullness = (task: Task, { node, cpu, memory }: Host): number =>
    1 - (share(cpu - task.cpu, node.cpu) + share(memory - task.memory, node.memory)) / 2

  const decide = (task: Task): Result.Result<Placed, Refused> => {
    const alone = fitness(task)
    const failing = new Int32Array(order.length)
    let best: Host | undefined
    let bestScore = -1
    let feasible = 0
    for (const [i, host] of order.entries()) {
      const bits = alone[i]! | Constraints.short(task, host.cpu, host.memory, host.gpus) | crowded(task, host)
      failing[i] = bits
      if (bits !== 0) continue
      feasible++
      const score = Objective.quick(environment, task, host.node, fullness(task, host))
      if (score > bestScore) {
        bestScore = score
        best = host
      }
    }
    if (best === undefined) return Result.fail(refusal(task, alone, failing))
    const because = Objective.terms(environment, task, best.node, fullness(task, best))
    settle(task, best, 1)
    return Result.succeed({
      task: task.id,
      node: best.node.id,
      score: Objective.score(because),
      because,
      considered: order.length,
      feasible
    })
  }

  const refusal = (task: Task, alone: Int32Array, failing: Int32Array): Refused => {
    const { constraint, counts } = Constraints.decisive(failing)
    const impossible = order.every(
      ({ node }, i) => (alone[i]! | Constraints.short(task, node.cpu, node.memory, node.gpus ?? 0)) !== 0
    )
    return new Refused({ task: task.id, constraint, impossible, nodes: order.length, counts })
  }

  const admit = (task: Task): Result.Result<Task, BadTask> => {
    const bad = (constraint: string, problem: string) =>
      Result.fail(new BadTask({ task: task.id, constraint, problem }))
    if (residents.has(task.id)) return bad("id", "a task of this name is placed already")
    if (residents.size >= limits.tasks) return bad("id", `the cluster holds ${limits.tasks} tasks already`)
    return checkTask(task)
  }

  const remove = (id: string): boolean => {
    const resident = residents.get(id)
    if (resident === undefined) return false
    settle(resident.task, resident.host, -1)
    return true
  }

  const placeAll = (tasks: ReadonlyArray<Task>): Result.Result<ReadonlyArray<Placed>, BatchRefused> => {
    const refuse = (cause: Refused | BadTask) => Result.fail(new BatchRefused({ tasks: tasks.length, cause }))
    const names = new Set<string>()
    for (const task of tasks) {
      const admitted = admit(task)
      if (Result.isFailure(admitted)) return refuse(admitted.failure)
      if (names.has(task.id)) {
        return refuse(new BadTask({ task: task.id, constraint: "id", problem: "the batch names it twice" }))
      }
      names.add(task.id)
    }
    const before = keep()
    let queue = hardestFirst(tasks, order)
    for (let attempt = 1; ; attempt++) {
      const placed = new Map<string, Placed>()
      let stuck: { readonly task: Task; readonly why: Refused } | undefined
      for (const task of queue) {
        const outcome = decide(task)
        if (Result.isFailure(outcome)) {
          stuck = { task, why: outcome.failure }
          break
        }
        placed.set(task.id, outcome.success)
      }
      if (stuck === undefined) return Result.succeed(tasks.map(({ id }) => placed.get(id)!))
      const { task, why } = stuck
      for (const id of placed.keys()) remove(id)
      before()
      if (queue[0] === task || attempt >= batchAttempts) return refuse(why)
      queue = [task, ...queue.filter((other) => other !== task)]
    }
  }

  /** Remembers what is free to the last bit: sums of decimals do not come back by adding what was subtracted. */
  const keep = (): (() => void) => {
    const free = order.map(({ cpu, memory, gpus }) => ({ cpu, memory, gpus }))
    return () => {
      for (const [i, host] of order.entries()) Object.assign(host, free[i])
    }
  }

  return {
    environment,
    join: (node) => {
      const checked = checkNode(node)
      if (Result.isFailure(checked)) return Result.fail(checked.failure)
      const problem = hosts.has(node.id)
        ? "a node of this name is there already"
        : hosts.size >= limits.nodes
          ? `the cluster has ${limits.nodes} nodes already`
          : undefined
      if (problem !== undefined) return Result.fail(new BadNode({ node: node.id, problem }))
      const host = hostOf(node)
      hosts.set(node.id, host)
      order.push(host)
      unfit.clear()
      return Result.succeed(undefined)
    },
    leave: (id) => {
      const host = hosts.get(id)
      if (host === undefined) return []
      const tasks = [...host.tasks.values()]
      for (const task of tasks) remove(task.id)
      hosts.delete(id)
      order.splice(order.indexOf(host), 1)
      unfit.clear()
      return tasks
    },
    place: (task) => {
      const admitted = admit(task)
      return Result.isFailure(admitted) ? Result.fail(admitted.failure) : decide(task)
    },
    placeAll,
    remove,
    adopt: (task, id) => {
      const host = hosts.get(id)
      if (host === undefined || Result.isFailure(admit(task))) return false
      if (Constraints.short(task, host.cpu, host.memory, host.gpus) !== 0) return false
      settle(task, host, 1)
      return true
    },
    move: (id, to) => {
      const resident = residents.get(id)
      const host = hosts.get(to)
      if (resident === undefined || host === undefined || resident.host === host) return false
      settle(resident.task, resident.host, -1)
      const fits = failingOn(resident.task, host) === 0 && !strands(resident.host)
      settle(resident.task, fits ? host : resident.host, 1)
      return fits
    },
    where: (id) => residents.get(id)?.host.node.id,
    nodes: () => order.map(({ node }) => node),
    tasksOn: (id) => [...(hosts.get(id)?.tasks.values() ?? [])],
    broken: (task, id) => {
      const host = hosts.get(id)
      return host === undefined ? [] : Constraints.listed(failingOn(task, host))
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

interface Host {
  readonly node: Node
  cpu: number
  memory: number
  gpus: number
  readonly tasks: Map<string, Task>
  /** How many residents belong to a group, and how many want none of it near. */
  readonly groups: Map<string, number>
  readonly shunned: Map<string, number>
}

const hostOf = (node: Node): Host => ({
  node,
  cpu: node.cpu,
  memory: node.memory,
  gpus: node.gpus ?? 0,
  tasks: new Map(),
  groups: new Map(),
  shunned: new Map()
})

const affinity = Constraints.bit("affinity")
const antiAffinity = Constraints.bit("anti-affinity")

const count = (counts: Map<string, number>, key: string, by: 1 | -1): void => {
  const now = (counts.get(key) ?? 0) + by
  if (now === 0) counts.delete(key)
  else counts.set(key, now)
}

const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

/** Whether somebody there is without the company it needs. */
const strands = ({ tasks, groups }: Host): boolean => {
  for (const { affinity } of tasks.values()) if (affinity?.some((group) => !groups.has(group)) === true) return true
  return false
}

/** Who founds a group before who joins it, then the larger before the smaller. */
const hardestFirst = (tasks: ReadonlyArray<Task>, order: ReadonlyArray<Host>): ReadonlyArray<Task> => {
  let cpu = 0
  let memory = 0
  for (const { node } of order) {
    cpu = Math.max(cpu, node.cpu)
    memory = Math.max(memory, node.memory)
  }
  const size = (task: Task) => share(task.cpu, cpu) + share(task.memory, memory) + 2 * (task.gpus ?? 0)
  const follows = (task: Task) => ((task.affinity ?? []).some((group) => task.groups?.includes(group) !== true) ? 1 : 0)
  return tasks.toSorted((a, b) => follows(a) - follows(b) || size(b) - size(a))
}
