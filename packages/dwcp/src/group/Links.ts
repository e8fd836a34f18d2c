/**
 * The links of a node to its peers: what each of them agreed to, over what messages go, and how that is exchanged under them.
 *
 * **Details**
 *
 * The first message to a peer says hello and opens what both can: streams of AMST, or one stream of v1. A change of mode, of
 * features or of AMST itself retires what is open: new messages go over the new, and those that are on their way have the
 * drain time to arrive. What has not by then goes again, under the same number, so it counts once.
 */
import { Cause, Clock, type Duration, Effect, Exit, Option, Schedule, Scope, Semaphore } from "effect"
import { randomBytes } from "node:crypto"
import type { ConnectionOptions, TLSSocket } from "node:tls"
import type { Acp } from "../acp/Acp.ts"
import type * as Tcp from "../acp/Tcp.ts"
import type * as Amst from "../amst/Amst.ts"
import type { FileUnavailable } from "../amst/Failures.ts"
import type { Priority } from "../amst/Lanes.ts"
import * as Detector from "../mode/Detector.ts"
import * as Measure from "../mode/Measure.ts"
import * as Carrier from "./Carrier.ts"
import type { Coded, Coding } from "./Coding.ts"
import { dial, nameOf, type Peer } from "./Dial.ts"
import { MessageRefused, PeerUnreachable, type SendError } from "./Failures.ts"
import * as Features from "./Features.ts"
import type { Forecasting } from "./Forecast.ts"
import type * as Gates from "./Gates.ts"
import * as Hello from "./Hello.ts"
import type * as NodeMode from "./NodeMode.ts"
import * as V1 from "./V1.ts"

export interface SendOptions {
  /** Whom it is for. Default: `messages`. */
  readonly channel?: string
  /** Default: normal. */
  readonly priority?: Priority
}

/** How a message got there. */
export interface Delivery {
  readonly version: "v1" | "v3"
  readonly bytes: number
  /** What was sent for it, compressed. */
  readonly wireBytes: number
  /** `none`, `lz4`, `zstd-3`, … */
  readonly codec: string
  /** 1, unless the link was exchanged under it. */
  readonly attempts: number
}

/** Somebody who runs the effect with a service that may be exchanged. */
type Use<S> = <A, E, R>(go: (service: S) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Options {
  readonly tls: (serverName: string) => Effect.Effect<ConnectionOptions>
  readonly serverName: string
  readonly node: string
  readonly maxMessageBytes: number
  readonly maxLinks: number
  readonly handshake: Duration.Duration
  readonly drain: Duration.Duration
  readonly give: Duration.Duration
  readonly detector: Detector.Settings
  /** What this node has on, as of now. */
  readonly features: () => Features.Features
  /** Mode of the node; a hybrid one leaves each link its own. */
  readonly mode: () => Detector.Mode
  readonly amst: Use<Amst.Amst["Service"]>
  readonly acp: Use<Acp["Service"]>
  readonly coding: Use<Coding>
  readonly forecasting: Use<Forecasting>
  readonly onSent: (sent: Gates.Sent) => Effect.Effect<void>
  readonly onMode: (peer: string, from: Detector.Mode, to: Detector.Mode) => Effect.Effect<void>
}

/** A link as it is seen from outside. */
export interface View {
  readonly peer: string
  readonly version: "v1" | "v3" | "none"
  readonly node: string | undefined
  readonly features: ReadonlyArray<Features.Feature>
  readonly mode: Detector.Mode
  readonly evidence: Detector.Evidence
  readonly streams: number
  readonly congestion: string
  readonly sentBytes: number
  readonly wireBytes: number
  readonly messages: number
  /** Bytes per second, as it was lately. */
  readonly deliveryRate: number
}

export interface Links {
  readonly send: (peer: Peer, content: Uint8Array, options?: SendOptions) => Effect.Effect<Delivery, SendError>
  readonly sendFile: (
    peer: Peer,
    path: string,
    options?: { readonly name?: string; readonly priority?: Priority }
  ) => Effect.Effect<Amst.Receipt, SendError | FileUnavailable>
  /** Retires what is open, of one peer or of all. New messages open anew. */
  readonly reopen: (which?: (view: { readonly version: "v1" | "v3" }) => boolean) => Effect.Effect<void>
  /** The same at once: what is on its way goes again over what is opened then. */
  readonly drop: Effect.Effect<void>
  /** Tells all peers what this node has on now, and exchanges what that changes. */
  readonly renegotiate: Effect.Effect<void>
  /** Notes what each link carries, for the forecasts. */
  readonly note: Effect.Effect<void>
  /** Looks at each link once, for its mode; asks a quiet one, where `probing` is set. */
  readonly measure: (probing: boolean) => Effect.Effect<void>
  readonly weights: Effect.Effect<ReadonlyArray<NodeMode.Weighed>>
  readonly views: Effect.Effect<ReadonlyArray<View>>
}

interface Greeting {
  readonly theirs: Hello.Hello
  readonly say: (hello: Hello.Hello) => void
}

interface Route {
  readonly key: string
  readonly peer: Peer
  readonly opening: Semaphore.Semaphore
  readonly scope: Scope.Closeable
  greeting: Greeting | undefined
  greetingAgain: boolean
  carrier: Carrier.Carrier | undefined
  detector: Detector.State
  lately: number
  usedMillis: number
  wasMillis: number
  sentBytes: number
  wireBytes: number
  messages: number
  deliveryRate: number
  users: number
}

/** How soon a peer is greeted again whose hello was lost. */
const again = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/** Messages that may be on their way at once. */
const mostInFlight = 1_024

export const make = Effect.fn("Links.make")(function* (options: Options): Effect.fn.Return<Links, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const room = yield* Semaphore.make(mostInFlight)
  const routes = new Map<string, Route>()
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const sender = randomBytes(16).toString("hex")
  const inFlight = new Set<number>()
  let numbers = 0

  const wantsV3 = () => options.features().has("transport")
  const hello = (): Hello.Hello => ({
    node: options.node,
    features: options.features(),
    maxMessage: options.maxMessageBytes
  })

  // ---------------------------------------------------------------------------------------------------------- routes

  const routeOf = Effect.fnUntraced(function* (peer: Peer) {
    const key = nameOf(peer)
    const known = routes.get(key)
    if (known !== undefined) return known
    if (routes.size >= options.maxLinks) yield* forgetOne
    const route: Route = {
      key,
      peer,
      opening: yield* Semaphore.make(1),
      scope: yield* Scope.fork(scope),
      greeting: undefined,
      greetingAgain: false,
      carrier: undefined,
      detector: Detector.initial,
      lately: 0,
      usedMillis: yield* Clock.currentTimeMillis,
      wasMillis: 0,
      sentBytes: 0,
      wireBytes: 0,
      messages: 0,
      deliveryRate: 0,
      users: 0
    }
    // Somebody else may have been here while this one was made.
    const first = routes.get(key)
    if (first !== undefined) return first
    routes.set(key, route)
    return route
  })

  /** The one that was not used for longest, and is not in use now. */
  const forgetOne = Effect.suspend(() => {
    const idle = [...routes.values()].filter(({ users }) => users === 0).toSorted((a, b) => a.usedMillis - b.usedMillis)
    const [oldest] = idle
    if (oldest === undefined) return Effect.void
    routes.delete(oldest.key)
    return Scope.close(oldest.scope, Exit.void)
  })

  const tlsOf = ({ serverName }: Peer) => options.tls(serverName ?? options.serverName)

  // --------------------------------------------------------------------------------------------------------- opening

  /** The hello of a peer; one of v1 has none, and what was opened to ask it can be used. */
  const greet = (route: Route) =>
    Effect.gen(function* () {
      const within = yield* Scope.fork(route.scope)
      const opened = yield* dial(
        route.peer,
        yield* tlsOf(route.peer),
        [Hello.protocol, V1.protocol],
        options.handshake
      ).pipe(
        Scope.provide(within),
        Effect.onError((cause) => Scope.close(within, Exit.failCause(cause)))
      )
      if (opened.alpnProtocol !== Hello.protocol) return { _tag: "V1" as const, socket: opened, scope: within }
      const theirs = yield* Effect.callback<Hello.Hello, PeerUnreachable>((resume) => {
        const { say } = Hello.speak(opened, hello(), (heard) => {
          const before = route.greeting
          route.greeting = { theirs: heard, say }
          if (before === undefined) resume(Effect.succeed(heard))
          else run(exchangeIfNeeded(route))
        })
        opened.once("close", () => {
          route.greeting = undefined
          resume(Effect.fail(new PeerUnreachable({ peer: route.key, cause: new Error("It said no hello.") })))
          run(Scope.close(within, Exit.void))
        })
      }).pipe(
        Effect.timeoutOrElse({
          duration: options.handshake,
          orElse: () => Effect.fail(new PeerUnreachable({ peer: route.key, cause: new Error("It said no hello.") }))
        }),
        Effect.onError((cause) => Scope.close(within, Exit.failCause(cause)))
      )
      return { _tag: "V3" as const, theirs }
    })

  const agreedWith = (route: Route): Features.Features =>
    route.greeting === undefined ? Features.none : Features.agreed(options.features(), route.greeting.theirs.features)

  /** Where the carrier is not what both agree to any more, another one is opened for the next message. */
  const exchangeIfNeeded = (route: Route): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { carrier } = route
      if (carrier === undefined) return Effect.void
      const wanted = agreedWith(route).has("transport") && wantsV3() ? "v3" : "v1"
      return carrier.version === wanted ? Effect.void : retire(route)
    })

  /** A hello that was lost is asked for again beside what goes on: the peer may be another one now. */
  const greetAgain = (route: Route) =>
    Effect.suspend(() => {
      if (route.greetingAgain || route.greeting !== undefined || !wantsV3()) return Effect.void
      route.greetingAgain = true
      const ask = Effect.gen(function* () {
        const answer = yield* greet(route)
        if (answer._tag === "V3") return yield* exchangeIfNeeded(route)
        // Another one has taken its place, and speaks v1: what is on its way over AMST would wait in vain.
        yield* Scope.close(answer.scope, Exit.void)
        yield* cutOff(route)
      })
      return ask.pipe(
        Effect.retry(Schedule.max([again, Schedule.recurs(10)])),
        Effect.ensuring(Effect.sync(() => (route.greetingAgain = false))),
        Effect.ignore,
        Effect.forkIn(route.scope),
        Effect.asVoid
      )
    })

  const open = Effect.fnUntraced(function* (route: Route): Effect.fn.Return<Carrier.Carrier, PeerUnreachable> {
    if (wantsV3() && route.greeting === undefined) {
      const answer = yield* greet(route)
      if (answer._tag === "V1") return v1Over(route, answer.socket, answer.scope)
    }
    if (wantsV3() && agreedWith(route).has("transport")) return yield* overAmst(route)
    const within = yield* Scope.fork(route.scope)
    const socket = yield* dial(route.peer, yield* tlsOf(route.peer), [V1.protocol], options.handshake).pipe(
      Scope.provide(within),
      Effect.onError((cause) => Scope.close(within, Exit.failCause(cause)))
    )
    return v1Over(route, socket, within)
  })

  const v1Over = (route: Route, socket: TLSSocket, within: Scope.Closeable): Carrier.Carrier =>
    Carrier.ofV1(socket, { peer: route.key, scope: within, mode: modeOf(route) })

  const modeOf = (route: Route): Detector.Mode => {
    const node = options.mode()
    return node === "hybrid" && route.detector.since !== undefined ? route.detector.mode : node
  }

  const overAmst = Effect.fnUntraced(function* (route: Route) {
    const mode = modeOf(route)
    const within = yield* Scope.fork(route.scope)
    const tls = { ...(yield* tlsOf(route.peer)), ALPNProtocols: [Hello.dataProtocol] }
    const { host, port } = route.peer
    const firstStreams = yield* streamsFor(route)
    const link = yield* options
      .amst((amst) =>
        amst.connect(
          { host, port, tls },
          { environment: mode, ...(firstStreams === undefined ? {} : { firstStreams }) }
        )
      )
      .pipe(Scope.provide(within))
    const encode = Effect.fnUntraced(function* (content: Uint8Array) {
      const plain: Coded = { encoding: "plain", bytes: content, codec: "none" }
      if (!agreedWith(route).has("compression")) return plain
      const forecast = yield* forecastOf(route)
      return yield* options.coding((coding) => coding.encode(content, forecast)).pipe(Effect.orElseSucceed(() => plain))
    })
    return Carrier.ofAmst(link, encode, { peer: route.key, scope: within, mode })
  })

  const forecastOf = (route: Route) =>
    options
      .forecasting((forecasting) => forecasting.forecast(route.key))
      .pipe(
        Effect.map((forecast) => forecast?.bytesPerSecond ?? (route.deliveryRate > 0 ? route.deliveryRate : undefined))
      )

  /** As many streams as carry what is forecast with a megabyte each on its way. */
  const streamsFor = (route: Route) =>
    Effect.map(forecastOf(route), (bytesPerSecond) => {
      const rtt = route.detector.evidence.rttMillis
      if (bytesPerSecond === undefined || rtt === undefined) return undefined
      return Math.min(32, Math.max(1, Math.round((bytesPerSecond * rtt) / 1_000 / 2 ** 20)))
    })

  const acquire = (route: Route): Effect.Effect<Carrier.Carrier, PeerUnreachable> =>
    route.opening.withPermit(
      Effect.suspend(() => {
        const { carrier } = route
        if (carrier !== undefined && !carrier.closed && carrier.isOpen()) {
          return carrier.version === "v3" ? Effect.as(greetAgain(route), carrier) : Effect.succeed(carrier)
        }
        return Effect.tap(open(route), (opened) => Effect.sync(() => (route.carrier = opened)))
      })
    )

  // -------------------------------------------------------------------------------------------------------- retiring

  const retire = (route: Route): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { carrier } = route
      if (carrier === undefined) return Effect.void
      route.carrier = undefined
      return Effect.asVoid(Effect.forkIn(Carrier.drain(carrier, options.drain), route.scope))
    })

  /** The same at once, of what goes over AMST. */
  const cutOff = (route: Route): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { carrier } = route
      if (carrier === undefined || carrier.version === "v1") return Effect.void
      route.carrier = undefined
      return Carrier.close(carrier)
    })

  // --------------------------------------------------------------------------------------------------------- sending

  /** Over what is open now; over what is opened next, if that was closed under it. */
  const over = <A, E>(
    route: Route,
    go: (carrier: Carrier.Carrier) => Effect.Effect<A, E | Carrier.CarryError>,
    attempt: number
  ): Effect.Effect<
    { readonly value: A; readonly carrier: Carrier.Carrier; readonly attempts: number },
    E | Carrier.CarryError
  > =>
    Effect.gen(function* () {
      // A peer that was there is waited for; one that never was is not.
      const opened = yield* Effect.exit(acquire(route))
      if (Exit.isFailure(opened)) {
        if (attempt === 1) return yield* Effect.failCause(opened.cause)
        yield* pause(attempt)
        return yield* over(route, go, attempt + 1)
      }
      const carrier = opened.value
      const exit = yield* Effect.exit(Carrier.using(carrier, go))
      if (Exit.isSuccess(exit)) return { value: exit.value, carrier, attempts: attempt }
      if (!carrier.closed && carrier.isOpen()) return yield* Effect.failCause(exit.cause)
      // Closed under it, by us or by the peer. Only what the link itself says is a reason to go again.
      const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
      const isGone = hasTag(error, "LinkClosed") || hasTag(error, "PeerUnreachable") || hasTag(error, "PeerLost")
      if (!isGone) return yield* Effect.failCause(exit.cause)
      if (route.carrier === carrier) route.carrier = undefined
      if (attempt > 1) yield* pause(attempt)
      return yield* over(route, go, attempt + 1)
    })

  const pause = (attempt: number) => Effect.sleep(Math.min(2_000, 50 * 2 ** Math.min(attempt, 10)))

  const failureOf = (route: Route, error: Carrier.CarryError): SendError => {
    switch (error._tag) {
      case "PeerUnreachable":
      case "MessageRefused":
        return error
      case "TransferRefused":
        return new MessageRefused({ peer: route.key, reason: `${error.reason}: ${error.detail}` })
      case "PeerLost":
      case "TlsRefused":
      case "LinkClosed":
        return new PeerUnreachable({ peer: route.key, cause: error })
    }
  }

  const inTime = <A, E>(route: Route, effect: Effect.Effect<A, E>): Effect.Effect<A, E | PeerUnreachable> =>
    Effect.timeoutOrElse(effect, {
      duration: options.give,
      orElse: () => Effect.fail(new PeerUnreachable({ peer: route.key, cause: new Error("It took too long.") }))
    })

  const send: Links["send"] = Effect.fn("Dwcp.send")(
    function* (peer, content, { channel = "messages", priority = "normal" } = {}) {
      const route = yield* routeOf(peer)
      if (content.length > options.maxMessageBytes) {
        return yield* new MessageRefused({
          peer: route.key,
          reason: `messages have up to ${options.maxMessageBytes} bytes`
        })
      }
      const number = numbers++
      inFlight.add(number)
      route.users++
      const began = yield* Clock.currentTimeMillis
      let used: Carrier.Carrier | undefined
      const go = (carrier: Carrier.Carrier) =>
        Effect.suspend(() => {
          used = carrier
          const floor = Math.min(...inFlight)
          return carrier.send({ sender, number, floor, channel, encoding: "plain" }, content, priority)
        })
      const sent = yield* inTime(route, over(route, go, 1)).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            inFlight.delete(number)
            route.users--
          })
        ),
        Effect.exit
      )
      const now = yield* Clock.currentTimeMillis
      route.usedMillis = now
      const version = used?.version ?? "v1"
      // An interrupted one was neither good nor bad, what the peer does not want is its own affair, and one that is not
      // there is so in any version.
      const failed = Exit.isFailure(sent) ? Option.getOrUndefined(Cause.findErrorOption(sent.cause)) : undefined
      const isRefusal = hasTag(failed, "MessageRefused") || hasTag(failed, "TransferRefused")
      if (used !== undefined && (Exit.isSuccess(sent) || (failed !== undefined && !isRefusal))) {
        yield* options.onSent({
          version,
          atMillis: now,
          tookMillis: now - began,
          bytes: content.length,
          ok: Exit.isSuccess(sent)
        })
      }
      if (Exit.isFailure(sent)) {
        return yield* failed === undefined
          ? Effect.failCause(sent.cause).pipe(Effect.orDie)
          : Effect.fail(failureOf(route, failed))
      }
      const { attempts, value } = sent.value
      route.messages++
      route.sentBytes += content.length
      route.wireBytes += value.wireBytes
      route.lately += value.wireBytes
      return { version, bytes: content.length, attempts, ...value }
    },
    (effect) => room.withPermit(effect)
  )

  const sendFile: Links["sendFile"] = Effect.fn("Dwcp.sendFile")(function* (peer, path, given = {}) {
    const route = yield* routeOf(peer)
    const noFiles = new MessageRefused({ peer: route.key, reason: "it speaks v1, which has messages and no files" })
    const go = ({ link }: Carrier.Carrier): Effect.Effect<Amst.Receipt, Carrier.CarryError | FileUnavailable> =>
      link === undefined ? Effect.fail(noFiles) : link.sendFile(path, given)
    route.users++
    const { value } = yield* over(route, go, 1).pipe(
      Effect.ensuring(Effect.sync(() => void route.users--)),
      Effect.mapError((error) => (error._tag === "FileUnavailable" ? error : failureOf(route, error)))
    )
    route.sentBytes += value.bytes
    route.wireBytes += value.bytes - value.resumedBytes
    route.lately += value.bytes - value.resumedBytes
    return value
  })

  // ------------------------------------------------------------------------------------------------------- measuring

  const noteOne = (route: Route) =>
    Effect.gen(function* () {
      const link = route.carrier?.link
      if (link === undefined) return
      const { deliveryRate, tcp } = yield* link.status
      route.deliveryRate = deliveryRate
      const appLimited = tcp.some((each) => each.appLimited)
      if (deliveryRate > 0) yield* options.forecasting((it) => it.observe(route.key, deliveryRate, { appLimited }))
    })

  const measureOne = (route: Route, probing: boolean) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { carrier } = route
      if (carrier === undefined) return
      const seen = yield* samplesOf(carrier)
      const passive = Measure.together(seen.map((sample) => Measure.sampleOf(sample)))
      const isQuiet = route.lately === 0
      const active =
        probing && isQuiet && carrier.version === "v3"
          ? yield* options
              .amst(
                Effect.fnUntraced(function* (amst) {
                  const tls = { ...(yield* tlsOf(route.peer)), ALPNProtocols: [Hello.dataProtocol] }
                  return yield* amst.probe({ host: route.peer.host, port: route.peer.port, tls })
                })
              )
              .pipe(
                Effect.map(({ sample }) => sample),
                Effect.option
              )
          : Option.none<Detector.Sample>()
      const sample = Option.getOrElse(active, () => passive)
      if (sample.rttMillis === undefined) return
      const [state, finding] = Detector.step(route.detector, sample, now, options.detector)
      route.detector = state
      if (finding._tag !== "Changed") return
      yield* options.onMode(route.key, finding.from, finding.to)
      // In a hybrid node each link goes by its own mode.
      if (options.mode() === "hybrid" && route.carrier?.mode !== state.mode) yield* retire(route)
    }).pipe(Effect.ignoreCause({ log: "Debug", message: `The link to ${route.key} could not be measured` }))

  const samplesOf = (carrier: Carrier.Carrier): Effect.Effect<ReadonlyArray<Tcp.Sample>> => {
    const { link, socket } = carrier
    if (link !== undefined) return Effect.map(link.status, ({ tcp }) => tcp)
    if (socket === undefined) return Effect.succeed([])
    return Effect.map(
      options.acp((acp) => acp.look(socket)),
      (sample) => (sample === undefined ? [] : [sample])
    )
  }

  const view = (route: Route) =>
    Effect.gen(function* () {
      const { carrier } = route
      const status = carrier?.link === undefined ? undefined : yield* carrier.link.status
      const seen: View = {
        peer: route.key,
        version: carrier?.version ?? "none",
        node: route.greeting?.theirs.node,
        features: [...agreedWith(route)],
        mode: modeOf(route),
        evidence: route.detector.evidence,
        streams: status?.ready ?? (carrier === undefined ? 0 : 1),
        congestion: status?.congestion.effective ?? "system",
        sentBytes: route.sentBytes,
        wireBytes: route.wireBytes,
        messages: route.messages,
        deliveryRate: route.deliveryRate
      }
      return seen
    })

  const each = (go: (route: Route) => Effect.Effect<void>) =>
    Effect.suspend(() => Effect.forEach([...routes.values()], go, { discard: true }))

  return {
    send,
    sendFile,
    reopen: (which = () => true) =>
      each((route) => (route.carrier !== undefined && which(route.carrier) ? retire(route) : Effect.void)),
    drop: each((route) => cutOff(route)),
    renegotiate: each((route) =>
      Effect.suspend(() => {
        route.greeting?.say(hello())
        // Nobody asked it yet what it can: the next message does.
        const isUnasked = route.greeting === undefined && route.carrier?.version === "v1" && wantsV3()
        return isUnasked ? retire(route) : exchangeIfNeeded(route)
      })
    ),
    note: each(noteOne),
    measure: (probing) => each((route) => measureOne(route, probing)),
    weights: Effect.sync(() =>
      [...routes.values()].map((route) => {
        const weight = route.lately
        route.lately = 0
        return { mode: route.detector.since === undefined ? options.mode() : route.detector.mode, weight }
      })
    ),
    views: Effect.suspend(() => Effect.forEach([...routes.values()], view))
  }
})

const hasTag = (error: unknown, tag: string): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === tag
