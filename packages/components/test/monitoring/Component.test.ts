import { Agent, createServer, request, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { Context, Effect, Exit, Metric, Option, Schema, Scope } from "effect"
import { component, Metrics } from "../../src/monitoring/Component.ts"
import { MetricsPortUnavailable } from "../../src/monitoring/Listener.ts"
import * as Monitor from "../../src/monitoring/Monitor.ts"
import { Settings } from "../../src/monitoring/Settings.ts"
import { Security } from "../../src/security/Security.ts"
import { isThere, parse, promtool } from "./fixtures/Promtool.ts"

const settings = Schema.decodeUnknownSync(Settings)({ port: 0 })

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const agent = new Agent({ keepAlive: false })

const ask = (
  url: string,
  options: { method?: string; body?: string; headers?: { [name: string]: string } } = {}
): Effect.Effect<Reply> =>
  Effect.callback((resume) => {
    const asked = request(url, { method: "GET", agent, ...options }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => void chunks.push(chunk))
      response.on("end", () =>
        resume(
          Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
        )
      )
    })
    asked.on("error", (error) => resume(Effect.die(error)))
    asked.end(options.body)
  })

/** A boot of nothing but the metrics, with a monitor around it. */
const booted = (given: Settings) =>
  Effect.gen(function* () {
    const monitor = yield* Monitor.make(given, { version: "0.1.0", process })
    const running = yield* Boot.make([component(given)], { observe: monitor.observe, nodeId: "node-1" }).pipe(
      Effect.provideService(Monitor.Monitor, monitor),
      Effect.provideService(Component.option(Security), Option.none())
    )
    return { monitor, running, metrics: Context.get(running.services, Component.option(Metrics)) }
  })

const run = <A, E>(body: Effect.Effect<A, E, Scope.Scope>) =>
  body.pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))

describe("the monitoring component", () => {
  it.live("lets Prometheus read the metrics, in its own format and in OpenMetrics, plain and compressed", () =>
    run(
      Effect.gen(function* () {
        const { metrics, running } = yield* booted(settings)
        const { url } = Option.getOrThrow(metrics)
        assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
        const plain = yield* ask(url)
        assert.strictEqual(plain.status, 200)
        assert.strictEqual(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        const { samples } = parse(plain.body.toString())
        const info = samples.find(({ name }) => name === "novacron_node_info")
        assert.strictEqual(info?.labels["node_id"], "node-1")
        assert.isAbove(samples.find(({ name }) => name === "process_resident_memory_bytes")?.value ?? 0, 1e6)
        if (isThere("promtool")) assert.strictEqual(promtool(["check", "metrics"], plain.body.toString()), "")
        const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        const open = yield* ask(url, { headers: { accept, "accept-encoding": "gzip" } })
        assert.strictEqual(open.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8")
        assert.strictEqual(open.headers["content-encoding"], "gzip")
        assert.isTrue(gunzipSync(open.body).toString().endsWith("# EOF\n"))
        const health = yield* running.health.report
        assert.deepStrictEqual(
          health.components.map(({ name, status }) => [name, status]),
          [["monitoring", "healthy"]]
        )
      })
    )
  )

  it.live("answers what is no scrape shortly, and goes on", () =>
    run(
      Effect.gen(function* () {
        const { metrics } = yield* booted(settings)
        const { port, url } = Option.getOrThrow(metrics)
        assert.strictEqual((yield* ask(`http://127.0.0.1:${port}/`)).status, 404)
        assert.strictEqual((yield* ask(url, { method: "POST" })).status, 405)
        assert.strictEqual((yield* ask(`${url}?${"x".repeat(300)}`)).status, 414)
        assert.strictEqual((yield* ask(url, { body: "hello", headers: { "content-length": "5" } })).status, 413)
        const head = yield* ask(url, { method: "HEAD" })
        assert.strictEqual(head.status, 200)
        assert.strictEqual(head.body.length, 0)
        assert.isAbove(Number(head.headers["content-length"]), 100)
        assert.strictEqual((yield* ask(url)).status, 200)
      })
    )
  )

  it.live("is absent, and the node is up, when its port is taken", () =>
    run(
      Effect.gen(function* () {
        const taken = createServer()
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => void taken.listen(0, "127.0.0.1", () => resume(Effect.void))),
          () => Effect.callback<void>((resume) => void taken.close(() => resume(Effect.void)))
        )
        const { port } = taken.address() as AddressInfo // it listens on a port, not on a path
        const { metrics, running } = yield* booted({ ...settings, port })
        assert.isTrue(Option.isNone(metrics))
        const { components, outcome } = yield* running.report
        assert.strictEqual(outcome, "ready")
        assert.deepStrictEqual(
          components.map(({ name, state }) => [name, state]),
          [["monitoring", "absent"]]
        )
        const [failure] = (yield* running.report).failures
        assert.include(failure?.message, `127.0.0.1:${port}: process ${process.pid} (`)
      })
    )
  )

  it.live("is unhealthy when it does not listen any more", () =>
    run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { metrics } = yield* Scope.provide(booted(settings), scope)
        const { check } = Option.getOrThrow(metrics)
        yield* check
        yield* Scope.close(scope, Exit.void)
        const error = yield* Effect.flip(check)
        assert.instanceOf(error, MetricsPortUnavailable)
        assert.include(error.message, "has stopped listening")
      })
    )
  )
})
