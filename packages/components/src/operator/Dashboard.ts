/**
 * The server of the dashboard: a listener of its own that hands out the pages, tells what the node does as it does it, and
 * does what a person at the pages asks for. It is there before the boot begins and until the process ends.
 *
 * **Details**
 *
 * | path | |
 * |---|---|
 * | `/` and `/assets/…` | the pages; they hold nothing of the node, so anybody may have them |
 * | `POST /api/session` | a ticket for a session; `DELETE` ends it in this browser |
 * | `/api/events` | the events of the boot and samples of health, server-sent, from `Last-Event-ID` on |
 * | `/api/node`, `/api/report`, `/api/why?component=`, `/api/health`, `/api/settings` | how it is |
 * | `/api/boots`, `/api/boot?id=`, `/api/difference?a=&b=` | the journals |
 * | `/api/restore?component=` | whom it would concern; `POST` with `confirmed: true` does it |
 * | `/api/nodes`, `/api/tasks`, `/api/task?id=`, `/api/fit?id=` | the work of the cluster, as the contract says it |
 * | `/api/output?id=&offset=` | what a task prints, server-sent, from `Last-Event-ID` on; `POST /api/cancel` ends it |
 *
 * - Everything below `/api` needs a session, except for asking for one, and a role that allows it: see `Access.ts`. What
 *   changes something is a `POST` of JSON from a page of this origin. See `Door.ts`.
 * - Plain HTTP is spoken on the loopback interface only. Elsewhere it is TLS, or nothing is served.
 * - The policy of the pages lets them load and ask what is here, and nothing anywhere else.
 * - A body has 4 KiB, a path 1 KiB, a request 10 seconds.
 *
 * **Gotchas**
 *
 * Not to have a dashboard is never a reason not to boot: a port that is taken is replaced by another one, and whoever asks
 * for a link is told the right one.
 */
import { randomBytes } from "node:crypto"
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http"
import type { createServer as CreateSecureServer } from "node:https"
import { createRequire } from "node:module"
import type { TlsOptions } from "node:tls"
import type { Health } from "@novacron/boot"
import { type BootEvent, type Rehearsal, Report } from "@novacron/boot/model"
import {
  Cause,
  Clock,
  Data,
  Duration,
  Effect,
  Exit,
  type Fiber,
  FileSystem,
  Option,
  Schedule,
  type Scope
} from "effect"
import type { Orchestration } from "../orchestration/Orchestration.ts"
import * as Listening from "../post/Listening.ts"
import type { Roles } from "../security/Roles.ts"
import type { Security } from "../security/Security.ts"
import * as Access from "./Access.ts"
import * as Door from "./Door.ts"
import * as Feed from "./Feed.ts"
import * as HealthHistory from "./HealthHistory.ts"
import { beginEvents, json, type Refused, refuse, send, withBody } from "./Reply.ts"
import type { Settings } from "./Settings.ts"
import * as Site from "./Site.ts"
import * as Wire from "./Wire.ts"
import type * as Work from "./Work.ts"

/** Nobody can look at the node. It goes on without. */
export class DashboardUnavailable extends Data.TaggedError("DashboardUnavailable")<{
  readonly host: string
  readonly port: number
  readonly reason: Listening.Obstacle | "no certificate"
  readonly cause?: unknown
}> {
  readonly code = "NVC-2901"
  override get message() {
    const where = `${this.host}:${this.port}`
    const rest = "The node goes on without it."
    switch (this.reason) {
      case "denied":
        return `The dashboard may not listen on ${where}. ${rest} Set dashboard.port above 1023.`
      case "no such address":
        return `The dashboard cannot listen on ${where}: this machine has no such address. ${rest} Set dashboard.host.`
      case "no certificate":
        return `The dashboard has no certificate to show on ${where}. ${rest} See security.tls, or listen on 127.0.0.1.`
      case "taken":
      case "other":
        return `The dashboard cannot listen on ${where}. ${rest} The cause says why.`
    }
  }
}

/** Who is asked. What fails is told to whoever asked. */
export interface Sources {
  readonly node: Effect.Effect<Omit<Wire.Node, "nowMs" | "who">>
  readonly report: () => Report.Report
  /** What is known of the health at once, without a probe. */
  readonly health: Effect.Effect<Health.HealthReport>
  readonly impact: (component: string) => Effect.Effect<Wire.Restore, Refused>
  readonly restore: (component: string) => Effect.Effect<Wire.Restore, Refused>
  readonly boots: (limit: number) => Effect.Effect<Wire.Boots, Refused>
  readonly boot: (id: string) => Effect.Effect<Wire.Opened, Refused>
  readonly difference: (a: string, b: string) => Effect.Effect<Rehearsal.Difference, Refused>
  readonly settings: Effect.Effect<ReadonlyArray<Wire.Setting>>
  /** Nothing as long as it is not up. */
  readonly orchestration: Effect.Effect<Option.Option<Orchestration["Service"]>>
  /** Nothing as long as it is not up. */
  readonly security: Effect.Effect<Option.Option<Security["Service"]>>
}

/** What the server has to know besides its settings. */
export interface Options {
  readonly settings: Settings
  /** What each role allows. */
  readonly roles: Roles
  /** Where the key of the sessions is kept. */
  readonly dataDir: string
  /** Where the built pages are. */
  readonly site: string
  /** Builds the pages, where they have not been built: in a checkout. Fails with a sentence. */
  readonly build?: Effect.Effect<void, Refused>
  /** TLS for a listener that is not on the loopback interface; asked again every hour. */
  readonly tls?: Effect.Effect<TlsOptions, unknown>
  readonly sources: Sources
}

/** The dashboard, listening. */
export interface Dashboard {
  /** `http://127.0.0.1:9092` */
  readonly url: string
  readonly port: number
  /** To be told every event of the boot, as it happens. */
  readonly observe: (event: BootEvent.BootEvent) => void
  /** An address that opens the dashboard once, within the time, for somebody with a role. Fails when there is no such. */
  readonly link: (whom?: Partial<Whom>) => Effect.Effect<{ readonly url: string; readonly forMs: number }, Refused>
}

/** For whom a link is: what the audit log calls them, and what they may. Default: `local`, an `admin`. */
export interface Whom {
  readonly name: string
  readonly role: string
}

/** Listens until the scope closes. */
export const make = Effect.fn("Dashboard.make")(function* (
  options: Options
): Effect.fn.Return<Dashboard, DashboardUnavailable, Scope.Scope | FileSystem.FileSystem> {
  const { settings, sources } = options
  const clock = yield* Clock.Clock
  const nowMs = () => clock.currentTimeMillisUnsafe()
  const isLocal = Door.isLoopback(settings.host)
  const feed = Feed.make(nowMs)
  const history = HealthHistory.make()
  const house: House = {
    options,
    feed,
    history,
    site: Site.make(options.site),
    access: Access.make(options.roles, sources.security),
    door: Door.make({ key: yield* keyOf(options.dataDir), nowMs, sessionMs: Duration.toMillis(settings.session) }),
    hosts: new Set([...localNames, settings.host.toLowerCase(), ...settings.names.map((name) => name.toLowerCase())]),
    cookie: "novacron",
    isSecure: !isLocal,
    nowMs,
    building: undefined,
    outputs: 0,
    run: yield* runnerOf
  }
  const listener: RequestListener = (request, response) => answer(house, request, response)
  const server = isLocal ? Listening.createServer(limits, listener) : yield* secureServer(options, listener)
  server.maxConnections = settings.maxConnections
  server.setTimeout(idleMs, (socket) => socket.destroy())
  yield* Effect.acquireRelease(listen(server, settings), () => Listening.close(server))

  // The last events are those that say how it ended.
  yield* Effect.addFinalizer(() => Effect.suspend(() => (feed.end() === 0 ? Effect.void : Effect.sleep(farewell))))

  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : settings.port
  // Cookies know no ports: two nodes of one machine would take each other's.
  house.cookie = `${house.isSecure ? "__Host-" : ""}novacron-${port}`
  const host = isWildcard(settings.host) ? "localhost" : settings.host
  const url = `${house.isSecure ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`

  const sample = Effect.gen(function* () {
    const report = yield* Effect.timeout(sources.health, "3 seconds")
    history.note(report, nowMs())
    feed.mention("health", { atMs: nowMs(), ...healthOf(report) })
  })
  yield* Effect.forkScoped(Effect.repeat(Effect.exit(sample), Schedule.spaced(settings.sampleInterval)))
  yield* Effect.forkScoped(Effect.repeat(Effect.sync(feed.beat), Schedule.spaced("5 seconds")))
  yield* Effect.forkScoped(watchWork(sources, feed))
  return {
    url,
    port,
    observe: feed.observe,
    link: ({ name = "local", role = "admin" } = {}) =>
      Effect.suspend(() => {
        if (!Object.hasOwn(options.roles, role)) {
          const roles = Object.keys(options.roles).join(", ")
          return Effect.fail({ message: `There is no role "${role}". Those of security.roles are: ${roles}.` })
        }
        const { forMs, token } = house.door.ticket({ name, by: "token", roles: [role] })
        return Effect.succeed({ url: `${url}/#token=${token}`, forMs })
      })
  }
})

/** As soon as there is work, the pages hear of what changes. */
const watchWork = ({ orchestration }: Sources, feed: Feed.Feed) =>
  Effect.gen(function* () {
    const it = yield* Effect.repeat(orchestration, { until: Option.isSome, schedule: Schedule.spaced("1 second") })
    if (Option.isNone(it)) return
    const { watch } = yield* loadWork
    yield* watch(it.value, (news) => feed.mention("work", news))
  })

/** It brings the contract, which nobody needs before there is work to look at. */
const loadWork = Effect.promise(() => import("./Work.ts"))

const localNames = ["127.0.0.1", "localhost", "::1"]

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::"

/** A port that is taken is replaced by any that is free: links say which. */
const listen = (server: Server, { host, port }: Settings) => {
  const failure = (reason: Listening.Obstacle, cause: unknown) =>
    new DashboardUnavailable({ host, port, reason, cause })
  return Effect.catch(Listening.listen(server, { host, port }, failure), (error) =>
    error.reason === "taken" ? Listening.listen(server, { host, port: 0 }, failure) : Effect.fail(error)
  )
}

const secureServer = Effect.fnUntraced(function* (
  { settings: { host, port }, tls }: Options,
  listener: RequestListener
) {
  const unavailable = (cause: unknown) => new DashboardUnavailable({ host, port, reason: "no certificate", cause })
  if (tls === undefined) return yield* unavailable(undefined)
  const first = yield* Effect.mapError(tls, unavailable)
  // Loaded when it is needed, and without all that an import of it would load: see `Listening.ts`.
  const createSecureServer: typeof CreateSecureServer = createRequire(import.meta.url)("node:https").createServer
  const server = yield* Effect.try({
    try: () => createSecureServer({ ...limits, ...first }, listener),
    catch: unavailable
  })
  const renew = Effect.flatMap(tls, (next) =>
    Effect.try({ try: () => server.setSecureContext(next), catch: unavailable })
  )
  yield* Effect.forkScoped(Effect.repeat(Effect.exit(Effect.delay(renew, "1 hour")), Schedule.forever))
  return server
})

/** The key that sessions are signed with: kept, so that a page that is open outlives a restart of the node. */
const keyOf = Effect.fnUntraced(function* (dataDir: string) {
  const files = yield* FileSystem.FileSystem
  const path = `${dataDir}/dashboard.key`
  const read = Effect.gen(function* () {
    const { mode } = yield* files.stat(path)
    const bytes = yield* files.readFile(path)
    // What others could read, or what is not whole, is no secret any more.
    return (mode & 0o077) === 0 && bytes.length === 32 ? bytes : undefined
  })
  const kept = yield* Effect.orElseSucceed(read, () => undefined)
  if (kept !== undefined) return kept
  const key = new Uint8Array(randomBytes(32))
  // A disk that is full costs the sessions of the next process and nothing else.
  yield* Effect.ignore(files.remove(path, { force: true }))
  yield* Effect.ignore(files.writeFile(path, key, { flag: "wx", mode: 0o600 }))
  return key
})

// ------------------------------------------------------------------------------------------------------------- asking

interface House {
  readonly options: Options
  readonly feed: Feed.Feed
  readonly history: HealthHistory.HealthHistory
  readonly site: Site.Site
  readonly door: Door.Door
  readonly access: Access.Access
  readonly hosts: ReadonlySet<string>
  cookie: string
  readonly isSecure: boolean
  readonly nowMs: () => number
  building: Building | undefined
  /** How many follow what a task prints. */
  outputs: number
  readonly run: <A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void) => void
}

/** The pages are being built, as long as somebody waits for that; how it ended. */
interface Building {
  failure: string | undefined
  waiting: Array<() => void> | undefined
}

const runnerOf = Effect.gen(function* () {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const flights = new Set<Fiber.Fiber<unknown, unknown>>()
  yield* Effect.addFinalizer(() => Effect.sync(() => flights.forEach((fiber) => fiber.interruptUnsafe())))
  return <A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void): void => {
    const fiber = fork(effect)
    flights.add(fiber)
    fiber.addObserver((exit) => {
      flights.delete(fiber)
      then(exit)
    })
  }
})

/** How long what was written last has to get out. */
const farewell = Duration.millis(50)

/** Longer than the beat of the feed. */
const idleMs = 60_000

/** A question is small and quick. */
const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
  noDelay: true
}

const maxPath = 1_024
const maxOutputs = 16

type Method = "GET" | "HEAD" | "POST" | "DELETE"

const answer = (house: House, request: IncomingMessage, response: ServerResponse): void => {
  request.on("error", () => undefined)
  response.on("error", () => undefined)
  const { headers, url = "/" } = request
  if (url.length > maxPath) return refuse(house, response, 414, "A path has 1024 characters at the most.")
  if (!Door.isFor(headers.host, house.hosts)) {
    return refuse(house, response, 421, "This node is not called that. Names of a proxy belong into dashboard.names.")
  }
  const method = methodOf(request.method)
  if (method === undefined) return refuse(house, response, 405, "Only GET, HEAD, POST and DELETE.")
  // Not as an address: what is none must not be taken for one, or be an error of ours.
  const [pathname = "", search = ""] = url.split("?", 2)
  const searchParams = new URLSearchParams(search)
  if (!pathname.startsWith("/api/")) return page(house, request, response, method, pathname)

  const isChange = method === "POST" || method === "DELETE"
  if (isChange && !Door.isFromOurselves(headers)) {
    return refuse(house, response, 403, "That was asked by a page of another site.")
  }
  const to = { house, request, response }
  if (pathname === "/api/session" && method === "POST") {
    return withBody(to, Wire.Ticket, ({ token }) => begin(house, response, token))
  }
  const guest = house.door.guestOf(Door.cookieOf(headers.cookie, house.cookie))
  if (guest === undefined) return refuse(house, response, 401, "No session. Get a link: novacron dashboard")
  const place = `${isChange ? method : "GET"} ${pathname}`
  const action = Access.actions[place]
  if (action === undefined) return refuse(house, response, 404, "There is nothing here.")
  if (!house.access.may(guest, action)) {
    return house.run(house.access.refused(guest, action), () => refuse(house, response, 403, notAllowed(guest, action)))
  }
  const asked: Asked = { ...to, query: searchParams, guest }
  switch (place) {
    case "DELETE /api/session":
      return send(house, response, 204, "", { "set-cookie": cookie(house, "", 0) })
    case "GET /api/session":
      return json(asked, 200, { isOpen: true })
    case "GET /api/events":
      endWithSession(asked)
      return follow(asked)
    case "GET /api/output":
      endWithSession(asked)
      return followOutput(asked)
    case "POST /api/restore":
      return withBody(asked, Wire.Wanted, ({ component }) => {
        const restored = house.options.sources.restore(component)
        tell(asked, house.access.audited("component.restored", guest, component)(restored))
      })
    case "POST /api/cancel":
      return withBody(asked, Wire.Unwanted, ({ task }) => {
        const cancelled = work(house, ({ cancel }, it) => cancel(it, task, guest.name))
        tell(asked, house.access.audited("task.cancelled", guest, task)(cancelled))
      })
    default:
      return tell(asked, question(asked, pathname))
  }
}

const notAllowed = ({ roles }: Door.Guest, action: string): string =>
  `The role ${roles.join(", ")} does not allow ${action}. A link for another one: novacron dashboard --role operator`

const methodOf = (text: string | undefined): Method | undefined =>
  text === "GET" || text === "HEAD" || text === "POST" || text === "DELETE" ? text : undefined

interface Asked {
  readonly house: House
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  readonly guest: Door.Guest
}

/** Asks the orchestration, once it is up. */
const work = <A>(
  { options: { sources } }: House,
  ask: (work: typeof Work, it: Orchestration["Service"]) => Effect.Effect<A, Refused>
): Effect.Effect<A, Refused> =>
  Effect.gen(function* () {
    const it = yield* sources.orchestration
    if (Option.isNone(it)) return yield* Effect.fail({ status: 503, message: "The orchestration is not up here." })
    return yield* ask(yield* loadWork, it.value)
  })

/** What can be asked, and who answers it. */
const question = ({ guest, house, query }: Asked, path: string): Effect.Effect<unknown, Refused> => {
  const { access, history, nowMs, options } = house
  const { sources } = options
  const said = (name: string) => query.get(name) ?? ""
  switch (path) {
    case "/api/node":
      return Effect.map(sources.node, (node) => ({
        ...node,
        nowMs: nowMs(),
        who: { name: guest.name, roles: guest.roles, may: access.allowed(guest) }
      }))
    case "/api/report":
      return Effect.sync(sources.report)
    case "/api/why":
      return Effect.suspend(() => {
        const report = sources.report()
        const isKnown = report.components.some(({ name }) => name === said("component"))
        return isKnown
          ? Effect.succeed(Report.why(report, said("component")))
          : Effect.fail({ message: "This node has no component of that name." })
      })
    case "/api/health":
      return Effect.map(Effect.timeoutOption(sources.health, "3 seconds"), (report) => ({
        now: Option.match(report, { onNone: () => null, onSome: healthOf }),
        history: history.told()
      }))
    case "/api/settings":
      return sources.settings
    case "/api/boots":
      return sources.boots(/^\d{1,6}$/.test(said("limit")) ? Number(said("limit")) : 200)
    case "/api/boot":
      return sources.boot(said("id"))
    case "/api/difference":
      return sources.difference(said("a"), said("b"))
    case "/api/restore":
      return sources.impact(said("component"))
    case "/api/nodes":
      return work(house, ({ nodes }, it) => nodes(it))
    case "/api/tasks":
      return work(house, ({ list }, it) => list(it, query))
    case "/api/task":
      return work(house, ({ get }, it) => get(it, said("id")))
    case "/api/fit":
      return work(house, ({ fit }, it) => fit(it, said("id"), sources.report().environment))
    default:
      return Effect.fail({ status: 404, message: "There is nothing here." })
  }
}

/** The health of all, without what only the kernel needs. */
const healthOf = ({ components, status }: Health.HealthReport) => ({
  status,
  parts: components.map(({ critical, errorRate, latencyMs, message, name, status, throughput }) => ({
    name,
    critical,
    status,
    message,
    latencyMs: latencyMs ?? null,
    throughput: throughput ?? null,
    errorRate: errorRate ?? null
  }))
})

// ------------------------------------------------------------------------------------------------------------ answers

const tell = (asked: Asked, effect: Effect.Effect<unknown, Refused>): void =>
  asked.house.run(effect, (exit) => {
    if (Exit.isSuccess(exit)) return json(asked, 200, exit.value)
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isSome(error)) return json(asked, error.value.status ?? 409, { error: error.value.message })
    json(asked, 500, { error: mistake })
  })

const mistake = "The node has made a mistake. Its log says which."

const begin = (house: House, response: ServerResponse, token: string): void => {
  const entered = house.door.exchange(token)
  if (entered === undefined) {
    return refuse(house, response, 401, "This link was used already, or is too old. Get another: novacron dashboard")
  }
  const seconds = Math.floor(Duration.toSeconds(house.options.settings.session))
  const { guest, session } = entered
  const noted = house.access.audited("dashboard.opened", guest, guest.roles.join(", "))(Effect.void)
  house.run(noted, () => send(house, response, 204, "", { "set-cookie": cookie(house, session, seconds) }))
}

const cookie = ({ cookie: name, isSecure }: House, value: string, seconds: number): string =>
  `${name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`

const closed = (response: ServerResponse): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    response.once("close", () => resume(Effect.void))
    if (response.closed) resume(Effect.void)
  })

/** What is told as it happens would go on for as long as a page is open: it ends with the session of whoever asked. */
const endWithSession = ({ house, request, response }: Asked): void => {
  const session = Door.cookieOf(request.headers.cookie, house.cookie)
  const isOver = Effect.sync(() => house.door.guestOf(session) === undefined)
  const over = Effect.repeat(isOver, { until: (it) => it, schedule: Schedule.spaced("5 seconds") })
  house.run(Effect.raceFirst(closed(response), Effect.asVoid(over)), () => response.end())
}

/** Server-sent events, until either side has gone. */
const follow = ({ house, query, request, response }: Asked): void => {
  const lastId = request.headers["last-event-id"]?.toString() ?? query.get("after") ?? undefined
  const sink: Feed.Sink = {
    write: (text) => {
      // Even when there is nothing to tell, the page is to know that it is heard.
      if (!response.headersSent) beginEvents(house, response)
      return response.write(text)
    },
    onDrain: (listener) => response.on("drain", listener),
    cut: () => response.destroy(),
    end: () => response.end()
  }
  const leave = house.feed.attach(sink, lastId)
  if (leave === undefined) return refuse(house, response, 503, "Too many pages are open. Close one of them.")
  if (!response.headersSent) beginEvents(house, response)
  response.on("close", leave)
}

/** What a task prints, until it has ended or the reader has gone. Nothing is read on for one that takes nothing. */
const followOutput = (asked: Asked): void => {
  const { house, query, request, response } = asked
  if (house.outputs >= maxOutputs) {
    return refuse(house, response, 503, "The output of too many tasks is being followed. Close one of the pages.")
  }
  const from = request.headers["last-event-id"]?.toString() ?? query.get("offset") ?? "0"
  const offset = /^\d{1,15}$/.test(from) ? Number(from) : 0
  const room = Effect.callback<void>((resume) => void response.once("drain", () => resume(Effect.void)))
  const write = (text: string) =>
    Effect.suspend(() => {
      if (response.write(text)) return Effect.void
      return Effect.timeoutOrElse(room, { duration: patience, orElse: () => Effect.sync(() => response.destroy()) })
    })
  const reader = { begin: () => beginEvents(house, response), write }
  const told = work(house, ({ output }, it) => output(it, query.get("id") ?? "", offset, reader))
  house.outputs++
  house.run(Effect.raceFirst(told, closed(response)), (exit) => {
    house.outputs--
    if (response.headersSent) return void response.end()
    const error = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
    const { message, status = 500 } = Option.getOrElse(error, (): Refused => ({ message: mistake }))
    refuse(house, response, status, message)
  })
}

/** How long a reader may take nothing. */
const patience = Duration.seconds(30)

const page = (house: House, request: IncomingMessage, response: ServerResponse, method: Method, path: string): void => {
  const { headers } = request
  if (method !== "GET" && method !== "HEAD") return refuse(house, response, 405, "Only GET and HEAD.")
  const { build } = house.options
  if (build !== undefined && (house.building === undefined || house.building.waiting !== undefined)) {
    return prepare(house, build, () => page(house, request, response, method, path))
  }
  const files = house.site.files()
  if (files === undefined) return refuse(house, response, 503, house.building?.failure ?? notBuilt)
  const file = files.get(path === "/" ? "/index.html" : path)
  if (file === undefined) return refuse(house, response, 404, "There is nothing here.")
  const caching = {
    etag: file.etag,
    "cache-control": file.isImmutable ? "public, max-age=31536000, immutable" : "no-cache"
  }
  if (headers["if-none-match"] === file.etag) return send(house, response, 304, "", caching)
  const { bytes, encoding } = Site.bytesFor(file, headers["accept-encoding"]?.toString() ?? "")
  send(house, response, 200, bytes, {
    ...caching,
    "content-type": file.type,
    vary: "accept-encoding",
    ...(encoding === undefined ? {} : { "content-encoding": encoding })
  })
}

const notBuilt =
  "The pages of the dashboard have not been built. In a checkout: pnpm --filter @novacron/dashboard build"

/** In a checkout: whoever wants to see the pages first waits until they are built, and what has changed is built anew. */
const prepare = (house: House, build: Effect.Effect<void, Refused>, then: () => void): void => {
  const waiting = house.building?.waiting
  if (waiting !== undefined) return void waiting.push(then)
  const building: Building = (house.building = { failure: undefined, waiting: [then] })
  house.run(build, (exit) => {
    if (Exit.isFailure(exit)) {
      const error = Cause.findErrorOption(exit.cause)
      building.failure = Option.match(error, { onNone: () => notBuilt, onSome: ({ message }) => message })
    }
    const all = building.waiting ?? []
    building.waiting = undefined
    for (const one of all) one()
  })
}
