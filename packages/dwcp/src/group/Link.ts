/**
 * One link to a peer: what both agreed to, over what messages go, and how that is exchanged under them.
 *
 * **Details**
 *
 * Who needs a carrier first says hello and opens what both can: streams of AMST, or one stream of v1. What is retired is left
 * to those who use it, for the drain time; the next who needs a carrier opens another one.
 */
import { type Duration, Effect, Exit, type Option, Schedule, Scope, Semaphore } from "effect"
import type { ConnectionOptions, TLSSocket } from "node:tls"
import type * as Amst from "../amst/Amst.ts"
import type * as Detector from "../mode/Detector.ts"
import * as Carrier from "./Carrier.ts"
import type { Coded, Coding } from "./Coding.ts"
import { dial, nameOf, type Peer } from "./Dial.ts"
import { PeerUnreachable } from "./Failures.ts"
import * as Features from "./Features.ts"
import * as Hello from "./Hello.ts"
import * as V1 from "./V1.ts"

/** Somebody who runs the effect with a service that may be exchanged. */
export type Use<S> = <A, E, R>(go: (service: S) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** What all links of a node have in common. */
export interface Options {
  readonly tls: (serverName: string) => Effect.Effect<ConnectionOptions>
  readonly serverName: string
  readonly node: string
  readonly maxMessageBytes: number
  readonly handshake: Duration.Duration
  readonly drain: Duration.Duration
  /** What this node has on, as of now. */
  readonly features: () => Features.Features
  readonly amst: Use<Amst.Amst["Service"]>
  readonly coding: Use<Coding>
}

/** Where links live, and who does for them what nobody waits for. */
export interface Surroundings {
  readonly scope: Scope.Scope
  readonly run: (effect: Effect.Effect<void>) => void
}

/** What was seen of the way to this peer. */
export interface Seen {
  readonly mode: () => Detector.Mode
  readonly rttMillis: () => number | undefined
  /** Bytes per second that it will carry; nothing where nobody knows. */
  readonly forecast: Effect.Effect<number | undefined>
}

export interface Link {
  readonly key: string
  /** What both have on; none as long as the peer has not said hello. */
  readonly agreed: () => Features.Features
  /** What the peer calls itself. */
  readonly node: () => string | undefined
  /** What is open now. */
  readonly carrier: () => Carrier.Carrier | undefined
  /** The same, and opens it. */
  readonly acquire: Effect.Effect<Carrier.Carrier, PeerUnreachable>
  /** It was closed under whoever used it: the next one opens another. */
  readonly lost: (carrier: Carrier.Carrier) => void
  /** New messages go over another one. */
  readonly retire: Effect.Effect<void>
  /** The same at once, of what goes over AMST. */
  readonly cutOff: Effect.Effect<void>
  /** Tells the peer what this node has on now, and exchanges what that changes. */
  readonly renegotiate: Effect.Effect<void>
  /** Asks the peer for a sample of the way, where nothing goes over it. */
  readonly probe: Effect.Effect<Option.Option<Detector.Sample>>
  readonly close: Effect.Effect<void>
}

interface Greeting {
  readonly theirs: Hello.Hello
  readonly say: (hello: Hello.Hello) => void
}

/** How soon a peer is greeted again whose hello was lost. */
const again = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/** Nothing is opened before somebody needs it. What is open is closed with the scope. */
export const make = (options: Options & Surroundings, peer: Peer, seen: Seen): Link => {
  const key = nameOf(peer)
  const scope = Scope.forkUnsafe(options.scope)
  const opening = Semaphore.makeUnsafe(1)
  let greeting: Greeting | undefined
  let isGreetingAgain = false
  let carrier: Carrier.Carrier | undefined

  const wantsV3 = () => options.features().has("transport")
  const tls = Effect.suspend(() => options.tls(peer.serverName ?? options.serverName))
  const hello = (): Hello.Hello => ({
    node: options.node,
    features: options.features(),
    maxMessage: options.maxMessageBytes
  })
  const agreed = (): Features.Features =>
    greeting === undefined ? Features.none : Features.agreed(options.features(), greeting.theirs.features)

  // --------------------------------------------------------------------------------------------------------- opening

  const acquire: Link["acquire"] = opening.withPermit(
    Effect.suspend(() => {
      const open = carrier
      if (open !== undefined && !open.closed && open.isOpen()) {
        return open.version === "v3" ? Effect.as(greetAgain, open) : Effect.succeed(open)
      }
      return Effect.tap(openAnother, (opened) => Effect.sync(() => (carrier = opened)))
    })
  )

  const openAnother: Effect.Effect<Carrier.Carrier, PeerUnreachable> = Effect.gen(function* () {
    if (wantsV3() && greeting === undefined) {
      const answer = yield* greet
      if (answer._tag === "V1") return overV1(answer.socket, answer.scope)
    }
    if (wantsV3() && agreed().has("transport")) return yield* overAmst
    const { opened, within } = yield* dialed([V1.protocol])
    return overV1(opened, within)
  })

  /** In a scope of its own, that lives as long as what was opened in it is used. */
  const opened = Effect.fnUntraced(function* <A, E>(open: Effect.Effect<A, E, Scope.Scope>) {
    const within = yield* Scope.fork(scope)
    const opened = yield* open.pipe(
      Scope.provide(within),
      Effect.onError((cause) => Scope.close(within, Exit.failCause(cause)))
    )
    return { opened, within }
  })

  const dialed = (protocols: ReadonlyArray<string>) =>
    opened(Effect.flatMap(tls, (given) => dial(peer, given, protocols, options.handshake)))

  const silent = () => new PeerUnreachable({ peer: key, cause: new Error("It said no hello.") })

  /** The hello of a peer; one of v1 has none, and what was opened to ask it can be used. */
  const greet = Effect.gen(function* () {
    const { opened: socket, within } = yield* dialed([Hello.protocol, V1.protocol])
    if (socket.alpnProtocol !== Hello.protocol) return { _tag: "V1" as const, socket, scope: within }
    yield* Effect.callback<void, PeerUnreachable>((resume) => {
      const { say } = Hello.speak(socket, hello(), (theirs) => {
        const isFirst = greeting === undefined
        greeting = { theirs, say }
        if (isFirst) resume(Effect.void)
        else options.run(exchangeIfNeeded)
      })
      socket.once("close", () => {
        greeting = undefined
        resume(Effect.fail(silent()))
        options.run(Scope.close(within, Exit.void))
      })
    }).pipe(
      Effect.timeoutOrElse({ duration: options.handshake, orElse: () => Effect.fail(silent()) }),
      Effect.onError((cause) => Scope.close(within, Exit.failCause(cause)))
    )
    return { _tag: "V3" as const }
  })

  /** A hello that was lost is asked for again beside what goes on: the peer may be another one now. */
  const greetAgain = Effect.suspend(() => {
    if (isGreetingAgain || greeting !== undefined || !wantsV3()) return Effect.void
    isGreetingAgain = true
    const ask = Effect.gen(function* () {
      const answer = yield* greet
      if (answer._tag === "V3") return yield* exchangeIfNeeded
      // Another one has taken its place, and speaks v1: what is on its way over AMST would wait in vain.
      yield* Scope.close(answer.scope, Exit.void)
      yield* cutOff
    })
    return ask.pipe(
      Effect.retry(Schedule.max([again, Schedule.recurs(10)])),
      Effect.ensuring(Effect.sync(() => (isGreetingAgain = false))),
      Effect.ignore,
      Effect.forkIn(scope),
      Effect.asVoid
    )
  })

  const overV1 = (socket: TLSSocket, within: Scope.Closeable): Carrier.Carrier =>
    Carrier.ofV1(socket, { peer: key, scope: within, mode: seen.mode() })

  /** Where streams of AMST go. */
  const place = Effect.map(tls, (given) => ({
    host: peer.host,
    port: peer.port,
    tls: { ...given, ALPNProtocols: [Hello.dataProtocol] }
  }))

  const overAmst = Effect.gen(function* () {
    const mode = seen.mode()
    const to = yield* place
    const firstStreams = yield* streams
    const how = { environment: mode, ...(firstStreams === undefined ? {} : { firstStreams }) }
    const { opened: link, within } = yield* opened(options.amst((amst) => amst.connect(to, how)))
    return Carrier.ofAmst(link, encode, { peer: key, scope: within, mode })
  })

  const encode = Effect.fnUntraced(function* (content: Uint8Array) {
    const plain: Coded = { encoding: "plain", bytes: content, codec: "none" }
    if (!agreed().has("compression")) return plain
    const forecast = yield* seen.forecast
    return yield* options.coding((coding) => coding.encode(content, forecast)).pipe(Effect.orElseSucceed(() => plain))
  })

  /** As many streams as carry what is forecast with a megabyte each on its way. */
  const streams = Effect.map(seen.forecast, (bytesPerSecond) => {
    const rtt = seen.rttMillis()
    if (bytesPerSecond === undefined || rtt === undefined) return undefined
    return Math.min(32, Math.max(1, Math.round((bytesPerSecond * rtt) / 1_000 / 2 ** 20)))
  })

  // -------------------------------------------------------------------------------------------------------- retiring

  const retire: Link["retire"] = Effect.suspend(() => {
    if (carrier === undefined) return Effect.void
    const retired = carrier
    carrier = undefined
    return Effect.asVoid(Effect.forkIn(Carrier.drain(retired, options.drain), scope))
  })

  const cutOff: Link["cutOff"] = Effect.suspend(() => {
    if (carrier === undefined || carrier.version === "v1") return Effect.void
    const closed = carrier
    carrier = undefined
    return Carrier.close(closed)
  })

  /** Where the carrier is not what both agree to any more, another one is opened for the next message. */
  const exchangeIfNeeded: Effect.Effect<void> = Effect.suspend(() => {
    if (carrier === undefined) return Effect.void
    const wanted = agreed().has("transport") && wantsV3() ? "v3" : "v1"
    return carrier.version === wanted ? Effect.void : retire
  })

  return {
    key,
    agreed,
    node: () => greeting?.theirs.node,
    carrier: () => carrier,
    acquire,
    lost: (which) => {
      if (carrier === which) carrier = undefined
    },
    retire,
    cutOff,
    renegotiate: Effect.suspend(() => {
      greeting?.say(hello())
      // Nobody asked it yet what it can: the next message does.
      const isUnasked = greeting === undefined && carrier?.version === "v1" && wantsV3()
      return isUnasked ? retire : exchangeIfNeeded
    }),
    probe: Effect.gen(function* () {
      const to = yield* place
      return yield* options.amst((amst) => amst.probe(to))
    }).pipe(
      Effect.map(({ sample }) => sample),
      Effect.option
    ),
    close: Scope.close(scope, Exit.void)
  }
}
