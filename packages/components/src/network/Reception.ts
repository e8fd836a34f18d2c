/**
 * What somebody who comes has to do before he is a guest: set up TLS with a certificate of our authority, and name a protocol
 * that is offered here. All of it within one deadline, and not in dribs and drabs.
 */
import type { Socket } from "node:net"
import * as Tls from "node:tls"
import { ByteSize, Effect, Option, Stream, type Scope } from "effect"
import type { Security } from "../security/Security.ts"
import * as Conversation from "./Conversation.ts"
import * as Ends from "./Ends.ts"
import * as Link from "./Link.ts"
import type { Connection, Handler } from "./Network.ts"
import type { Settings } from "./Settings.ts"

/** A connection that has proved who it is and said what it wants. */
export interface Guest {
  readonly connection: Connection
  readonly link: Link.Link
  readonly handler: Handler
}

export interface Options {
  readonly security: Security["Service"]
  readonly settings: Settings
  readonly handlers: ReadonlyMap<string, Handler>
  readonly connection: ReturnType<typeof Conversation.numbered>
}

export type Reception = (socket: Socket, link: Link.Options) => Effect.Effect<Guest, Link.TurnedAway>

/** Opens. A certificate of this node that is renewed is shown to whoever comes from then on. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<Reception, never, Scope.Scope> {
  const { handlers, security, settings } = options
  const minRate = ByteSize.toNumberUnsafe(settings.minRate)
  const secure = yield* handshakes(security, handlers)

  const identify = (socket: Tls.TLSSocket, link: Link.Link) =>
    Effect.gen(function* () {
      const peer = yield* Effect.mapError(Conversation.peerOf(security, socket), () => unknown)
      const protocol = socket.alpnProtocol || (yield* greeting(link))
      const handler = handlers.get(protocol)
      if (handler === undefined) return yield* unoffered
      return { link, handler, connection: options.connection(link, protocol, peer) }
    })

  return (raw, how) =>
    Effect.gen(function* () {
      const socket = yield* secure(raw)
      const link = Link.make(socket, how)
      return yield* Effect.tapError(identify(socket, link), (why) => sendAway(link, why))
    }).pipe(
      Effect.raceFirst(pace(raw, minRate)),
      Effect.timeoutOrElse({ duration: settings.handshakeTimeout, orElse: () => Effect.fail(tooSlow) }),
      Effect.tapError(() => Effect.sync(() => raw.destroy()))
    )
})

/** Says why, and closes. */
export const sendAway = (link: Link.Link, { words }: Link.TurnedAway): Effect.Effect<void> =>
  Effect.andThen(Effect.ignore(link.send("Refused", new TextEncoder().encode(words))), link.close)

const tooSlow = new Link.TurnedAway({ refusal: "slow", words: "it took too long" })
const unproved = new Link.TurnedAway({ refusal: "handshake", words: "it did not prove who it is" })
const unknown = new Link.TurnedAway({ refusal: "unauthenticated", words: "it is not known here" })
const unoffered = new Link.TurnedAway({ refusal: "protocol", words: "nobody here speaks that protocol" })
const rude = new Link.TurnedAway({ refusal: "protocol", words: "the first frame has to be a hello" })

/** The longest name of a protocol, as in TLS. */
const maxName = 255

/** The protocol that somebody wants who could not say so while TLS was set up. */
const greeting = (link: Link.Link): Effect.Effect<string, Link.TurnedAway> =>
  Effect.flatMap(Effect.orElseSucceed(link.receive, Option.none), (frame) =>
    Option.isSome(frame) && frame.value.kind === "Hello" && frame.value.payload.length <= maxName
      ? Effect.succeed(new TextDecoder().decode(frame.value.payload))
      : Effect.fail(rude)
  )

/** Fails when too little has come, counted before decryption. Who has said nothing at all has two seconds. */
const pace = (raw: Socket, minRate: number): Effect.Effect<never, Link.TurnedAway> =>
  Effect.gen(function* () {
    for (let seconds = 0; ; seconds++) {
      yield* Effect.sleep("1 second")
      if (raw.bytesRead < minRate * seconds) return yield* tooSlow
    }
  })

/** The server side of TLS, a socket at a time. */
const handshakes = Effect.fnUntraced(function* (
  security: Security["Service"],
  handlers: ReadonlyMap<string, Handler>
): Effect.fn.Return<(raw: Socket) => Effect.Effect<Tls.TLSSocket, Link.TurnedAway>, never, Scope.Scope> {
  const waiting = new Map<string, (socket: Tls.TLSSocket) => void>()
  // It does not listen: it is handed sockets that were let in.
  const server = Tls.createServer({
    ...(yield* security.serverTls({ clients: "required" })),
    // Whatever it says: nobody comes in here without a certificate.
    requestCert: true,
    rejectUnauthorized: true,
    ALPNCallback: ({ protocols }) => protocols.find((protocol) => handlers.has(protocol))
  })
  server.on("tlsClientError", (_, socket) => void socket.destroy())
  server.on("secureConnection", (socket) => {
    socket.on("error", Ends.ignore)
    const resume = waiting.get(Ends.both(socket))
    if (resume === undefined) socket.destroy()
    else resume(socket)
  })
  yield* security.renewals.pipe(
    Stream.mapEffect(() => security.serverTls({ clients: "required" })),
    Stream.runForEach((tls) => Effect.sync(() => server.setSecureContext(tls))),
    Effect.forkScoped
  )

  return (raw) =>
    Effect.callback((resume) => {
      const ends = Ends.both(raw)
      const settle = (result: Effect.Effect<Tls.TLSSocket, Link.TurnedAway>) => {
        waiting.delete(ends)
        raw.off("close", gone)
        resume(result)
      }
      const gone = () => settle(Effect.fail(unproved))
      if (raw.destroyed) return gone()
      waiting.set(ends, (socket) => settle(Effect.succeed(socket)))
      raw.once("close", gone)
      server.emit("connection", raw)
      return Effect.sync(() => waiting.delete(ends))
    })
})
