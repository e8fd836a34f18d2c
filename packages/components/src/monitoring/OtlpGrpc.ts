/**
 * OTLP over gRPC, the sending half: requests that are written already, and what the collector says to them.
 *
 * **Details**
 *
 * Which answers mean "again" follows the specification of OTLP/gRPC, with one step more of patience: what has no
 * reason at all (`UNKNOWN`, `INTERNAL`) is tried again as well, like a 500 over HTTP. `RESOURCE_EXHAUSTED` with a time to
 * wait is an "again", and without one a batch that is too large.
 *
 * This is only loaded by those who use it, for what it brings along.
 */
import * as grpc from "@grpc/grpc-js"
import { Clock, Duration, Effect, type Scope } from "effect"
import * as OtlpWire from "./OtlpWire.ts"

/** What came of a request. */
export type Answer =
  /** `why`: what the collector says about those that it did not take. */
  | { readonly _tag: "Taken"; readonly rejected: number; readonly why: string }
  | { readonly _tag: "Again"; readonly afterMs: number; readonly why: string }
  /** It failed at it: because of what it was given, or of itself. */
  | { readonly _tag: "Broke"; readonly why: string }
  | { readonly _tag: "TooLarge" }
  | { readonly _tag: "Refused"; readonly why: string }

/** Where to and how. */
export interface Options {
  /** `http://host:4317`, or `https://` for TLS. */
  readonly endpoint: string
  readonly authorization?: string | undefined
  /** Who says who the collector is (PEM); default: those that Node knows. */
  readonly ca?: Buffer | undefined
  /** How long an answer may take. */
  readonly timeout: Duration.Duration
  readonly maxBackoff: Duration.Duration
}

const method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

/** Opens a channel that is closed with the scope; nothing is connected before the first request. */
export const make = Effect.fn("OtlpGrpc.make")(function* (
  options: Options
): Effect.fn.Return<(body: Uint8Array) => Effect.Effect<Answer>, never, Scope.Scope> {
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const { protocol } = new URL(options.endpoint)
      const credentials =
        protocol === "https:" ? grpc.credentials.createSsl(options.ca ?? null) : grpc.credentials.createInsecure()
      return new grpc.Client(addressOf(options.endpoint), credentials, {
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": Math.max(100, Duration.toMillis(options.maxBackoff))
      })
    }),
    (opened) => Effect.sync(() => opened.close())
  )
  const clock = yield* Clock.Clock
  return (body) =>
    Effect.callback<Answer>((resume) => {
      const metadata = new grpc.Metadata()
      if (options.authorization !== undefined) metadata.set("authorization", options.authorization)
      const call = client.makeUnaryRequest<Uint8Array, Buffer>(
        method,
        (bytes) => Buffer.from(bytes),
        (bytes) => bytes,
        body,
        metadata,
        { deadline: clock.currentTimeMillisUnsafe() + Duration.toMillis(options.timeout) },
        (error, answer) => resume(Effect.succeed(error === null ? taken(answer) : refusal(error)))
      )
      return Effect.sync(() => call.cancel())
    })
})

/** Where to connect to. When nobody names a port it is the one of OTLP over gRPC, whatever the scheme. */
export const addressOf = (endpoint: string): string => {
  // A URL forgets that its port was named when it is the usual one of its scheme: 443 is what many services listen on.
  const { port } = new URL(endpoint.trim().replace(/^https?:/i, "grpc:"))
  return `${new URL(endpoint).hostname}:${port === "" ? 4317 : port}`
}

const taken = (answer: Buffer | undefined): Answer => {
  const rejected = answer === undefined ? undefined : OtlpWire.readResponse(answer)
  return { _tag: "Taken", rejected: rejected?.rejectedSpans ?? 0, why: rejected?.errorMessage ?? "" }
}

const refusal = ({ code, details: said, metadata }: grpc.ServiceError): Answer => {
  const why = said === "" ? `${grpc.status[code]}` : `${grpc.status[code]}: ${said}`
  const [details] = metadata.get("grpc-status-details-bin")
  const afterMs = Buffer.isBuffer(details) ? OtlpWire.readRetryDelayMs(details) : undefined
  if (code === grpc.status.RESOURCE_EXHAUSTED) {
    return afterMs === undefined ? { _tag: "TooLarge" } : { _tag: "Again", afterMs, why }
  }
  if (code === grpc.status.UNKNOWN || code === grpc.status.INTERNAL) return { _tag: "Broke", why }
  return temporary.has(code) ? { _tag: "Again", afterMs: afterMs ?? 0, why } : { _tag: "Refused", why }
}

/** CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS: as OTLP has it. */
const temporary: ReadonlySet<number> = new Set([1, 4, 10, 11, 14, 15])
