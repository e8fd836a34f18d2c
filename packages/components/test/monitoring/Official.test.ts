import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api"
import { OTLPTraceExporter as GrpcExporter } from "@opentelemetry/exporter-trace-otlp-grpc"
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base"
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node"
import { Effect, type Scope } from "effect"

type Settings = NonNullable<ConstructorParameters<typeof ProtobufExporter>[0]>

/** The enumeration that this is of is not exported. */
const gzip = "gzip" as NonNullable<Settings["compression"]>

/** `novacron trace serve` as a process of its own: whoever sends here is a stranger to it. */
const receiver: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<{ readonly child: ChildProcess; readonly url: string }>((resume) => {
    const root = join(import.meta.dirname, "../../../..")
    const program = [join(root, "packages/novacron/src/main.ts"), "trace", "serve", "--port", "0", "--json"]
    const child = spawn(process.execPath, program, { cwd: root, stdio: ["ignore", "pipe", "inherit"] })
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString()
      const [, url] = /"url":"([^"]+)"/.exec(said) ?? []
      if (url !== undefined) resume(Effect.succeed({ child, url }))
    })
    child.on("exit", (code) => resume(Effect.die(new Error(`it ended with ${code}: ${said}`))))
  }),
  ({ child }) =>
    Effect.callback<void>((resume) => {
      child.removeAllListeners("exit")
      child.on("exit", () => resume(Effect.void))
      child.kill("SIGTERM")
    })
).pipe(Effect.map(({ url }) => url))

/** A shop that is traced by the SDK, and gone when everything is sent. */
const shop = (service: string, exporter: SpanExporter): Promise<string> => {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": service }),
    spanProcessors: [new BatchSpanProcessor(exporter)]
  })
  const tracer = provider.getTracer("shop")
  const id = tracer.startActiveSpan("checkout", { attributes: { amount: 7, deep: ["a", "b"] } }, (checkout) => {
    const inside = trace.setSpan(ROOT_CONTEXT, checkout)
    const reserve = tracer.startSpan("reserve <b>", { links: [{ context: checkout.spanContext() }] }, inside)
    reserve.recordException(new Error("no stock"))
    reserve.setStatus({ code: SpanStatusCode.ERROR, message: "no stock" })
    reserve.end()
    for (let k = 0; k < 600; k++) tracer.startSpan(`item ${k}`, {}, inside).end()
    checkout.end()
    return checkout.spanContext().traceId
  })
  return provider
    .forceFlush()
    .then(() => provider.shutdown())
    .then(() => id)
}

const page = (url: string) => Effect.promise(() => fetch(url).then((response) => response.text()))

describe("the exporters of OpenTelemetry and novacron trace serve", () => {
  it.live(
    "understand each other in JSON, protobuf and gRPC, on one port",
    () =>
      Effect.gen(function* () {
        const url = yield* receiver
        const exporters: { readonly [service: string]: SpanExporter } = {
          "json-shop": new JsonExporter({ url: `${url}/v1/traces` }),
          "protobuf-shop": new ProtobufExporter({ url: `${url}/v1/traces`, compression: gzip }),
          "grpc-shop": new GrpcExporter({ url }),
          "packed-shop": new GrpcExporter({ url, compression: gzip })
        }
        for (const [service, exporter] of Object.entries(exporters)) {
          const id = yield* Effect.promise(() => shop(service, exporter))
          const list = yield* page(url)
          assert.include(list, `<td>${service}</td><td>602 spans, 1 failed</td>`)
          const shown = yield* page(`${url}/trace/${id}`)
          for (const text of [
            "checkout",
            "reserve &#60;b&#62;",
            "no stock",
            "amount = 7",
            "deep = [a, b]",
            "item 599"
          ]) {
            assert.include(shown, text, service)
          }
        }
      }).pipe(Effect.scoped),
    60_000
  )
})
