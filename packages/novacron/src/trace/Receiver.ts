/**
 * A receiver of traces with a viewer: whatever program sends OTLP to it, over HTTP as JSON or protobuf or over gRPC, all on
 * one port, can be looked at in a browser, with nothing else installed. The boots of the data directory are there as well.
 *
 * **Details**
 *
 * - Listens on 127.0.0.1 only, and answers only who asks for this host by one of its local names: a page of another site
 *   cannot reach it by a name that resolves to it. Spans are taken as JSON or protobuf only, which no form can send.
 * - Bounded: a body has 16 MiB, 64 MiB when unpacked; eight bodies at a time, more are asked to come again; a request has
 *   30 seconds. What is kept is bounded by the store, in which the oldest traces make room.
 * - Pages hold no script and load nothing.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzip } from "node:zlib"
import { Count, GanttPage, Timeline, TimelineView } from "@novacron/boot/model"
import { Monitoring } from "@novacron/components"
import { Data, Effect, Result, type Scope } from "effect"
import * as Boots from "./Boots.ts"
import * as GrpcDoor from "./GrpcDoor.ts"
import * as Received from "./Received.ts"
import * as TraceChart from "./TraceChart.ts"

/** Nobody can send anything: the port cannot be had. */
export class ReceiverUnavailable extends Data.TaggedError("ReceiverUnavailable")<{
  readonly port: number
  readonly cause: unknown
}> {
  readonly exitCode = 73
  override get message() {
    const { cause, port } = this
    const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "no reason"
    return `Traces cannot be received on 127.0.0.1:${port} (${code}). Is another collector there? Choose one with --port.`
  }
}

/** What is served. */
export interface Options {
  /** Default: 4318, which programs send to when nobody says otherwise. 0 for any. */
  readonly port?: number
  /** Where journals are, if there are boots to show. */
  readonly journals?: string
  readonly limits?: Partial<Received.Limits>
  readonly bodyBytes?: number
}

/** A receiver that runs. */
export interface Receiver {
  readonly url: string
  readonly store: Received.Store
}

const usual = { port: 4318, bodyBytes: 16 * 1024 * 1024, unpacked: 4, bodies: 8, connections: 64 } as const

/** Serves until the scope closes. */
export const serve = (options: Options = {}): Effect.Effect<Receiver, ReceiverUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { port = usual.port } = options
    const store = Received.make(options.limits)
    const house: House = {
      store,
      journals: options.journals,
      bodyBytes: options.bodyBytes ?? usual.bodyBytes,
      bodies: 0
    }
    const http = createServer(
      { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 5_000 },
      (request, response) => answer(house, request, response)
    )
    const grpc = GrpcDoor.make({
      bodyBytes: house.bodyBytes,
      unpackedBytes: usual.unpacked * house.bodyBytes,
      enter: () => house.bodies < usual.bodies && ++house.bodies > 0,
      leave: () => void house.bodies--,
      take: (body) => takenProtobuf(store, body)
    })
    GrpcDoor.beside(http, grpc)
    http.maxConnections = usual.connections
    yield* Effect.acquireRelease(listen(http, port), () => close(http, grpc))
    const { port: real } = http.address() as AddressInfo // listening on TCP: never a path, never null
    return { url: `http://127.0.0.1:${real}`, store }
  })

const listen = (server: Server, port: number) =>
  Effect.callback<void, ReceiverUnavailable>((resume) => {
    const fail = (cause: unknown): void => resume(Effect.fail(new ReceiverUnavailable({ port, cause })))
    server.once("error", fail)
    server.listen({ port, host: "127.0.0.1" }, () => {
      server.off("error", fail)
      server.on("error", () => undefined)
      resume(Effect.void)
    })
  })

const close = (http: Server, grpc: GrpcDoor.GrpcDoor) =>
  Effect.callback<void>((resume) => {
    http.close(() => resume(Effect.void))
    http.closeAllConnections()
    grpc.closeAllConnections()
  })

// ------------------------------------------------------------------------------------------------------------ answers

interface House {
  readonly store: Received.Store
  readonly journals: string | undefined
  readonly bodyBytes: number
  /** How many bodies are coming in. */
  bodies: number
}

interface Answer {
  readonly status: number
  readonly type:
    | "text/html; charset=utf-8"
    | "application/json"
    | "application/x-protobuf"
    | "text/plain; charset=utf-8"
  readonly body: string | Buffer
  readonly headers?: { readonly [name: string]: string }
}

const json = (status: number, value: unknown): Answer => ({
  status,
  type: "application/json",
  body: JSON.stringify(value)
})
const html = (status: number, body: string): Answer => ({ status, type: "text/html; charset=utf-8", body })
const plain = (status: number, text: string): Answer => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `${text}\n`
})

/** Status in the words of gRPC, as OTLP has it: 3 is an invalid argument, 8 that there is no room, 14 come again. */
const refusal = (status: number, code: 3 | 8 | 14, message: string, as: Format = "json"): Answer => ({
  ...(as === "json"
    ? json(status, { code, message })
    : protobuf(status, Monitoring.OtlpWire.writeStatus(code, message))),
  headers: status === 503 ? { "retry-after": "1" } : { connection: "close" }
})

/** How a request is written, and so its answer. */
type Format = "json" | "protobuf"

const formats: { readonly [type: string]: Format } = {
  "application/json": "json",
  "application/x-protobuf": "protobuf"
}

const protobuf = (status: number, body: Buffer): Answer => ({ status, type: "application/x-protobuf", body })

/**
 * An answer comes after all of the request, whatever is in it: Node closes the connection behind one that comes before, and
 * who is still sending hears of a broken pipe and not of the answer. `requestTimeout` bounds how long that may take.
 */
const respond = (request: IncomingMessage, response: ServerResponse, it: Answer): void => {
  if (request.complete) return write(request, response, it)
  request.once("end", () => write(request, response, it))
  request.resume()
}

const write = (request: IncomingMessage, response: ServerResponse, it: Answer): void => {
  if (response.headersSent || response.destroyed) return
  response.writeHead(it.status, {
    "content-type": it.type,
    "content-length": Buffer.byteLength(it.body),
    "content-security-policy": `${GanttPage.policy}; frame-ancestors 'none'`,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    ...it.headers
  })
  response.end(request.method === "HEAD" ? "" : it.body)
}

const answer = (house: House, request: IncomingMessage, response: ServerResponse): void => {
  response.on("error", () => undefined)
  request.on("error", () => undefined)
  const [path = "/"] = (request.url ?? "/").split("?")
  const done = (it: Answer): void => respond(request, response, it)
  if (!isLocal(request.headers.host)) return done(plain(421, "This receiver answers to 127.0.0.1 and localhost only."))
  if (request.method === "POST") {
    if (path !== "/v1/traces") return done(refusal(404, 3, "Only traces are received here, at /v1/traces."))
    return receive(house, request, done)
  }
  if (request.method !== "GET" && request.method !== "HEAD")
    return done(plain(405, "GET, HEAD, or POST to /v1/traces."))
  // A bug in a page is an answer like any other, and no end of the receiver.
  const page = Result.try(() => pageOf(house, path))
  return done(Result.isSuccess(page) ? page.success : plain(500, "This page cannot be made."))
}

const isLocal = (host: string | undefined): boolean =>
  host !== undefined && /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i.test(host)

// ------------------------------------------------------------------------------------------------------------ receive

const receive = (house: House, request: IncomingMessage, done: (it: Answer) => void): void => {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase()
  const encoding = (request.headers["content-encoding"] ?? "identity").trim().toLowerCase()
  const as = Object.hasOwn(formats, type ?? "") ? formats[type ?? ""] : undefined
  if (as === undefined) return done(refusal(415, 3, "OTLP is application/json or application/x-protobuf."))
  if (encoding !== "identity" && encoding !== "gzip")
    return done(refusal(415, 3, "Only gzip, or nothing, may pack a body.", as))
  const tooLarge = () => refusal(413, 8, `A request may have ${house.bodyBytes} bytes: send fewer spans at a time.`, as)
  if (Number(request.headers["content-length"] ?? 0) > house.bodyBytes) return done(tooLarge())
  if (house.bodies >= usual.bodies) return done(refusal(503, 14, "Too many requests at a time. Come again.", as))
  house.bodies++
  let chunks: Array<Buffer> = []
  let bytes = 0
  let isOver = false
  const finish = (it?: Answer): void => {
    if (isOver) return
    isOver = true
    chunks = []
    house.bodies--
    if (it !== undefined) done(it)
  }
  request.on("data", (chunk: Buffer) => {
    if (isOver) return
    bytes += chunk.length
    if (bytes > house.bodyBytes) finish(tooLarge())
    else chunks.push(chunk)
  })
  request.on("close", () => finish())
  request.on("end", () => {
    if (isOver) return
    const body = Buffer.concat(chunks)
    if (encoding === "identity") return finish(taken(house.store, body, as))
    isOver = true
    gunzip(body, { maxOutputLength: usual.unpacked * house.bodyBytes }, (error, unpacked) => {
      isOver = false
      if (error === null) finish(taken(house.store, unpacked, as))
      else
        finish(
          "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
            ? tooLarge()
            : refusal(400, 3, "This is not gzip.", as)
        )
    })
  })
}

const taken = (store: Received.Store, body: Buffer, as: Format): Answer => {
  if (as === "protobuf") {
    const answer = takenProtobuf(store, body)
    return answer === undefined
      ? refusal(400, 3, "This is not an ExportTraceServiceRequest.", as)
      : protobuf(200, answer)
  }
  const request = Result.try((): unknown => JSON.parse(body.toString("utf8")))
  if (Result.isFailure(request)) return refusal(400, 3, "This is not JSON.")
  const result = Received.accept(store, request.success)
  if (result === undefined) return refusal(400, 3, "This is not an ExportTraceServiceRequest.")
  const { message, rejected } = result
  return json(200, rejected === 0 ? {} : { partialSuccess: { rejectedSpans: `${rejected}`, errorMessage: message } })
}

/** What is answered to a request in protobuf; undefined when it is none. */
const takenProtobuf = (store: Received.Store, body: Buffer): Buffer | undefined => {
  const request = Monitoring.OtlpWire.readRequest(body)
  const result = request === undefined ? undefined : Received.accept(store, request)
  return result === undefined ? undefined : Monitoring.OtlpWire.writeResponse(result.rejected, result.message)
}

// -------------------------------------------------------------------------------------------------------------- pages

const pageOf = (house: House, path: string): Answer => {
  const [, kind, id = ""] = /^\/(trace|boot)\/([^/]+)$/.exec(path) ?? []
  if (path === "/") return html(200, index(house))
  if (kind === "trace") {
    const trace = house.store.traces.get(id.toLowerCase())
    return trace === undefined
      ? missing("There is no such trace, or it made room for others.")
      : html(200, linked(GanttPage.toBody(TraceChart.toChart(trace)), "trace"))
  }
  if (kind === "boot" && house.journals !== undefined) {
    const name = Result.getOrElse(
      Result.try(() => decodeURIComponent(id)),
      () => ""
    )
    const { journals } = house
    // By the name of its file only: a path is for the command line.
    if (!/^[\w.-]+\.journal$/.test(name)) return missing("There is no such boot.")
    const opened = Boots.open(journals, name)
    if (Result.isFailure(opened)) return missing(opened.failure.message)
    const timeline = Timeline.fromEvents(opened.success.events)
    const chart = TimelineView.toChart(timeline, { rows: 1_000 })
    return html(
      200,
      linked(GanttPage.toBody({ ...chart, footnotes: [...chart.footnotes, ...opened.success.warnings] }), "boot")
    )
  }
  return missing("There is nothing here.")
}

const missing = (why: string): Answer =>
  html(404, linked(`<h1>Not found</h1><p>${GanttPage.escaped(why)}</p>`, "not found"))

const linked = (body: string, title: string): string =>
  GanttPage.page(title, `<p><a href="/">All traces</a></p>${body}`)

/** How many rows an index has at the most. */
const mostRows = 200

const index = ({ journals, store }: House): string => {
  const traces = [...store.traces.values()].toReversed()
  const rows = traces.slice(0, mostRows).map((trace) => {
    const root = TraceChart.rootOf(trace)
    const { errors, fromMs, toMs } = TraceChart.extent(trace)
    const name = GanttPage.escaped(root === undefined || root.name === "" ? trace.traceId : root.name, 120)
    const cells = [
      `<a href="/trace/${trace.traceId}">${name}</a>`,
      GanttPage.escaped(root?.service ?? "", 80),
      `${Count.of(trace.spans.size, "span")}${errors === 0 ? "" : `, ${errors} failed`}`,
      GanttPage.escaped(`${Math.round((toMs - fromMs) * 10) / 10} ms`)
    ]
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`
  })
  const heads = journals === undefined ? [] : Result.getOrElse(Boots.list(journals, 50), () => [])
  const boots = heads
    .filter(({ kind }) => kind === "boot")
    .map(({ bootId, environment, file, nodeId, startedAt }) => {
      const cells = [
        `<a href="/boot/${encodeURIComponent(file)}">${GanttPage.escaped(bootId, 80)}</a>`,
        GanttPage.escaped(nodeId, 80),
        GanttPage.escaped(environment, 40),
        TraceChart.moment(startedAt)
      ]
      return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`
    })
  const table = (title: string, body: ReadonlyArray<string>) =>
    body.length === 0 ? [] : [`<h2>${title}</h2>`, `<table><tbody>${body.join("\n")}</tbody></table>`]
  const none =
    rows.length === 0
      ? ["<p>No traces yet. Programs send them here by OTLP: over HTTP, as JSON or protobuf, or over gRPC.</p>"]
      : []
  const more = traces.length > mostRows ? [`<p>and ${traces.length - mostRows} older ones</p>`] : []
  return GanttPage.page(
    "Traces",
    ["<h1>Traces</h1>", ...none, ...table("Received", rows), ...more, ...table("Boots", boots)].join("\n")
  )
}
