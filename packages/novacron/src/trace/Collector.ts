/**
 * Sends a trace to a collector, by OTLP over HTTP with JSON: a request after the other, each tried again for as long as
 * the collector only asks for patience.
 *
 * **Details**
 *
 * Follows the specification of OTLP/HTTP: 429, 502, 503, 504 and no connection are tried again, everything else is not;
 * an answer of 2xx is success, whatever stands in it; a partial success is told. `OTEL_EXPORTER_OTLP_HEADERS` is sent along.
 */
import { Count } from "@novacron/boot/model"
import { Data, Duration, Effect, Result, Schedule } from "effect"

/** The trace could not be sent, or not all of it. A secret of the URL is never told. */
export class CollectorRefused extends Data.TaggedError("CollectorRefused")<{
  readonly endpoint: string
  readonly reason: string
  readonly sent: number
  readonly isTemporary: boolean
  readonly cause?: unknown
}> {
  readonly exitCode = 69
  override get message() {
    const { endpoint, reason, sent } = this
    const done =
      sent === 0 ? "Nothing was sent" : `${Count.of(sent, "span")} sent before that; sending them again does no harm`
    return `The collector at ${endpoint} did not take the trace: ${reason}. ${done}. Is it a collector for OTLP over HTTP?`
  }
}

/** The address is none. */
export class EndpointInvalid extends Data.TaggedError("EndpointInvalid")<{ readonly cause?: unknown }> {
  readonly exitCode = 64
  override get message() {
    return "--otlp wants the address of a collector, such as http://127.0.0.1:4318."
  }
}

/** What was sent. */
export interface Sent {
  readonly endpoint: string
  readonly spans: number
  /** What the collector did not take, and why, as it says. */
  readonly rejected: number
  readonly message: string
}

/** What is sent: an `ExportTraceServiceRequest`, of which only the spans are counted here. */
export interface Request {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<unknown> }>
  }>
}

/** Five attempts, the last after about three seconds. */
const patience = Schedule.exponential(Duration.millis(200)).pipe(Schedule.upTo({ times: 4 }))

const limits = { timeout: Duration.seconds(15), answerBytes: 64 * 1024 } as const

/** Sends the requests, in order. */
export const send = Effect.fn("Collector.send")(function* (
  address: string,
  requests: Iterable<Request>,
  options: { readonly headers?: { readonly [name: string]: string } } = {}
) {
  const { authorization, endpoint } = yield* Effect.fromResult(endpointOf(address))
  const headers = { ...authorization, ...options.headers, "content-type": "application/json" }
  let sent: Sent = { endpoint: nameOf(endpoint), spans: 0, rejected: 0, message: "" }
  for (const request of requests) {
    const count = request.resourceSpans.reduce(
      (sum, { scopeSpans }) => sum + scopeSpans.reduce((all, { spans }) => all + spans.length, 0),
      0
    )
    const answer = yield* Effect.retry(post(endpoint, JSON.stringify(request), headers, sent.spans), {
      schedule: patience,
      while: ({ isTemporary }) => isTemporary
    })
    sent = {
      ...sent,
      spans: sent.spans + count,
      rejected: sent.rejected + answer.rejected,
      message: answer.message === "" ? sent.message : answer.message
    }
  }
  return sent
})

/** Headers as `OTEL_EXPORTER_OTLP_HEADERS` writes them: `authorization=Bearer%20x,tenant=a`. */
export const headersOf = (text: string | undefined): { readonly [name: string]: string } =>
  Object.fromEntries(
    (text ?? "").split(",").flatMap((pair): ReadonlyArray<[string, string]> => {
      const cut = pair.indexOf("=")
      const name = pair.slice(0, cut).trim()
      const value = Result.getOrElse(
        Result.try(() => decodeURIComponent(pair.slice(cut + 1).trim())),
        () => ""
      )
      // What could not be a header would make all of them fail.
      return cut > 0 && /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\x20-\x7e]+$/.test(value) ? [[name, value]] : []
    })
  )

const endpointOf = (address: string) =>
  Result.mapError(
    Result.try(() => {
      const endpoint = new URL(address)
      if (endpoint.protocol !== "http:" && endpoint.protocol !== "https:") throw new TypeError(endpoint.protocol)
      const { password, username } = endpoint
      const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")
      endpoint.username = ""
      endpoint.password = ""
      endpoint.hash = ""
      if (endpoint.pathname === "/") endpoint.pathname = "/v1/traces"
      const authorization: { readonly [name: string]: string } =
        username === "" && password === "" ? {} : { authorization: `Basic ${secret}` }
      return { endpoint, authorization }
    }),
    (cause) => new EndpointInvalid({ cause })
  )

/** Without its query, which may hold a key. */
const nameOf = ({ origin, pathname }: URL): string => `${origin}${pathname}`

const temporary: ReadonlySet<number> = new Set([429, 502, 503, 504])

const post = (endpoint: URL, body: string, headers: { readonly [name: string]: string }, sent: number) => {
  const refused = (reason: string, isTemporary: boolean, cause?: unknown) =>
    new CollectorRefused({ endpoint: nameOf(endpoint), reason, sent, isTemporary, cause })
  const ask = Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(endpoint, { method: "POST", body, headers, signal, redirect: "manual" })
      return { status: response.status, text: await beginningOf(response) }
    },
    catch: (cause) => refused(wordsOf(cause), true, cause)
  })
  return ask.pipe(
    Effect.timeoutOrElse({
      duration: limits.timeout,
      orElse: () => Effect.fail(refused("it did not answer within 15 seconds", true))
    }),
    Effect.flatMap(({ status, text }) =>
      status >= 200 && status < 300
        ? Effect.succeed(partialOf(text))
        : Effect.fail(refused(`it answered with ${status}`, temporary.has(status)))
    )
  )
}

/** As much of an answer as is worth reading. */
const beginningOf = async (response: Response): Promise<string> => {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > limits.answerBytes) break
  }
  return text
}

/** A collector may answer anything; only what is a partial success is one. */
const partialOf = (text: string): { readonly rejected: number; readonly message: string } => {
  const parsed: unknown = Result.getOrElse(
    Result.try(() => JSON.parse(text)),
    () => null
  )
  const partial: unknown = typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, "partialSuccess") : null
  if (typeof partial !== "object" || partial === null) return { rejected: 0, message: "" }
  const rejected = Number(Reflect.get(partial, "rejectedSpans") ?? 0)
  const message: unknown = Reflect.get(partial, "errorMessage")
  return {
    rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0,
    message: typeof message === "string" ? message.slice(0, 500) : ""
  }
}

/** `fetch failed` says nothing; what is below says it. */
const wordsOf = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (!(inner instanceof Error)) return "it cannot be reached"
  const code = "code" in inner && typeof inner.code === "string" ? inner.code : ""
  return code === "ECONNREFUSED" ? "nobody listens there" : inner.message || code || "it cannot be reached"
}
