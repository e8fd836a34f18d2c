import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Timeline, TimelineView } from "@novacron/boot/model"
import { Effect } from "effect"
import * as Collector from "../../src/trace/Collector.ts"
import * as Receiver from "../../src/trace/Receiver.ts"
import { boot } from "./fixtures/journals.ts"

const timeline = Timeline.fromEvents(boot())
const trace = () => TimelineView.toOtlp(timeline, { spansPerRequest: 4 })
const spans = [...TimelineView.toOtlp(timeline)][0]?.resourceSpans[0]?.scopeSpans[0]?.spans.length ?? 0

/** A collector that answers as it is told. */
const collector = (answer: (request: IncomingMessage, response: ServerResponse, n: number) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void; readonly asked: () => number }>((resume) => {
      let n = 0
      const server = createServer((request, response) => {
        request.resume()
        request.on("end", () => answer(request, response, n++))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? address?.port : 0
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${port}`,
            asked: () => n,
            close: () => server.close().closeAllConnections()
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("Collector", () => {
  it.live("sends a boot in several requests, all of which arrive", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0 })
      const sent = yield* Collector.send(url, trace())
      assert.deepStrictEqual(sent, { endpoint: `${url}/v1/traces`, spans, rejected: 0, message: "" })
      assert.isAbove(spans, 8)
      assert.strictEqual(store.spans, spans)
      yield* Collector.send(`${url}/v1/traces`, trace())
      assert.strictEqual(store.spans, spans, "whoever sends a boot twice has it once")
    }).pipe(Effect.scoped)
  )

  it.live("tries again while the collector asks for patience", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* collector((_, response, n) =>
        response.writeHead([503, 429, 200][n] ?? 200).end("{}")
      )
      assert.strictEqual((yield* Collector.send(url, trace())).spans, spans)
      assert.strictEqual(asked(), Math.ceil(spans / 4) + 2)
    }).pipe(Effect.scoped)
  )

  it.live("does not try again what was refused, and says how much was sent", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* collector((_, response, n) => response.writeHead(n === 0 ? 200 : 400).end("no"))
      const error = yield* Effect.flip(Collector.send(url, trace()))
      assert.strictEqual(error._tag, "CollectorRefused")
      assert.match(error.message, /it answered with 400\. 4 spans sent before that/)
      assert.strictEqual(asked(), 2)
    }).pipe(Effect.scoped)
  )

  it.live("takes any answer for what it is: garbage is success, a partial success is told", () =>
    Effect.gen(function* () {
      const partial = JSON.stringify({ partialSuccess: { rejectedSpans: "3", errorMessage: "too old" } })
      const answers = ["\u0000\u0001", "[]", `{"partialSuccess":7}`, partial]
      for (const [k, text] of answers.entries()) {
        const { url } = yield* collector((_, response) => response.end(text))
        const { message, rejected } = yield* Collector.send(url, [[...trace()][0]!])
        assert.deepStrictEqual([rejected, message], k === 3 ? [3, "too old"] : [0, ""])
      }
    }).pipe(Effect.scoped)
  )

  it.live("says that nobody listens, without the secrets of the address", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Collector.send("http://me:secret@127.0.0.1:1/otlp?key=hidden", trace()))
      assert.match(error.message, /^The collector at http:\/\/127\.0\.0\.1:1\/otlp did not take the trace/)
      assert.notMatch(error.message, /secret|hidden/)
      const [bad, file] = [
        yield* Effect.flip(Collector.send("localhost", trace())),
        yield* Effect.flip(Collector.send("file:///x", trace()))
      ]
      assert.deepStrictEqual([bad._tag, file._tag], ["EndpointInvalid", "EndpointInvalid"])
    })
  )

  it.live("sends the headers of the environment, and who we are", () =>
    Effect.gen(function* () {
      const seen: Array<IncomingMessage["headers"]> = []
      const { url } = yield* collector((request, response) => {
        seen.push(request.headers)
        response.end()
      })
      const headers = Collector.headersOf("x-tenant=a%20b, bad header=1,x-empty=,x-line=a%0d%0ab,=1,x-broken=%zz")
      assert.deepStrictEqual(headers, { "x-tenant": "a b" })
      yield* Collector.send(url.replace("//", "//me:secret@"), [[...trace()][0]!], { headers })
      assert.strictEqual(seen[0]?.["x-tenant"], "a b")
      assert.strictEqual(seen[0]?.authorization, `Basic ${btoa("me:secret")}`)
      assert.strictEqual(seen[0]?.["content-type"], "application/json")
      assert.deepStrictEqual(Collector.headersOf(undefined), {})
    }).pipe(Effect.scoped)
  )
})
