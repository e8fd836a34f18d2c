import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Context, Effect, Tracer } from "effect"
import { HttpTraceContext } from "effect/http"
import * as TracerSpans from "../../src/monitoring/TracerSpans.ts"
import { boot } from "./fixtures/Boots.ts"

/** An application with the tracer of OpenTelemetry's SDK, and the spans that it has exported. */
const application = <A, E>(body: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const kept = new InMemorySpanExporter()
    const sdk = NodeSdk.layer(() => ({
      resource: { serviceName: "shop" },
      spanProcessor: new SimpleSpanProcessor(kept)
    }))
    let spans: ReadonlyArray<ReadableSpan> = []
    yield* Effect.ensuring(
      body,
      Effect.sync(() => (spans = kept.getFinishedSpans()))
    ).pipe(Effect.provide(sdk))
    return spans
  })

const named = (spans: ReadonlyArray<ReadableSpan>, name: string): ReadableSpan => {
  const found = spans.find((span) => span.name === name)
  if (found === undefined) throw new Error(`no span ${name} among ${spans.map((span) => span.name).join(", ")}`)
  return found
}

const pathOf = (spans: ReadonlyArray<ReadableSpan>, span: ReadableSpan): ReadonlyArray<string> => {
  const parent = spans.find((one) => one.spanContext().spanId === span.parentSpanContext?.spanId)
  return parent === undefined ? [span.name] : [span.name, ...pathOf(spans, parent)]
}

class Shop extends Context.Service<Shop, { readonly asked: string }>()("test/Shop") {}

describe("TracerSpans", () => {
  it.live("makes a boot a part of the trace of an application with the SDK of OpenTelemetry", () =>
    Effect.gen(function* () {
      const spans = yield* application(
        Effect.gen(function* () {
          const observe = yield* TracerSpans.make()
          yield* boot({}, observe)
        }).pipe(Effect.scoped, Effect.withSpan("application"))
      )
      const root = named(spans, "boot")
      assert.deepStrictEqual(pathOf(spans, named(spans, "start database")), [
        "start database",
        "database",
        "core_init",
        "boot",
        "application"
      ])
      const { traceId } = named(spans, "application").spanContext()
      assert.isTrue(spans.every((span) => span.resource.attributes["service.name"] === "shop"))
      assert.strictEqual(root.spanContext().traceId, traceId)
      assert.strictEqual(named(spans, "database").attributes["novacron.severity"], "critical")
      const needs = named(spans, "api").links.map(({ context }) => context.spanId)
      assert.include(needs, named(spans, "database").spanContext().spanId)
      assert.strictEqual(root.events.filter(({ name }) => name === "checkpoint").length, 5)
      const outer = named(spans, "application")
      assert.isTrue(before(outer.startTime, root.startTime) && before(root.endTime, outer.endTime))
    })
  )

  it.live("goes on with the trace of who called the application, and hands it on to whom a component calls", () =>
    Effect.gen(function* () {
      const caller = Tracer.externalSpan({
        traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
        spanId: "00f067aa0ba902b7",
        sampled: true
      })
      let sent = ""
      const shop = Component.make(Shop, {
        severity: "Critical",
        start: Effect.gen(function* () {
          // What an HTTP client of Effect writes into its requests.
          const headers = HttpTraceContext.toHeaders(yield* Effect.currentSpan)
          sent = headers["traceparent"] ?? ""
          return { asked: sent }
        }).pipe(Effect.withSpan("ask the stock")),
        health: () => Effect.void
      })
      const spans = yield* application(
        Effect.gen(function* () {
          const observe = yield* TracerSpans.make()
          yield* Boot.make([shop], { observe })
        }).pipe(Effect.scoped, Effect.withParentSpan(caller))
      )
      const root = named(spans, "boot")
      assert.strictEqual(root.spanContext().traceId, caller.traceId)
      assert.strictEqual(root.parentSpanContext?.spanId, caller.spanId)
      const asked = named(spans, "ask the stock").spanContext()
      assert.strictEqual(asked.traceId, caller.traceId)
      assert.match(sent, new RegExp(`^00-${caller.traceId}-${asked.spanId}-01$`))
    })
  )

  it.live("tells a boot that failed as one, and a stop as a trace of its own", () =>
    Effect.gen(function* () {
      const failed = yield* application(
        Effect.flatMap(TracerSpans.make(), (observe) => boot({ databaseFails: true }, observe)).pipe(Effect.scoped)
      )
      assert.strictEqual(named(failed, "boot").status.code, 2)
      assert.deepStrictEqual(pathOf(failed, named(failed, "rollback")), ["rollback", "boot"])
      const stopped = yield* application(
        Effect.flatMap(TracerSpans.make(), (observe) => boot({}, observe)).pipe(Effect.scoped)
      )
      const shutdown = named(stopped, "shutdown")
      assert.notStrictEqual(shutdown.spanContext().traceId, named(stopped, "boot").spanContext().traceId)
      assert.strictEqual(shutdown.links[0]?.context.spanId, named(stopped, "boot").spanContext().spanId)
    })
  )
})

const before = ([a, b]: ReadableSpan["startTime"], [c, d]: ReadableSpan["startTime"]): boolean =>
  a < c || (a === c && b <= d)
