/**
 * The health endpoints: a small HTTP server that is up before the boot begins and answers until the process ends.
 *
 * **Details**
 *
 * | path | alias | 200 | 503 |
 * |---|---|---|---|
 * | `/live` | `/health/live` | always: it depends on nothing | |
 * | `/ready` | `/health/ready` | accepting, and all critical probes pass | otherwise, with `Retry-After` |
 * | `/health` | `/health/status` | healthy or degraded | unhealthy, or not known yet |
 * | `/health/components` | | as `/health` | as `/health` |
 *
 * Answers are bytes that are made before they are asked for. When they are older than the cache interval the components
 * are asked again, once for all who wait; up to one more interval the old answer is given meanwhile, after that the
 * request waits. Whether the node is accepting is looked at for each request, so a drain shows at once.
 *
 * `X-Novacron-Weight` and `weight` say how much of its full load the node may be given, in per cent.
 *
 * **Gotchas**
 *
 * It is plain HTTP without authentication, on the loopback interface unless it is told otherwise.
 *
 * **Example** (before the boot, and then the health of the boot)
 *
 * ```ts
 * const server = yield* HealthServer.make(settings)
 * const running = yield* Boot.make(components)
 * yield* server.serve(HealthServer.fromHealth(running.health))
 * ```
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Health } from "@novacron/boot"
import { PortHolder } from "@novacron/config"
import { Clock, Context, Data, DateTime, Duration, Effect, Exit, Fiber, Option, Stream } from "effect"
import type { Scope } from "effect"
import * as Ends from "../network/Ends.ts"
import * as HealthView from "./HealthView.ts"
import * as Listening from "./Listening.ts"
import type { HealthSettings } from "./Settings.ts"

/** The health endpoints, listening. */
export class HealthServer extends Context.Service<
  HealthServer,
  {
    /** Where it listens: `http://127.0.0.1:8080`. */
    readonly url: string
    readonly port: number
    /** From now on these are asked. Completes when they have been asked once. */
    readonly serve: (sources: Sources) => Effect.Effect<void>
    /** Asks the sources now: what has changed shows at once and not with the next interval. */
    readonly refresh: Effect.Effect<void>
    /** Whether it still listens. */
    readonly check: Effect.Effect<void, HealthServerDown>
  }
>()("novacron/health") {}

/** Who is asked. None of it may fail; what hangs or dies counts as not ready and not known. */
export interface Sources {
  /** Asked for each request, so it must be quick: whether the node takes work at all. */
  readonly accepting: () => boolean
  /** Whether all that is critical is well. */
  readonly ready: Effect.Effect<boolean>
  readonly report: Effect.Effect<Health.HealthReport>
  /** More about the components, by their names. */
  readonly details?: Effect.Effect<{ readonly [component: string]: HealthView.Details }> | undefined
  /** Why it is not accepting, for people. */
  readonly reason?: (() => string) | undefined
  /** Asks again whenever it emits: changes of health, for instance. */
  readonly changes?: Stream.Stream<unknown> | undefined
}

/** The health of a running boot as what the server asks. */
export const fromHealth = (
  health: Health.Health,
  more: Pick<Sources, "details" | "reason"> & { readonly accepting?: () => boolean } = {}
): Sources => ({
  ...more,
  accepting: more.accepting ?? (() => true),
  ready: health.ready,
  report: health.report,
  changes: health.changes
})

/** The port or the address of the health endpoints cannot be had. The process exits with 73, or 77 when it may not. */
export class HealthServerDown extends Data.TaggedError("HealthServerDown")<{
  readonly host: string
  readonly port: number
  readonly reason: "taken" | "denied" | "no such address" | "closed" | "other"
  readonly cause?: unknown
}> {
  readonly code = "NVC-2402"
  /** Who had the port then, where it is taken. */
  readonly holder = this.reason === "taken" ? PortHolder.of(this.port) : undefined
  get exitCode(): number {
    return this.reason === "denied" ? 77 : 73
  }
  override get message() {
    const where = Ends.show(this)
    switch (this.reason) {
      case "taken":
        return `The health endpoints cannot listen on ${where}: ${this.holder} has it. Stop that, or choose another port.`
      case "denied":
        return `The health endpoints may not listen on ${where}. Choose a port above 1023, or give the right to.`
      case "no such address":
        return `The health endpoints cannot listen on ${where}: this machine has no such address. Set health.host.`
      case "closed":
        return `The health endpoints on ${where} have stopped listening. Restart the node.`
      case "other":
        return `The health endpoints cannot listen on ${where}. The cause says why.`
    }
  }
}

/** Before the boot says anything: alive, and not ready. */
const starting: Sources = {
  accepting: () => false,
  reason: () => "the node is starting",
  ready: Effect.succeed(false),
  report: Effect.map(DateTime.now, (at) => ({ status: "unknown", at, components: [] }))
}

/** How long the sources may take before they count as hanging. Their probes have deadlines of their own. */
const patience = Duration.seconds(3)

/** Listens until the scope closes. */
export const make = Effect.fn("HealthServer.make")(function* (
  settings: typeof HealthSettings.Type
): Effect.fn.Return<HealthServer["Service"], HealthServerDown, Scope.Scope> {
  const { answerFor, ask, serve } = yield* board(settings)
  const server = Listening.createServer(Listening.limits, (request, response) => {
    const path = pathOf(request)
    const wrong = mistake(request, path)
    const answer = wrong ?? answerFor(path)
    if (typeof answer !== "function") return send(request, response, answer)
    answer((late) => send(request, response, late))
  })
  server.maxConnections = settings.maxConnections
  server.setTimeout(idleMs, (socket) => socket.destroy())
  const unavailable = (reason: Listening.Obstacle, cause: unknown) =>
    new HealthServerDown({ host: settings.host, port: settings.port, reason, cause })
  yield* Effect.acquireRelease(Listening.listen(server, settings, unavailable), () => Listening.close(server))
  const { host, port } = Listening.placeOf(server, settings)
  return {
    url: `http://${host}:${port}`,
    port,
    serve,
    refresh: ask,
    check: Effect.suspend(() =>
      server.listening ? Effect.void : Effect.fail(new HealthServerDown({ host, port, reason: "closed" }))
    )
  }
})

// ------------------------------------------------------------------------------------------------------------ answers

/** Bytes, ready to be sent. */
interface Answer {
  readonly status: number
  readonly headers: ReadonlyArray<string>
  readonly bytes: Buffer
}

type Page = "ready" | "health" | "components"

/** An answer that comes when the sources have spoken. */
type Late = (send: (answer: Answer) => void) => void

const answer = (status: number, body: object, ...headers: ReadonlyArray<string>): Answer => {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  const common = ["content-type", "application/json", "cache-control", "no-store", "content-length", `${bytes.length}`]
  return { status, headers: [...common, ...headers], bytes }
}

const close_ = ["connection", "close"] as const
const live = answer(200, { live: true } satisfies typeof HealthView.LiveBody.Type)
const notFound = answer(404, { error: "There is nothing here. There are: /live /ready /health /health/components" })
const notAllowed = answer(405, { error: "Only GET and HEAD." }, "allow", "GET, HEAD", ...close_)
const tooLong = answer(414, { error: `A path has ${256} characters at the most.` }, ...close_)
const tooMuch = answer(413, { error: "A question has no body." }, ...close_)

/** What is known of the node, and the bytes that say so. */
const board = Effect.fnUntraced(function* (settings: typeof HealthSettings.Type) {
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const context = yield* Effect.context()
  const cacheMs = Duration.toMillis(settings.cacheInterval)
  const ramp = { from: settings.rampFrom, overMs: Duration.toMillis(settings.ramp) }
  const retryAfter = `${Math.max(1, Math.ceil(Duration.toSeconds(settings.retryAfter)))}`
  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  let sources = starting
  let known: Pick<HealthView.Situation, "report" | "details"> & { readonly ready: boolean; readonly atMs: number } = {
    ready: false,
    details: {},
    atMs: -Infinity,
    report: { status: "unknown", at: yield* DateTime.now, components: [] }
  }
  let readySinceMs: number | undefined
  let requests = 0
  let requestsPerSecond = 0
  let pages: { readonly [P in Page]: Answer } | undefined
  let shown = ""
  let waiting: Array<() => void> | undefined
  let follower: Fiber.Fiber<void> | undefined

  /** The situation of this moment; pages are made anew only when it is another one. */
  const current = () => {
    const isReady = known.ready && sources.accepting()
    if (!isReady) readySinceMs = undefined
    else readySinceMs ??= nowMs()
    const weight = HealthView.weight(ramp, readySinceMs, nowMs())
    const reason = isReady || sources.accepting() ? "" : (sources.reason?.() ?? "the node takes no work")
    const key = `${isReady} ${weight} ${reason}`
    if (pages !== undefined && key === shown) return pages
    shown = key
    const situation = { ...known, isReady, weight, reason, requestsPerSecond }
    const isWell = HealthView.nodeStatus(known.report) !== "unhealthy"
    const more = (isFine: boolean) =>
      isFine ? ["x-novacron-weight", `${weight}`] : ["x-novacron-weight", `${weight}`, "retry-after", retryAfter]
    return (pages = {
      ready: answer(isReady ? 200 : 503, HealthView.ready(situation), ...more(isReady)),
      health: answer(isWell ? 200 : 503, HealthView.health(situation), ...more(isWell)),
      components: answer(isWell ? 200 : 503, HealthView.components(situation), ...more(isWell))
    })
  }

  /** The report first: its probes are what `ready` then looks at. */
  const askSources = Effect.gen(function* () {
    const asked = sources
    const began = yield* Clock.monotonicTimeNanos
    const report = yield* heard(asked.report)
    const ready = yield* heard(asked.ready)
    const details = yield* heard(asked.details ?? Effect.succeed({}))
    if (asked !== sources) return
    const at = yield* DateTime.now
    const elapsedSeconds = (Number(began) / 1e6 - known.atMs) / 1_000
    if (elapsedSeconds > 0) requestsPerSecond = Number.isFinite(elapsedSeconds) ? requests / elapsedSeconds : 0
    requests = 0
    known = {
      report: Option.getOrElse(report, () => ({ status: "unknown" as const, at, components: known.report.components })),
      ready: Option.getOrElse(ready, () => false),
      details: Option.getOrElse(details, () => ({})),
      atMs: Number(began) / 1e6
    }
    pages = undefined
    current()
  })

  /** Asks, or waits for those who are asking. Looking and beginning are one synchronous step. */
  const ask: Effect.Effect<void> = Effect.callback<void>((resume) => {
    refresh(() => resume(Effect.void))
  })
  const refresh = (done: () => void) => {
    if (waiting !== undefined) {
      waiting.push(done)
      return
    }
    waiting = [done]
    const fiber = Effect.runForkWith(context)(Effect.exit(askSources))
    flights.add(fiber)
    fiber.addObserver(() => {
      flights.delete(fiber)
      const all = waiting ?? []
      waiting = undefined
      for (const one of all) one()
    })
  }
  const flights = new Set<Fiber.Fiber<unknown>>()
  yield* Effect.addFinalizer(() => Effect.sync(() => flights.forEach((fiber) => fiber.interruptUnsafe())))

  const serve = Effect.fn("HealthServer.serve")(function* (next: Sources) {
    sources = next
    pages = undefined
    known = { ...known, atMs: -Infinity }
    // Two questions, if one to the sources of before is under way: its answer does not count.
    if (waiting !== undefined) yield* ask
    yield* ask
    if (follower !== undefined) yield* Fiber.interrupt(follower)
    follower =
      next.changes === undefined
        ? undefined
        : yield* Effect.forkIn(
            Stream.runForEach(next.changes, () => ask),
            scope
          )
  })

  const answerFor = (path: string): Answer | Late => {
    requests++
    const page = pageOf(path)
    if (page === "live") return live
    if (page === undefined) return notFound
    const ageMs = nowMs() - known.atMs
    if (ageMs < cacheMs || sources === starting) return current()[page]
    if (ageMs < 2 * cacheMs) {
      refresh(() => undefined)
      return current()[page]
    }
    return (send) => refresh(() => send(current()[page]))
  }

  return { answerFor, ask, serve }
})

/** What a source says; nothing when it dies or hangs. */
const heard = <A>(source: Effect.Effect<A>): Effect.Effect<Option.Option<A>> =>
  Effect.map(Effect.exit(Effect.timeoutOption(source, patience)), (exit) =>
    Exit.isSuccess(exit) ? exit.value : Option.none()
  )

// -------------------------------------------------------------------------------------------------------------- HTTP

const idleMs = 10_000

const maxPath = 256

const pathOf = ({ url = "/" }: IncomingMessage): string => {
  const query = url.indexOf("?")
  return query === -1 ? url : url.slice(0, query)
}

const pageOf = (path: string): "live" | Page | undefined => {
  switch (path) {
    case "/live":
    case "/health/live":
      return "live"
    case "/ready":
    case "/health/ready":
      return "ready"
    case "/health":
    case "/health/status":
      return "health"
    case "/health/components":
      return "components"
    default:
      return undefined
  }
}

const mistake = ({ headers, method, url = "" }: IncomingMessage, path: string): Answer | undefined => {
  if (method !== "GET" && method !== "HEAD") return pageOf(path) === undefined ? notFound : notAllowed
  if (url.length > maxPath) return tooLong
  const length = headers["content-length"]
  return headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0") ? tooMuch : undefined
}

const send = (request: IncomingMessage, response: ServerResponse, { bytes, headers, status }: Answer): void => {
  // The type of Node wants a mutable array; it is not changed.
  response.writeHead(status, headers as Array<string>)
  if (request.method === "HEAD") response.end()
  else response.end(bytes)
}
