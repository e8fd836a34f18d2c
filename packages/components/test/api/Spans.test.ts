import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Option, Tracer } from "effect"
import * as Spans from "../../src/api/Spans.ts"

/** A tracer that keeps what it is asked for. */
const recording = () => {
  const asked: Array<Parameters<Tracer.Tracer["span"]>[0]> = []
  const tracer = Tracer.make({
    span: (options) => {
      asked.push(options)
      return new Tracer.NativeSpan(options)
    }
  })
  return { asked, tracer }
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

describe("the span of a request", () => {
  it.effect("is in the trace of whoever asks, and sampled as that one is", () =>
    Effect.gen(function* () {
      const spans = Spans.make(yield* Clock.Clock)
      const { asked, tracer } = recording()
      const span = spans.begin(tracer, "tasks.submit", traceparent)
      assert.isDefined(span)
      const parent = Option.getOrThrow(asked[0]!.parent)
      assert.deepInclude(parent, { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" })
      assert.deepInclude(asked[0], { kind: "server", root: false, sampled: true })
      spans.begin(tracer, "tasks.submit", traceparent.replace(/01$/, "00"))
      assert.strictEqual(asked[1]?.sampled, false)
    })
  )

  it.effect("begins a trace of its own for whoever has none, or one that makes no sense", () =>
    Effect.gen(function* () {
      const spans = Spans.make(yield* Clock.Clock)
      const { asked, tracer } = recording()
      for (const nonsense of [undefined, "", "00-0-0-01", "ff".repeat(200)]) spans.begin(tracer, "status", nonsense)
      assert.deepStrictEqual(
        asked.map(({ parent, root }) => [Option.isNone(parent), root]),
        asked.map(() => [true, true])
      )
      assert.strictEqual(asked.length, 4)
    })
  )

  it.effect("is not made when nobody keeps traces", () =>
    Effect.gen(function* () {
      assert.isUndefined(Spans.make(yield* Clock.Clock).begin(Tracer.nativeTracer, "status", traceparent))
    })
  )

  it.effect("ends as the request did", () =>
    Effect.gen(function* () {
      const spans = Spans.make(yield* Clock.Clock)
      const { tracer } = recording()
      for (const hasFailed of [true, false]) {
        const span = spans.begin(tracer, "status", undefined)!
        spans.end(span, hasFailed)
        assert.strictEqual(span.status._tag === "Ended" && span.status.exit._tag, hasFailed ? "Failure" : "Success")
      }
    })
  )
})
