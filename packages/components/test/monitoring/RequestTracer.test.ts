import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import * as Spans from "../../src/api/Spans.ts"
import type { Span } from "../../src/monitoring/Span.ts"
import * as RequestTracer from "../../src/monitoring/RequestTracer.ts"

const trace = "0af7651916cd43dd8448eb211c80319c"
const traceparent = (flags: string) => `00-${trace}-b7ad6b7169203331-${flags}`

describe("the tracer of requests", () => {
  it.effect("keeps the span of whoever asks within a sampled trace, once, as it ended", () =>
    Effect.gen(function* () {
      const kept: Array<Span> = []
      const tracer = RequestTracer.make((span) => void kept.push(span))
      const spans = Spans.make(yield* Clock.Clock)
      for (const hasFailed of [false, true]) {
        const span = spans.begin(tracer, "GET /v1/nodes", traceparent("01"))!
        span.attribute("http.response.status_code", 200)
        span.attribute("odd", { not: "told" })
        spans.end(span, hasFailed)
        spans.end(span, !hasFailed)
      }
      assert.deepStrictEqual(
        kept.map(({ attributes, kind, name, parentSpanId, status, traceId }) => [
          traceId,
          parentSpanId,
          name,
          kind,
          status,
          attributes
        ]),
        ["unset", "error"].map((status) => [
          trace,
          "b7ad6b7169203331",
          "GET /v1/nodes",
          "server",
          status,
          { "http.response.status_code": 200 }
        ])
      )
      assert.notStrictEqual(kept[0]?.spanId, kept[1]?.spanId)
    })
  )

  it.effect("keeps none that nobody asked to trace, and nothing that happens inside", () =>
    Effect.gen(function* () {
      const kept: Array<Span> = []
      const tracer = RequestTracer.make((span) => void kept.push(span))
      const spans = Spans.make(yield* Clock.Clock)
      for (const header of [undefined, traceparent("00"), "nonsense"]) {
        spans.end(spans.begin(tracer, "GET /v1/nodes", header)!, false)
      }
      yield* Effect.withTracer(Effect.withSpan(Effect.void, "inside"), tracer)
      assert.deepStrictEqual(kept, [])
    })
  )
})
