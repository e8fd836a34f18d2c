import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Contract, Problem } from "@novacron/api"
import { Duration, Effect, Exit, Option, Ref, Schema, Tracer } from "effect"
import { allows } from "../../src/security/Roles.ts"
import {
  ask,
  certificateOf,
  environment,
  type Reply,
  roles,
  securitySettings,
  start,
  submission,
  tokenOf
} from "./fixtures/server.ts"

const admin = { token: tokenOf("admin") }

/** A test of a running API, of its own. */
const live = (name: string, body: () => Effect.Effect<unknown, unknown, Effect.Services<ReturnType<typeof start>>>) =>
  it.live(name, () => body().pipe(Effect.scoped, Effect.provide(environment)), 60_000)

const isProblem = (reply: Reply, status: number, code: string) => {
  assert.strictEqual(reply.status, status, reply.text)
  assert.strictEqual(reply.headers["content-type"], "application/problem+json")
  assert.containSubset(reply.json, { status, code, type: `urn:novacron:problem:${code}` })
  assert.match(String(reply.headers["x-request-id"]), /^[\w.-]{1,64}$/)
}

describe("REST", () => {
  live("submits a task once for each idempotency key, and says no to another submission with it", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const post = (body: object, key: string) =>
        ask(running, "/v1/tasks", { ...admin, method: "POST", body, headers: { "idempotency-key": key } })
      const first = yield* post(submission, "a key")
      assert.strictEqual(first.status, 201, first.text)
      const again = yield* post(submission, "a key")
      assert.deepStrictEqual(again.json, first.json)
      isProblem(yield* post({ ...submission, name: "other" }, "a key"), 409, "NVC-2816")
      isProblem(yield* post({ ...submission, idempotencyKey: "another" }, "a key"), 400, "NVC-2811")
      assert.strictEqual(running.memory.tasks.size, 1)
    })
  )

  live("lists every task once, a page at a time, newest first", () =>
    Effect.gen(function* () {
      const running = yield* start()
      for (let i = 0; i < 7; i++) {
        yield* ask(running, "/v1/tasks", { ...admin, method: "POST", body: { ...submission, name: `task-${i}` } })
      }
      const names: Array<string> = []
      let cursor: string | null = null
      do {
        const query: string = cursor === null ? "" : `&cursor=${cursor}`
        const reply = yield* ask(running, `/v1/tasks?limit=3${query}`, admin)
        const page: Contract.Page = Schema.decodeUnknownSync(Contract.Page)(reply.json)
        names.push(...page.tasks.map(({ name }) => name))
        cursor = page.next
      } while (cursor !== null)
      assert.deepStrictEqual(
        names,
        [6, 5, 4, 3, 2, 1, 0].map((i) => `task-${i}`)
      )
      const waiting = yield* ask(running, "/v1/tasks?state=queued&state=running&limit=1000", admin)
      assert.lengthOf(Schema.decodeUnknownSync(Contract.Page)(waiting.json).tasks, 7)
      const done = yield* ask(running, "/v1/tasks?state=succeeded", admin)
      assert.lengthOf(Schema.decodeUnknownSync(Contract.Page)(done.json).tasks, 0)
    })
  )

  live("gives the output in parts that fit together", () =>
    Effect.gen(function* () {
      const running = yield* start()
      yield* ask(running, "/v1/tasks", { ...admin, method: "POST", body: submission })
      const id = "task-00000001"
      for (const text of ["one ", "zwölf ", "three"]) yield* running.memory.print(id, text)
      const part = (query: string) =>
        Effect.map(ask(running, `/v1/tasks/${id}/output${query}`, admin), ({ json }) =>
          Schema.decodeUnknownSync(Contract.Excerpt)(json)
        )
      const first = yield* part("?limit=5")
      assert.deepStrictEqual(
        first.output.map(({ text }) => text),
        ["one ", "zwölf "]
      )
      const rest = yield* part(`?offset=${first.next}`)
      assert.deepStrictEqual(
        rest.output.map(({ text }) => text),
        ["three"]
      )
      assert.isFalse(rest.ended)
      yield* running.memory.advance(id, { state: "succeeded" })
      assert.deepStrictEqual(yield* part(`?offset=${rest.next}`), { output: [], next: rest.next, ended: true })
    })
  )

  live("lets each role do at every place what its actions allow, and nobody anything without a credential", () =>
    Effect.gen(function* () {
      const running = yield* start({ rate: { perMinute: 100_000, burst: 10_000, failures: 10_000 } })
      let tried = 0
      for (const group of Object.values(Contract.Contract.groups)) {
        for (const endpoint of Object.values(group.endpoints)) {
          const action = Contract.action(endpoint)
          assert.match(action, /^[a-z]+\.[a-z]+$/, endpoint.path)
          const path = endpoint.path.replace(":id", "nothing").replace(":name", "nothing")
          const body =
            endpoint.payload.size === 0
              ? undefined
              : group.identifier === "tasks"
                ? submission
                : { name: `token-${tried}`, roles: ["admin"] }
          const at = (token: string | undefined) => ask(running, path, { method: endpoint.method, token, body })
          for (const role of roles) {
            const { status, text } = yield* at(tokenOf(role))
            const may = allows(securitySettings.roles, [role], action)
            assert.strictEqual(status !== 403, may, `${role} ${endpoint.method} ${path}: ${status} ${text}`)
            assert.notStrictEqual(status, 401)
            assert.notStrictEqual(status, 500, text)
            tried++
          }
          isProblem(yield* at(undefined), 401, "NVC-2812")
          isProblem(yield* at("forged"), 401, "NVC-2812")
          isProblem(yield* at(`nvc_${"A".repeat(43)}`), 401, "NVC-2812")
        }
      }
      assert.isAbove(tried, 50)
    })
  )

  live("knows the owner of a client certificate, and nobody of another authority", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const { cert, key } = certificateOf(running.dataDir, "operator-1")
      const known = yield* ask(running, "/v1/node", { tls: { cert, key } })
      assert.strictEqual(known.status, 200, known.text)
      const other = yield* start()
      const stranger = certificateOf(other.dataDir, "operator-1")
      isProblem(yield* ask(running, "/v1/node", { tls: stranger }), 401, "NVC-2812")
      const peer = certificateOf(running.dataDir, "node-2")
      isProblem(yield* ask(running, "/v1/node", { tls: peer }), 403, "NVC-2813")
    })
  )

  live("answers with 503 and Retry-After until the orchestration is up, and serves then", () =>
    Effect.gen(function* () {
      const running = yield* start({}, { isUp: false })
      for (const path of ["/v1/tasks", "/v1/nodes", "/v1/tasks/any"]) {
        const reply = yield* ask(running, path, admin)
        isProblem(reply, 503, "NVC-2821")
        assert.strictEqual(reply.headers["retry-after"], "1")
      }
      const before = yield* ask(running, "/v1/node", admin)
      assert.containSubset(before.json, { node: "node-1", accepting: false })
      yield* Ref.set(running.orchestration, Option.some(running.memory.service))
      assert.strictEqual((yield* ask(running, "/v1/tasks", admin)).status, 200)
      assert.containSubset((yield* ask(running, "/v1/node", admin)).json, { accepting: true })
    })
  )

  live("says no to bad input with a problem that says where it is bad", () =>
    Effect.gen(function* () {
      const running = yield* start({ maxBody: "64 KiB" })
      const post = (body: unknown, headers: Record<string, string> = {}) =>
        ask(running, "/v1/tasks", { ...admin, method: "POST", body, headers })
      isProblem(yield* post("{"), 400, "NVC-2811")
      isProblem(yield* post(""), 400, "NVC-2811")
      isProblem(yield* post("null"), 400, "NVC-2811")
      const typo = yield* post({ ...submission, attempts: 0, nmae: "x" })
      isProblem(typo, 400, "NVC-2811")
      assert.sameDeepMembers(
        Schema.decodeUnknownSync(Problem.InvalidRequest)(typo.json).errors?.map(({ path }) => path) ?? [],
        [
          ["payload", "attempts"],
          ["payload", "nmae"]
        ]
      )
      const nothing = yield* post({ ...submission, run: { driver: "process", command: ["", "x"] } })
      isProblem(nothing, 400, "NVC-2811")
      assert.match(nothing.text, /first item of command/)
      isProblem(yield* post("x".repeat(70_000)), 413, "NVC-2817")
      isProblem(yield* post("x".repeat(70_000), { "transfer-encoding": "chunked" }), 413, "NVC-2817")
      isProblem(yield* post("name=x", { "content-type": "application/x-www-form-urlencoded" }), 415, "NVC-2818")
      isProblem(yield* ask(running, "/v1/tasks?limit=1001", admin), 400, "NVC-2811")
      isProblem(yield* ask(running, "/v1/tasks?limt=10", admin), 400, "NVC-2811")
      for (const cursor of ["abc", "-1", "1.5", "9".repeat(19), ""]) {
        isProblem(yield* ask(running, `/v1/tasks?cursor=${cursor}`, admin), 400, "NVC-2811")
      }
      isProblem(yield* ask(running, "/v1/tasks/nothing", admin), 404, "NVC-2814")
      isProblem(yield* ask(running, "/v2/tasks", admin), 404, "NVC-2814")
      const wrong = yield* ask(running, "/v1/tasks", { ...admin, method: "DELETE" })
      isProblem(wrong, 405, "NVC-2815")
      assert.strictEqual(wrong.headers.allow, "POST, GET, HEAD")
      isProblem(yield* ask(running, `/v1/tasks/${"x".repeat(9_000)}`, admin), 414, "NVC-2822")
      assert.strictEqual(running.memory.tasks.size, 0)
    })
  )

  live("says when the queue is full, and has taken nothing", () =>
    Effect.gen(function* () {
      const running = yield* start({}, { limit: 1 })
      const post = ask(running, "/v1/tasks", { ...admin, method: "POST", body: submission })
      assert.strictEqual((yield* post).status, 201)
      const full = yield* post
      isProblem(full, 429, "NVC-2826")
      assert.isDefined(full.headers["retry-after"])
      assert.strictEqual(running.memory.tasks.size, 1)
    })
  )

  live("lets a caller ask as often as the settings say, and another one all the same", () =>
    Effect.gen(function* () {
      const running = yield* start({ rate: { perMinute: 1, burst: 3 } })
      const at = (role: string) => ask(running, "/v1/node", { token: tokenOf(role) })
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* at("viewer")).status, 200)
      const refused = yield* at("viewer")
      isProblem(refused, 429, "NVC-2819")
      assert.isAtLeast(Number(refused.headers["retry-after"]), 1)
      assert.strictEqual((yield* at("admin")).status, 200)
    })
  )

  live("lets an address that shows many wrong tokens wait, and whoever is known already not", () =>
    Effect.gen(function* () {
      const running = yield* start({ rate: { failures: 3 } })
      assert.strictEqual((yield* ask(running, "/v1/node", admin)).status, 200)
      for (let i = 0; i < 3; i++) {
        isProblem(yield* ask(running, "/v1/node", { token: `wrong-${i}` }), 401, "NVC-2812")
      }
      isProblem(yield* ask(running, "/v1/node", { token: "wrong" }), 429, "NVC-2819")
      assert.strictEqual((yield* ask(running, "/v1/node", admin)).status, 200)
    })
  )

  live("writes an audit line for each change, with who made it", () =>
    Effect.gen(function* () {
      const running = yield* start()
      yield* ask(running, "/v1/tasks", { ...admin, method: "POST", body: submission })
      yield* ask(running, "/v1/tasks/task-00000001/cancel", { ...admin, method: "POST" })
      yield* ask(running, "/v1/tasks/nothing/cancel", { ...admin, method: "POST" })
      yield* ask(running, "/v1/tasks", { token: tokenOf("viewer"), method: "POST", body: submission })
      const lines = readFileSync(`${running.dataDir}/security/audit.jsonl`, "utf8")
      for (const action of ["task.submitted", "task.cancelled", "access.refused"]) assert.include(lines, action)
      assert.include(lines, '"principal":"admin"')
      assert.notInclude(lines, tokenOf("admin"))
    })
  )

  live("makes tokens that count at once, and no longer than they should", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const create = (body: object, token = admin.token) => ask(running, "/v1/tokens", { token, method: "POST", body })
      const made = yield* create({ name: "ci", roles: ["viewer"] })
      assert.strictEqual(made.status, 201, made.text)
      const { secret, token } = JSON.parse(made.text)
      assert.match(secret, /^nvc_[\w-]{43}$/)
      assert.strictEqual((yield* ask(running, "/v1/node", { token: secret })).status, 200)
      isProblem(yield* ask(running, "/v1/tokens", { token: secret }), 403, "NVC-2813")
      isProblem(yield* create({ name: "ci", roles: ["viewer"] }), 409, "NVC-2816")

      const kept = readFileSync(`${running.dataDir}/api/tokens.json`, "utf8")
      assert.notInclude(kept, secret)
      const list = yield* ask(running, "/v1/tokens", admin)
      assert.notInclude(list.text, secret)
      assert.notInclude(list.text, "hash")

      const revoked = yield* ask(running, `/v1/tokens/${token.id}`, { ...admin, method: "DELETE" })
      assert.strictEqual(revoked.status, 204)
      isProblem(yield* ask(running, "/v1/node", { token: secret }), 401, "NVC-2812")
      isProblem(yield* ask(running, `/v1/tokens/${token.id}`, { ...admin, method: "DELETE" }), 404, "NVC-2814")

      const short = JSON.parse((yield* create({ name: "short", roles: ["viewer"], lifetimeSeconds: 2 })).text)
      assert.strictEqual((yield* ask(running, "/v1/node", { token: short.secret })).status, 200)
      const ended = yield* ask(running, "/v1/node", { token: short.secret }).pipe(
        Effect.delay("250 millis"),
        Effect.repeat({ until: ({ status }) => status !== 200 }),
        Effect.timeout(Duration.seconds(30))
      )
      isProblem(ended, 401, "NVC-2812")
    })
  )

  live("lets nobody give a role that he does not have, unless he may", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const { secret } = JSON.parse(
        (yield* ask(running, "/v1/tokens", {
          ...admin,
          method: "POST",
          body: { name: "half", roles: ["admin", "viewer"] }
        })).text
      )
      const by = (token: string, role: string) =>
        ask(running, "/v1/tokens", { token, method: "POST", body: { name: `by-${role}`, roles: [role] } })
      assert.strictEqual((yield* by(secret, "viewer")).status, 201)
      isProblem(yield* by(tokenOf("operator"), "admin"), 403, "NVC-2813")
    })
  )

  live("makes no token for a role that is not there", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const body = { name: "ci", roles: ["viewer", "veiwer"] }
      const refused = yield* ask(running, "/v1/tokens", { ...admin, method: "POST", body })
      isProblem(refused, 400, "NVC-2811")
      assert.include(
        refused.text,
        String.raw`There is no role \"veiwer\". Those of security.roles are: admin, operator, viewer, peer.`
      )
      assert.notInclude((yield* ask(running, "/v1/tokens", admin)).text, '"ci"')
    })
  )

  live("gives each request its id, or keeps the one that it has", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const given = yield* ask(running, "/v1/node", { ...admin, headers: { "x-request-id": "mine-1" } })
      assert.strictEqual(given.headers["x-request-id"], "mine-1")
      const odd = yield* ask(running, "/v1/node", { ...admin, headers: { "x-request-id": 'a "b"' } })
      const next = yield* ask(running, "/v1/node", admin)
      assert.notStrictEqual(odd.headers["x-request-id"], next.headers["x-request-id"])
    })
  )

  it.live(
    "continues the trace of whoever asks",
    () =>
      Effect.gen(function* () {
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        const running = yield* Effect.provideService(start(), Tracer.Tracer, tracer)
        const traceId = "0af7651916cd43dd8448eb211c80319c"
        const traceparent = `00-${traceId}-b7ad6b7169203331-01`
        const reply = yield* ask(running, "/v1/tasks", { ...admin, headers: { traceparent } })
        assert.strictEqual(reply.status, 200)
        const served = spans.find((span) => span.kind === "server")
        assert.strictEqual(served?.traceId, traceId)
        assert.strictEqual(served?.attributes.get("http.route"), "/v1/tasks")
        assert.isTrue(spans.some((span) => span.name === "Api.list" && span.traceId === traceId))
      }).pipe(Effect.scoped, Effect.provide(environment)),
    60_000
  )

  it.effect("takes away its tokens and its file when it stops", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Effect.gen(function* () {
          const { access, dataDir } = yield* start()
          assert.match(access.token, /^nvc_/)
          assert.include(readFileSync(`${dataDir}/api/local.json`, "utf8"), access.url)
          return `${dataDir}/api/local.json`
        }).pipe(Effect.scoped)
      )
      assert.isTrue(Exit.isSuccess(exit))
      if (Exit.isSuccess(exit)) assert.throws(() => readFileSync(exit.value))
    }).pipe(Effect.provide(environment))
  )
})
