/** Where tasks go, as the others ask for it; and the static placement, which stands in for ITP. */
import { Data, Effect, Result } from "effect"
import type { Node, Task } from "../itp/Inventory.ts"
import type * as Objective from "../itp/Objective.ts"
import * as Placement from "../itp/Placement.ts"

/** No node can take the task, or the task or node makes no sense. */
export class NotPlaced extends Data.TaggedError("NotPlaced")<{ readonly what: string; readonly cause?: unknown }> {
  override get message() {
    return `${this.what} Nothing was placed; others are not affected.`
  }
}

export interface Placing {
  readonly join: (node: Node) => Effect.Effect<void, NotPlaced>
  /** The tasks that were there: they are nowhere now. */
  readonly leave: (node: string) => Effect.Effect<ReadonlyArray<Task>>
  /** The node it went to. */
  readonly place: (task: Task) => Effect.Effect<string, NotPlaced>
  readonly remove: (task: string) => Effect.Effect<boolean>
  readonly nodes: Effect.Effect<ReadonlyArray<Node>>
  readonly tasksOn: (node: string) => Effect.Effect<ReadonlyArray<Task>>
}

/** Who is there and what runs where: what outlives a change of mode, and of who decides. */
export interface Known {
  readonly nodes: Map<string, Node>
  readonly tasks: Map<string, { readonly task: Task; readonly node: string }>
}

export const nothing = (): Known => ({ nodes: new Map(), tasks: new Map() })

/** By ITP, with the objective of an environment. */
export const ofItp = (environment: Objective.Environment, known: Known): Placing => {
  const cluster = Placement.make(environment)
  for (const node of known.nodes.values()) cluster.join(node)
  for (const { node, task } of known.tasks.values()) cluster.adopt(task, node)
  return over(known, {
    join: (node) => Result.match(cluster.join(node), { onFailure: (error) => error, onSuccess: () => undefined }),
    leave: (node) => void cluster.leave(node),
    place: (task) => Result.match(cluster.place(task), { onFailure: (error) => error, onSuccess: ({ node }) => node }),
    remove: (task) => void cluster.remove(task)
  })
}

/** In turn, to the next node with room: nothing is weighed, and no wish is heard. */
export const inTurn = (known: Known): Placing => {
  let last = -1
  const roomOf = (node: Node) => {
    const here = [...known.tasks.values()].filter((each) => each.node === node.id).map(({ task }) => task)
    const left = (of: (it: Node | Task) => number) => of(node) - here.reduce((sum, task) => sum + of(task), 0)
    return { cpu: left(({ cpu }) => cpu), memory: left(({ memory }) => memory), gpus: left(({ gpus }) => gpus ?? 0) }
  }
  return over(known, {
    join: () => undefined,
    leave: () => undefined,
    place: (task) => {
      const nodes = [...known.nodes.values()]
      for (let k = 1; k <= nodes.length; k++) {
        const at = (last + k) % nodes.length
        const node = nodes[at]
        if (node === undefined) continue
        const room = roomOf(node)
        if (room.cpu < task.cpu || room.memory < task.memory || room.gpus < (task.gpus ?? 0)) continue
        last = at
        return node.id
      }
      return new Error(`Of ${nodes.length} nodes none has the room.`)
    },
    remove: () => undefined
  })
}

const over = (
  known: Known,
  by: {
    readonly join: (node: Node) => Error | undefined
    readonly leave: (node: string) => void
    readonly place: (task: Task) => string | Error
    readonly remove: (task: string) => void
  }
): Placing => {
  const tasksOn = (node: string) =>
    [...known.tasks.values()].filter((each) => each.node === node).map(({ task }) => task)
  return {
    join: (node) =>
      Effect.suspend(() => {
        const refused = by.join(node)
        if (refused !== undefined) return Effect.fail(new NotPlaced({ what: refused.message, cause: refused }))
        known.nodes.set(node.id, node)
        return Effect.void
      }),
    leave: (node) =>
      Effect.sync(() => {
        const gone = tasksOn(node)
        by.leave(node)
        known.nodes.delete(node)
        for (const { id } of gone) known.tasks.delete(id)
        return gone
      }),
    place: (task) =>
      Effect.suspend(() => {
        if (known.tasks.has(task.id)) {
          return Effect.fail(new NotPlaced({ what: `Task ${task.id} is placed already.` }))
        }
        const node = by.place(task)
        if (typeof node !== "string") return Effect.fail(new NotPlaced({ what: node.message, cause: node }))
        known.tasks.set(task.id, { task, node })
        return Effect.succeed(node)
      }),
    remove: (task) =>
      Effect.sync(() => {
        by.remove(task)
        return known.tasks.delete(task)
      }),
    nodes: Effect.sync(() => [...known.nodes.values()]),
    tasksOn: (node) => Effect.sync(() => tasksOn(node))
  }
}
