/**
 * The nodes that can be spoken to: connections over TCP that are encrypted and prove who is there (libp2p, Noise), words
 * to one of them, and words to all by way of some (gossipsub).
 *
 * **Details**
 *
 * It keeps a connection to every node it knows of, and dials again what it lost, less and less often. Nodes are known as
 * seeds, or because others told of them. Connections that are silent are found by pings and given up after some 5 s.
 *
 * Words are carried as they are; who may speak is not decided here. Somebody who never said anything that was trusted is
 * heard in short words only.
 *
 * **Gotchas**
 *
 * Nothing is promised: words that cannot be sent are dropped. The exchange says them again.
 */
import { Clock, Duration, Effect, FiberMap, Queue, Schedule, type Scope } from "effect"
import type { Libp2p } from "libp2p"
import { EngineUnavailable } from "./Failures.ts"
import type { Node } from "./Words.ts"

type Connection = ReturnType<Libp2p["getConnections"]>[number]
type PeerId = Connection["remotePeer"]
type Stream = Awaited<ReturnType<Connection["newStream"]>>
type Address = ReturnType<Libp2p["getMultiaddrs"]>[number]

export interface Options {
  readonly listen: ReadonlyArray<string>
  readonly announce: ReadonlyArray<string>
  readonly seeds: ReadonlyArray<string>
  readonly topic: string
  readonly maxPeers: number
  /** The largest words that are taken from somebody who is trusted. */
  readonly maxBytes: number
}

/** Whoever uses a swarm. All are called at once, and must not wait. */
export interface Ears {
  readonly joined: (peer: string) => void
  readonly left: (peer: string) => void
  /** Words to this node. Whether they are trusted. */
  readonly heard: (from: string, bytes: Uint8Array) => boolean
  /** Words to all. `false`: they are not to be passed on, and the one they came from is the worse for it. */
  readonly overheard: (from: string, bytes: Uint8Array) => boolean
}

export interface Swarm {
  /** Who this node is to the others, for as long as it runs. */
  readonly self: string
  readonly addresses: () => ReadonlyArray<string>
  readonly connected: () => ReadonlyArray<string>
  /** The nodes that are known, with their addresses. */
  readonly nodes: () => ReadonlyArray<Node>
  readonly learn: (node: Node) => void
  readonly send: (to: string, bytes: Uint8Array) => void
  readonly publish: (bytes: Uint8Array) => void
  /** Begins to listen and to dial. Nobody is told of anything before. */
  readonly begin: (ears: Ears) => Effect.Effect<void, EngineUnavailable, Scope.Scope>
  readonly forget: (peer: string) => void
}

const protocol = "/novacron/ass/1"
/** Words of somebody who is not trusted yet, and words to all. */
const maxStranger = 64 << 10
export const maxPublished = 512 << 10
/** Words to one node that may wait; the oldest go. */
const maxWaiting = 64
const look = Schedule.spaced("500 millis")
const dialTimeout = Duration.seconds(3)
const backoff = { first: 500, most: 2000 }

interface Known {
  readonly addresses: ReadonlyArray<string>
  /** Unknown of a seed before it was reached. */
  peer: string | undefined
  readonly isSeed: boolean
  failures: number
  nextAt: number
}

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Swarm, EngineUnavailable, Scope.Scope> {
  const { maxPeers, topic } = options
  const { node, verdicts } = yield* Effect.acquireRelease(start(options), (it) =>
    Effect.ignore(
      Effect.timeoutOption(
        Effect.tryPromise(async () => it.node.stop()),
        "3 seconds"
      )
    )
  )
  const self = node.peerId.toString()
  const { pubsub } = node.services
  const trusted = new Set<string>()
  const known = new Map<string, Known>()
  const outboxes = new Map<string, Queue.Queue<Uint8Array>>()
  const pumps = yield* FiberMap.make<string>()
  const run = yield* FiberMap.runtime(pumps)()

  const newcomer = (addresses: ReadonlyArray<string>, peer: string | undefined, isSeed: boolean): Known => ({
    addresses,
    peer,
    isSeed,
    failures: 0,
    nextAt: 0
  })
  for (const seed of options.seeds) known.set(seed, newcomer([seed], peerOf(seed), true))

  const learn = ({ addresses, peer }: Node): void => {
    if (peer === self || addresses.length === 0) return
    // A node that was started again has another name at the same place.
    const places = new Set(addresses.map(placeOf))
    for (const [key, it] of known) {
      const isGone = it.peer !== peer && it.peer !== undefined && !outboxes.has(it.peer)
      if (!it.isSeed && isGone && it.addresses.some((at) => places.has(placeOf(at)))) known.delete(key)
    }
    const before = known.get(peer)
    if (before === undefined ? known.size < maxPeers : before.addresses.join() !== addresses.join()) {
      known.set(peer, newcomer(addresses, peer, false))
    }
  }

  // ------------------------------------------------------------------------------------------------------- speaking

  /** Sends what is in the outbox of a peer, over a stream that is opened with the first of it and after each failure. */
  const pump = (peer: PeerId, outbox: Queue.Queue<Uint8Array>) => {
    let stream: Stream | undefined
    const speak = (bytes: Uint8Array) =>
      Effect.tryPromise(async (signal) => {
        // One that was silent for long has ended.
        if (stream?.status !== "open") stream = await node.dialProtocol(peer, protocol, { signal })
        if (!stream.send(framed(bytes))) await stream.onDrain({ signal })
      }).pipe(
        Effect.timeout("10 seconds"),
        Effect.catch(() =>
          Effect.sync(() => {
            stream?.abort(new Error("it does not go on"))
            stream = undefined
          })
        )
      )
    return Queue.take(outbox).pipe(
      Effect.flatMap(speak),
      Effect.forever,
      Effect.ensuring(Effect.sync(() => stream?.abort(new Error("the peer has left"))))
    )
  }

  // -------------------------------------------------------------------------------------------------------- dialling

  const [own] = node.getMultiaddrs()
  /** An address of its own without what it says is an empty one, to which others are added: libp2p exports no maker. */
  const parse = (text: string): Address | undefined => {
    try {
      return own?.decapsulateCode(own.getComponents()[0]?.code ?? 0).encapsulate(text)
    } catch {
      return undefined
    }
  }

  const dial = Effect.fnUntraced(function* (key: string, it: Known) {
    const to = it.addresses.flatMap((text) => parse(text) ?? [])
    const reached = yield* Effect.tryPromise((signal) => node.dial(to, { signal })).pipe(
      Effect.timeout(dialTimeout),
      Effect.result
    )
    if (reached._tag === "Success") {
      it.peer = reached.success.remotePeer.toString()
      it.failures = 0
      // It is this node under another name.
      if (it.peer === self) known.delete(key)
      return
    }
    it.failures++
    it.nextAt = (yield* millis) + Math.min(backoff.most, backoff.first * 2 ** Math.min(it.failures, 10))
  })

  const dialAll = Effect.gen(function* () {
    const now = yield* millis
    const due = [...known].filter(
      ([, it]) => it.nextAt <= now && it.addresses.length > 0 && (it.peer === undefined || !outboxes.has(it.peer))
    )
    yield* Effect.forEach(due, ([key, it]) => dial(key, it), { concurrency: 64, discard: true })
  })

  // -------------------------------------------------------------------------------------------------------- hearing

  const begin = Effect.fnUntraced(function* (ears: Ears): Effect.fn.Return<void, EngineUnavailable, Scope.Scope> {
    const joined = (event: { readonly detail: PeerId }): void => {
      const peer = event.detail.toString()
      if (outboxes.has(peer)) return
      const outbox = Effect.runSync(Queue.sliding<Uint8Array>(maxWaiting))
      outboxes.set(peer, outbox)
      run(peer, pump(event.detail, outbox))
      ears.joined(peer)
    }
    const left = (event: { readonly detail: PeerId }): void => {
      const peer = event.detail.toString()
      if (!outboxes.delete(peer)) return
      trusted.delete(peer)
      run(peer, Effect.void)
      ears.left(peer)
    }

    const listen = (stream: Stream, connection: Connection): void => {
      const from = connection.remotePeer.toString()
      const parts = reader((bytes) => {
        if (ears.heard(from, bytes)) trusted.add(from)
      })
      stream.addEventListener("message", ({ data }) => {
        const most = trusted.has(from) ? options.maxBytes : maxStranger
        if (!parts(data.subarray(), most)) stream.abort(new Error(`words of more than ${most} bytes`))
      })
      // Whoever has nothing more to say is answered over a stream of this side.
      stream.addEventListener("remoteCloseWrite", () => void stream.close().catch(() => undefined))
    }

    pubsub.topicValidators.set(topic, (_, message) => {
      const from = message.type === "signed" ? message.from.toString() : ""
      return ears.overheard(from, message.data) ? verdicts.Accept : verdicts.Reject
    })

    yield* Effect.tryPromise({
      try: async () => {
        node.addEventListener("peer:connect", joined)
        node.addEventListener("peer:disconnect", left)
        await node.handle(protocol, listen, { maxInboundStreams: 8, maxOutboundStreams: 8 })
        pubsub.subscribe(topic)
        for (const connection of node.getConnections()) joined({ detail: connection.remotePeer })
      },
      catch: (cause) => new EngineUnavailable({ engine: "gossip", reason: "it could not listen to others", cause })
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        node.removeEventListener("peer:connect", joined)
        node.removeEventListener("peer:disconnect", left)
      })
    )
    yield* Effect.forkScoped(Effect.repeat(dialAll, look))
  })

  const addresses = (): ReadonlyArray<string> => {
    const all = node.getMultiaddrs().map((it) => it.toString())
    const far = all.filter((it) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(it))
    return far.length > 0 ? far : all
  }

  return {
    self,
    begin,
    addresses,
    learn,
    connected: () => [...outboxes.keys()],
    nodes: () =>
      [...known.values()].flatMap(({ addresses: at, peer }) => (peer === undefined ? [] : [{ peer, addresses: at }])),
    send: (to, bytes) => {
      const outbox = outboxes.get(to)
      if (outbox !== undefined) Queue.offerUnsafe(outbox, bytes)
    },
    publish: (bytes) => {
      void pubsub.publish(topic, bytes).catch(() => undefined)
    },
    forget: (peer) => {
      if (known.get(peer)?.isSeed === false) known.delete(peer)
    }
  }
})

const millis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** The name of a peer at the end of an address, if it is there. */
const peerOf = (address: string): string | undefined => /\/p2p\/(\w+)$/.exec(address)?.[1]

const placeOf = (address: string): string => address.replace(/\/p2p\/\w+$/, "")

// ----------------------------------------------------------------------------------------------------------- frames

const framed = (bytes: Uint8Array): Uint8Array => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Puts together what comes in pieces. `false` when something is too long. */
const reader = (tell: (bytes: Uint8Array) => void) => {
  let pieces: Array<Uint8Array> = []
  let have = 0
  return (piece: Uint8Array, most: number): boolean => {
    pieces.push(piece)
    have += piece.length
    for (;;) {
      if (have < 4) return true
      const first = pieces[0]
      if (first === undefined || first.length < 4) pieces = [Buffer.concat(pieces)]
      const wanted = Buffer.from(pieces[0] ?? []).readUInt32BE()
      if (wanted > most) return false
      if (have < 4 + wanted) return true
      const all = Buffer.concat(pieces)
      tell(all.subarray(4, 4 + wanted))
      pieces = [all.subarray(4 + wanted)]
      have -= 4 + wanted
    }
  }
}

// ------------------------------------------------------------------------------------------------------------ libp2p

const load = Effect.tryPromise({
  try: async () => {
    const [libp2p, gossipsub, identify, noise, tcp, yamux] = await Promise.all([
      import("libp2p"),
      import("@libp2p/gossipsub"),
      import("@libp2p/identify"),
      import("@libp2p/noise"),
      import("@libp2p/tcp"),
      import("@libp2p/yamux")
    ])
    return { libp2p, gossipsub, identify, noise, tcp, yamux }
  },
  catch: (cause) => new EngineUnavailable({ engine: "gossip", reason: "libp2p is not installed", cause })
})

const start = Effect.fnUntraced(function* ({ announce, listen, maxPeers, topic }: Options) {
  const { gossipsub, identify, libp2p, noise, tcp, yamux } = yield* load
  return yield* Effect.tryPromise({
    try: async () => {
      const node = await libp2p.createLibp2p({
        addresses: { listen: [...listen], announce: [...announce] },
        transports: [tcp.tcp()],
        connectionEncrypters: [noise.noise()],
        streamMuxers: [yamux.yamux()],
        // Who is dialled again, and when, is decided here.
        connectionManager: {
          maxConnections: maxPeers * 2,
          inboundConnectionThreshold: maxPeers,
          maxIncomingPendingConnections: 64,
          reconnectRetries: 0
        },
        connectionMonitor: { pingInterval: 2000, pingTimeout: { minTimeout: 3000, maxTimeout: 4000 } },
        services: {
          identify: identify.identify(),
          pubsub: gossipsub.gossipsub({
            allowPublishToZeroTopicPeers: true,
            allowedTopics: [topic],
            emitSelf: false,
            fallbackToFloodsub: false,
            floodPublish: true,
            globalSignaturePolicy: "StrictSign",
            ignoreDuplicatePublishError: true,
            maxInboundDataLength: 4 << 20,
            // Nodes of one house come from one address.
            scoreParams: { IPColocationFactorWeight: 0 }
          })
        }
      })
      return { node, verdicts: gossipsub.TopicValidatorResult }
    },
    catch: (cause) =>
      new EngineUnavailable({ engine: "gossip", reason: `nothing can listen at ${listen.join(", ")}`, cause })
  })
})
