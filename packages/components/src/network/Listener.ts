/**
 * Listens, and lets in who may come: first by address, then by what the reception finds out, then by how many there are of
 * that node already. It knows who is there, and sends everybody away in the end.
 *
 * **Details**
 *
 * Each connection is a fiber that ends with it. Connections by which this node probes itself are known by their port and
 * need no room: a node that is full is not ill.
 */
import * as Net from "node:net"
import { Count } from "@novacron/boot/model"
import { ByteSize, Cause, Clock, Effect, FiberSet, type Scope } from "effect"
import { Security } from "../security/Security.ts"
import * as Bind from "./Bind.ts"
import * as Conversation from "./Conversation.ts"
import * as Dial from "./Dial.ts"
import * as Ends from "./Ends.ts"
import * as Gate from "./Gate.ts"
import * as Link from "./Link.ts"
import {
  ConnectionLost,
  type Drained,
  type Handler,
  ListenerSilent,
  type Network,
  ProtocolTaken,
  type Refusal
} from "./Network.ts"
import * as Ping from "./Ping.ts"
import * as Reception from "./Reception.ts"
import type { Settings } from "./Settings.ts"
import * as Traffic from "./Traffic.ts"

/**
 * How long this node may take to answer itself. What is wrong with its certificate shows at once; the rest of the time is for
 * a machine that is busy, which is no reason to end a boot.
 */
const probePatience = "8 seconds"

const tooMany = new Link.TurnedAway({ refusal: "limit", words: "this node has too many connections already" })

/** Listens until the scope closes; then it drains, and cuts off who is left. */
export const make = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<Network["Service"], Bind.CannotBind, Security | Scope.Scope> {
  const security = yield* Security
  const traffic = Traffic.make(yield* Clock.currentTimeMillis)
  const maxFrame = ByteSize.toNumberUnsafe(settings.maxFrame)
  const connection = Conversation.numbered(maxFrame)
  const handlers = new Map<string, Handler>([[Ping.protocol, Ping.answer]])
  const link = (peer: string, raw: Net.Socket): Link.Options => ({
    peer,
    maxFrame,
    cut: () => Ends.cut(raw),
    idle: settings.idleTimeout,
    stuck: settings.connTimeout,
    onFrame: traffic.succeeded
  })
  const dialling: Dial.Options = { security, within: settings.connTimeout, link, connection }
  const house = yield* housing(
    settings,
    traffic,
    yield* Reception.make({ security, settings, handlers, connection }),
    link
  )

  const probes = new Set<Net.Socket>()
  const isProbe = (socket: Net.Socket): boolean =>
    socket.remoteAddress === socket.localAddress && [...probes].some(({ localPort }) => localPort === socket.remotePort)
  const server = Net.createServer({ noDelay: true }, (socket) => house.accept(socket, isProbe(socket)))
  const address = yield* Bind.listen(server, { host: settings.listenAddress, port: settings.bindPort })

  /** A connection to this very node, by the way that all others come. */
  const probe = Effect.suspend(() => {
    const to = { ...Ends.within(address), protocol: Ping.protocol, serverName: settings.serverName ?? "localhost" }
    let own: Net.Socket | undefined
    const connected = Dial.dial(dialling, to, (socket) => {
      own = socket
      probes.add(socket)
    })
    return Effect.flatMap(connected, Ping.ask).pipe(
      Effect.scoped,
      Effect.timeout(probePatience),
      Effect.ensuring(Effect.sync(() => void (own !== undefined && probes.delete(own)))),
      Effect.mapError((cause) => new ListenerSilent({ ...address, cause }))
    )
  })

  const stopAccepting = Effect.sync(() => void server.close())
  const drain = yield* Effect.cached(Effect.uninterruptible(Effect.andThen(stopAccepting, house.empty)))
  yield* Effect.addFinalizer(() => Effect.andThen(drain, Bind.release(server)))

  return {
    address,
    connections: house.connections,
    onConnection: (protocol, handler) =>
      Effect.suspend(() => {
        if (handlers.has(protocol)) return Effect.fail(new ProtocolTaken({ protocol }))
        handlers.set(protocol, handler)
        return Effect.addFinalizer(() => Effect.sync(() => handlers.delete(protocol)))
      }),
    connect: (to) => Dial.dial(dialling, to),
    drain,
    check: Effect.gen(function* () {
      const startMs = yield* Clock.currentTimeMillis
      yield* probe
      const nowMs = yield* Clock.currentTimeMillis
      const { open } = yield* house.connections
      return traffic.read(nowMs, nowMs - startMs, `listening on ${Ends.show(address)}, ${Count.of(open, "connection")}`)
    })
  }
})

/** Everybody who is inside, from the moment that a socket is let in until it is gone. */
const housing = Effect.fnUntraced(function* (
  settings: Settings,
  traffic: Traffic.Traffic,
  receive: Reception.Reception,
  linkOptions: (peer: string, raw: Net.Socket) => Link.Options
) {
  const fibers = yield* FiberSet.make<void>()
  const run = yield* FiberSet.runtime(fibers)()
  const refused = { ...nobody }
  const fromAddress = Gate.tally()
  const ofNode = Gate.tally()
  /** Sockets that were let in, and those of them that have still to become guests. */
  const sockets = new Set<Net.Socket>()
  const entering = new Set<Net.Socket>()
  /** Guests; the node's own are not counted. */
  const guests = new Map<number, { readonly guest: Reception.Guest; readonly isOwn: boolean }>()
  let inside = 0
  let accepted = 0
  let isAccepting = true

  const refuse = (refusal: Refusal): void => {
    refused[refusal]++
    traffic.failed()
  }

  const accept = (socket: Net.Socket, isOwn: boolean): void => {
    socket.on("error", Ends.ignore)
    const address = socket.remoteAddress
    if (address === undefined || !isAccepting) return Ends.cut(socket)
    if (!isOwn) {
      accepted++
      const refusal = Gate.judge(settings, address, { all: inside, fromAddress: fromAddress.of(address) })
      if (refusal !== undefined) {
        refuse(refusal)
        return Ends.cut(socket)
      }
      inside++
      fromAddress.enter(address)
    }
    sockets.add(socket)
    entering.add(socket)
    const leave = Effect.sync(() => {
      sockets.delete(socket)
      entering.delete(socket)
      socket.destroy()
      if (isOwn) return
      inside--
      fromAddress.leave(address)
    })
    run(Effect.ensuring(host(socket, isOwn), leave))
  }

  const host = (socket: Net.Socket, isOwn: boolean): Effect.Effect<void> =>
    Effect.suspend(() => {
      /** What the link finds fault with is the reason, whatever else follows from it. */
      let fault: Refusal | undefined
      const onRefusal = (refusal: Refusal): void => {
        if (entering.has(socket)) fault = refusal
        else refuse(refusal)
      }
      const options = linkOptions(`somebody at ${Ends.show(Ends.far(socket))}`, socket)
      return Effect.matchEffect(receive(socket, { ...options, onRefusal }), {
        onSuccess: (guest) => {
          entering.delete(socket)
          return serve(guest, isOwn)
        },
        onFailure: ({ refusal }) => Effect.sync(() => refuse(fault ?? refusal))
      })
    })

  const serve = (guest: Reception.Guest, isOwn: boolean): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { connection, handler, link } = guest
      const { name } = connection.peer.principal
      if (!isOwn && ofNode.of(name) >= settings.maxPerNode) {
        refuse("limit")
        return Reception.sendAway(link, tooMany)
      }
      guests.set(connection.id, { guest, isOwn })
      if (!isOwn) ofNode.enter(name)
      const left = Effect.sync(() => {
        guests.delete(connection.id)
        if (!isOwn) ofNode.leave(name)
      })
      const failed = (cause: Cause.Cause<unknown>) => {
        traffic.failed()
        return Effect.logWarning(`A connection of ${connection.protocol} with ${name} ended in a failure`, cause)
      }
      const handled = Effect.matchCauseEffect(handler(connection), {
        onSuccess: () => Effect.void,
        // A peer that is gone is told by the counts; it is no news of this node.
        onFailure: (cause) => (isLoss(cause) ? Effect.void : failed(cause))
      })
      const begun = isAccepting ? Effect.void : link.drain
      return Effect.ensuring(Effect.andThen(begun, Effect.andThen(handled, link.close)), left)
    })

  const strangers = () => [...guests.values()].filter(({ isOwn }) => !isOwn).map(({ guest }) => guest)

  /** Tells everybody to finish, waits, and cuts off who is left. Who has not come in yet does not. */
  const empty = Effect.suspend(() => {
    isAccepting = false
    entering.forEach(Ends.cut)
    const before = strangers()
    const told = Effect.forEach([...guests.values()], ({ guest }) => guest.link.drain, { discard: true })
    return Effect.andThen(told, FiberSet.awaitEmpty(fibers)).pipe(
      Effect.interruptible,
      Effect.timeoutOption(settings.drainTimeout),
      Effect.map((): Drained => {
        const cutOff = before.filter(({ connection }) => guests.has(connection.id)).length
        return { finished: before.length - cutOff, cutOff }
      }),
      Effect.tap(() => {
        sockets.forEach(Ends.cut)
        return FiberSet.clear(fibers)
      })
    )
  })

  return {
    accept,
    empty,
    connections: Effect.sync(() => ({
      open: strangers().length,
      entering: entering.size,
      accepted,
      refused: { ...refused },
      byNode: ofNode.all()
    }))
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

const isLoss = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.every((reason) => Cause.isFailReason(reason) && reason.error instanceof ConnectionLost)
