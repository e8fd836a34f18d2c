/**
 * The server of the dashboard: a listener of its own that hands out the pages, tells what the node does as it does it, and
 * does what a person at the pages asks for. It is there before the boot begins and until the process ends. What can be
 * asked there is in `Questions.ts`.
 *
 * **Details**
 *
 * - Plain HTTP is spoken on the loopback interface only. Elsewhere it is TLS, or nothing is served.
 * - A request has 10 seconds.
 *
 * **Gotchas**
 *
 * Not to have a dashboard is never a reason not to boot: a port that is taken is replaced by another one, and whoever asks
 * for a link is told the right one.
 */
import { randomBytes } from "node:crypto"
import type { RequestListener, Server } from "node:http"
import type { createServer as CreateSecureServer } from "node:https"
import { createRequire } from "node:module"
import type { TlsOptions } from "node:tls"
import type { BootEvent } from "@novacron/boot/model"
import { Clock, Data, Duration, Effect, FileSystem, Option, Schedule, type Scope } from "effect"
import * as Ends from "../network/Ends.ts"
import * as Listening from "../post/Listening.ts"
import * as Door from "./Door.ts"
import * as Feed from "./Feed.ts"
import * as HealthHistory from "./HealthHistory.ts"
import * as Questions from "./Questions.ts"
import type { Refused } from "./Reply.ts"
import type { Settings } from "./Settings.ts"

/** Nobody can look at the node. It goes on without. */
export class DashboardUnavailable extends Data.TaggedError("DashboardUnavailable")<{
  readonly host: string
  readonly port: number
  readonly reason: Listening.Obstacle | "no certificate"
  readonly cause?: unknown
}> {
  readonly code = "NVC-2901"
  override get message() {
    const where = Ends.show(this)
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

/** What the server has to know besides its settings. */
export interface Options extends Pick<Questions.Options, "roles" | "site" | "build" | "sources"> {
  readonly settings: Settings
  /** Where the key of the sessions is kept. */
  readonly dataDir: string
  /** TLS for a listener that is not on the loopback interface; asked again every hour. */
  readonly tls?: Effect.Effect<TlsOptions, unknown>
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
  const key = yield* keyOf(options.dataDir)
  const door = Door.make({ key, nowMs, sessionMs: Duration.toMillis(settings.session) })
  let port = settings.port
  const listener = yield* Questions.make({
    ...options,
    isSecure: !isLocal,
    hosts: new Set([...localNames, settings.host.toLowerCase(), ...settings.names.map((name) => name.toLowerCase())]),
    // Cookies know no ports: two nodes of one machine would take each other's.
    cookie: () => `${isLocal ? "" : "__Host-"}novacron-${port}`,
    session: settings.session,
    door,
    feed,
    history,
    nowMs
  })
  const server = isLocal ? Listening.createServer(limits, listener) : yield* secureServer(options, listener)
  server.maxConnections = settings.maxConnections
  server.setTimeout(idleMs, (socket) => socket.destroy())
  yield* Effect.acquireRelease(listen(server, settings), () => Listening.close(server))

  // The last events are those that say how it ended.
  yield* Effect.addFinalizer(() => Effect.suspend(() => (feed.end() === 0 ? Effect.void : Effect.sleep(farewell))))

  const place = Listening.placeOf(server, settings)
  port = place.port
  const url = `${isLocal ? "http" : "https"}://${isWildcard(settings.host) ? "localhost" : place.host}:${port}`

  const sample = Effect.gen(function* () {
    const report = yield* Effect.timeout(sources.health, "3 seconds")
    history.note(report, nowMs())
    feed.mention("health", { atMs: nowMs(), ...HealthHistory.now(report) })
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
        const { forMs, token } = door.ticket({ name, by: "token", roles: [role] })
        return Effect.succeed({ url: `${url}/#token=${token}`, forMs })
      })
  }
})

/** As soon as there is work, the pages hear of what changes. */
const watchWork = ({ orchestration }: Questions.Sources, feed: Feed.Feed) =>
  Effect.gen(function* () {
    const it = yield* Effect.repeat(orchestration, { until: Option.isSome, schedule: Schedule.spaced("1 second") })
    if (Option.isNone(it)) return
    // It brings the contract, which nobody needs before there is work to look at.
    const { watch } = yield* Effect.promise(() => import("./Work.ts"))
    yield* watch(it.value, (news) => feed.mention("work", news))
  })

const localNames = ["127.0.0.1", "localhost", "::1"]

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::"

/** How long what was written last has to get out. */
const farewell = Duration.millis(50)

/** Longer than the beat of the feed. */
const idleMs = 60_000

const limits = { ...Listening.limits, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 }

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
