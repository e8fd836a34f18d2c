/**
 * Those who are told: WebSockets at `/v1/events` and `/v1/tasks/:id/output`.
 *
 * **Details**
 *
 * Who may not listen, or asks for a task that there is not, is answered over HTTP with a problem, before the upgrade. For
 * a reader that is slow nothing piles up: events wait as {@link Feed} keeps them, and output is not read on. One that
 * takes nothing for `patience` is cut off, and so is one that does not answer a ping. One that may no longer listen is
 * told so with 1008 ({@link Admission.lapse}). What readers send is not read; more than 4 KiB of it closes the socket.
 */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { Contract, Events, Problem } from "@novacron/api"
import { ByteSize, Cause, Clock, Duration, Effect, FiberSet, Schedule, Schema, type Scope, Stream } from "effect"
import { WebSocket, WebSocketServer } from "ws"
import type { Admission, Knock } from "./Admission.ts"
import type { Answers } from "./Answers.ts"
import { refuseRaw } from "./Door.ts"
import type { Feed, Message } from "./Feed.ts"
import type { Arrival } from "./Answer.ts"
import type { Settings } from "./Settings.ts"

export interface Sockets {
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, arrival: Arrival) => void
  readonly count: () => number
  /** Says to everybody that the node goes away, and waits a moment for them to hear it. */
  readonly leave: Effect.Effect<void>
}

export interface Options {
  readonly admission: Admission
  readonly answers: Answers
  readonly feed: Feed
  readonly settings: Settings["sockets"]
}

const heartbeat = Duration.seconds(30)
const goodbye = Duration.seconds(1)

/** What is known of a reader. */
interface Ears {
  readonly socket: WebSocket
  /** Whether it has answered since the last ping. */
  isAlive: boolean
  /** When something of what waits for it has last gone out. */
  lastMs: number
}

/** Takes sockets until the scope closes; then it cuts them off. */
export const make = Effect.fn("Sockets.make")(function* (
  options: Options
): Effect.fn.Return<Sockets, never, Scope.Scope> {
  const { admission, answers, feed, settings } = options
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const fibers = yield* FiberSet.make<void>()
  const run = yield* FiberSet.runtime(fibers)()
  const readers = new Set<Ears>()
  const bufferBytes = ByteSize.toNumberUnsafe(settings.buffer)
  const patienceMs = Duration.toMillis(settings.patience)
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: 4_096,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(Events.subprotocol) ? Events.subprotocol : false)
  })
  let entering = 0

  /** Nobody, when the handshake was none, which is answered here, or when whoever asked has gone meanwhile. */
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): Effect.Effect<Ears | undefined> =>
    Effect.callback<Ears | undefined>((resume) => {
      if (socket.destroyed) return resume(Effect.undefined)
      socket.once("close", () => resume(Effect.undefined))
      server.handleUpgrade(request, socket, head, (it) => {
        const ears: Ears = { socket: it, isAlive: true, lastMs: now() }
        readers.add(ears)
        it.on("pong", () => void (ears.isAlive = true))
        it.on("error", () => it.terminate())
        it.once("close", () => readers.delete(ears))
        resume(Effect.succeed(ears))
      })
    })

  const events = (ears: Ears, after: string | undefined): void => {
    const { socket } = ears
    const sent = () => {
      ears.lastMs = now()
      if (subscription.waiting() > 0 && socket.bufferedAmount < bufferBytes / 2) subscription.resume()
    }
    const take = ({ bytes }: Message): boolean => {
      if (socket.readyState !== WebSocket.OPEN) return true
      if (socket.bufferedAmount > bufferBytes) return false
      if (socket.bufferedAmount === 0) ears.lastMs = now()
      socket.send(bytes, text, sent)
      return true
    }
    const subscription = feed.subscribe({ take }, { after })
    socket.once("close", subscription.end)
  }

  const closed = ({ socket }: Ears): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      socket.once("close", () => resume(Effect.void))
      if (socket.readyState === WebSocket.CLOSED) resume(Effect.void)
    })

  const output = (ears: Ears, id: string, offset: number): Effect.Effect<void> => {
    const send = (message: Events.OutputMessage) =>
      Effect.callback<void>((resume) => {
        if (ears.socket.bufferedAmount === 0) ears.lastMs = now()
        ears.socket.send(JSON.stringify(encodeOutput(message)), text, () => {
          ears.lastMs = now()
          resume(Effect.void)
        })
      })
    const all = Effect.gen(function* () {
      yield* Stream.runForEach(answers.output(id, { offset, follow: true }), (piece) =>
        send({ type: "output", output: piece })
      )
      const { state } = yield* answers.get(id)
      yield* send({ type: "end", state })
    })
    return all.pipe(
      Effect.matchCause({
        onSuccess: () => ears.socket.close(1000),
        onFailure: (cause) =>
          Cause.hasInterruptsOnly(cause) ? undefined : ears.socket.close(Events.closing.tryAgain, "ask again")
      })
    )
  }

  /** Does it until the socket closes, or until whoever listens may do so no longer. */
  const whileAdmitted = (ears: Ears, shown: Knock, action: string, what: Effect.Effect<void>): Effect.Effect<void> => {
    const lapse = Effect.catch(admission.lapse(shown, action), ({ title }) =>
      Effect.sync(() => ears.socket.close(Events.closing.policy, title))
    )
    return Effect.raceFirst(closed(ears), Effect.raceFirst(what, lapse))
  }

  /** Lets somebody in; what it gives is what goes on from then. */
  const enter = Effect.fnUntraced(function* (
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    { knock }: Arrival
  ) {
    const wanted = wantedOf(request.url ?? "")
    if (wanted === undefined) return yield* new Problem.NotFound({ detail: "No WebSocket is spoken at that address." })
    if (request.headers.upgrade?.toLowerCase() !== "websocket") return yield* new Problem.UpgradeRequired({})
    const shown = withProtocol(knock, request)
    yield* admission.admit(shown, wanted.action)
    if (readers.size + entering > settings.max) {
      return yield* new Problem.Unavailable({ retryAfterSeconds: 5, detail: "There are too many readers already." })
    }
    if (wanted._tag === "events") {
      const last = request.headers["last-event-id"]
      const after = wanted.after ?? (typeof last === "string" ? last : undefined)
      const ears = yield* upgrade(request, socket, head)
      if (ears === undefined) return Effect.void
      events(ears, after)
      return whileAdmitted(ears, shown, wanted.action, Effect.never)
    }
    const { offset = 0 } = yield* Effect.mapError(
      decodePart(wanted.part, { onExcessProperty: "error" }),
      (error) => new Problem.InvalidRequest({ detail: `${Problem.inWords(error).slice(0, 1_024)}.` })
    )
    yield* answers.get(wanted.id)
    const ears = yield* upgrade(request, socket, head)
    if (ears === undefined) return Effect.void
    return whileAdmitted(ears, shown, wanted.action, output(ears, wanted.id, offset))
  })

  /** Cuts off who does not answer, or takes nothing while something waits. */
  const look = Effect.sync(() => {
    for (const ears of readers) {
      if (ears.socket.bufferedAmount > 0 && now() - ears.lastMs > patienceMs) ears.socket.terminate()
    }
  })
  const ping = Effect.sync(() => {
    for (const ears of readers) {
      if (!ears.isAlive) ears.socket.terminate()
      ears.isAlive = false
      ears.socket.ping()
    }
  })
  yield* look.pipe(Effect.schedule(Schedule.spaced("1 second")), Effect.forkScoped)
  yield* ping.pipe(Effect.schedule(Schedule.spaced(heartbeat)), Effect.forkScoped)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { socket } of readers) socket.terminate()
      server.close()
    })
  )

  return {
    upgrade: (request, socket, head, arrival) => {
      entering++
      run(
        enter(request, socket, head, arrival).pipe(
          Effect.ensuring(Effect.sync(() => void entering--)),
          Effect.flatten,
          Effect.catch((problem) => Effect.sync(() => refuseRaw(socket, problem))),
          Effect.catchCause((cause) =>
            Effect.andThen(
              Effect.logError(`A WebSocket has failed (request ${arrival.requestId})`, cause),
              Effect.sync(() => refuseRaw(socket, new Problem.Failed({})))
            )
          )
        )
      )
    },
    count: () => readers.size,
    leave: Effect.gen(function* () {
      for (const { socket } of readers) socket.close(Events.closing.goingAway, "the node stops")
      yield* Effect.sync(() => readers.size).pipe(
        Effect.repeat({ while: (open) => open > 0, schedule: Schedule.spaced("20 millis") }),
        Effect.timeoutOption(goodbye)
      )
    })
  }
})

const text = { binary: false, compress: false, fin: true } as const

const encodeOutput = Schema.encodeSync(Events.OutputMessage)

type Wanted =
  | { readonly _tag: "events"; readonly action: string; readonly after: string | undefined }
  | {
      readonly _tag: "output"
      readonly action: string
      readonly id: string
      readonly part: { [name: string]: unknown }
    }

/** From where on a task is listened to; as over REST, but that what it prints has no limit. */
const decodePart = Schema.decodeUnknownEffect(Schema.Struct({ offset: Contract.Range.fields.offset }))

/** What is listened for at an address. */
const wantedOf = (url: string): Wanted | undefined => {
  const [path = "", query = ""] = url.split("?", 2)
  const asked = new URLSearchParams(query)
  if (path === "/v1/events") return { _tag: "events", action: "status.events", after: asked.get("after") ?? undefined }
  const id = /^\/v1\/tasks\/([^/]{1,128})\/output$/.exec(path)?.[1]
  if (id === undefined) return undefined
  const offset = asked.get("offset")
  const part = { ...Object.fromEntries(asked), ...(offset === null ? {} : { offset: Number(offset) }) }
  return { _tag: "output", action: "tasks.output", id: decodeURIComponent(id), part }
}

/** A browser can send no header, so it puts its token where a subprotocol goes. It is not chosen, so it is not sent back. */
const withProtocol = (knock: Knock, { headers }: IncomingMessage): Knock => {
  if (knock.bearer !== undefined) return knock
  const offered = headers["sec-websocket-protocol"]?.split(",").map((one) => one.trim()) ?? []
  const found = offered.find((one) => one.startsWith(Events.tokenProtocol))
  return found === undefined ? knock : { ...knock, bearer: found.slice(Events.tokenProtocol.length) }
}
