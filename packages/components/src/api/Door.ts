/**
 * The HTTPS server of the API: who may connect, how long anything may take, what every answer bears, and how it closes.
 *
 * **Details**
 *
 * TLS is that of the node; a client may show a certificate, and one that the CA of the node did not sign counts as none.
 * A certificate of the node that was renewed is used for the next handshake. Paths with tricks (`..`, `//`, `\\`, encoded
 * slashes and zeros) are refused before anybody else sees them, and so are changes that a page of another origin makes,
 * because a browser shows a client certificate to whoever asks.
 *
 * It drains when it closes: nobody new comes in, who has asked is answered with `Connection: close`, and after
 * `drainTimeout` whoever is left is cut off.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer } from "node:https"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { TLSSocket } from "node:tls"
import { randomBytes } from "node:crypto"
import { Problem } from "@novacron/api"
import { ByteSize, Clock, Deferred, Duration, Effect, Schedule, type Scope, Stream } from "effect"
import type { Security } from "../security/Security.ts"
import type { Knock } from "./Admission.ts"
import { Answer, type Arrival } from "./Answer.ts"
import { hints } from "./Hints.ts"
import * as Ports from "./Ports.ts"
import type { Settings } from "./Settings.ts"

/** Who answers, once a request may come in. */
export interface House {
  readonly request: (request: IncomingMessage, response: Answer) => void
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, arrival: Arrival) => void
  /** When the server begins to drain, before it waits for requests to finish. */
  readonly leave: Effect.Effect<void>
}

export interface Door {
  readonly host: string
  readonly port: number
  readonly inFlight: () => number
  readonly isDraining: () => boolean
  /** No longer takes connections, and completes when nobody is left. The scope does it too, when it closes. */
  readonly drain: Effect.Effect<void>
  readonly check: Effect.Effect<void, Ports.ApiClosed>
}

const maxUrl = 8_192

/** Listens until the scope closes. */
export const make = Effect.fn("Door.make")(function* (
  settings: Settings,
  security: Security["Service"],
  house: House
): Effect.fn.Return<Door, Ports.ApiPortTaken | Ports.ApiCannotListen, Scope.Scope> {
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const serverTls = security.serverTls({ clients: "requested" })
  const ids = requestIds()
  const busy = new Map<ServerResponse, number>()
  const empty = yield* Deferred.make<void>()
  let isDraining = false

  const server = createServer({
    ...(yield* serverTls),
    ServerResponse: Answer,
    ALPNProtocols: ["http/1.1"],
    maxHeaderSize: ByteSize.toNumberUnsafe(settings.maxHeaders),
    headersTimeout: Duration.toMillis(settings.headersTimeout),
    handshakeTimeout: Duration.toMillis(settings.headersTimeout),
    requestTimeout: Duration.toMillis(settings.requestTimeout),
    keepAliveTimeout: Duration.toMillis(settings.idleTimeout),
    connectionsCheckingInterval: 1_000,
    noDelay: true
  })
  server.maxConnections = settings.maxConnections
  server.on("tlsClientError", (_, socket) => socket.destroy())
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => complain(error, socket))
  server.on("request", (request, response) => {
    busy.set(response, now())
    response.on("close", () => {
      busy.delete(response)
      if (isDraining && busy.size === 0) Deferred.doneUnsafe(empty, Effect.void)
    })
    const arrival = { knock: knockOf(request), requestId: ids.of(request) }
    response.bears = {
      "x-request-id": arrival.requestId,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...(isDraining ? { connection: "close" } : undefined)
    }
    const wrong = judge(request, settings.origins)
    if (wrong !== undefined) return refuse(response, wrong)
    response.arrival = arrival
    house.request(request, response)
  })
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy())
    const wrong = isDraining ? leaving : judge(request, settings.origins, true)
    if (wrong !== undefined) return refuseRaw(socket, wrong)
    house.upgrade(request, socket, head, { knock: knockOf(request), requestId: ids.of(request) })
  })

  const drain = yield* Effect.cached(
    Effect.gen(function* () {
      isDraining = true
      server.close()
      yield* house.leave
      if (busy.size > 0) yield* Effect.timeoutOption(Deferred.await(empty), settings.drainTimeout)
      server.closeAllConnections()
    })
  )
  const wanted = { host: settings.host, port: settings.port }
  const { port } = yield* Effect.acquireRelease(Ports.listen(server, "REST", wanted), () => drain)

  yield* Stream.runForEach(security.renewals, () => Effect.map(serverTls, (tls) => server.setSecureContext(tls))).pipe(
    Effect.forkScoped
  )

  // What takes longer than anything may is not waited for.
  const patienceMs = Duration.toMillis(settings.requestTimeout)
  yield* Effect.sync(() => {
    for (const [response, sinceMs] of busy) {
      if (now() - sinceMs < patienceMs) break
      if (response.headersSent) continue
      refuse(response, tooLong)
    }
  }).pipe(Effect.schedule(Schedule.spaced("1 second")), Effect.forkScoped)

  return {
    host: settings.host,
    port,
    inFlight: () => busy.size,
    isDraining: () => isDraining,
    drain,
    check: Ports.check(server, "REST", { host: settings.host, port })
  }
})

/** What is being done goes on: nobody knows here whether it was done in the end. */
const tooLong = new Problem.Unavailable({
  retryAfterSeconds: 5,
  detail:
    "The answer takes too long. What was submitted may have been taken all the same: " +
    "send it again with the same Idempotency-Key, and it is done once."
})

const leaving = new Problem.Unavailable({ retryAfterSeconds: 5, detail: "The node stops." })

// ---------------------------------------------------------------------------------------------------------- who asks

interface Person {
  readonly certificate: Knock["certificate"]
  readonly address: string
}

const persons = new WeakMap<Socket, Person>()
const knocks = new WeakMap<Socket, { readonly authorization: string | undefined; readonly knock: Knock }>()

/** What somebody shows: looked at once for each connection, until it shows something else. */
const knockOf = ({ headers, socket }: IncomingMessage): Knock => {
  const { authorization } = headers
  const before = knocks.get(socket)
  if (before !== undefined && before.authorization === authorization) return before.knock
  const bearer = authorization === undefined ? undefined : (bearerOf(authorization) ?? "")
  const knock = { ...personOf(socket), bearer }
  knocks.set(socket, { authorization, knock })
  return knock
}

/** Who is at the other end of a connection. */
export const personOf = (socket: Socket): Person => {
  const known = persons.get(socket)
  if (known !== undefined) return known
  const person = { certificate: certificateOf(socket), address: socket.remoteAddress ?? "" }
  persons.set(socket, person)
  return person
}

const certificateOf = (socket: Socket): Person["certificate"] => {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { fingerprint256, subject } = socket.getPeerCertificate()
  const name: unknown = subject?.CN
  return typeof name === "string" && fingerprint256 !== undefined ? { commonName: name, fingerprint256 } : undefined
}

/** The token in the header; another scheme is as good as a wrong token. */
export const bearerOf = (authorization: string): string | undefined => /^bearer +(\S+)$/i.exec(authorization)?.[1]

/** Ids that are not guessed, and cost nothing: chance once, and a number. */
const requestIds = () => {
  const prefix = randomBytes(6).toString("hex")
  let n = 0
  return {
    of: ({ headers }: IncomingMessage): string => {
      const given = headers["x-request-id"]
      return typeof given === "string" && /^[\w.-]{1,64}$/.test(given) ? given : `${prefix}-${(n++).toString(36)}`
    }
  }
}

// --------------------------------------------------------------------------------------------------------- who may not

/** What is wrong with a request whatever it asks for. */
const judge = (
  { headers, method = "", url = "" }: IncomingMessage,
  origins: ReadonlyArray<string>,
  isSocket = false
): Problem.Problem | undefined => {
  if (url.length > maxUrl) return new Problem.AddressTooLong({ detail: `An address has ${maxUrl} bytes at the most.` })
  const path = url.split("?", 1)[0] ?? ""
  if (trick.test(path) || (path.includes("%") && !isWellEncoded(path))) {
    return new Problem.InvalidRequest({ detail: "The address has parts that no address of the node has." })
  }
  if ((isSocket || (method !== "GET" && method !== "HEAD")) && isForeign(headers, origins)) {
    return new Problem.NotAllowed({
      detail: "A page of another origin may not do that; api.origins has those that may."
    })
  }
  return undefined
}

const trick = /(?:^[^/])|\/\/|\\|\/\.{1,2}(?:\/|$)|%(?:2f|5c|00|2e|25)/i

const isWellEncoded = (path: string): boolean => {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/** Whether a browser says that a page of somebody else is behind it. Programs say nothing. */
const isForeign = (
  { host, origin, ...headers }: IncomingMessage["headers"],
  origins: ReadonlyArray<string>
): boolean => {
  if (headers["sec-fetch-site"] === "cross-site" && (origin === undefined || !origins.includes(origin))) return true
  return origin !== undefined && origin !== `https://${host}` && !origins.includes(origin)
}

/** Sends a problem, unless something was sent already. */
export const refuse = (response: ServerResponse, problem: Problem.Problem): void => {
  if (response.headersSent || response.writableEnded) return
  const { body, headers } = rendered(problem)
  response.writeHead(problem.status, headers)
  response.end(body)
}

/** Sends a problem to whoever has not become a request, and hangs up. */
export const refuseRaw = (socket: Duplex, problem: Problem.Problem): void => {
  if (!socket.writable) return void socket.destroy()
  const { body, headers } = rendered(problem)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join("\r\n")}\r\nconnection: close\r\n\r\n${body}`)
}

const rendered = (problem: Problem.Problem) => {
  const { detail, title, type, ...rest } = problem
  const fields = Object.fromEntries(Object.entries(rest).filter(([key]) => key !== "_tag"))
  const body = `${JSON.stringify({ type, title, ...(detail === undefined ? {} : { detail }), ...fields })}\n`
  const headers = { "content-type": "application/problem+json", "content-length": `${Buffer.byteLength(body)}` }
  return { body, headers: { ...headers, ...hints(problem) } }
}

/** What Node could not understand is told in words too. */
const complain = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy()
  if (error.code === "HPE_HEADER_OVERFLOW") return refuseRaw(socket, new Problem.HeadersTooLarge({}))
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") return refuseRaw(socket, new Problem.TooSlow({}))
  refuseRaw(socket, new Problem.InvalidRequest({ detail: "That is no HTTP." }))
}
