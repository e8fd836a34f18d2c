/** The work of a real node, asked for as the pages ask for it. */
import { get } from "node:http"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Contract, Tasks } from "@novacron/api"
import { Deferred, Effect, Fiber, Logger, Option, Schema } from "effect"
import type { Orchestration } from "../../src/orchestration/Orchestration.ts"
import type * as Dashboard from "../../src/operator/Dashboard.ts"
import * as Wire from "../../src/operator/Wire.ts"
import * as Work from "../../src/operator/Work.ts"
import { Postgres } from "../database/Postgres.ts"
import { client, node, shell, until } from "../orchestration/fixtures/nodes.ts"
import { ask, enter, post, scene } from "./Scene.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const quiet = <A, E>(body: Effect.Effect<A, E>) => Effect.provide(body, Logger.layer([]))

/** A dashboard of this work, and somebody at it. */
const at = (work: Orchestration["Service"], role = "operator") =>
  Effect.gen(function* () {
    const { dashboard } = yield* scene({ sources: { orchestration: Effect.succeedSome(work) } })
    const { headers } = yield* enter(dashboard, { name: "ada", role })
    const told = (path: string) =>
      Effect.map(
        Effect.promise(() => ask(dashboard.url, path, { headers })),
        ({ status, text }) => ({ status, value: JSON.parse(text) })
      )
    return { dashboard, headers, told }
  })

const decode = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S, value: unknown) =>
  Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(value)

/** Listens until what was heard is enough; then it goes away. */
const listen = (
  { url }: Dashboard.Dashboard,
  path: string,
  headers: { readonly [name: string]: string },
  isEnough: (text: string) => boolean
) =>
  Effect.callback<string>((resume) => {
    let text = ""
    const sent = get(`${url}${path}`, { headers }, (response) => {
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString()
        if (isEnough(text)) sent.destroy()
      })
      response.on("close", () => resume(Effect.succeed(text)))
    })
    sent.on("error", () => resume(Effect.succeed(text)))
  })

/** The messages of a stream of server-sent events. */
const messages = (text: string) =>
  [...text.matchAll(/(?:id: (\d+)\n)?event: (\w+)\ndata: (.*)\n\n/g)].map(([, id, kind, data = "null"]) => ({
    id: id === undefined ? undefined : Number(id),
    kind,
    data: JSON.parse(data)
  }))

const printedIn = (text: string): string =>
  messages(text)
    .filter(({ kind }) => kind === "output")
    .map(({ data }) => data.text)
    .join("")

describe("the work, at the dashboard", () => {
  it.live(
    "is said in the words of the contract",
    () =>
      quiet(
        Effect.scoped(
          Effect.gen(function* () {
            const work = yield* node(server.url())
            const { told } = yield* at(work, "viewer")
            const { id } = yield* work.submit(shell("echo hello"), "ada")
            yield* until(work, id)
            const { nodes } = decode(Contract.Nodes, (yield* told("/api/nodes")).value)
            assert.deepStrictEqual(
              nodes.map(({ id, isCoordinator, state }) => [id, isCoordinator, state]),
              [["node-1", true, "up"]]
            )
            assert.strictEqual(decode(Tasks.Task, (yield* told(`/api/task?id=${id}`)).value).state, "succeeded")
            const page = decode(Work.Page, (yield* told("/api/tasks?state=succeeded,failed&node=node-1&limit=1")).value)
            assert.deepStrictEqual([page.tasks[0]?.id, page.next, page.looked], [id, null, 1])
            assert.deepStrictEqual((yield* told(`/api/fit?id=${id}`)).value, [])
            const queued = yield* work.submit(shell("true", { demand: { cpu: 4_000, memory: 0 } }), "ada")
            const fits = decode(Schema.Array(Wire.Fit), (yield* told(`/api/fit?id=${queued.id}`)).value)
            assert.match(fits[0]?.why ?? "", /^Wants 4000 cores, /)
            yield* work.cancel(queued.id, "ada")
          })
        )
      ),
    60_000
  )

  it.live(
    "is told as it is printed, and from an id on to who comes back",
    () =>
      quiet(
        Effect.scoped(
          Effect.gen(function* () {
            const work = yield* node(server.url())
            const { dashboard, headers } = yield* at(work)
            const { id } = yield* work.submit(shell("echo one; echo zwä >&2; sleep 1; echo three"), "ada")
            // While it still runs.
            const first = yield* listen(dashboard, `/api/output?id=${id}`, headers, (text) => text.includes("zwä"))
            assert.notInclude(first, "three")
            const last = messages(first).findLast(({ id }) => id !== undefined)
            assert.strictEqual(last?.id, Buffer.byteLength("one\nzwä\n"))
            const again = { ...headers, "last-event-id": `${last?.id}` }
            const rest = yield* listen(dashboard, `/api/output?id=${id}`, again, () => false)
            assert.strictEqual(printedIn(first) + printedIn(rest), "one\nzwä\nthree\n")
            assert.deepStrictEqual(messages(rest).at(-1), { id: undefined, kind: "end", data: { state: "succeeded" } })
            const middle = yield* listen(dashboard, `/api/output?id=${id}&offset=4`, headers, () => false)
            assert.strictEqual(printedIn(middle), "zwä\nthree\n")
          })
        )
      ),
    60_000
  )

  it.live(
    "is cancelled by who may, and by nobody from another site",
    () =>
      quiet(
        Effect.scoped(
          Effect.gen(function* () {
            const work = yield* node(server.url())
            const { dashboard, headers } = yield* at(work)
            const viewer = yield* enter(dashboard, { name: "eve", role: "viewer" })
            const { id } = yield* work.submit(shell("sleep 600"), "bo")
            const cancel = (more: { readonly [name: string]: string }, body: object = { task: id, confirmed: true }) =>
              Effect.promise(() => post(dashboard.url, "/api/cancel", body, { ...headers, ...more }))
            assert.strictEqual((yield* cancel({ origin: "http://evil.example" })).status, 403)
            assert.strictEqual((yield* cancel({ "sec-fetch-site": "cross-site" })).status, 403)
            assert.strictEqual((yield* cancel({ "content-type": "text/plain" })).status, 415)
            assert.strictEqual((yield* cancel({}, { task: id })).status, 400)
            assert.strictEqual((yield* cancel({ cookie: "" })).status, 401)
            const refused = yield* cancel(viewer.headers)
            assert.strictEqual(refused.status, 403)
            assert.match(refused.text, /The role viewer does not allow tasks\.cancel\./)
            assert.notStrictEqual((yield* work.get(id)).state, "cancelled")
            assert.strictEqual((yield* cancel({})).status, 200)
            assert.strictEqual((yield* until(work, id)).state, "cancelled")
            const unknown = yield* cancel({}, { task: "00000000-0000-4000-8000-000000000000", confirmed: true })
            assert.strictEqual(unknown.status, 404)
          })
        )
      ),
    60_000
  )

  it.live(
    "is mentioned when it changes, to whoever follows the boot",
    () =>
      quiet(
        Effect.scoped(
          Effect.gen(function* () {
            const work = yield* node(server.url())
            const heard = yield* Deferred.make<Wire.News>()
            const wanted = { id: "" }
            const watching = yield* Effect.forkChild(
              Work.watch(work, (news) => {
                if (news.tasks.includes(wanted.id)) Deferred.doneUnsafe(heard, Effect.succeed(news))
              })
            )
            wanted.id = (yield* work.submit(shell("sleep 1"), "ada")).id
            assert.isFalse(decode(Wire.News, yield* Deferred.await(heard)).isMore)
            yield* Fiber.interrupt(watching)
            const { dashboard, headers } = yield* at(work)
            const submit = Effect.repeat(work.submit(shell("true"), "ada"), { times: 200 })
            const submitting = yield* Effect.forkChild(submit)
            const text = yield* listen(dashboard, "/api/events", headers, (text) => text.includes("event: work"))
            assert.match(text, /event: work\ndata: \{"tasks":\["[0-9a-f-]{36}"/)
            yield* Fiber.join(submitting)
          })
        )
      ),
    60_000
  )

  it.live(
    "answers what it cannot, and what nobody should ask",
    () =>
      quiet(
        Effect.scoped(
          Effect.gen(function* () {
            const work = yield* client(server.url())
            const { told } = yield* at(work)
            for (const query of [
              "state=odd",
              "limit=0",
              "limit=100000",
              "limit=x",
              "group=%00",
              "cursor=abc",
              `search=${"x".repeat(200)}`
            ]) {
              assert.strictEqual((yield* told(`/api/tasks?${query}`)).status, 400, query)
            }
            for (const path of ["task?id=nobody", "task", "fit?id=nobody", "output?id=nobody", "output"]) {
              const { status, value } = yield* told(`/api/${path}`)
              assert.strictEqual(status, 404, path)
              assert.match(value.error, /^There is no task /)
            }
            const away = yield* scene()
            const { headers } = yield* enter(away.dashboard)
            for (const path of ["nodes", "tasks", "task?id=x", "output?id=x"]) {
              const reply = yield* Effect.promise(() => ask(away.dashboard.url, `/api/${path}`, { headers }))
              assert.deepStrictEqual(
                [reply.status, JSON.parse(reply.text).error],
                [503, "The orchestration is not up here."],
                path
              )
            }
          })
        )
      ),
    60_000
  )
})

describe("ten thousand tasks", () => {
  it.live(
    "are shown a page at a time, each once, and searched through some thousands at a time",
    () =>
      quiet(
        Effect.scoped(
          Effect.gen(function* () {
            // Nobody runs them: they stay as they are.
            const work = yield* client(server.url())
            const names = Array.from({ length: 10_000 }, (_, i) => (i === 17 ? "needle" : `straw-${i}`))
            yield* Effect.forEach(names, (name) => work.submit(shell("true", { name, group: "hay" }), "ada"), {
              concurrency: 1_000
            })
            const seen = new Set<string>()
            let [pages, cursor] = [0, ""]
            do {
              const page = yield* Work.list(work, new URLSearchParams({ group: "hay", limit: "200", cursor }))
              assert.isAtMost(page.tasks.length, 200)
              for (const { id } of page.tasks) seen.add(id)
              cursor = page.next ?? ""
              pages++
            } while (cursor !== "" && pages < 100)
            assert.deepStrictEqual([pages, seen.size], [50, 10_000])
            assert.strictEqual((yield* Work.list(work, new URLSearchParams())).tasks.length, 50)

            // The oldest but a few: it is found in the second answer.
            const first = yield* Work.list(work, new URLSearchParams({ search: "NEEDLE" }))
            assert.deepStrictEqual([first.tasks.length, first.looked], [0, 5_000])
            const second = yield* Work.list(work, new URLSearchParams({ search: "NEEDLE", cursor: first.next ?? "" }))
            assert.deepStrictEqual(
              second.tasks.map(({ name }) => name),
              ["needle"]
            )
            // What matches everywhere is no larger for it.
            const many = yield* Work.list(work, new URLSearchParams({ search: "straw" }))
            assert.isAtMost(many.tasks.length, 550)
            assert.isTrue(Option.isSome(Option.fromNullOr(many.next)))
          })
        )
      ),
    90_000
  )
})
