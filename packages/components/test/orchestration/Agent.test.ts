import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Deferred, Effect, Logger, Schedule } from "effect"
import * as Agent from "../../src/orchestration/Agent.ts"
import * as Bulletin from "../../src/orchestration/Bulletin.ts"
import { CannotStart, type Driver, type Ending, type Running } from "../../src/orchestration/Driver.ts"
import * as NodeTable from "../../src/orchestration/NodeTable.ts"
import * as OutputTable from "../../src/orchestration/OutputTable.ts"
import * as TaskTable from "../../src/orchestration/TaskTable.ts"
import { Postgres } from "../database/Postgres.ts"
import { announced, type Encoded, settingsOf, shell, tables } from "./fixtures/nodes.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

/** A driver whose programs end when they are stopped or killed, and that says what was done to them. */
const scripted = () => {
  const running: Array<Deferred.Deferred<Ending>> = []
  const done: Array<string> = []
  const end = (it: Deferred.Deferred<Ending>, signal: string) => Deferred.succeed(it, { exitCode: null, signal })
  const driver: Driver["Service"] = {
    limits: "",
    labels: {},
    start: () =>
      Effect.sync((): Running => {
        const ended = Deferred.makeUnsafe<Ending>()
        running.push(ended)
        return {
          ended: Deferred.await(ended),
          stop: (graceMs) => Effect.andThen(end(ended, graceMs > 0 ? "SIGTERM" : "SIGKILL"), Deferred.await(ended))
        }
      }),
    killAll: Effect.suspend(() => {
      done.push("killAll")
      return Effect.forEach(running, (it) => end(it, "SIGKILL"), { discard: true })
    }),
    alive: Effect.void
  }
  return { done, driver, running }
}

const agent = (encoded: Encoded = {}) =>
  Effect.gen(function* () {
    const { check, sql } = yield* tables(server.url())
    const [tasks, nodes, outputs] = [TaskTable.make(sql), NodeTable.make(sql), OutputTable.make(sql)]
    const node = announced(`node-${randomUUID()}`)
    const settings = settingsOf(encoded)
    const bulletin = yield* Bulletin.make(sql)
    const { done, driver, running } = scripted()
    const revive = Effect.ignore(check)
    const it = yield* Agent.make({ node, settings, tasks, nodes, outputs, bulletin, driver, revive })
    /** Places a task here and waits until it runs. */
    const given = Effect.gen(function* () {
      const id = randomUUID()
      yield* tasks.submit([{ id, by: "ada", submission: shell("true") }])
      yield* tasks.place([{ id, placement: { node: node.id, explanation: "", considered: 1, feasible: 1 } }])
      yield* until(Effect.sync(() => running.length > 0))
      return id
    })
    const task = (id: string) => Effect.map(tasks.find([id]), ([found]) => found)
    return { done, given, it, node, nodes, running, sql, task, tasks }
  })

const until = <E>(what: Effect.Effect<boolean, E>) =>
  Effect.repeat(what, { schedule: Schedule.spaced("20 millis"), until: (is) => is })

const quiet = <A>(body: Effect.Effect<A, unknown>) => Effect.provide(body, Logger.layer([]))

describe("Agent", () => {
  it.live("kills what it runs and runs nothing more when another process has taken its name", () =>
    quiet(
      Effect.scoped(
        Effect.gen(function* () {
          const { done, given, it, node, nodes } = yield* agent({ heartbeat: "100ms", lease: "10s", deadAfter: "20s" })
          yield* given
          assert.strictEqual(yield* it.state, "Up")
          yield* nodes.announce({ ...node, incarnation: randomUUID() })
          yield* until(Effect.map(it.state, (state) => state === "Replaced"))
          yield* until(Effect.map(it.running, (count) => count === 0))
          assert.include(done, "killAll")
        })
      )
    )
  )

  it.live("kills what it runs when its lease is over, and has it queued again without counting it as a failure", () =>
    quiet(
      Effect.scoped(
        Effect.gen(function* () {
          const own = yield* agent({ heartbeat: "100ms", lease: "600ms", deadAfter: "1600ms" })
          const { done, given, it, node, sql, task } = own
          const id = yield* given
          // The row of the node is held: heartbeats wait, and everything else goes on.
          yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`SELECT FROM novacron_nodes WHERE id = ${node.id}::text FOR UPDATE`
              yield* until(Effect.sync(() => done.includes("killAll")))
              assert.strictEqual(yield* it.state, "NoLease")
            })
          )
          yield* until(Effect.map(task(id), (found) => found?.state === "queued"))
          assert.strictEqual((yield* task(id))?.attempts[0]?.error, "The node that ran it lost its lease.")
          yield* until(Effect.map(it.state, (state) => state === "Up"))
        })
      )
    )
  )

  it.live("has queued again what was killed from outside when its lease was over, before it knew itself", () =>
    quiet(
      Effect.scoped(
        Effect.gen(function* () {
          const { given, running, task } = yield* agent({ heartbeat: "100ms" })
          const id = yield* given
          const [ended] = running
          if (ended !== undefined)
            yield* Deferred.succeed(ended, { exitCode: null, signal: "SIGKILL", lost: "NoLease" })
          yield* until(Effect.map(task(id), (found) => found?.attempts[0]?.endedAt !== null))
          const found = yield* task(id)
          assert.strictEqual(found?.state, "queued")
          // It is nowhere, and nobody says that it is where it was.
          assert.strictEqual(found?.placement, null)
          assert.strictEqual(found?.attempts[0]?.error, "The node that ran it lost its lease.")
        })
      )
    )
  )

  it.live("says once that its lease is over, however long nobody can be told what became of its tasks", () =>
    Effect.suspend(() => {
      const said: Array<string> = []
      const told = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
      return Effect.gen(function* () {
        const own = yield* agent({ heartbeat: "100ms", lease: "600ms", deadAfter: "1600ms" })
        const { done, given, node, sql } = own
        yield* given
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT FROM novacron_nodes WHERE id = ${node.id}::text FOR UPDATE`
            yield* sql`LOCK TABLE novacron_tasks`
            yield* until(Effect.sync(() => done.filter((it) => it === "killAll").length >= 4))
          })
        )
        assert.lengthOf(
          said.filter((line) => line.includes("has no lease")),
          1
        )
      }).pipe(Effect.scoped, Effect.provide(told))
    })
  )

  it.live("gives a task back that it has taken without knowing it", () =>
    quiet(
      Effect.scoped(
        Effect.gen(function* () {
          const { node, sql, task, tasks } = yield* agent({ heartbeat: "100ms" })
          const id = randomUUID()
          yield* tasks.submit([{ id, by: "ada", submission: shell("true") }])
          // As if the answer to its claim had been lost on the way.
          yield* sql`UPDATE novacron_tasks SET state = 'running', node_id = ${node.id}::text, attempts = 1,
            history = '[{"number": 1}]' WHERE id = ${id}::text::uuid`
          yield* until(Effect.map(task(id), (found) => found?.state === "queued"))
          assert.strictEqual((yield* task(id))?.attempts[0]?.error, "The node that took it has not begun it.")
        })
      )
    )
  )
})

describe("what follows from the end of an attempt", () => {
  const settings = settingsOf({ retry: { delay: "1s", cap: "5s" } })
  const claimed = (attempt: number, losses = 0, attempts?: number): TaskTable.Claimed => ({
    id: "t",
    fence: "1",
    attempt,
    losses,
    submission: shell("true", { timeoutMs: 50, ...(attempts === undefined ? {} : { attempts }) })
  })
  const exited = (exitCode: number | null, signal: string | null = null) => ({
    reason: undefined,
    ending: { exitCode, signal }
  })

  it("is success only when the program ended by itself with 0", () => {
    assert.strictEqual(Agent.conclude(settings, claimed(1), exited(0)).state, "succeeded")
    for (const reason of ["TimedOut", "Cancelled", "Leaving", "NoLease", "NoKeeper"] as const) {
      const { state } = Agent.conclude(settings, claimed(1), { reason, ending: { exitCode: 0, signal: null } })
      assert.notStrictEqual(state, "succeeded")
    }
  })

  it("is another attempt while there are any, after waits that double up to a cap", () => {
    const delays = [1, 2, 3, 4, 5].map((attempt) => Agent.conclude(settings, claimed(attempt, 0, 6), exited(1)).delayMs)
    assert.deepStrictEqual(delays, [1_000, 2_000, 4_000, 5_000, 5_000])
    assert.strictEqual(Agent.conclude(settings, claimed(6, 0, 6), exited(1)).state, "failed")
    assert.strictEqual(Agent.conclude(settings, claimed(1), exited(1)).state, "failed")
  })

  it("does not count attempts under which a node was lost", () => {
    assert.strictEqual(Agent.conclude(settings, claimed(3, 2, 2), exited(1)).state, "waiting")
    assert.strictEqual(Agent.conclude(settings, claimed(4, 2, 2), exited(1)).state, "failed")
    const lost = Agent.conclude(settings, claimed(1), {
      reason: "NoLease",
      ending: { exitCode: null, signal: "SIGKILL" }
    })
    assert.deepStrictEqual([lost.state, lost.isLoss], ["queued", true])
    const killed = { exitCode: null, signal: "SIGKILL", lost: "NoKeeper" } as const
    const { error, isLoss, state } = Agent.conclude(settings, claimed(1), { reason: killed.lost, ending: killed })
    assert.deepStrictEqual([state, isLoss], ["queued", true])
    assert.strictEqual(error, "The process beside the node that had started it was killed.")
  })

  it("gives a task up under which too many nodes were lost", () => {
    const ending = { exitCode: null, signal: "SIGKILL" }
    assert.strictEqual(Agent.conclude(settings, claimed(10, 9), { reason: "NoLease", ending }).state, "failed")
  })

  it("says in a sentence what went wrong", () => {
    const errors = [
      exited(3),
      exited(null, "SIGSEGV"),
      { reason: "TimedOut" as const, ending: { exitCode: 0, signal: null } }
    ].map((outcome) => Agent.conclude(settings, claimed(1), outcome).error)
    assert.deepStrictEqual(errors, ["It exited with code 3.", "It was ended by SIGSEGV.", "It ran longer than 50 ms."])
    const killed = { exitCode: null, signal: "SIGKILL", isOutOfMemory: true }
    const claimedMemory = { ...claimed(1), submission: shell("true", { demand: { cpu: 0, memory: 64 } }) }
    assert.strictEqual(
      Agent.conclude(settings, claimedMemory, { reason: undefined, ending: killed }).error,
      "It used more memory than the 64 MiB it had asked for, and was killed."
    )
    const ending = new CannotStart({ program: "x", problem: "there is no such program" })
    assert.strictEqual(
      Agent.conclude(settings, claimed(1), { reason: undefined, ending }).error,
      "x cannot be started: there is no such program."
    )
  })
})
