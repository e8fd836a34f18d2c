import { Agent, createServer, request, type IncomingHttpHeaders } from "node:http"
import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component, Health } from "@novacron/boot"
import { Context, DateTime, Deferred, Duration, Effect, Exit, Fiber, Queue, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as HealthServer from "../../src/post/HealthServer.ts"
import { ComponentsBody, HealthBody, LiveBody, ReadyBody } from "../../src/post/HealthView.ts"
import { HealthSettings } from "../../src/post/Settings.ts"

const settings = Schema.decodeUnknownSync(HealthSettings)({ port: 0, ramp: "10s" })

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

const agent = new Agent({ keepAlive: false })

const ask = (
  url: string,
  options: { method?: string; body?: string; agent?: Agent; headers?: { [name: string]: string } } = {}
): Effect.Effect<Reply> =>
  Effect.callback((resume) => {
    const asked = request(url, { method: "GET", agent, ...options }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => void (text += chunk.toString()))
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text }))
      )
    })
    asked.on("error", (error) => resume(Effect.die(error)))
    asked.end(options.body)
  })

const decode = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S, reply: Reply): S["Type"] =>
  Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(JSON.parse(reply.text))

/** Sources on strings, that count how often they were asked. */
const puppet = () => {
  const state = { accepting: true, ready: true, asked: 0, status: "healthy" as Health.Status }
  const sources: HealthServer.Sources = {
    accepting: () => state.accepting,
    reason: () => "draining",
    ready: Effect.sync(() => state.ready),
    report: Effect.map(DateTime.now, (at) => {
      state.asked++
      const one = { name: "database", critical: true, message: "as told", dependencies: {} }
      return { status: state.status, at, components: [{ ...one, status: state.status, latencyMs: 2 }] }
    })
  }
  return { sources, state }
}

describe("HealthServer", () => {
  it.live("is alive and not ready before the boot says anything", () =>
    Effect.gen(function* () {
      const { url } = yield* HealthServer.make(settings)
      for (const path of ["/live", "/health/live"]) {
        const reply = yield* ask(url + path)
        assert.strictEqual(reply.status, 200)
        decode(LiveBody, reply)
      }
      const ready = yield* ask(`${url}/ready`)
      assert.strictEqual(ready.status, 503)
      assert.strictEqual(ready.headers["retry-after"], "5")
      assert.deepStrictEqual(decode(ReadyBody, ready), { ready: false, weight: 0, reason: "the node is starting" })
      assert.strictEqual((yield* ask(`${url}/health`)).status, 503)
    }).pipe(Effect.scoped)
  )

  it.live("answers each path and its alias with the same, by its schema", () =>
    Effect.gen(function* () {
      // A weight that rises would be another one in the second answer.
      const { serve, url } = yield* HealthServer.make({ ...settings, ramp: Duration.zero })
      const { sources } = puppet()
      yield* serve({ ...sources, details: Effect.succeed({ database: { state: "ready", metrics: { pool: 5 } } }) })
      const ready = yield* ask(`${url}/ready`)
      assert.strictEqual(ready.status, 200)
      assert.isTrue(decode(ReadyBody, ready).ready)
      assert.strictEqual((yield* ask(`${url}/health/ready`)).text, ready.text)
      const health = yield* ask(`${url}/health?verbose=1`)
      assert.strictEqual(health.status, 200)
      assert.strictEqual(health.headers["content-type"], "application/json")
      const body = decode(HealthBody, health)
      assert.deepInclude(body, { status: "healthy", latency: 2, errorRate: 0, dependencies: { database: "healthy" } })
      assert.strictEqual((yield* ask(`${url}/health/status`)).text, health.text)
      const rows = decode(ComponentsBody, yield* ask(`${url}/health/components`))
      assert.deepInclude(rows.components[0], { name: "database", state: "ready", metrics: { pool: 5 } })
    }).pipe(Effect.scoped)
  )

  it.live("is 503 with Retry-After while unhealthy, and 200 while degraded", () =>
    Effect.gen(function* () {
      const { refresh, serve, url } = yield* HealthServer.make(settings)
      const { sources, state } = puppet()
      yield* serve(sources)
      state.status = "degraded"
      yield* refresh
      const degraded = yield* ask(`${url}/health`)
      assert.strictEqual(degraded.status, 200)
      assert.strictEqual(decode(HealthBody, degraded).status, "degraded")
      state.status = "unhealthy"
      state.ready = false
      yield* refresh
      for (const path of ["/health", "/health/components", "/ready"]) {
        const reply = yield* ask(url + path)
        assert.strictEqual(reply.status, 503, path)
        assert.strictEqual(reply.headers["retry-after"], "5")
      }
    }).pipe(Effect.scoped)
  )

  it.live("says no to work at once when a drain begins, without asking anybody", () =>
    Effect.gen(function* () {
      const { serve, url } = yield* HealthServer.make(settings)
      const { sources, state } = puppet()
      yield* serve(sources)
      assert.strictEqual((yield* ask(`${url}/ready`)).status, 200)
      const { asked } = state
      state.accepting = false
      const draining = yield* ask(`${url}/ready`)
      assert.strictEqual(draining.status, 503)
      assert.strictEqual(decode(ReadyBody, draining).reason, "draining")
      assert.strictEqual(draining.headers["x-novacron-weight"], "0")
      assert.strictEqual(state.asked, asked)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "raises the weight from 10 to 100 per cent after the node became ready, and begins again after a drain",
    () =>
      Effect.gen(function* () {
        const { serve, url } = yield* HealthServer.make(settings)
        const { sources, state } = puppet()
        const weight = Effect.map(ask(`${url}/ready`), (reply) => {
          assert.strictEqual(reply.headers["x-novacron-weight"], `${decode(ReadyBody, reply).weight}`)
          return decode(ReadyBody, reply).weight
        })
        yield* serve(sources)
        assert.strictEqual(yield* weight, 10)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* weight, 55)
        assert.strictEqual(decode(HealthBody, yield* ask(`${url}/health`)).weight, 55)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* weight, 100)
        state.accepting = false
        assert.strictEqual(yield* weight, 0)
        state.accepting = true
        assert.strictEqual(yield* weight, 10)
      }).pipe(Effect.scoped)
  )

  it.effect("asks the components at most once in an interval, once for all who wait, and answers meanwhile", () =>
    Effect.gen(function* () {
      const { serve, url } = yield* HealthServer.make(settings)
      const { sources, state } = puppet()
      const gate = yield* Deferred.make<void>()
      let isSlow = false
      yield* serve({
        ...sources,
        report: Effect.suspend(() => (isSlow ? Effect.andThen(Deferred.await(gate), sources.report) : sources.report))
      })
      assert.strictEqual(state.asked, 1)
      yield* Effect.all([ask(`${url}/health`), ask(`${url}/ready`), ask(`${url}/health/components`)], {
        concurrency: 3
      })
      assert.strictEqual(state.asked, 1)

      // A little too old: the old answer at once, and the question is on its way.
      isSlow = true
      yield* TestClock.adjust("6 seconds")
      const old = decode(HealthBody, yield* ask(`${url}/health`))
      assert.strictEqual(old.at, "1970-01-01T00:00:00.000Z")

      // Much too old: it waits for the answer, which is one for all.
      yield* TestClock.adjust("1 seconds")
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("20 seconds")
      isSlow = false
      const replies = yield* Effect.all(
        Array.from({ length: 8 }, () => ask(`${url}/health`)),
        { concurrency: 8 }
      )
      for (const reply of replies) assert.strictEqual(decode(HealthBody, reply).at, "1970-01-01T00:00:27.000Z")
      assert.isAtMost(state.asked, 3)
    }).pipe(Effect.scoped)
  )

  it.effect("is alive while a component hangs, and not ready once its source has hung too long", () =>
    Effect.gen(function* () {
      const { refresh, serve, url } = yield* HealthServer.make(settings)
      const { sources } = puppet()
      let isHanging = false
      yield* serve({
        ...sources,
        report: Effect.suspend(() => (isHanging ? Effect.never : sources.report)),
        ready: Effect.suspend(() => (isHanging ? Effect.die("bug") : sources.ready))
      })
      assert.strictEqual((yield* ask(`${url}/ready`)).status, 200)
      isHanging = true
      const asked = yield* Effect.forkChild(refresh)
      assert.strictEqual((yield* ask(`${url}/live`)).status, 200)
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(asked)
      assert.strictEqual((yield* ask(`${url}/live`)).status, 200)
      assert.strictEqual((yield* ask(`${url}/ready`)).status, 503)
      assert.strictEqual(decode(HealthBody, yield* ask(`${url}/health`)).status, "unhealthy")
    }).pipe(Effect.scoped)
  )

  it.live("shows a change at once when the sources announce it", () =>
    Effect.gen(function* () {
      const { serve, url } = yield* HealthServer.make(settings)
      const { sources, state } = puppet()
      const changes = yield* Queue.unbounded<string>()
      yield* serve({ ...sources, changes: Stream.fromQueue(changes) })
      state.status = "unhealthy"
      assert.strictEqual((yield* ask(`${url}/health`)).status, 200)
      yield* Queue.offer(changes, "database turned")
      yield* Effect.repeat(Effect.andThen(Effect.sleep("20 millis"), ask(`${url}/health`)), {
        until: ({ status }) => status === 503,
        times: 100
      })
      assert.strictEqual((yield* ask(`${url}/health`)).status, 503)
    }).pipe(Effect.scoped)
  )

  it.live("answers what it cannot answer: 404, 405, 413, 414, 431", () =>
    Effect.gen(function* () {
      const { url } = yield* HealthServer.make(settings)
      assert.strictEqual((yield* ask(`${url}/nothing`)).status, 404)
      const post = yield* ask(`${url}/health`, { method: "POST", body: "x" })
      assert.strictEqual(post.status, 405)
      assert.strictEqual(post.headers.allow, "GET, HEAD")
      assert.strictEqual(post.headers.connection, "close")
      assert.strictEqual((yield* ask(`${url}/live`, { body: "x", headers: { "content-length": "1" } })).status, 413)
      assert.strictEqual((yield* ask(`${url}/${"x".repeat(300)}`)).status, 414)
      const raw = yield* Effect.callback<string>((resume) => {
        const socket = connect(Number(new URL(url).port), "127.0.0.1", () => {
          socket.write(`GET /live HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`)
        })
        socket.on("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString())))
        socket.on("error", () => undefined)
      })
      assert.include(raw, "431")
    }).pipe(Effect.scoped)
  )

  it.live("answers HEAD with the headers of GET and nothing else", () =>
    Effect.gen(function* () {
      const { url } = yield* HealthServer.make(settings)
      const get = yield* ask(`${url}/live`)
      const head = yield* ask(`${url}/live`, { method: "HEAD" })
      assert.strictEqual(head.status, 200)
      assert.strictEqual(head.text, "")
      assert.strictEqual(head.headers["content-length"], get.headers["content-length"])
    }).pipe(Effect.scoped)
  )

  it.live("takes no more connections than it may have", () =>
    Effect.gen(function* () {
      const { port, url } = yield* HealthServer.make({ ...settings, maxConnections: 2 })
      const open = Effect.acquireRelease(
        Effect.callback<Socket>((resume) => {
          const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
          socket.on("error", () => undefined)
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* Effect.all([open, open])
      const refused = yield* Effect.exit(ask(`${url}/live`))
      assert.isTrue(Exit.isFailure(refused))
    }).pipe(Effect.scoped)
  )

  it.live("waits for nobody who does not finish asking", () =>
    Effect.gen(function* () {
      const { port, url } = yield* HealthServer.make(settings)
      const said = yield* Effect.forkChild(
        Effect.callback<string>((resume) => {
          let text = ""
          const socket = connect(port, "127.0.0.1", () => socket.write("GET /live HTTP/1.1\r\nhost: x\r\n"))
          socket.on("data", (chunk: Buffer) => void (text += chunk.toString()))
          socket.on("error", () => undefined)
          socket.on("close", () => resume(Effect.succeed(text)))
        })
      )
      assert.strictEqual((yield* ask(`${url}/live`)).status, 200)
      assert.include(yield* Fiber.join(said), "408")
    }).pipe(Effect.scoped)
  )

  it.live("leaves no port and no connection behind, kept-alive ones neither", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { check, url } = yield* Scope.provide(HealthServer.make(settings), scope)
      const kept = new Agent({ keepAlive: true })
      assert.strictEqual((yield* ask(`${url}/live`, { agent: kept })).status, 200)
      yield* check
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(check)).reason, "closed")
      const again = yield* Effect.exit(ask(`${url}/live`, { agent: kept }))
      assert.isTrue(Exit.isFailure(again))
      kept.destroy()
    })
  )

  it.live("says that its port is taken, by whom, and what to do", () =>
    Effect.gen(function* () {
      const other = createServer()
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          other.listen(0, "127.0.0.1", () => {
            const address = other.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        }),
        () => Effect.sync(() => other.close())
      )
      const error = yield* Effect.flip(HealthServer.make({ ...settings, port }))
      assert.strictEqual(error.reason, "taken")
      assert.strictEqual(error.exitCode, 73)
      assert.include(error.message, `127.0.0.1:${port}: process ${process.pid} (node in ${process.cwd()}) has it.`)
      const nowhere = yield* Effect.flip(HealthServer.make({ ...settings, host: "203.0.113.7" }))
      assert.strictEqual(nowhere.reason, "no such address")
    }).pipe(Effect.scoped)
  )

  it.live("serves the health of a boot, from the probe of a component to the body", () =>
    Effect.gen(function* () {
      class Store extends Context.Service<Store, { readonly isUp: { value: boolean } }>()("test/store") {}
      const isUp = { value: true }
      const store = Component.make(Store, {
        start: Effect.succeed({ isUp }),
        health: () => (isUp.value ? Effect.succeed({ throughput: 12 }) : Effect.fail(new Error("disk is gone")))
      })
      const { refresh, serve, url } = yield* HealthServer.make(settings)
      const { health } = yield* Boot.make([store])
      yield* serve(HealthServer.fromHealth(health))
      const body = decode(HealthBody, yield* ask(`${url}/health`))
      assert.deepInclude(body, { status: "healthy", ready: true, throughput: 12 })
      yield* health.setAccepting(false)
      yield* refresh
      assert.strictEqual((yield* ask(`${url}/ready`)).status, 503)
    }).pipe(Effect.scoped)
  )

  it.live("tells of a critical component that has turned", () =>
    Effect.gen(function* () {
      const { serve, url } = yield* HealthServer.make(settings)
      const health = yield* Health.make(
        [{ name: "database", critical: true, needs: [], probe: Effect.fail(new Error("connection refused")) }],
        { timeToLive: 0 }
      )
      yield* serve(HealthServer.fromHealth(health))
      const reply = yield* ask(`${url}/ready`)
      assert.strictEqual(reply.status, 503)
      assert.include(decode(ReadyBody, reply).reason, "connection refused")
    }).pipe(Effect.scoped)
  )
})
