import { once } from "node:events"
import { request as rawRequest } from "node:http"
import { connect } from "node:net"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Timeline, TimelineView } from "@novacron/boot/model"
import { Effect, Layer } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Receiver from "../../src/trace/Receiver.ts"
import { boot, directory, fileAt, journal } from "./fixtures/journals.ts"

const hostile = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  "a\nb\u001b[31m",
  "n".repeat(10_000)
] as const
const requests = [...TimelineView.toOtlp(Timeline.fromEvents(boot({ names: hostile })))]
const traceId = TimelineView.traceId("boot-0001")

const get = (url: string, init: RequestInit = {}) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

const post = (url: string, body: RequestInit["body"], headers: { readonly [name: string]: string } = {}) =>
  get(url, { method: "POST", body: body ?? null, headers: { "content-type": "application/json", ...headers } })

/** A request with headers that `fetch` does not let anybody set. */
const raw = (url: string, headers: { readonly [name: string]: string }, method = "GET", body = "") =>
  Effect.promise(
    () =>
      new Promise<number>((resolve) => {
        const asked = rawRequest(url, { method, headers }, (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        })
        asked.on("error", () => resolve(-1))
        asked.end(body)
      })
  )

describe("Receiver", () => {
  it.live("receives the trace of a boot and shows it as a page", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0 })
      for (const one of requests) {
        const answer = yield* post(`${url}/v1/traces`, JSON.stringify(one))
        assert.deepStrictEqual([answer.status, answer.text], [200, "{}"])
      }
      assert.isAbove(store.spans, 8)
      const list = yield* get(url)
      assert.include(list.text, `<a href="/trace/${traceId}">boot</a>`)
      const page = yield* get(`${url}/trace/${traceId}`)
      assert.strictEqual(page.status, 200)
      assert.match(page.text, /<li><details class="k"><summary>/)
      for (const { headers, text } of [list, page]) {
        assert.notMatch(text, /<script|<img|https?:|(?!\n)\p{Cc}/u)
        assert.match(
          `${headers.get("content-security-policy")}`,
          /^default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none'/
        )
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
        assert.isBelow(text.length, 60_000)
      }
      assert.include(page.text, "&#60;script&#62;alert(1)")
    }).pipe(Effect.scoped)
  )

  it.live("shows the traces of any program that speaks OTLP", () =>
    Effect.gen(function* () {
      const { url } = yield* Receiver.serve({ port: 0 })
      const tracer = OtlpTracer.layer({
        url: `${url}/v1/traces`,
        resource: { serviceName: "shop" },
        compression: "gzip"
      }).pipe(Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer]))
      const program = Effect.sleep("2 millis").pipe(
        Effect.withSpan("query", { attributes: { db: "postgres" } }),
        Effect.andThen(Effect.ignore(Effect.withSpan(Effect.fail("no stock"), "reserve"))),
        Effect.withSpan("checkout")
      )
      yield* Effect.provide(program, tracer)
      const list = yield* get(url)
      const [, id = ""] = /<a href="\/trace\/([0-9a-f]{32})">checkout<\/a>/.exec(list.text) ?? []
      assert.notStrictEqual(id, "")
      assert.match(list.text, /shop<\/td><td>3 spans, 1 failed/)
      const page = yield* get(`${url}/trace/${id}`)
      for (const text of ["checkout", "query", "reserve", "db = postgres"]) assert.include(page.text, text)
    }).pipe(Effect.scoped)
  )

  it.live("takes what is packed, and no more than it has room for", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0, bodyBytes: 100_000 })
      const traces = `${url}/v1/traces`
      const packed = gzipSync(JSON.stringify(requests[0]))
      assert.strictEqual((yield* post(traces, packed, { "content-encoding": "gzip" })).status, 200)
      assert.isAbove(store.spans, 8)
      assert.strictEqual((yield* post(traces, "x".repeat(100_001))).status, 413)
      assert.strictEqual(
        yield* raw(
          traces,
          { "content-type": "application/json", "transfer-encoding": "chunked" },
          "POST",
          "x".repeat(200_000)
        ),
        413
      )
      const bomb = gzipSync(Buffer.alloc(50_000_000))
      assert.isBelow(bomb.length, 100_000)
      assert.strictEqual((yield* post(traces, bomb, { "content-encoding": "gzip" })).status, 413)
      assert.strictEqual((yield* post(traces, "no gzip", { "content-encoding": "gzip" })).status, 400)
      assert.strictEqual((yield* post(traces, "{}", { "content-encoding": "br" })).status, 415)
      assert.strictEqual((yield* get(url)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("answers whoever sends what it does not take when all is sent, and does not hang up on them before", () =>
    Effect.gen(function* () {
      const { url } = yield* Receiver.serve({ port: 0, bodyBytes: 100_000 })
      for (const [path, type, status] of [
        ["/v1/traces", "application/json", "413"],
        ["/v1/traces", "text/plain", "415"],
        ["/v1/metrics", "application/json", "404"]
      ] as const) {
        const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port) })
        let heard = ""
        socket.setEncoding("utf8").on("data", (text: string) => (heard += text))
        const closed = once(socket, "close")
        socket.write(
          `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${type}\r\ncontent-length: 200000\r\n\r\n`
        )
        socket.write("x".repeat(150_000))
        // The receiver has had time to answer when it has answered somebody who came later.
        assert.strictEqual((yield* get(url)).status, 200)
        assert.strictEqual(heard, "", path)
        socket.end("x".repeat(50_000))
        yield* Effect.promise(() => closed)
        assert.match(heard, new RegExp(`^HTTP/1.1 ${status} `), path)
      }
      assert.strictEqual((yield* get(url)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("says why it does not take what is no trace", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0 })
      const traces = `${url}/v1/traces`
      const protobuf = yield* post(traces, "\n\u0002", { "content-type": "application/x-protobuf" })
      assert.deepStrictEqual([protobuf.status, protobuf.headers.get("content-type")], [400, "application/x-protobuf"])
      assert.include(protobuf.text, "This is not an ExportTraceServiceRequest.")
      assert.strictEqual((yield* post(traces, "{")).status, 400)
      assert.strictEqual((yield* post(traces, "[]")).status, 400)
      assert.strictEqual((yield* post(traces, "[".repeat(1_000_000))).status, 400)
      const partial = yield* post(traces, JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] }))
      assert.strictEqual(partial.status, 200)
      assert.deepInclude(JSON.parse(partial.text).partialSuccess, { rejectedSpans: "1" })
      assert.strictEqual((yield* post(`${url}/v1/metrics`, "{}")).status, 404)
      assert.strictEqual((yield* get(url, { method: "DELETE" })).status, 405)
      for (const path of ["/trace/abc", "/boot/1.journal", "/%00", "/trace/..%2f..", "/boot/..%2f..%2fetc%2fpasswd"]) {
        assert.strictEqual((yield* get(url + path)).status, 404)
      }
      assert.strictEqual(store.spans, 0)
    }).pipe(Effect.scoped)
  )

  it.live("answers nobody who comes by the name of another host, and takes nothing that a form could send", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0 })
      assert.strictEqual(yield* raw(url, { host: "evil.example" }), 421)
      assert.strictEqual(yield* raw(url, { host: "127.0.0.1.evil.example:80" }), 421)
      assert.strictEqual(yield* raw(url, { host: "localhost:4318" }), 200)
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
        const { status } = yield* post(`${url}/v1/traces`, JSON.stringify(requests[0]), { "content-type": type })
        assert.strictEqual(status, 415)
      }
      assert.strictEqual(store.spans, 0)
    }).pipe(Effect.scoped)
  )

  it.live("shows the boots of a data directory beside them", () =>
    Effect.gen(function* () {
      using room = directory()
      room.put(fileAt(1_790_000_000_000), journal(boot({ names: hostile })))
      room.put("2.journal", "rubbish")
      const { url } = yield* Receiver.serve({ port: 0, journals: room.path })
      const list = yield* get(url)
      assert.include(list.text, `<a href="/boot/${fileAt(1_790_000_000_000)}">boot-0001</a>`)
      const page = yield* get(`${url}/boot/${fileAt(1_790_000_000_000)}`)
      assert.strictEqual(page.status, 200)
      assert.include(page.text, "degraded after 130 ms")
      assert.notMatch(page.text, /<script|<img/)
      assert.strictEqual((yield* get(`${url}/boot/2.journal`)).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("shows a trace of 100,000 spans that came in many requests", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0 })
      const id = "ab".repeat(16)
      for (let part = 0; part < 10; part++) {
        const spans = Array.from({ length: 10_000 }, (_, k) => {
          const n = part * 10_000 + k
          const at = 1_790_000_000_000_000_000n + BigInt(n) * 1_000n
          return {
            traceId: id,
            spanId: (n + 1).toString(16).padStart(16, "0"),
            ...(n === 0 ? {} : { parentSpanId: "1".padStart(16, "0") }),
            name: `span ${n}`,
            kind: 1,
            startTimeUnixNano: `${at}`,
            endTimeUnixNano: `${at + 5_000n}`
          }
        })
        const body = JSON.stringify({
          resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ scope: {}, spans }] }]
        })
        assert.strictEqual((yield* post(`${url}/v1/traces`, body)).status, 200)
      }
      assert.strictEqual(store.spans, 100_000)
      const page = yield* get(`${url}/trace/${id}`)
      assert.include(page.text, "100000 spans")
      assert.include(page.text, "and 99000 more that are not shown")
      assert.isBelow(page.text.length, 1_500_000)
    }).pipe(Effect.scoped)
  )

  it.live("says so when its port is taken, and is gone with its scope", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* Receiver.serve({ port: 0 })
          const taken = yield* Effect.flip(Receiver.serve({ port: Number(new URL(url).port) }))
          assert.match(taken.message, /EADDRINUSE.*Choose one with --port/)
          assert.strictEqual(taken.exitCode, 73)
          return Number(new URL(url).port)
        })
      )
      yield* Effect.scoped(Receiver.serve({ port }))
    })
  )
})
