/**
 * What can be asked of a node at its dashboard, who may ask it, and who answers.
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
 * - A body has 4 KiB, a path 1 KiB.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import type { Health } from "@novacron/boot"
import { type Rehearsal, Report } from "@novacron/boot/model"
import { Cause, Duration, Effect, Exit, Option, Schedule, type Scope } from "effect"
import type { Orchestration } from "../orchestration/Orchestration.ts"
import type { Roles } from "../security/Roles.ts"
import type { Security } from "../security/Security.ts"
import * as Access from "./Access.ts"
import * as Door from "./Door.ts"
import type * as Feed from "./Feed.ts"
import * as HealthHistory from "./HealthHistory.ts"
import * as Pages from "./Pages.ts"
import { beginEvents, json, type Place, refuse, type Refused, type Run, runner, send, withBody } from "./Reply.ts"
import * as Wire from "./Wire.ts"
import type * as Work from "./Work.ts"

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

/** What the server knows of itself, and what it has gathered. */
export interface Options extends Place, Pick<Pages.Options, "site" | "build"> {
  /** What each role allows. */
  readonly roles: Roles
  /** The names by which a browser may call it. */
  readonly hosts: ReadonlySet<string>
  /** The name of its cookie; known once it listens. */
  readonly cookie: () => string
  readonly session: Duration.Duration
  readonly door: Door.Door
  readonly feed: Feed.Feed
  readonly history: HealthHistory.HealthHistory
  readonly nowMs: () => number
  readonly sources: Sources
}

/** Answers whatever is asked, until the scope closes. */
export const make = Effect.fn("Questions.make")(function* (
  options: Options
): Effect.fn.Return<RequestListener, never, Scope.Scope> {
  const run = yield* runner
  const { build, isSecure, roles, site, sources } = options
  const pages = Pages.make({ isSecure, site, build, run })
  const house: House = { ...options, access: Access.make(roles, sources.security), pages, outputs: 0, run }
  return (request, response) => answer(house, request, response)
})

interface House extends Options {
  readonly access: Access.Access
  readonly pages: Pages.Pages
  /** How many follow what a task prints. */
  outputs: number
  readonly run: Run
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
  if (!pathname.startsWith("/api/")) return house.pages.answer(request, response, pathname)

  const isChange = method === "POST" || method === "DELETE"
  if (isChange && !Door.isFromOurselves(headers)) {
    return refuse(house, response, 403, "That was asked by a page of another site.")
  }
  const to = { house, request, response }
  if (pathname === "/api/session" && method === "POST") {
    return withBody(to, Wire.Ticket, ({ token }) => begin(house, response, token))
  }
  const guest = house.door.guestOf(Door.cookieOf(headers.cookie, house.cookie()))
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
        const restored = house.sources.restore(component)
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
  { sources }: House,
  ask: (work: typeof Work, it: Orchestration["Service"]) => Effect.Effect<A, Refused>
): Effect.Effect<A, Refused> =>
  Effect.gen(function* () {
    const it = yield* sources.orchestration
    if (Option.isNone(it)) return yield* Effect.fail({ status: 503, message: "The orchestration is not up here." })
    // It brings the contract, which nobody needs before there is work to look at.
    return yield* ask(yield* Effect.promise(() => import("./Work.ts")), it.value)
  })

/** What can be asked, and who answers it. */
const question = ({ guest, house, query }: Asked, path: string): Effect.Effect<unknown, Refused> => {
  const { access, history, nowMs, sources } = house
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
        now: Option.match(report, { onNone: () => null, onSome: HealthHistory.now }),
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
  const seconds = Math.floor(Duration.toSeconds(house.session))
  const { guest, session } = entered
  const noted = house.access.audited("dashboard.opened", guest, guest.roles.join(", "))(Effect.void)
  house.run(noted, () => send(house, response, 204, "", { "set-cookie": cookie(house, session, seconds) }))
}

const cookie = ({ cookie: name, isSecure }: House, value: string, seconds: number): string =>
  `${name()}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`

const closed = (response: ServerResponse): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    response.once("close", () => resume(Effect.void))
    if (response.closed) resume(Effect.void)
  })

/** What is told as it happens would go on for as long as a page is open: it ends with the session of whoever asked. */
const endWithSession = ({ house, request, response }: Asked): void => {
  const session = Door.cookieOf(request.headers.cookie, house.cookie())
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
