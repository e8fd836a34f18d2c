/**
 * Sends spans to an OTLP collector over HTTP or gRPC, and does not give them up: a collector that is down, slow, or killed
 * costs memory up to a limit, and time up to a budget when the process ends.
 *
 * **Details**
 *
 * `push` only takes the spans. A fiber gathers them for an interval and sends them in batches. A batch is sent again,
 * later and later, until the collector takes it. What it refuses for good (a 4xx other than 408 and 429) is dropped and
 * counted; so are a batch at which it failed eight times (a 500), for which all others would wait, and what comes when the
 * queue is full. When the scope closes everything is sent at once; what has not been taken within the budget goes into the
 * spool, or is counted as lost without one.
 *
 * One that is made held connects to nobody until it is released, asked to flush, closed, or half full: whoever boots has
 * better things to do than to shake hands with a collector.
 *
 * **Gotchas**
 *
 * A batch whose answer got lost is sent twice. Ids are the same, so a collector that stores by id has it once.
 *
 * Why not the exporter of Effect: after three retries it drops all that it holds and everything of the next minute.
 */
import { Count } from "@novacron/boot/model"
import { Cause, Clock, Deferred, Duration, Effect, Latch, Option, Random, Redacted, Result, Schema } from "effect"
import type { Scope } from "effect"
import { Headers } from "effect/http"
import { OtlpSerialization, type OtlpTracer } from "effect/observability"
import type { Resource, Span } from "./Span.ts"
import * as Otlp from "./Otlp.ts"
import type * as OtlpGrpc from "./OtlpGrpc.ts"
import * as OtlpWire from "./OtlpWire.ts"
import type { TracesSettings } from "./Settings.ts"
import * as Outgoing from "./Outgoing.ts"
import * as Spool from "./Spool.ts"

/** How it goes. Counts begin with the process. */
export interface Statistics {
  readonly sent: number
  /** Waiting, or on their way. */
  readonly waiting: number
  readonly dropped: { readonly full: number; readonly refused: number; readonly lost: number }
  /** Attempts to send that came to nothing. */
  readonly failures: number
}

export interface Exporter {
  /** Takes spans, at once: never blocks, never fails. */
  readonly push: (resource: Resource, spans: ReadonlyArray<Span>) => void
  /** There may be something to gather. */
  readonly nudge: () => void
  /** From now on it sends, if it was made held. */
  readonly release: () => void
  /** Completes when everything has been sent or dropped, or after the stop budget. */
  readonly flush: Effect.Effect<void>
  readonly statistics: () => Statistics
}

/** Where spans go if a bare address is given. */
export const urlOf = (endpoint: string): string => {
  const url = new URL(endpoint)
  if (url.pathname === "/" || url.pathname === "") url.pathname = "/v1/traces"
  return url.href
}

/** Sends until the scope closes. `spool` is the file for what is left. */
export const make = Effect.fn("Exporter.make")(function* (
  settings: typeof TracesSettings.Type & { readonly endpoint: string },
  options: {
    readonly spool?: string | undefined
    /** Pushes what has come up since; called after the interval and before anything is sent. */
    readonly gather?: (() => void) | undefined
    /** Connects to nobody before it is released. Default: it sends at once. */
    readonly held?: boolean
  } = {}
): Effect.fn.Return<Exporter, never, Scope.Scope> {
  const { batch, capacity, interval, stopBudget } = settings
  const { gather = () => undefined, held = false, spool } = options
  const deliver = yield* delivery(settings)
  const work = Latch.makeUnsafe(false)
  const gate = Latch.makeUnsafe(!held)
  const closing = Deferred.makeUnsafe<void>()
  let waiting: Array<Otlp.Item> = []
  let sending: ReadonlyArray<Otlp.Item> = []
  let idle: Deferred.Deferred<void> | undefined
  const counts = { sent: 0, full: 0, refused: 0, lost: 0, failures: 0 }
  let spooled = false
  const complained = new Set<"away" | "part" | "refused">()
  const host = new URL(settings.endpoint).host

  const push: Exporter["push"] = (resource, spans) => {
    const free = capacity - waiting.length - sending.length
    for (const span of spans.length <= free ? spans : spans.slice(0, Math.max(0, free)))
      waiting.push({ resource, span })
    counts.full += Math.max(0, spans.length - free)
    if (waiting.length > 0) work.openUnsafe()
    if (waiting.length * 2 > capacity) gate.openUnsafe()
  }

  const isClosing = () => Deferred.isDoneUnsafe(closing)
  /** A pause that the end of the process cuts short. */
  const pause = (span: Duration.Input) => Effect.raceFirst(Effect.sleep(span), Deferred.await(closing))

  /** Once for each kind of trouble, until it is well again: it would say the same with every batch. */
  const complain = (trouble: "away" | "part" | "refused", text: string) => {
    if (complained.has(trouble)) return Effect.void
    complained.add(trouble)
    return Effect.logWarning(text)
  }
  const isWell = Effect.suspend(() => {
    const wasAway = complained.has("away")
    complained.clear()
    return wasAway ? Effect.logInfo(`The collector at ${host} takes spans again.`) : Effect.void
  })
  const check = "Check monitoring.traces.endpoint, protocol and authorization."

  const sendBatch = Effect.gen(function* () {
    sending = waiting.splice(0, batch)
    let broke = 0
    for (let failed = 0; sending.length > 0;) {
      const outcome = yield* deliver(sending)
      if (outcome._tag === "Broke") broke++
      if (outcome._tag === "Taken") {
        const { why } = outcome
        // What it says may be nonsense, and a counter does not go down.
        const rejected = Math.min(sending.length, Math.max(0, Math.trunc(outcome.rejected)))
        counts.sent += sending.length - rejected
        counts.refused += rejected
        sending = []
        const reason = why === "" ? "It does not say why." : `It says: ${said(why)}`
        if (rejected === 0) yield* isWell
        else yield* complain("part", `The collector at ${host} drops some of the spans. ${reason}`)
      } else if (outcome._tag === "TooLarge" && sending.length > 1) {
        const half = Math.ceil(sending.length / 2)
        waiting = [...sending.slice(half), ...waiting]
        sending = sending.slice(0, half)
      } else if (outcome._tag === "Again" || (outcome._tag === "Broke" && broke < mostBroke)) {
        counts.failures++
        if (failed >= patience) {
          const why = `does not take spans: ${said(outcome.why)}. They wait, ${capacity} at the most`
          yield* complain("away", `The collector at ${host} ${why} (monitoring.traces.capacity). ${check}`)
        }
        const longest = Duration.toMillis(settings.maxBackoff)
        const afterMs = outcome._tag === "Again" ? outcome.afterMs : 0
        const delayMs = Math.min(longest, Math.max(afterMs, firstBackoffMs * 2 ** Math.min(20, failed++)))
        // Whoever is about to end tries more often, and not for long.
        const jittered = delayMs * (yield* Random.nextBetween(0.8, 1.2))
        if (isClosing()) yield* Effect.sleep(Math.min(lastBackoffMs, jittered))
        else yield* pause(jittered)
      } else {
        counts.failures++
        counts.refused += sending.length
        const why = outcome._tag === "TooLarge" ? "a span is too large" : outcome.why
        yield* complain("refused", `The collector at ${host} refuses spans: ${said(why)}. They are dropped. ${check}`)
        sending = []
      }
    }
  })

  const rest = Effect.gen(function* () {
    if (spool !== undefined && spooled) yield* Spool.clear(spool)
    spooled = false
    if (waiting.length > 0) return
    work.closeUnsafe()
    if (idle !== undefined) yield* Deferred.succeed(idle, undefined)
    idle = undefined
  })

  const loop = Effect.gen(function* () {
    yield* work.await
    yield* gate.await
    if (waiting.length < batch && !isClosing() && idle === undefined) yield* pause(interval)
    gather()
    yield* sendBatch
    if (waiting.length === 0) yield* rest
  }).pipe(Effect.forever)

  const flushed = Effect.suspend(() => {
    gate.openUnsafe()
    gather()
    if (waiting.length + sending.length === 0) return Effect.void
    idle ??= Deferred.makeUnsafe<void>()
    return Deferred.await(idle)
  })

  /** Under way with a request, or not: what has not been confirmed by now is not sent. */
  const leave = Effect.gen(function* () {
    const left = [...sending, ...waiting]
    if (left.length === 0) return
    if (spool !== undefined && (yield* Spool.write(spool, left))) {
      return yield* Effect.logInfo(
        `${Count.of(left.length, "span")} left in ${spool} for the collector and the next start.`
      )
    }
    counts.lost += left.length
    yield* Effect.logWarning(`${Count.of(left.length, "span")} lost: the collector at ${host} did not take them.`)
  })

  yield* Effect.addFinalizer(() => leave)
  if (spool !== undefined) {
    const left = yield* Spool.read(spool)
    waiting = left.slice(0, capacity)
    counts.full += left.length - waiting.length
    spooled = waiting.length > 0
    if (spooled) work.openUnsafe()
  }
  yield* Effect.forkScoped(loop)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      gather()
      Deferred.doneUnsafe(closing, Effect.void)
      return flushed
    }).pipe(Effect.interruptible, Effect.timeoutOption(stopBudget))
  )
  return {
    push,
    nudge: () => work.openUnsafe(),
    release: () => gate.openUnsafe(),
    flush: Effect.asVoid(Effect.timeoutOption(flushed, stopBudget)),
    statistics: () => {
      const { failures, full, lost, refused, sent } = counts
      return { sent, failures, waiting: waiting.length + sending.length, dropped: { full, refused, lost } }
    }
  }
})

/** The first pause after a failure, doubled with each further one; and the longest one when the process ends. */
const firstBackoffMs = 500
const lastBackoffMs = 100

/** How often it may fail at the same batch: by then it is the batch, or nobody will mend the collector soon. */
const mostBroke = 8

/** Failures in a row that nobody is told of: a collector may be started again. */
const patience = 2

/** What somebody else says, of bounded length. */
const said = (text: string): string => text.slice(0, 300).toWellFormed()

// ------------------------------------------------------------------------------------------------------------ delivery

/** What came of sending a batch. */
type Outcome = OtlpGrpc.Answer

const delivery = Effect.fnUntraced(function* (settings: Destination) {
  const { protocol } = settings
  const send = yield* Effect.catch(protocol === "grpc" ? overGrpc(settings) : overHttp(settings, protocol), (error) =>
    Effect.as(Effect.logWarning(error.message), () => Effect.succeed(again("its authorities cannot be read")))
  )
  return (items: ReadonlyArray<Otlp.Item>): Effect.Effect<Outcome> =>
    Effect.suspend(() => send(Otlp.encode(items))).pipe(
      Effect.timeoutOption(settings.timeout),
      Effect.map(Option.getOrElse(() => again(`no answer within ${Duration.format(settings.timeout)}`))),
      // Nothing that a collector does is worth more than trying again; a defect in what reads its answer included.
      Effect.catchCause((cause) =>
        Effect.as(Effect.logDebug("The collector cannot be reached", cause), again(wordsOf(Cause.squash(cause))))
      ),
      Effect.withTracerEnabled(false)
    )
})

type Destination = typeof TracesSettings.Type & { readonly endpoint: string }

const overHttp = Effect.fnUntraced(function* (destination: Destination, protocol: string) {
  const { authorization, endpoint } = destination
  const ca = yield* Outgoing.authorities(destination.ca)
  const format = protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf
  const serialization = yield* Effect.provide(OtlpSerialization.OtlpSerialization, format)
  const url = urlOf(endpoint)
  const secret = authorization === undefined ? {} : { authorization: Redacted.value(authorization) }
  return (traces: OtlpTracer.TraceData): Effect.Effect<Outcome, unknown> => {
    const body = serialization.traces(traces)
    if (body._tag !== "Uint8Array") return Effect.die(new Error(`OTLP is no ${body._tag}`))
    return Effect.flatMap(
      Outgoing.post(url, { ...secret, "content-type": body.contentType ?? "" }, body.body, ca),
      outcomeOf
    )
  }
})

const overGrpc = Effect.fnUntraced(function* (destination: Destination) {
  const { authorization, endpoint, maxBackoff, timeout } = destination
  const ca = yield* Outgoing.authorities(destination.ca)
  const secret = authorization === undefined ? undefined : Redacted.value(authorization)
  const { make } = yield* Effect.promise(() => import("./OtlpGrpc.ts"))
  const send = yield* make({ endpoint, authorization: secret, ca, timeout, maxBackoff })
  const serialization = yield* Effect.provide(OtlpSerialization.OtlpSerialization, OtlpSerialization.layerProtobuf)
  return (traces: OtlpTracer.TraceData): Effect.Effect<Outcome, unknown> => {
    const body = serialization.traces(traces)
    return body._tag === "Uint8Array" ? send(body.body) : Effect.die(new Error(`protobuf is no ${body._tag}`))
  }
})

/** Of several addresses that were tried, each in vain, only the code says something. */
const wordsOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "it cannot be reached"
  return error.message || ("code" in error ? String(error.code) : error.name)
}

const again = (why: string): Outcome => ({ _tag: "Again", afterMs: 0, why })

const outcomeOf = ({ body, headers, status }: Outgoing.Reply): Effect.Effect<Outcome> => {
  if (status >= 200 && status < 300) {
    return Effect.succeed({ _tag: "Taken", ...rejectedIn(body, headers["content-type"]) })
  }
  if (status === 413) return Effect.succeed({ _tag: "TooLarge" })
  const why = `it answers with ${status}`
  if (status === 408 || status === 429 || unavailable.has(status)) {
    return Effect.map(retryAfterMs(headers["retry-after"]), (afterMs) => ({ _tag: "Again", afterMs, why }))
  }
  return Effect.succeed({ _tag: status >= 500 ? "Broke" : "Refused", why })
}

/** Bad gateway, service unavailable, gateway timeout: nobody has looked at the batch yet. */
const unavailable: ReadonlySet<number> = new Set([502, 503, 504])

/** How many spans of a batch that was taken were not, and why. */
const rejectedIn = (body: Buffer, type: string | undefined): { readonly rejected: number; readonly why: string } => {
  if (type?.includes("protobuf") === true) {
    const { errorMessage = "", rejectedSpans = 0 } = OtlpWire.readResponse(body) ?? {}
    return { rejected: rejectedSpans, why: errorMessage }
  }
  const answer = Schema.decodeUnknownOption(PartialSuccess)(body.toString("utf8"))
  return Option.match(answer, {
    onNone: () => ({ rejected: 0, why: "" }),
    onSome: ({ partialSuccess: { errorMessage = "", rejectedSpans } }) => ({
      rejected: Number(rejectedSpans),
      why: errorMessage
    })
  })
}

const PartialSuccess = Schema.fromJsonString(
  Schema.Struct({
    partialSuccess: Schema.Struct({
      rejectedSpans: Schema.Union([Schema.Finite, Schema.String.check(Schema.isPattern(/^\d{1,9}$/))]),
      errorMessage: Schema.optionalKey(Schema.String)
    })
  })
)

const retryAfterMs = (header: string | undefined): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const parsed = header === undefined ? undefined : Headers.parseRetryAfter(header)
    if (parsed === undefined || Result.isFailure(parsed)) return 0
    return Duration.toMillis(Headers.retryAfterDelay(parsed.success, now))
  })
