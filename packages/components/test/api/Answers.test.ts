import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Contract, Tasks } from "@novacron/api"
import { Effect, Option, Ref, Schedule, Schema } from "effect"
import { Postgres } from "../database/Postgres.ts"
import { node } from "../orchestration/fixtures/nodes.ts"
import { ask, environment, type Running, start, tokenOf } from "./fixtures/server.ts"

let postgres: Postgres
beforeAll(async () => {
  postgres = await Postgres.start()
})
afterAll(() => postgres.remove())

const admin = { token: tokenOf("admin") }

const taskOf = Schema.decodeUnknownSync(Tasks.Task)

const submit = (running: Running, command: ReadonlyArray<string>, key?: string) =>
  ask(running, "/v1/tasks", {
    ...admin,
    method: "POST",
    body: { name: "a-task", run: { driver: "process", command }, graceMs: 100 },
    ...(key === undefined ? {} : { headers: { "idempotency-key": key } })
  })

const until = (running: Running, id: string, states: ReadonlyArray<Tasks.State>) =>
  Effect.map(ask(running, `/v1/tasks/${id}`, admin), ({ json }) => taskOf(json)).pipe(
    Effect.repeat({ until: ({ state }) => states.includes(state), schedule: Schedule.spaced("50 millis") })
  )

describe("the API over the orchestration that nodes have", () => {
  it.live(
    "has tasks run, says why they ran where they did, gives what they printed, and cancels them",
    () =>
      Effect.gen(function* () {
        const running = yield* start({ rate: { perMinute: 100_000 } }, { isUp: false })
        yield* Ref.set(running.orchestration, Option.some(yield* node(postgres.url())))

        const made = yield* submit(running, ["/bin/sh", "-c", "echo out; echo error >&2"], "once")
        assert.strictEqual(made.status, 201, made.text)
        const { id } = taskOf(made.json)
        assert.strictEqual(
          taskOf((yield* submit(running, ["/bin/sh", "-c", "echo out; echo error >&2"], "once")).json).id,
          id
        )
        assert.strictEqual((yield* submit(running, ["/bin/true"], "once")).status, 409)

        const done = yield* until(running, id, [...Tasks.ends])
        assert.strictEqual(done.state, "succeeded")
        assert.strictEqual(done.placement?.node, "node-1")
        assert.isNotEmpty(done.placement?.explanation)
        const excerpt = Schema.decodeUnknownSync(Contract.Excerpt)(
          (yield* ask(running, `/v1/tasks/${id}/output`, admin)).json
        )
        assert.isTrue(excerpt.ended)
        assert.sameMembers(
          excerpt.output.map(({ stream, text }) => `${stream} ${text}`),
          ["stdout out\n", "stderr error\n"]
        )

        const long = taskOf((yield* submit(running, ["/bin/sleep", "1000"])).json)
        yield* until(running, long.id, ["running"])
        const nodes = Schema.decodeUnknownSync(Contract.Nodes)((yield* ask(running, "/v1/nodes", admin)).json)
        assert.containSubset(nodes.nodes, [{ id: "node-1", state: "up", isCoordinator: true }])
        yield* ask(running, `/v1/tasks/${long.id}/cancel`, { ...admin, method: "POST" })
        assert.strictEqual((yield* until(running, long.id, [...Tasks.ends])).state, "cancelled")
        assert.strictEqual((yield* ask(running, "/v1/tasks/nothing", admin)).status, 404)
        const page = Schema.decodeUnknownSync(Contract.Page)((yield* ask(running, "/v1/tasks?limit=1", admin)).json)
        assert.deepStrictEqual(
          page.tasks.map((task) => task.id),
          [long.id]
        )
        assert.isNotNull(page.next)
      }).pipe(Effect.scoped, Effect.provide(environment)),
    120_000
  )
})
