/**
 * The API, put together: the door, REST, WebSocket, gRPC, the reference, and what stands behind them. Loaded when the
 * component starts, because a boot must not wait for what it imports.
 */
import { X509Certificate } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { TlsOptions } from "node:tls"
import { Problem } from "@novacron/api"
import { Duration, Effect, type FileSystem, Option, Schedule, type Scope, Stream } from "effect"
import type { Database } from "../database/Database.ts"
import type { Orchestration } from "../orchestration/Orchestration.ts"
import type * as PrivateFiles from "../security/PrivateFiles.ts"
import type { Security } from "../security/Security.ts"
import * as Admission from "./Admission.ts"
import * as Answers from "./Answers.ts"
import type { Api } from "./Api.ts"
import * as Door from "./Door.ts"
import * as Feed from "./Feed.ts"
import * as Grpc from "./Grpc.ts"
import * as LocalAccess from "./LocalAccess.ts"
import type { NodeView } from "./NodeView.ts"
import type { ApiCannotListen, ApiPortTaken } from "./Ports.ts"
import * as Reference from "./Reference.ts"
import * as Rehearse from "./Rehearse.ts"
import * as Rest from "./Rest.ts"
import type { Settings } from "./Settings.ts"
import * as Sockets from "./Sockets.ts"
import * as TokenStore from "./TokenStore.ts"

export interface Options {
  readonly settings: Settings
  readonly dataDir: string
  readonly view: NodeView
  readonly security: Security["Service"]
  /** Nothing while they are not up. */
  readonly orchestration: Effect.Effect<Option.Option<Orchestration["Service"]>>
  readonly database: Effect.Effect<Option.Option<Database["Service"]>>
}

/** How often it is looked whether the orchestration is up. */
const looking = Schedule.spaced("100 millis")

/** Listens until the scope closes; then it drains. */
export const make = Effect.fn("Api.make")(function* (
  options: Options
): Effect.fn.Return<
  Api["Service"],
  ApiCannotListen | ApiPortTaken | PrivateFiles.Failure,
  FileSystem.FileSystem | Scope.Scope
> {
  const { dataDir, orchestration, security, settings, view } = options
  const retryAfterSeconds = Math.max(1, Math.ceil(Duration.toSeconds(settings.retryAfter)))
  const tokens = yield* storeOf(options)
  const local = TokenStore.secret()
  const admission = yield* Admission.make({ security, rate: settings.rate, tokens, local, retryAfterSeconds })
  const feed = Feed.make({ history: settings.sockets.history })
  let isDraining = false
  const answers = Answers.make({
    security,
    admission,
    view,
    orchestration,
    tokens,
    tokenLifetime: settings.tokens.lifetime,
    retryAfterSeconds,
    isDraining: () => isDraining
  })

  const grpc = settings.grpc.enabled ? yield* Grpc.make({ settings, security, admission, answers, feed }) : undefined
  const rest = yield* Rest.make({ answers, admission, maxBody: settings.maxBody })
  const sockets = yield* Sockets.make({ admission, answers, feed, settings: settings.sockets })
  const leaflets = Reference.leaflets()
  const door = yield* Door.make(settings, security, {
    request: (request, response) => {
      const path = request.url?.split("?", 1)[0] ?? ""
      const leaflet = leaflets.at(path)
      if (leaflet !== undefined) return hand(leaflet, request, response)
      if (path === "/v1/events") return Door.refuse(response, speaksWebSocket)
      rest.handle(request, response)
    },
    upgrade: sockets.upgrade,
    leave: Effect.suspend(() => {
      isDraining = true
      grpc?.serving(false)
      return sockets.leave
    })
  })

  const unfollow = view.follow(feed.boot)
  yield* Effect.addFinalizer(() => Effect.sync(unfollow))
  yield* Effect.forkScoped(followTasks(orchestration, feed, (isUp) => grpc?.serving(isUp && !isDraining)))

  const { ca, cert } = yield* security.serverTls({ clients: "requested" })
  const host = reachable(settings.host)
  const access = {
    url: `https://${host}:${door.port}`,
    grpc: grpc === undefined ? null : `${host}:${grpc.port}`,
    serverName: nameIn(textOf(cert)),
    ca: textOf(ca),
    token: local
  }
  yield* LocalAccess.publish(dataDir, access)
  yield* Rehearse.whenReady(access, view)

  return {
    url: `https://${host}:${door.port}`,
    port: door.port,
    grpcPort: grpc?.port,
    statistics: Effect.sync(() => ({
      inFlight: door.inFlight(),
      sockets: sockets.count(),
      readers: feed.readers()
    })),
    check: Effect.andThen(door.check, grpc?.check ?? Effect.void)
  }
})

/** Where tokens are kept. The database may come up later than the API. */
const storeOf = Effect.fnUntraced(function* ({ database, dataDir, settings }: Options) {
  if (settings.tokens.store === "file") {
    const store = yield* TokenStore.inFile(LocalAccess.folderOf(dataDir))
    return Effect.succeed(Option.some<TokenStore.TokenStore>(store))
  }
  let known = Option.none<TokenStore.TokenStore>()
  return Effect.gen(function* () {
    if (Option.isSome(known)) return known
    const there = yield* database
    if (Option.isNone(there)) return Option.none<TokenStore.TokenStore>()
    const store = yield* Effect.option(TokenStore.inDatabase(there.value))
    known = store
    return known
  })
})

/** Tells the feed what becomes of tasks, from whichever orchestration is up. */
const followTasks = (
  orchestration: Options["orchestration"],
  feed: Feed.Feed,
  isUp: (up: boolean) => void
): Effect.Effect<never> =>
  Effect.gen(function* () {
    const found = yield* Effect.repeat(orchestration, { until: Option.isSome, schedule: looking })
    if (Option.isNone(found)) return
    isUp(true)
    yield* Stream.runForEach(found.value.changes, (task) => Effect.sync(() => feed.task(task)))
    isUp(false)
    yield* Effect.sleep("100 millis")
  }).pipe(Effect.forever)

const speaksWebSocket = new Problem.UpgradeRequired({
  detail: "Events are told over WebSocket: ask with Upgrade: websocket, or wss:// instead of https://."
})

/** Something that is served as it is, whoever asks. */
const hand = (leaflet: Reference.Leaflet, request: IncomingMessage, response: ServerResponse): void => {
  const { method } = request
  if (method !== "GET" && method !== "HEAD") {
    const allowed = ["GET", "HEAD"]
    return Door.refuse(response, new Problem.MethodNotAllowed({ allowed, detail: "It takes GET and HEAD." }))
  }
  const headers = { ...leaflet.headers, etag: leaflet.etag, "cache-control": "no-cache" }
  if (request.headers["if-none-match"] === leaflet.etag) {
    response.writeHead(304, headers)
    response.end()
    return
  }
  response.writeHead(200, { ...headers, "content-type": leaflet.type, "content-length": `${leaflet.bytes.length}` })
  response.end(method === "HEAD" ? undefined : leaflet.bytes)
}

/** The address by which a program of this machine gets there. */
const reachable = (host: string): string => {
  if (host === "0.0.0.0") return "127.0.0.1"
  if (host === "::") return "[::1]"
  return host.includes(":") ? `[${host}]` : host
}

/** A name that the certificate has: the first of its alternative names, or its common name. */
const nameIn = (pem: string): string => {
  const { subject, subjectAltName = "" } = new X509Certificate(pem)
  return /DNS:([^,\s]+)/.exec(subjectAltName)?.[1] ?? /CN=([^\n]+)/.exec(subject)?.[1] ?? "localhost"
}

const textOf = (pem: TlsOptions["ca"]): string => {
  if (pem === undefined) return ""
  return typeof pem === "string" || Buffer.isBuffer(pem) ? pem.toString() : pem.map(textOf).join("\n")
}
