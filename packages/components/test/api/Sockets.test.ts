import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Events } from "@novacron/api"
import { Effect, Exit, Queue, Schema, Scope } from "effect"
import { type ClientOptions, WebSocket } from "ws"
import { ask, environment, type Running, start, submission, tokenOf } from "./fixtures/server.ts"

const live = (name: string, body: () => Effect.Effect<unknown, unknown, Effect.Services<ReturnType<typeof start>>>) =>
  it.live(name, () => body().pipe(Effect.scoped, Effect.provide(environment)), 60_000)

const admin = { token: tokenOf("admin") }

interface Listening {
  readonly socket: WebSocket
  readonly next: Effect.Effect<string>
  readonly closed: Effect.Effect<{ readonly code: number; readonly reason: string }>
}

/** Listens, and queues what it is told. Fails with the status when it is not let in. */
const listen = (running: Running, path: string, options: ClientOptions & { readonly protocols?: Array<string> } = {}) =>
  Effect.gen(function* () {
    const messages = yield* Queue.unbounded<string>()
    const closed = yield* Queue.unbounded<{ readonly code: number; readonly reason: string }>()
    const { protocols = [], ...rest } = options
    const socket = yield* Effect.callback<WebSocket, number>((resume) => {
      const it = new WebSocket(`${running.access.url.replace("https", "wss")}${path}`, protocols, {
        ca: running.access.ca,
        headers: { authorization: `Bearer ${tokenOf("admin")}` },
        ...rest
      })
      it.on("error", () => undefined)
      it.on("unexpected-response", (_, response) => resume(Effect.fail(response.statusCode ?? 0)))
      it.on("message", (data: Buffer) => Queue.offerUnsafe(messages, data.toString()))
      it.on("close", (code, reason) => Queue.offerUnsafe(closed, { code, reason: reason.toString() }))
      it.on("open", () => resume(Effect.succeed(it)))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.terminate()))
    const listening: Listening = { socket, next: Queue.take(messages), closed: Queue.take(closed) }
    return listening
  })

const eventOf = Schema.decodeUnknownSync(Schema.fromJsonString(Events.Event))
const outputOf = Schema.decodeUnknownSync(Schema.fromJsonString(Events.OutputMessage))

const submit = (running: Running) => ask(running, "/v1/tasks", { ...admin, method: "POST", body: submission })

const taskIn = (event: Events.Event) => (event.type === "task" ? `${event.task.id} ${event.task.state}` : event.type)

describe("/v1/events", () => {
  live("tells what becomes of tasks and of the boot", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const { next } = yield* listen(running, "/v1/events")
      yield* submit(running)
      assert.strictEqual(taskIn(eventOf(yield* next)), "task-00000001 queued")
      yield* running.memory.advance("task-00000001", { state: "running" })
      assert.strictEqual(taskIn(eventOf(yield* next)), "task-00000001 running")
      running.view.observe({ _tag: "PhaseStarted", atMs: 1, phase: "core" })
      assert.containSubset(eventOf(yield* next), { type: "boot", event: { _tag: "PhaseStarted", phase: "core" } })
    })
  )

  live("goes on where a reader was, and says so when it does not know where that was", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const first = yield* listen(running, "/v1/events")
      yield* submit(running)
      const { id } = eventOf(yield* first.next)
      first.socket.terminate()
      yield* running.memory.advance("task-00000001", { state: "running" })
      yield* running.memory.advance("task-00000001", { state: "succeeded" })
      const again = yield* listen(running, `/v1/events?after=${id}`)
      assert.strictEqual(taskIn(eventOf(yield* again.next)), "task-00000001 running")
      assert.strictEqual(taskIn(eventOf(yield* again.next)), "task-00000001 succeeded")
      const header = yield* listen(running, "/v1/events", {
        headers: { authorization: `Bearer ${tokenOf("admin")}`, "last-event-id": id }
      })
      assert.strictEqual(taskIn(eventOf(yield* header.next)), "task-00000001 running")
      const lost = yield* listen(running, "/v1/events?after=other-3")
      assert.strictEqual(eventOf(yield* lost.next).type, "gap")
    })
  )

  live("keeps the last version of each task for a reader that is slow, and not all of them", () =>
    Effect.gen(function* () {
      const running = yield* start({ sockets: { buffer: "64 KiB", patience: "60s" } })
      const slow = yield* listen(running, "/v1/events")
      // Whoever does not read lets the buffers of both sides fill up.
      slow.socket.pause()
      yield* submit(running)
      yield* submit(running)
      const explanation = "x".repeat(64 * 1024)
      const placement = { node: "node-1", explanation, considered: 1, feasible: 1 }
      const rounds = 400
      for (let i = 0; i < rounds; i++) {
        for (const id of ["task-00000001", "task-00000002"]) {
          yield* running.memory.advance(id, { state: "running", placement })
        }
        yield* Effect.yieldNow
      }
      const last = yield* running.memory.advance("task-00000001", { state: "succeeded" })
      slow.socket.resume()
      let told = 0
      for (;;) {
        const event = eventOf(yield* slow.next)
        told++
        if (event.type === "task" && event.task.id === last.id && event.task.version === last.version) break
      }
      assert.isBelow(told, 2 * rounds)
    })
  )

  live("cuts off a reader that takes nothing", () =>
    Effect.gen(function* () {
      const running = yield* start({ sockets: { buffer: "16 KiB", patience: "1s" } })
      const stuck = yield* listen(running, "/v1/events")
      stuck.socket.pause()
      // More than the buffers of the system hold.
      const placement = { node: "node-1", explanation: "x".repeat(512 * 1024), considered: 1, feasible: 1 }
      for (let i = 0; i < 50; i++) {
        const { id } = yield* running.memory.service.submit(submission, "a test")
        yield* running.memory.advance(id, { placement })
      }
      while ((yield* running.api.statistics).sockets > 0) yield* Effect.sleep("50 millis")
      assert.strictEqual((yield* running.api.statistics).readers, 0)
    })
  )

  live("lets in by role, by a token in the subprotocol, and no page of another origin", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const byProtocol = (token: string) =>
        listen(running, "/v1/events", {
          headers: {},
          protocols: [Events.subprotocol, `${Events.tokenProtocol}${token}`]
        })
      const { socket } = yield* byProtocol(tokenOf("viewer"))
      assert.strictEqual(socket.protocol, Events.subprotocol)
      assert.strictEqual(yield* Effect.flip(byProtocol("forged-token")), 401)
      assert.strictEqual(yield* Effect.flip(byProtocol(tokenOf("peer"))), 403)
      assert.strictEqual(yield* Effect.flip(listen(running, "/v1/events", { origin: "https://evil.example" })), 403)
      assert.strictEqual(yield* Effect.flip(listen(running, "/v1/nothing")), 404)
      assert.strictEqual((yield* ask(running, "/v1/events", admin)).status, 426)
    })
  )

  live("takes no more readers than the settings allow", () =>
    Effect.gen(function* () {
      const running = yield* start({ sockets: { max: 1 } })
      yield* listen(running, "/v1/events")
      assert.strictEqual(yield* Effect.flip(listen(running, "/v1/events")), 503)
    })
  )

  live("counts each reader once, whatever it reads, and nobody whose handshake was none", () =>
    Effect.gen(function* () {
      const running = yield* start({ sockets: { max: 2 } })
      yield* submit(running)
      yield* running.memory.advance("task-00000001", { state: "running" })
      for (const wrong of [{ "sec-websocket-version": "99" }, { "sec-websocket-key": "short" }]) {
        const headers = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13", ...wrong }
        assert.strictEqual((yield* ask(running, "/v1/events", { ...admin, headers })).status, 400)
      }
      yield* listen(running, "/v1/tasks/task-00000001/output")
      yield* listen(running, "/v1/tasks/task-00000001/output")
      assert.strictEqual(yield* Effect.flip(listen(running, "/v1/events")), 503)
    })
  )

  live("closes whoever sends more than it is asked for", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const { closed, socket } = yield* listen(running, "/v1/events")
      socket.send("x".repeat(10_000))
      assert.strictEqual((yield* closed).code, 1009)
    })
  )

  live("says goodbye when the node stops", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const running = yield* Scope.provide(start(), scope)
      const { closed } = yield* listen(running, "/v1/events")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* closed, { code: 1001, reason: "the node stops" })
    })
  )

  live("is understood by the WebSocket that Node has built in", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const ca = join(running.dataDir, "ca-only.pem")
      writeFileSync(ca, running.access.ca)
      const script = `
        const [url, token] = process.argv.slice(1)
        const socket = new WebSocket(url, ["novacron.v1", "novacron.token." + token])
        socket.onopen = () => process.stderr.write("open")
        socket.onerror = () => process.exit(2)
        socket.onmessage = ({ data }) => { process.stdout.write(data); socket.close() }`
      const node = join(import.meta.dirname, "../../../../node_modules/node/bin/node")
      const port = running.api.port
      const told = yield* Effect.callback<string>((resume) => {
        const child = execFile(
          node,
          ["-e", script, `wss://localhost:${port}/v1/events`, tokenOf("viewer")],
          { env: { NODE_EXTRA_CA_CERTS: ca }, timeout: 50_000 },
          (_, stdout) => resume(Effect.succeed(stdout))
        )
        child.stderr?.once("data", () => void Effect.runFork(submit(running)))
      })
      assert.strictEqual(taskIn(eventOf(told)), "task-00000001 queued")
    })
  )

  live("goes on for nobody whose token was revoked, and neither does output", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const made = yield* ask(running, "/v1/tokens", {
        ...admin,
        method: "POST",
        body: { name: "ci", roles: ["operator"] }
      })
      const { secret, token } = JSON.parse(made.text)
      const as = { headers: { authorization: `Bearer ${secret}` } }
      yield* submit(running)
      yield* running.memory.advance("task-00000001", { state: "running" })
      const revoked = [
        yield* listen(running, "/v1/events", as),
        yield* listen(running, "/v1/tasks/task-00000001/output", as),
        yield* listen(running, "/v1/events", {
          headers: {},
          protocols: [Events.subprotocol, Events.tokenProtocol + secret]
        })
      ]
      const good = yield* listen(running, "/v1/events")
      yield* ask(running, `/v1/tokens/${token.id}`, { ...admin, method: "DELETE" })
      for (const { closed } of revoked) {
        assert.deepStrictEqual(yield* closed, { code: Events.closing.policy, reason: "Nobody knows who asks" })
      }
      yield* running.memory.advance("task-00000001", { state: "succeeded" })
      assert.strictEqual(taskIn(eventOf(yield* good.next)), "task-00000001 succeeded")
      assert.strictEqual((yield* running.api.statistics).readers, 1)
    })
  )
})

describe("/v1/tasks/:id/output", () => {
  live("tells what a task prints until it ends, from an offset on", () =>
    Effect.gen(function* () {
      const running = yield* start()
      yield* submit(running)
      const id = "task-00000001"
      yield* running.memory.print(id, "one ")
      const all = yield* listen(running, `/v1/tasks/${id}/output`)
      assert.containSubset(outputOf(yield* all.next), { type: "output", output: { offset: 0, text: "one " } })
      yield* running.memory.print(id, "two")
      assert.containSubset(outputOf(yield* all.next), { type: "output", output: { offset: 4, text: "two" } })
      const rest = yield* listen(running, `/v1/tasks/${id}/output?offset=5`)
      assert.containSubset(outputOf(yield* rest.next), { type: "output", output: { offset: 5, text: "wo" } })
      yield* running.memory.advance(id, { state: "succeeded" })
      for (const one of [all, rest]) {
        assert.deepStrictEqual(outputOf(yield* one.next), { type: "end", state: "succeeded" })
        assert.strictEqual((yield* one.closed).code, 1000)
      }
      assert.strictEqual(yield* Effect.flip(listen(running, "/v1/tasks/nothing/output")), 404)
      for (const part of ["offset=-5", "offset=x", "offset=1.5", "offst=5", "offset=5&x=1"]) {
        assert.strictEqual(yield* Effect.flip(listen(running, `/v1/tasks/${id}/output?${part}`)), 400, part)
      }
      const viewer = { headers: { authorization: `Bearer ${tokenOf("viewer")}` } }
      assert.strictEqual(yield* Effect.flip(listen(running, `/v1/tasks/${id}/output`, viewer)), 403)
    })
  )

  live("answers an upgrade that is no WebSocket with a problem", () =>
    Effect.gen(function* () {
      const running = yield* start()
      const said = yield* Effect.callback<string>((resume) => {
        let text = ""
        const socket = connect({ port: running.api.port, host: "127.0.0.1", ca: running.access.ca }, () =>
          socket.write("GET /v1/events HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
        )
        socket.on("data", (bytes: Buffer) => void (text += bytes.toString()))
        socket.on("error", () => resume(Effect.succeed(text)))
        socket.on("close", () => resume(Effect.succeed(text)))
      })
      assert.include(said, "HTTP/1.1 426")
      assert.include(said, "NVC-2825")
    })
  )
})
