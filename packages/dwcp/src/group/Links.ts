/**
 * The links of a node to its peers: what is sent over them, and again where one was closed under it; what each carries; and
 * which mode it has. How one link is opened and exchanged is in `Link.ts`.
 *
 * **Details**
 *
 * A change of mode, of features or of AMST itself retires what is open: new messages go over the new, and those that are on
 * their way have the drain time to arrive. What has not by then goes again, under the same number, so it counts once.
 */
import { Cause, Clock, type Duration, Effect, Exit, Option, type Scope, Semaphore } from "effect"
import { randomBytes } from "node:crypto"
import type { Acp } from "../acp/Acp.ts"
import type * as Tcp from "../acp/Tcp.ts"
import type * as Amst from "../amst/Amst.ts"
import type { FileUnavailable } from "../amst/Failures.ts"
import type { Priority } from "../amst/Lanes.ts"
import * as Detector from "../mode/Detector.ts"
import * as Measure from "../mode/Measure.ts"
import * as Carrier from "./Carrier.ts"
import { nameOf, type Peer } from "./Dial.ts"
import { MessageRefused, PeerUnreachable, type SendError } from "./Failures.ts"
import type * as Features from "./Features.ts"
import type { Forecasting } from "./Forecast.ts"
import type * as Gates from "./Gates.ts"
import * as Link from "./Link.ts"
import type * as NodeMode from "./NodeMode.ts"

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

export interface Options extends Link.Options {
  readonly maxLinks: number
  /** How long it is tried to send a message. */
  readonly sendTimeout: Duration.Duration
  readonly detector: Detector.Settings
  /** Mode of the node; a hybrid one leaves each link its own. */
  readonly mode: () => Detector.Mode
  readonly acp: Link.Use<Acp["Service"]>
  readonly forecasting: Link.Use<Forecasting>
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

/** A peer, the link to it, and what went over that. */
interface Known {
  readonly link: Link.Link
  detector: Detector.State
  /** Bytes since the mode of the node was last weighed. */
  lately: number
  usedMillis: number
  sentBytes: number
  wireBytes: number
  messages: number
  deliveryRate: number
  /** Who sends just now. */
  users: number
}

/** Messages that may be on their way at once. */
const mostInFlight = 1_024

export const make = Effect.fn("Links.make")(function* (options: Options): Effect.fn.Return<Links, never, Scope.Scope> {
  const surrounded = { ...options, scope: yield* Effect.scope, run: Effect.runForkWith(yield* Effect.context<never>()) }
  const room = yield* Semaphore.make(mostInFlight)
  const links = new Map<string, Known>()
  const sender = randomBytes(16).toString("hex")
  const inFlight = new Set<number>()
  let numbers = 0

  // ----------------------------------------------------------------------------------------------------------- peers

  const knownOf = Effect.fnUntraced(function* (peer: Peer) {
    const key = nameOf(peer)
    if (!links.has(key) && links.size >= options.maxLinks) yield* forgetOne
    const usedMillis = yield* Clock.currentTimeMillis
    const before = links.get(key)
    if (before !== undefined) return before
    const known: Known = {
      link: Link.make(surrounded, peer, {
        mode: () => modeOf(known),
        rttMillis: () => known.detector.evidence.rttMillis,
        forecast: Effect.suspend(() => forecastOf(known))
      }),
      detector: Detector.initial,
      lately: 0,
      usedMillis,
      sentBytes: 0,
      wireBytes: 0,
      messages: 0,
      deliveryRate: 0,
      users: 0
    }
    links.set(key, known)
    return known
  })

  /** The one that was not used for longest, and is not in use now. */
  const forgetOne = Effect.suspend(() => {
    const idle = [...links.values()].filter(({ users }) => users === 0).toSorted((a, b) => a.usedMillis - b.usedMillis)
    const [oldest] = idle
    if (oldest === undefined) return Effect.void
    links.delete(oldest.link.key)
    return oldest.link.close
  })

  const modeOf = ({ detector }: Known): Detector.Mode => {
    const node = options.mode()
    return node === "hybrid" && detector.since !== undefined ? detector.mode : node
  }

  const forecastOf = ({ deliveryRate, link }: Known) =>
    options
      .forecasting((forecasting) => forecasting.forecast(link.key))
      .pipe(Effect.map((forecast) => forecast?.bytesPerSecond ?? (deliveryRate > 0 ? deliveryRate : undefined)))

  // --------------------------------------------------------------------------------------------------------- sending

  /** Over what is open now; over what is opened next, if that was closed under it. */
  const over = <A, E>(
    known: Known,
    go: (carrier: Carrier.Carrier) => Effect.Effect<A, E | Carrier.CarryError>,
    attempt: number
  ): Effect.Effect<
    { readonly value: A; readonly carrier: Carrier.Carrier; readonly attempts: number },
    E | Carrier.CarryError
  > =>
    Effect.gen(function* () {
      // A peer that was there is waited for; one that never was is not.
      const opened = yield* Effect.exit(known.link.acquire)
      if (Exit.isFailure(opened)) {
        if (attempt === 1) return yield* Effect.failCause(opened.cause)
        yield* pause(attempt)
        return yield* over(known, go, attempt + 1)
      }
      const carrier = opened.value
      const exit = yield* Effect.exit(Carrier.using(carrier, go))
      if (Exit.isSuccess(exit)) return { value: exit.value, carrier, attempts: attempt }
      if (!carrier.closed && carrier.isOpen()) return yield* Effect.failCause(exit.cause)
      // Closed under it, by us or by the peer. Only what the link itself says is a reason to go again.
      const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
      const isGone = hasTag(error, "LinkClosed") || hasTag(error, "PeerUnreachable") || hasTag(error, "PeerLost")
      if (!isGone) return yield* Effect.failCause(exit.cause)
      known.link.lost(carrier)
      if (attempt > 1) yield* pause(attempt)
      return yield* over(known, go, attempt + 1)
    })

  const pause = (attempt: number) => Effect.sleep(Math.min(2_000, 50 * 2 ** Math.min(attempt, 10)))

  const failureOf = (known: Known, error: Carrier.CarryError): SendError => {
    switch (error._tag) {
      case "PeerUnreachable":
      case "MessageRefused":
        return error
      case "TransferRefused":
        return new MessageRefused({ peer: known.link.key, reason: `${error.reason}: ${error.detail}` })
      case "PeerLost":
      case "TlsRefused":
      case "LinkClosed":
        return new PeerUnreachable({ peer: known.link.key, cause: error })
    }
  }

  const inTime = <A, E>(known: Known, effect: Effect.Effect<A, E>): Effect.Effect<A, E | PeerUnreachable> =>
    Effect.timeoutOrElse(effect, {
      duration: options.sendTimeout,
      orElse: () => Effect.fail(new PeerUnreachable({ peer: known.link.key, cause: new Error("It took too long.") }))
    })

  const send: Links["send"] = Effect.fn("Dwcp.send")(
    function* (peer, content, { channel = "messages", priority = "normal" } = {}) {
      const known = yield* knownOf(peer)
      if (content.length > options.maxMessageBytes) {
        return yield* new MessageRefused({
          peer: known.link.key,
          reason: `messages have up to ${options.maxMessageBytes} bytes`
        })
      }
      const number = numbers++
      inFlight.add(number)
      known.users++
      const began = yield* Clock.currentTimeMillis
      let used: Carrier.Carrier | undefined
      const go = (carrier: Carrier.Carrier) =>
        Effect.suspend(() => {
          used = carrier
          const floor = Math.min(...inFlight)
          return carrier.send({ sender, number, floor, channel, encoding: "plain" }, content, priority)
        })
      const sent = yield* inTime(known, over(known, go, 1)).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            inFlight.delete(number)
            known.users--
          })
        ),
        Effect.exit
      )
      const now = yield* Clock.currentTimeMillis
      known.usedMillis = now
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
          : Effect.fail(failureOf(known, failed))
      }
      const { attempts, value } = sent.value
      known.messages++
      known.sentBytes += content.length
      known.wireBytes += value.wireBytes
      known.lately += value.wireBytes
      return { version, bytes: content.length, attempts, ...value }
    },
    (effect) => room.withPermit(effect)
  )

  const sendFile: Links["sendFile"] = Effect.fn("Dwcp.sendFile")(function* (peer, path, given = {}) {
    const known = yield* knownOf(peer)
    const noFiles = new MessageRefused({
      peer: known.link.key,
      reason: "it speaks v1, which has messages and no files"
    })
    const go = ({ link }: Carrier.Carrier): Effect.Effect<Amst.Receipt, Carrier.CarryError | FileUnavailable> =>
      link === undefined ? Effect.fail(noFiles) : link.sendFile(path, given)
    known.users++
    const { value } = yield* over(known, go, 1).pipe(
      Effect.ensuring(
        Effect.map(Clock.currentTimeMillis, (now) => {
          known.usedMillis = now
          known.users--
        })
      ),
      Effect.mapError((error) => (error._tag === "FileUnavailable" ? error : failureOf(known, error)))
    )
    known.sentBytes += value.bytes
    known.wireBytes += value.bytes - value.resumedBytes
    known.lately += value.bytes - value.resumedBytes
    return value
  })

  // ------------------------------------------------------------------------------------------------------- measuring

  const noteOne = (known: Known) =>
    Effect.gen(function* () {
      const link = known.link.carrier()?.link
      if (link === undefined) return
      const { deliveryRate, tcp } = yield* link.status
      known.deliveryRate = deliveryRate
      const appLimited = tcp.some((each) => each.appLimited)
      if (deliveryRate > 0) yield* options.forecasting((it) => it.observe(known.link.key, deliveryRate, { appLimited }))
    })

  const measureOne = (known: Known, probing: boolean) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const carrier = known.link.carrier()
      if (carrier === undefined) return
      const seen = yield* samplesOf(carrier)
      const passive = Measure.together(seen.map((sample) => Measure.sampleOf(sample)))
      const isQuiet = known.lately === 0
      const active =
        probing && isQuiet && carrier.version === "v3" ? yield* known.link.probe : Option.none<Detector.Sample>()
      const sample = Option.getOrElse(active, () => passive)
      if (sample.rttMillis === undefined) return
      const [state, finding] = Detector.step(known.detector, sample, now, options.detector)
      known.detector = state
      if (finding._tag !== "Changed") return
      yield* options.onMode(known.link.key, finding.from, finding.to)
      // In a hybrid node each link goes by its own mode.
      if (options.mode() === "hybrid" && known.link.carrier()?.mode !== state.mode) yield* known.link.retire
    }).pipe(Effect.ignoreCause({ log: "Debug", message: `The link to ${known.link.key} could not be measured` }))

  const samplesOf = (carrier: Carrier.Carrier): Effect.Effect<ReadonlyArray<Tcp.Sample>> => {
    const { link, socket } = carrier
    if (link !== undefined) return Effect.map(link.status, ({ tcp }) => tcp)
    if (socket === undefined) return Effect.succeed([])
    return Effect.map(
      options.acp((acp) => acp.look(socket)),
      (sample) => (sample === undefined ? [] : [sample])
    )
  }

  const view = (known: Known) =>
    Effect.gen(function* () {
      const carrier = known.link.carrier()
      const status = carrier?.link === undefined ? undefined : yield* carrier.link.status
      const seen: View = {
        peer: known.link.key,
        version: carrier?.version ?? "none",
        node: known.link.node(),
        features: [...known.link.agreed()],
        mode: modeOf(known),
        evidence: known.detector.evidence,
        streams: status?.ready ?? (carrier === undefined ? 0 : 1),
        congestion: status?.congestion.effective ?? "system",
        sentBytes: known.sentBytes,
        wireBytes: known.wireBytes,
        messages: known.messages,
        deliveryRate: known.deliveryRate
      }
      return seen
    })

  const each = (go: (known: Known) => Effect.Effect<void>) =>
    Effect.suspend(() => Effect.forEach([...links.values()], go, { discard: true }))

  return {
    send,
    sendFile,
    reopen: (which = () => true) =>
      each(({ link }) => {
        const carrier = link.carrier()
        return carrier !== undefined && which(carrier) ? link.retire : Effect.void
      }),
    drop: each(({ link }) => link.cutOff),
    renegotiate: each(({ link }) => link.renegotiate),
    note: each(noteOne),
    measure: (probing) => each((known) => measureOne(known, probing)),
    weights: Effect.sync(() =>
      [...links.values()].map((known) => {
        const weight = known.lately
        known.lately = 0
        return { mode: known.detector.since === undefined ? options.mode() : known.detector.mode, weight }
      })
    ),
    views: Effect.suspend(() => Effect.forEach([...links.values()], view))
  }
})

const hasTag = (error: unknown, tag: string): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === tag
