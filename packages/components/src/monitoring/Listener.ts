/**
 * `/metrics` for Prometheus, a small HTTP server.
 *
 * **Details**
 *
 * Answers are bytes that are made at most once in an interval, whoever asks and how often. A scrape that finds them too
 * old waits until they are made anew, together with all others. Who accepts OpenMetrics gets it, with exemplars; who
 * accepts gzip gets that.
 *
 * **Gotchas**
 *
 * It is plain HTTP without authentication, on the loopback interface unless it is told otherwise.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { PortHolder } from "@novacron/config"
import { Data, Effect } from "effect"
import type { Scope } from "effect"
import * as Ends from "../network/Ends.ts"
import * as Listening from "../post/Listening.ts"
import * as Exposition from "./Exposition.ts"
import type { Settings } from "./Settings.ts"

/** The port or the address of the metrics cannot be had. The node goes on without them. */
export class MetricsPortUnavailable extends Data.TaggedError("MetricsPortUnavailable")<{
  readonly host: string
  readonly port: number
  readonly reason: "taken" | "denied" | "no such address" | "closed" | "other"
  readonly cause?: unknown
}> {
  readonly code = "NVC-2501"
  /** Who had the port then, where it is taken. */
  readonly holder = this.reason === "taken" ? PortHolder.of(this.port) : undefined
  override get message() {
    const where = Ends.show(this)
    const rest = "Nobody can read the metrics of this node."
    switch (this.reason) {
      case "taken":
        return `/metrics cannot listen on ${where}: ${this.holder} has it. ${rest} Stop that, or set monitoring.port.`
      case "denied":
        return `/metrics may not listen on ${where}. ${rest} Set monitoring.port above 1023.`
      case "no such address":
        return `/metrics cannot listen on ${where}: this machine has no such address. ${rest} Set monitoring.host.`
      case "closed":
        return `/metrics on ${where} has stopped listening. ${rest} Restart the node.`
      case "other":
        return `/metrics cannot listen on ${where}. ${rest} The cause says why.`
    }
  }
}

/** Where the bytes come from. `now` has them when they are fresh; `soon` calls back when they have been made. */
export interface Source {
  readonly now: (format: Exposition.Format, gzip: boolean) => Buffer | undefined
  readonly soon: (format: Exposition.Format, gzip: boolean, send: (bytes: Buffer) => void) => void
}

/** Listens until the scope closes. */
export const make = Effect.fn("Listener.make")(function* (
  settings: Pick<Settings, "host" | "port" | "maxConnections">,
  source: Source
): Effect.fn.Return<
  { readonly url: string; readonly port: number; readonly check: Effect.Effect<void, MetricsPortUnavailable> },
  MetricsPortUnavailable,
  Scope.Scope
> {
  const server = Listening.createServer({ ...Listening.limits, keepAliveTimeout: idleMs }, (request, response) =>
    answer(source, request, response)
  )
  server.maxConnections = settings.maxConnections
  server.setTimeout(idleMs, (socket) => socket.destroy())
  const unavailable = (reason: Listening.Obstacle, cause: unknown) =>
    new MetricsPortUnavailable({ host: settings.host, port: settings.port, reason, cause })
  yield* Effect.acquireRelease(Listening.listen(server, settings, unavailable), () => Listening.close(server))
  const { host, port } = Listening.placeOf(server, settings)
  return {
    url: `http://${host}:${port}/metrics`,
    port,
    check: Effect.suspend(() =>
      server.listening ? Effect.void : Effect.fail(new MetricsPortUnavailable({ host, port, reason: "closed" }))
    )
  }
})

/** Longer than the usual interval of scrapes, so that Prometheus keeps its connection. */
const idleMs = 90_000

const maxPath = 256

const answer = (source: Source, request: IncomingMessage, response: ServerResponse): void => {
  const { headers, method, url = "" } = request
  const path = url.split("?", 1)[0]
  if (url.length > maxPath) return refuse(response, 414, "A path has 256 characters at the most.")
  if (path !== "/metrics") return refuse(response, 404, "There is nothing here. There is /metrics.")
  if (method !== "GET" && method !== "HEAD") return refuse(response, 405, "Only GET and HEAD.", "allow", "GET, HEAD")
  const length = headers["content-length"]
  if (headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0")) {
    return refuse(response, 413, "A question has no body.")
  }
  const format = Exposition.negotiate(headers.accept)
  const gzip = acceptsGzip(headers["accept-encoding"])
  const send = (bytes: Buffer) => {
    const type = ["content-type", Exposition.contentType[format], "content-length", `${bytes.length}`]
    const encoding = gzip ? ["content-encoding", "gzip"] : []
    response.writeHead(200, [...type, ...encoding, "vary", "accept, accept-encoding", "cache-control", "no-store"])
    if (method === "HEAD") response.end()
    else response.end(bytes)
  }
  const bytes = source.now(format, gzip)
  if (bytes !== undefined) return send(bytes)
  source.soon(format, gzip, send)
}

const acceptsGzip = (header: string | ReadonlyArray<string> = ""): boolean =>
  header
    .toString()
    .split(",")
    .some((one) => {
      const [coding = "", ...parameters] = one.split(";").map((part) => part.trim().toLowerCase())
      return coding === "gzip" && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    })

const refuse = (response: ServerResponse, status: number, why: string, ...headers: ReadonlyArray<string>): void => {
  const bytes = Buffer.from(`${why}\n`)
  const common = [
    "content-type",
    "text/plain; charset=utf-8",
    "content-length",
    `${bytes.length}`,
    "connection",
    "close"
  ]
  response.writeHead(status, [...common, ...headers])
  response.end(bytes)
}
