import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as NodeTable from "../../src/orchestration/NodeTable.ts"
import * as OutputTable from "../../src/orchestration/OutputTable.ts"
import * as TaskTable from "../../src/orchestration/TaskTable.ts"
import { Postgres } from "../database/Postgres.ts"
import { announced, shell, tables } from "./fixtures/nodes.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const placement = (node: string) => ({ node, explanation: "", considered: 1, feasible: 1 })

const ended = (claimed: TaskTable.Claimed, state: TaskTable.Ended["state"] = "succeeded"): TaskTable.Ended => ({
  id: claimed.id,
  fence: claimed.fence,
  state,
  delayMs: 0,
  isLoss: false,
  exitCode: 0,
  signal: null,
  error: null
})

/** A table with one node, and the number of what it is called. */
const setting = Effect.gen(function* () {
  const { sql } = yield* tables(server.url())
  const [tasks, nodes, outputs] = [TaskTable.make(sql), NodeTable.make(sql), OutputTable.make(sql)]
  const node = announced(`node-${randomUUID()}`)
  yield* nodes.announce(node)
  const submitted = (submission = shell("true")) =>
    Effect.map(tasks.submit([{ id: randomUUID(), by: "ada", submission }]), ([kept]) => kept?.task.id ?? "")
  const running = Effect.gen(function* () {
    const id = yield* submitted()
    yield* tasks.place([{ id, placement: placement(node.id) }])
    const claimed = (yield* tasks.claim(node.id, node.incarnation, 10)).find((one) => one.id === id)
    return claimed ?? (yield* Effect.die(new Error("not claimed")))
  })
  const stateOf = (id: string) => Effect.map(tasks.find([id]), ([task]) => task?.state)
  return { tasks, nodes, outputs, node, submitted, running, stateOf }
})

describe("TaskTable", () => {
  it.live("gives a task to one node and one claim, though several ask", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { node, nodes, submitted, tasks } = yield* setting
        const other = announced(`node-${randomUUID()}`)
        yield* nodes.announce(other)
        const ids = yield* Effect.forEach(Array.from({ length: 50 }), () => submitted())
        const placed = yield* Effect.forEach(
          [node, other, node, other],
          ({ id }) => tasks.place(ids.map((task) => ({ id: task, placement: placement(id) }))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(
          placed.reduce((a, b) => a + b, 0),
          50
        )
        const claims = yield* Effect.forEach(
          [node, other, node, other],
          ({ id, incarnation }) => tasks.claim(id, incarnation, 100),
          { concurrency: "unbounded" }
        )
        const claimed = claims.flat().map(({ id }) => id)
        assert.strictEqual(claimed.length, 50)
        assert.sameMembers(claimed, ids)
      })
    )
  )

  it.live("lets nobody end an attempt who was given up, and counts one end of several", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { node, running, stateOf, tasks } = yield* setting
        const first = yield* running
        assert.strictEqual(yield* tasks.reclaimFrom(node.id, 10, "It was lost."), 1)
        assert.deepStrictEqual(yield* tasks.end([ended(first)]), [])
        assert.strictEqual(yield* stateOf(first.id), "queued")
        const second = yield* running
        const done = yield* Effect.forEach([1, 2, 3, 4], () => tasks.end([ended(second)]), { concurrency: "unbounded" })
        assert.deepStrictEqual(done.flat(), [second.id])
        assert.strictEqual(yield* stateOf(second.id), "succeeded")
      })
    )
  )

  it.live("gives nothing to a process that another one has replaced, or to a node that leaves", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { node, nodes, submitted, tasks } = yield* setting
        const id = yield* submitted()
        yield* tasks.place([{ id, placement: placement(node.id) }])
        const anew = { ...node, incarnation: randomUUID() }
        yield* nodes.announce(anew)
        assert.isFalse(yield* nodes.beat(node.id, node.incarnation, "an old address"))
        assert.isTrue(yield* nodes.beat(node.id, anew.incarnation, "https://10.0.0.1:4711"))
        // A server that was started anew may be at another port.
        const all = yield* nodes.all(60_000)
        assert.strictEqual(all.find(({ id }) => id === node.id)?.address, "https://10.0.0.1:4711")
        assert.deepStrictEqual(yield* tasks.claim(node.id, node.incarnation, 10), [])
        yield* nodes.say(node.id, anew.incarnation, "draining")
        assert.deepStrictEqual(yield* tasks.claim(node.id, anew.incarnation, 10), [])
        yield* tasks.release(node.id)
        assert.strictEqual(yield* tasks.place([{ id, placement: placement(node.id) }]), 0)
      })
    )
  )

  it.live("takes up what a lost node ran, and gives a task up under which too many nodes were lost", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { running, stateOf, tasks } = yield* setting
        const claimed = yield* running
        const later = Date.parse("3000-01-01")
        assert.strictEqual(yield* tasks.reclaimLost(0, 10), 0)
        assert.isAtLeast(yield* tasks.reclaimLost(later, 10), 1)
        assert.strictEqual(yield* stateOf(claimed.id), "queued")
        const [task] = yield* tasks.find([claimed.id])
        assert.strictEqual(task?.attempts[0]?.error, "The node that ran it was lost.")
        const again = yield* running
        yield* tasks.reclaimLost(later, 1)
        assert.strictEqual(yield* stateOf(again.id), "failed")
      })
    )
  )

  it.live("cancels what is retried or lost after somebody has cancelled it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { node, running, stateOf, tasks } = yield* setting
        const failing = yield* running
        yield* tasks.cancel(failing.id, "bob")
        assert.deepStrictEqual(
          (yield* tasks.held(node.id)).filter(({ isCancelled }) => isCancelled).map(({ id }) => id),
          [failing.id]
        )
        yield* tasks.end([ended(failing, "waiting")])
        assert.strictEqual(yield* stateOf(failing.id), "cancelled")
        const lost = yield* running
        yield* tasks.cancel(lost.id, "bob")
        yield* tasks.reclaimFrom(node.id, 10, "It was lost.")
        assert.strictEqual(yield* stateOf(lost.id), "cancelled")
      })
    )
  )

  it.live("keeps what is asked twice under one id once", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { tasks } = yield* setting
        const one = { id: randomUUID(), by: "ada", submission: shell("true") }
        const answers = yield* Effect.forEach([1, 2, 3], () => tasks.submit([one, one]), { concurrency: "unbounded" })
        assert.isTrue(answers.flat().every(({ isSame, task }) => isSame && task.id === one.id))
        assert.strictEqual((yield* tasks.find([one.id])).length, 1)
      })
    )
  )

  it.live("takes ten thousand tasks at once and keeps every one that it has acknowledged", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { tasks } = yield* setting
        const group = randomUUID()
        const all = Array.from({ length: 10_000 }, () => ({
          id: randomUUID(),
          by: "ada",
          submission: { ...shell("true"), group }
        }))
        const batches = Array.from({ length: 20 }, (_, i) => all.slice(i * 500, (i + 1) * 500))
        const kept = yield* Effect.forEach(batches, tasks.submit, { concurrency: 4 })
        assert.deepStrictEqual(
          kept.flat().map(({ task }) => task.id),
          all.map(({ id }) => id)
        )
        assert.isAtLeast(yield* tasks.waiting(20_000), 10_000)
        let cursor: string | undefined
        const seen = new Set<string>()
        do {
          const page = yield* tasks.list({ group, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
          for (const { id } of page.tasks) seen.add(id)
          cursor = Option.getOrUndefined(page.next)
        } while (cursor !== undefined)
        assert.strictEqual(seen.size, 10_000)
      })
    )
  )

  it.live("forgets ends that are old enough, with what they printed, and nothing else", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { outputs, running, stateOf, tasks } = yield* setting
        const old = yield* running
        const piece = { task: old.id, fence: old.fence, position: 0, size: 2, stream: "stdout", text: "hi" } as const
        yield* outputs.append([piece], [])
        yield* tasks.end([ended(old)])
        const alive = yield* running
        assert.strictEqual(yield* tasks.purge(3_600_000), 0)
        assert.isAtLeast(yield* tasks.purge(0), 1)
        assert.isUndefined(yield* stateOf(old.id))
        assert.deepStrictEqual(yield* outputs.read(old.id, 0), [])
        assert.strictEqual(yield* stateOf(alive.id), "running")
      })
    )
  )
})
