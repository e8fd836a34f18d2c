/**
 * Listens, and lets in who may come: first by address, then by certificate, then by protocol, each with a deadline.
 *
 * **Details**
 *
 * Each connection is a fiber that ends with it. Until a peer has said what it wants it has one deadline for all of it, and
 * has to send so much a second. Connections by which this node probes itself are known by their port and need no room: a
 * node that is full is not ill.
 */
import * as Net from "node:net"
import * as Tls from "node:tls"
import { ByteSize, Cause, Clock, Effect, FiberSet, Option, type Scope, Stream } from "effect"
import { type Principal, Security } from "../security/Security.ts"
import * as Gate from "./Gate.ts"
import * as Link from "./Link.ts"
import {
  type Address,
  BadAddress,
  CannotConnect,
  CannotListen,
  type Connection,
  ConnectionLost,
  type Drained,
  type Handler,
  ListenerSilent,
  MessageTooLarge,
  type Network,
  PortForbidden,
  PortTaken,
  ProtocolTaken,
  type Refusal
} from "./Network.ts"
import * as Ping from "./Ping.ts"
import type { Settings } from "./Settings.ts"
import * as Traffic from "./Traffic.ts"

/** Why it does not listen. */
export type CannotBind = PortTaken | PortForbidden | BadAddress | CannotListen

/** How long this node may take to answer itself. */
const probePatience = "2 seconds"

/** A guest: a connection that has proved who it is and said what it wants. */
interface Guest {
  readonly connection: Connection
  readonly link: Link.Link
  readonly handler: Handler
}

/** Listens until the scope closes; then it drains, and cuts off who is left. */
export const make = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<Network["Service"], CannotBind, Security | Scope.Scope> {
  const security = yield* Security
  const clock = yield* Clock.Clock
  const fibers = yield* FiberSet.make<void, never>()
  const run = yield* FiberSet.runtime(fibers)()

  const maxFrame = ByteSize.toNumberUnsafe(settings.maxFrame)
  const minRate = ByteSize.toNumberUnsafe(settings.minRate)
  const handlers = new Map<string, Handler>([[Ping.protocol, Ping.answer]])
  const traffic = Traffic.make(yield* Clock.currentTimeMillis)
  const refused = { ...nobody }
  const fromAddress = Gate.tally()
  const ofNode = Gate.tally()
  /** All sockets that were let in, those of probes included, and those of them that have still to become guests. */
  const sockets = new Set<Net.Socket>()
  const entering = new Set<Net.Socket>()
  const guests = new Map<number, Guest>()
  const probes = new Set<Net.Socket>()
  /** Who waits for the end of a handshake. */
  const securing = new Map<string, (socket: Tls.TLSSocket) => void>()
  let inside = 0
  let accepted = 0
  let lastId = 0
  let isAccepting = true

  const refuse = (refusal: Refusal): void => {
    refused[refusal]++
    traffic.failed()
  }

  const optionsOf = (peer: string, raw: Net.Socket): Link.Options => ({
    peer,
    cut: () => cut(raw),
    maxFrame,
    idle: settings.idleTimeout,
    stuck: settings.connTimeout,
    onFrame: traffic.succeeded
  })

  // ------------------------------------------------------------------------------------------------------ letting in

  const secured = Tls.createServer({
    ...(yield* security.serverTls({ clients: "required" })),
    // Whatever it says: nobody comes in here without a certificate.
    requestCert: true,
    rejectUnauthorized: true,
    ALPNCallback: ({ protocols }) => protocols.find((protocol) => handlers.has(protocol))
  })
  secured.on("secureConnection", (socket) => {
    socket.on("error", ignore)
    const resume = securing.get(endsOf(socket))
    if (resume === undefined) socket.destroy()
    else resume(socket)
  })
  secured.on("tlsClientError", (_, socket) => void socket.destroy())

  const isProbe = (socket: Net.Socket): boolean =>
    socket.remoteAddress === socket.localAddress && [...probes].some(({ localPort }) => localPort === socket.remotePort)

  const accept = (socket: Net.Socket): void => {
    socket.on("error", ignore)
    const address = socket.remoteAddress
    if (address === undefined || !isAccepting) return cut(socket)
    if (isProbe(socket)) return admit(socket, true, Effect.void)
    accepted++
    const refusal = Gate.judge(settings, address, { all: inside, fromAddress: fromAddress.of(address) })
    if (refusal !== undefined) {
      refuse(refusal)
      return cut(socket)
    }
    inside++
    fromAddress.enter(address)
    admit(
      socket,
      false,
      Effect.sync(() => {
        inside--
        fromAddress.leave(address)
      })
    )
  }

  const admit = (socket: Net.Socket, isOwn: boolean, leave: Effect.Effect<void>): void => {
    sockets.add(socket)
    entering.add(socket)
    const gone = Effect.sync(() => {
      sockets.delete(socket)
      entering.delete(socket)
      socket.destroy()
    })
    run(Effect.ensuring(host(socket, isOwn), Effect.andThen(gone, leave)))
  }

  const host = (raw: Net.Socket, isOwn: boolean): Effect.Effect<void> =>
    Effect.suspend(() => {
      /** What the link finds fault with is the reason, whatever else follows from it. */
      let fault: Refusal | undefined
      const blame = (refusal: Refusal): void => {
        if (entering.has(raw)) fault = refusal
        else refuse(refusal)
      }
      return Effect.matchEffect(enter(raw, isOwn, blame), {
        onSuccess: (guest) => {
          entering.delete(raw)
          return serve(guest, isOwn)
        },
        onFailure: ({ refusal }) => Effect.sync(() => refuse(fault ?? refusal))
      })
    })

  /** Everything a peer has to do before it is a guest, within one deadline and at a pace. */
  const enter = (
    raw: Net.Socket,
    isOwn: boolean,
    blame: (refusal: Refusal) => void
  ): Effect.Effect<Guest, Link.TurnedAway> =>
    Effect.gen(function* () {
      const socket = yield* secure(raw)
      const link = Link.make(socket, { ...optionsOf(whoIs(raw), raw), onRefusal: blame })
      return yield* Effect.catchTag(identify(socket, link, isOwn), "TurnedAway", (why) =>
        Effect.andThen(
          Effect.andThen(Effect.ignore(link.send("Refused", new TextEncoder().encode(why.words))), link.close),
          Effect.fail(why)
        )
      )
    }).pipe(
      Effect.raceFirst(pace(raw)),
      Effect.timeoutOrElse({ duration: settings.handshakeTimeout, orElse: () => tooSlow }),
      Effect.tapError(() => Effect.sync(() => raw.destroy()))
    )

  const tooSlow = Effect.fail(new Link.TurnedAway({ refusal: "slow", words: "it took too long" }))

  /** Fails when too little has come. A peer that has said nothing at all has two seconds. */
  const pace = (raw: Net.Socket): Effect.Effect<never, Link.TurnedAway> =>
    Effect.gen(function* () {
      for (let seconds = 0; ; seconds++) {
        yield* Effect.sleep("1 second")
        if (raw.bytesRead < minRate * seconds) return yield* tooSlow
      }
    })

  const secure = (raw: Net.Socket): Effect.Effect<Tls.TLSSocket, Link.TurnedAway> =>
    Effect.callback((resume) => {
      const ends = endsOf(raw)
      const why = new Link.TurnedAway({ refusal: "handshake", words: "it did not prove who it is" })
      const fail = () => resume(Effect.fail(why))
      securing.set(ends, (socket) => {
        raw.off("close", fail)
        resume(Effect.succeed(socket))
      })
      if (raw.destroyed) return fail()
      raw.once("close", fail)
      secured.emit("connection", raw)
      return Effect.sync(() => securing.delete(ends))
    })

  const identify = (socket: Tls.TLSSocket, link: Link.Link, isOwn: boolean): Effect.Effect<Guest, Link.TurnedAway> =>
    Effect.gen(function* () {
      securing.delete(endsOf(socket))
      const peer = yield* peerOf(socket)
      const protocol = socket.alpnProtocol || (yield* greeting(link))
      const handler = handlers.get(protocol)
      if (handler === undefined) {
        return yield* new Link.TurnedAway({ refusal: "protocol", words: "nobody here speaks that protocol" })
      }
      if (!isOwn && ofNode.of(peer.principal.name) >= settings.maxPerNode) {
        return yield* new Link.TurnedAway({ refusal: "limit", words: "this node has too many connections already" })
      }
      return { link, handler, connection: connectionOf(link, protocol, peer) }
    })

  /** The protocol that somebody wants who could not say so while TLS was set up. */
  const greeting = (link: Link.Link): Effect.Effect<string, Link.TurnedAway> =>
    Effect.flatMap(Effect.orElseSucceed(link.receive, Option.none), (frame) =>
      Option.isSome(frame) && frame.value.kind === "Hello" && frame.value.payload.length < 256
        ? Effect.succeed(new TextDecoder().decode(frame.value.payload))
        : Effect.fail(new Link.TurnedAway({ refusal: "protocol", words: "the first frame has to be a hello" }))
    )

  const peerOf = (socket: Tls.TLSSocket): Effect.Effect<Connection["peer"], Link.TurnedAway> => {
    const { fingerprint256, subject } = socket.getPeerCertificate()
    const commonName = [subject?.CN ?? ""].flat()[0] ?? ""
    return security.authenticate({ _tag: "Certificate", commonName, fingerprint256 }).pipe(
      Effect.map((principal) => ({ principal, fingerprint256, address: addressOf(socket) })),
      Effect.mapError(() => new Link.TurnedAway({ refusal: "unauthenticated", words: "it is not known here" }))
    )
  }

  const connectionOf = (link: Link.Link, protocol: string, peer: Connection["peer"]): Connection => ({
    id: ++lastId,
    protocol,
    peer,
    receive: Effect.flatMap(link.receive, (frame) =>
      Option.isSome(frame) && frame.value.kind === "Refused"
        ? Effect.fail(refusedBy(peer.principal, frame.value.payload))
        : Effect.succeed(Option.map(frame, ({ payload }) => payload))
    ),
    send: (message) =>
      message.length > maxFrame
        ? Effect.fail(new MessageTooLarge({ bytes: message.length, maxBytes: maxFrame }))
        : link.send("Data", message),
    draining: link.draining
  })

  const serve = ({ connection, handler, link }: Guest, isOwn: boolean): Effect.Effect<void> => {
    const { name } = connection.peer.principal
    const entered = Effect.suspend(() => {
      guests.set(connection.id, { connection, handler, link })
      if (!isOwn) ofNode.enter(name)
      return isAccepting ? Effect.void : link.drain
    })
    const left = Effect.sync(() => {
      guests.delete(connection.id)
      if (!isOwn) ofNode.leave(name)
    })
    const handled = Effect.matchCauseEffect(handler(connection), {
      onSuccess: () => Effect.void,
      onFailure: (cause) => {
        // A peer that is gone is told by the counts; it is no news of this node.
        const [reason] = cause.reasons
        if (reason !== undefined && Cause.isFailReason(reason) && reason.error instanceof ConnectionLost)
          return Effect.void
        traffic.failed()
        return Effect.logWarning(`A connection of ${connection.protocol} with ${name} ended in a failure`, cause)
      }
    })
    return Effect.andThen(entered, Effect.ensuring(Effect.andThen(handled, link.close), left))
  }

  // -------------------------------------------------------------------------------------------------------- going out

  const dial = (
    to: Parameters<Network["Service"]["connect"]>[0],
    dialled: (socket: Net.Socket) => void = ignore
  ): Effect.Effect<Connection, CannotConnect, Scope.Scope> =>
    Effect.gen(function* () {
      const { host, port, protocol, serverName } = to
      const cannot = (cause: unknown) => new CannotConnect({ host, port, serverName, cause })
      const tls = yield* security.clientTls(serverName)
      let isSecure = false
      let failure: unknown
      const { link, socket } = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const raw = Net.connect({ host, port })
          dialled(raw)
          const socket = Tls.connect({ ...tls, socket: raw, ALPNProtocols: [protocol] })
          // Before the link, which ends what fails: an end is told before the failure that led to it.
          for (const it of [raw, socket]) it.on("error", (error) => void (failure ??= error))
          return { socket, link: Link.make(socket, optionsOf(`${serverName} at ${host}:${port}`, raw)) }
        }),
        ({ link, socket }) => (isSecure ? link.close : Effect.sync(() => socket.destroy()))
      )
      yield* Effect.callback<void, CannotConnect>((resume) => {
        socket.once("secureConnect", () => {
          isSecure = true
          resume(Effect.void)
        })
        socket.once("close", () => resume(Effect.fail(cannot(failure ?? "the other side closed the connection"))))
      }).pipe(
        Effect.timeoutOrElse({
          duration: settings.connTimeout,
          orElse: () => Effect.fail(cannot("it took too long"))
        })
      )
      if (socket.alpnProtocol !== protocol) return yield* cannot(`it does not speak ${protocol}`)
      return connectionOf(link, protocol, yield* Effect.mapError(peerOf(socket), cannot))
    })

  /** A connection to this very node, by the way that all others come. */
  const probe = Effect.suspend(() => {
    const to = { ...within(address), protocol: Ping.protocol, serverName: settings.serverName }
    let own: Net.Socket | undefined
    const dialled = (socket: Net.Socket) => {
      own = socket
      probes.add(socket)
    }
    return Effect.flatMap(dial(to, dialled), Ping.ask).pipe(
      Effect.scoped,
      Effect.timeout(probePatience),
      Effect.ensuring(Effect.sync(() => void (own !== undefined && probes.delete(own)))),
      Effect.mapError((cause) => new ListenerSilent({ ...address, cause }))
    )
  })

  // --------------------------------------------------------------------------------------------------------- the rest

  const server = Net.createServer({ noDelay: true }, accept)
  const address = yield* listen(server, settings)

  const finish = Effect.suspend(() => {
    isAccepting = false
    server.close()
    for (const socket of entering) cut(socket)
    const before = [...guests.values()]
    const known = new Set(before.map(({ connection }) => connection.id))
    const told = Effect.forEach(before, ({ link }) => link.drain, { concurrency: "unbounded", discard: true })
    return Effect.andThen(told, FiberSet.awaitEmpty(fibers)).pipe(
      Effect.interruptible,
      Effect.timeoutOption(settings.drainTimeout),
      Effect.map((): Drained => {
        const cutOff = [...guests.keys()].filter((id) => known.has(id)).length
        return { finished: known.size - cutOff, cutOff }
      }),
      Effect.tap(() => {
        for (const socket of sockets) cut(socket)
        return FiberSet.clear(fibers)
      })
    )
  })
  const drain = yield* Effect.cached(Effect.uninterruptible(finish))
  yield* Effect.addFinalizer(() => Effect.andThen(drain, closed(server)))

  // A certificate that was renewed is shown to whoever comes from now on.
  yield* security.renewals.pipe(
    Stream.mapEffect(() => security.serverTls({ clients: "required" })),
    Stream.runForEach((tls) => Effect.sync(() => secured.setSecureContext(tls))),
    Effect.forkScoped
  )

  return {
    address,
    connections: Effect.sync(() => ({
      open: guests.size,
      entering: entering.size,
      accepted,
      refused: { ...refused },
      byNode: ofNode.all()
    })),
    onConnection: (protocol, handler) =>
      Effect.suspend(() => {
        if (handlers.has(protocol)) return Effect.fail(new ProtocolTaken({ protocol }))
        handlers.set(protocol, handler)
        return Effect.addFinalizer(() => Effect.sync(() => handlers.delete(protocol)))
      }),
    connect: dial,
    drain,
    check: Effect.gen(function* () {
      const startMs = clock.currentTimeMillisUnsafe()
      yield* probe
      const nowMs = clock.currentTimeMillisUnsafe()
      return traffic.read(nowMs, nowMs - startMs, `listening on ${show(address)}, ${guests.size} connections`)
    })
  }
})

const nobody: { readonly [R in Refusal]: number } = {
  denied: 0,
  limit: 0,
  handshake: 0,
  slow: 0,
  unauthenticated: 0,
  protocol: 0,
  oversized: 0,
  idle: 0
}

const ignore = (): void => undefined

/** Ends a connection with a reset: nothing is waited for, and the other side cannot take it for an end in order. */
const cut = (socket: Net.Socket): void => {
  if (!socket.destroyed) socket.resetAndDestroy()
}

/** Both ends of a socket: no two that are open have the same. */
const endsOf = ({ localAddress, localPort, remoteAddress, remotePort }: Net.Socket): string =>
  `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`

const addressOf = ({ remoteAddress = "", remotePort = 0 }: Net.Socket): Address => ({
  host: remoteAddress,
  port: remotePort
})

const show = ({ host, port }: Address): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)

const whoIs = (socket: Net.Socket): string => `somebody at ${show(addressOf(socket))}`

/** Where this node reaches itself: what listens everywhere listens on the loopback. */
const within = ({ host, port }: Address): Address => ({
  host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host,
  port
})

const refusedBy = ({ name }: Principal, words: Uint8Array): ConnectionLost =>
  new ConnectionLost({ peer: name, reason: `it refuses: ${new TextDecoder().decode(words.subarray(0, 256))}` })

const listen = (server: Net.Server, settings: Settings): Effect.Effect<Address, CannotBind> =>
  Effect.callback((resume) => {
    const wanted = { host: settings.listenAddress, port: settings.bindPort }
    server.once("error", (cause) => resume(Effect.fail(judge(wanted, cause))))
    server.listen({ ...wanted, exclusive: true }, () => {
      const bound = server.address()
      const isBound = typeof bound === "object" && bound !== null
      // From now on an error is about one connection that could not be accepted.
      server.removeAllListeners("error").on("error", ignore)
      resume(Effect.succeed(isBound ? { host: bound.address, port: bound.port } : wanted))
    })
    return Effect.sync(() => server.close())
  })

/** What it means that a port cannot be listened on. */
export const judge = (address: Address, cause: Error): CannotBind => {
  const code = "code" in cause ? cause.code : ""
  switch (code) {
    case "EADDRINUSE":
      return new PortTaken({ ...address, cause })
    case "EACCES":
    case "EPERM":
      return new PortForbidden({ ...address, cause })
    case "EADDRNOTAVAIL":
    case "EINVAL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAFNOSUPPORT":
      return new BadAddress({ ...address, cause })
    default:
      return new CannotListen({ ...address, cause })
  }
}

/** Until the port is free again. */
const closed = (server: Net.Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (!server.listening) return resume(Effect.void)
    server.close(() => resume(Effect.void))
  })
