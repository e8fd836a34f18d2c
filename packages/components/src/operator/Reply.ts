/**
 * How the server of the dashboard answers: each answer with a policy that lets nothing in or out, a body that it takes is
 * bounded and decoded, and what is refused is a sentence.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { gzip } from "node:zlib"
import { Effect, Exit, type Fiber, Schema } from "effect"
import type * as Wire from "./Wire.ts"

/** What all answers have to know of the server. */
export interface Place {
  /** Whether it speaks TLS. */
  readonly isSecure: boolean
}

/** A question, and where its answer goes. */
export interface Asked {
  readonly house: Place
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Why something that was asked for is not done, as a sentence. */
export interface Refused {
  readonly message: string
  /** Of HTTP. Default: 409. */
  readonly status?: number
}

interface Headers {
  readonly [name: string]: string
}

/** Does what an answer takes, and tells how that ended. */
export type Run = <A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void) => void

const maxBody = 4 * 1_024

/** What is under way when the scope closes is interrupted. */
export const runner = Effect.gen(function* () {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const flights = new Set<Fiber.Fiber<unknown, unknown>>()
  yield* Effect.addFinalizer(() => Effect.sync(() => flights.forEach((fiber) => fiber.interruptUnsafe())))
  const run: Run = (effect, then) => {
    const fiber = fork(effect)
    flights.add(fiber)
    fiber.addObserver((exit) => {
      flights.delete(fiber)
      then(exit)
    })
  }
  return run
})

/** Answers with JSON, packed when it is large. */
export const json = ({ house, request, response }: Asked, status: number, value: unknown): void => {
  const bytes = Buffer.from(`${JSON.stringify(value ?? null)}\n`)
  const headers = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" }
  if (bytes.length < 4_096 || !/\bgzip\b/.test(request.headers["accept-encoding"]?.toString() ?? "")) {
    return send(house, response, status, bytes, headers)
  }
  gzip(bytes, { level: 1 }, (error, packed) =>
    error === null
      ? send(house, response, status, packed, { ...headers, "content-encoding": "gzip" })
      : send(house, response, status, bytes, headers)
  )
}

/** Takes in a body of JSON and decodes it. */
export const withBody = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  { house, request, response }: Asked,
  schema: S,
  then: (value: S["Type"]) => void
): void => {
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
    return refuse(house, response, 415, "A body of JSON is wanted.")
  }
  const chunks: Array<Buffer> = []
  let length = 0
  request.on("data", (chunk: Buffer) => {
    length += chunk.length
    if (length <= maxBody) return void chunks.push(chunk)
    refuse(house, response, 413, "A body has 4 KiB at the most.")
    request.destroy()
  })
  request.on("end", () => {
    if (length > maxBody) return
    const decoded = Schema.decodeUnknownExit(Schema.fromJsonString(schema))(Buffer.concat(chunks).toString("utf8"))
    if (Exit.isFailure(decoded)) return refuse(house, response, 400, "The body is not what is wanted here.")
    then(decoded.value)
  })
}

/** Says no, in a sentence. */
export const refuse = (house: Place, response: ServerResponse, status: number, why: string): void =>
  send(house, response, status, `${JSON.stringify({ error: why } satisfies typeof Wire.Refusal.Type)}\n`, {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    ...(status === 401 || status === 404 ? {} : { connection: "close" })
  })

/** Begins an answer of server-sent events: its head, and a line that says when to come back. */
export const beginEvents = (house: Place, response: ServerResponse): void => {
  // It may be quiet for long.
  response.socket?.setTimeout(0)
  response.writeHead(200, {
    ...securityHeaders(house),
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store"
  })
  response.write("retry: 1000\n\n")
}

/** Nothing from elsewhere, nothing to elsewhere, no frame around it, no script but ours. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const securityHeaders = ({ isSecure }: Place) => ({
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
  ...(isSecure ? { "strict-transport-security": "max-age=31536000" } : {})
})

/** Answers as it is told, unless somebody has answered already. */
export const send = (
  house: Place,
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Headers
): void => {
  if (response.headersSent || response.destroyed) return
  const isBare = status === 204 || status === 304
  const length = isBare ? {} : { "content-length": Buffer.byteLength(body) }
  response.writeHead(status, { ...securityHeaders(house), ...length, ...headers })
  response.end(isBare || response.req.method === "HEAD" ? undefined : body)
}
