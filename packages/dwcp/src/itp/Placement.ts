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
 * Nodes that are alike are looked at together ({@link Rooms}), so that a decision costs microseconds on a million nodes of
 * a few kinds. Where there are too many kinds, or where an observed uptime is asked for, every node is looked at; what
 * depends on the node alone is then worked out once for each kind of request and kept. The answers are the same.
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
import * as Rooms from "./Rooms.ts"

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
  let joined = 0
  const residents = new Map<string, { readonly task: Task; readonly host: Host }>()
  // The hosts with members of a group, and those with somebody who wants none of it near.
  const members = new Map<string, Set<Host>>()
  const shunning = new Map<string, Set<Host>>()
  const rooms = Rooms.make((node) => kindOf(environment, node))
  // What was free where it changed, while a batch may have to be taken back.
  let touched: Map<Host, Free> | undefined
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
      const founder = !members.has(group) && task.groups?.includes(group) === true
      if (!founder && !host.groups.has(group)) failing |= affinity
    }
    for (const group of task.antiAffinity ?? []) if (host.groups.has(group)) failing |= antiAffinity
    for (const group of task.groups ?? []) if (host.shunned.has(group)) failing |= antiAffinity
    return failing
  }

  const failingOn = (task: Task, host: Host): number =>
    Constraints.unfit(task, host.node) | Constraints.short(task, host.cpu, host.memory, host.gpus) | crowded(task, host)

  const settle = (task: Task, host: Host, sign: 1 | -1): void => {
    if (touched?.has(host) === false) touched.set(host, { cpu: host.cpu, memory: host.memory, gpus: host.gpus })
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
    rooms.refile(host)
    for (const group of new Set(task.groups)) {
      count(host.groups, group, sign)
      list(members, group, host, host.groups)
    }
    for (const group of new Set(task.antiAffinity)) {
      count(host.shunned, group, sign)
      list(shunning, group, host, host.shunned)
    }
  }

  const fullness = (task: Task, { node, cpu, memory }: Host): number =>
    1 - (Rooms.share(cpu - task.cpu, node.cpu) + Rooms.share(memory - task.memory, node.memory)) / 2

  const decide = (task: Task): Result.Result<Placed, Refused> => {
    const shapes = known(task)
    const { best, feasible } = shapes === undefined ? scan(task) : look(task, shapes)
    if (best === undefined) {
      return Result.fail(shapes === undefined ? refusal(task, listed(task)) : refusal(task, gathered(task, shapes)))
    }
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

  /** The shapes of the hosts, if they tell all that this task asks for. */
  const known = (task: Task): ReadonlyArray<Rooms.Shape> | undefined =>
    task.uptime !== undefined && environment === "datacenter" ? undefined : rooms.shapes()

  const scoreOf = (task: Task) => (host: Host) => Objective.quick(environment, task, host.node, fullness(task, host))

  /** By shapes and rooms. Who is not welcome has a neighbour of some group, and those hosts are known. */
  const look = (task: Task, shapes: ReadonlyArray<Rooms.Shape>): Decision => {
    const score = scoreOf(task)
    const found: Rooms.Found = { roomy: 0, best: undefined, score: -1 }
    const company = companyOf(task)
    if (company !== undefined) {
      let feasible = 0
      for (const host of company) {
        if (failingOn(task, host) !== 0) continue
        feasible++
        Rooms.consider(host, score, found)
      }
      return { best: found.best, feasible }
    }
    const wary = waryOf(task)
    const search: Rooms.Search = {
      task,
      tolerance: Objective.isByRoom(environment, task) ? 1e-9 : Infinity,
      welcome: wary.size === 0 ? undefined : (host) => crowded(task, host) === 0,
      score
    }
    for (const shape of shapes) if (Constraints.unfit(task, shape.node) === 0) Rooms.look(shape, search, found)
    let feasible = found.roomy
    for (const host of wary) {
      const alone = Constraints.unfit(task, host.node) | Constraints.short(task, host.cpu, host.memory, host.gpus)
      if (alone === 0 && crowded(task, host) !== 0) feasible--
    }
    return { best: found.best, feasible }
  }

  /** The hosts with a group it must be near to, the fewest of them; undefined where it may go anywhere. */
  const companyOf = (task: Task): ReadonlySet<Host> | undefined => {
    let fewest: ReadonlySet<Host> | undefined
    for (const group of task.affinity ?? []) {
      const there = members.get(group)
      if (there === undefined && task.groups?.includes(group) === true) continue
      if (fewest === undefined || (there?.size ?? 0) < fewest.size) fewest = there ?? nobody
    }
    return fewest
  }

  /** The hosts with somebody it may not be near to. */
  const waryOf = (task: Task): ReadonlySet<Host> => {
    const sets = [
      ...(task.antiAffinity ?? []).map((group) => members.get(group)),
      ...(task.groups ?? []).map((group) => shunning.get(group))
    ].filter((set) => set !== undefined)
    return sets.length === 1 ? sets[0]! : new Set(sets.flatMap((set) => [...set]))
  }

  /** By looking at every host. */
  const scan = (task: Task): Decision => {
    const alone = fitness(task)
    const score = scoreOf(task)
    const found: Rooms.Found = { roomy: 0, best: undefined, score: -1 }
    for (const [i, host] of order.entries()) {
      if (alone[i] !== 0 || Constraints.short(task, host.cpu, host.memory, host.gpus) !== 0) continue
      if (crowded(task, host) !== 0) continue
      found.roomy++
      Rooms.consider(host, score, found)
    }
    return { best: found.best, feasible: found.roomy }
  }

  /** What fails, and on how many hosts: of every one of them. */
  const listed = (task: Task): Failing => {
    const alone = fitness(task)
    const failing: Failing = { now: new Map(), isImpossible: true }
    for (const [i, host] of order.entries()) {
      more(failing.now, alone[i]! | Constraints.short(task, host.cpu, host.memory, host.gpus) | crowded(task, host), 1)
      const { cpu, gpus = 0, memory } = host.node
      if ((alone[i]! | Constraints.short(task, cpu, memory, gpus)) === 0) failing.isImpossible = false
    }
    return failing
  }

  /** The same by shapes and rooms: neighbours change it on the hosts that have some. */
  const gathered = (task: Task, shapes: ReadonlyArray<Rooms.Shape>): Failing => {
    const failing: Failing = { now: new Map(), isImpossible: true }
    const alone = companyOf(task) === undefined ? 0 : affinity
    for (const shape of shapes) {
      const unfit = Constraints.unfit(task, shape.node)
      const { cpu, gpus = 0, memory } = shape.node
      if ((unfit | Constraints.short(task, cpu, memory, gpus)) === 0) failing.isImpossible = false
      Rooms.each(shape, (room) => {
        const bits = unfit | Constraints.short(task, room.cpu, room.memory, room.gpus) | alone
        more(failing.now, bits, room.hosts.length)
      })
    }
    const near = (task.affinity ?? []).flatMap((group) => [...(members.get(group) ?? [])])
    for (const host of new Set([...near, ...waryOf(task)])) {
      const bits = Constraints.unfit(task, host.node) | Constraints.short(task, host.cpu, host.memory, host.gpus)
      more(failing.now, bits | alone, -1)
      more(failing.now, bits | crowded(task, host), 1)
    }
    return failing
  }

  const refusal = (task: Task, { isImpossible, now }: Failing): Refused => {
    const { constraint, counts } = Constraints.decisive(now)
    return new Refused({ task: task.id, constraint, impossible: isImpossible, nodes: order.length, counts })
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
    let queue = hardestFirst(tasks, rooms.shapes() ?? order)
    for (let attempt = 1; ; attempt++) {
      touched = new Map()
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
      const changed = touched
      touched = undefined
      if (stuck === undefined) return Result.succeed(tasks.map(({ id }) => placed.get(id)!))
      const { task, why } = stuck
      for (const id of placed.keys()) remove(id)
      // To the last bit: sums of decimals do not come back by adding what was subtracted.
      for (const [host, free] of changed) {
        Object.assign(host, free)
        rooms.refile(host)
      }
      if (queue[0] === task || attempt >= batchAttempts) return refuse(why)
      queue = [task, ...queue.filter((other) => other !== task)]
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
      const host = Rooms.hostOf(node, joined++)
      hosts.set(node.id, host)
      order.push(host)
      rooms.add(host)
      unfit.clear()
      return Result.succeed(undefined)
    },
    leave: (id) => {
      const host = hosts.get(id)
      if (host === undefined) return []
      const tasks = [...host.tasks.values()]
      for (const task of tasks) remove(task.id)
      hosts.delete(id)
      rooms.remove(host)
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

type Host = Rooms.Host
type Free = Pick<Host, "cpu" | "memory" | "gpus">

interface Decision {
  readonly best: Host | undefined
  readonly feasible: number
}

/** How many hosts fail just these constraints, and whether all would if they were empty. */
interface Failing {
  readonly now: Map<number, number>
  isImpossible: boolean
}

/** What tells nodes apart in a decision. In a datacenter who was up how long, and how far away, does not. */
const kindOf = (environment: Objective.Environment, node: Node): string => {
  const { cost, cpu, gpus, kind, labels, latencyMs, memory, performance, position, region, uptime } = node
  const observed = environment === "datacenter" ? [] : [uptime, latencyMs, position]
  return JSON.stringify([cpu, memory, gpus, labels, region, kind, cost, performance, ...observed])
}

const nobody: ReadonlySet<Host> = new Set()

const affinity = Constraints.bit("affinity")
const antiAffinity = Constraints.bit("anti-affinity")

const count = (counts: Map<string, number>, key: string, by: 1 | -1): void => {
  const now = (counts.get(key) ?? 0) + by
  if (now === 0) counts.delete(key)
  else counts.set(key, now)
}

const more = (counts: Map<number, number>, bits: number, by: number): void => {
  const now = (counts.get(bits) ?? 0) + by
  if (now === 0) counts.delete(bits)
  else counts.set(bits, now)
}

/** Keeps a host on the list of a group while somebody of it is there. */
const list = (hosts: Map<string, Set<Host>>, group: string, host: Host, there: ReadonlyMap<string, number>): void => {
  const listed = hosts.get(group)
  if (there.has(group)) {
    if (listed === undefined) hosts.set(group, new Set([host]))
    else listed.add(host)
  } else if (listed?.delete(host) === true && listed.size === 0) hosts.delete(group)
}

/** Whether somebody there is without the company it needs. */
const strands = ({ tasks, groups }: Host): boolean => {
  for (const { affinity } of tasks.values()) if (affinity?.some((group) => !groups.has(group)) === true) return true
  return false
}

/** Who founds a group before who joins it, then the larger before the smaller. */
const hardestFirst = (
  tasks: ReadonlyArray<Task>,
  hosts: ReadonlyArray<{ readonly node: Node }>
): ReadonlyArray<Task> => {
  let cpu = 0
  let memory = 0
  for (const { node } of hosts) {
    cpu = Math.max(cpu, node.cpu)
    memory = Math.max(memory, node.memory)
  }
  const size = (task: Task) => Rooms.share(task.cpu, cpu) + Rooms.share(task.memory, memory) + 2 * (task.gpus ?? 0)
  const follows = (task: Task) => ((task.affinity ?? []).some((group) => task.groups?.includes(group) !== true) ? 1 : 0)
  return tasks.toSorted((a, b) => follows(a) - follows(b) || size(b) - size(a))
}
