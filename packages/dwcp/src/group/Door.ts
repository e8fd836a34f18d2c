/**
 * Where a node is reached: one TLS port for streams of AMST, for hellos and for peers of v1, told apart by ALPN; and the
 * inbox that all of them fill.
 *
 * **Details**
 *
 * Nobody comes in without a certificate. Each peer has a receiver of its own, so what it leaves lying about costs its own
 * room and nobody else's, and a message is from whom the certificate says. The door stays open while what stands behind it
 * is exchanged, v3 for v1 and back, so nothing that is on its way to this node is lost by that.
 */
import { PortHolder } from "@novacron/config"
import { Clock, Duration, Effect, Exit, Option, Queue, Schedule, type Scope, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { createServer, type PeerCertificate, type TlsOptions, type TLSSocket } from "node:tls"
import * as Receiver from "../amst/Receiver.ts"
import * as Envelope from "./Envelope.ts"
import { DwcpCannotListen } from "./Failures.ts"
import * as Features from "./Features.ts"
import * as Hello from "./Hello.ts"
import * as Inbox from "./Inbox.ts"
import * as V1 from "./V1.ts"

/** Who stands at the door. */
export interface Caller {
  readonly commonName: string
  readonly fingerprint256: string
  readonly address: string
}

export interface Options {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly tls: Effect.Effect<TlsOptions>
  /** Emits when {@link tls} has changed. */
  readonly renewals: Stream.Stream<void>
  /** The name of a caller, or a failure: then it is not let in. */
  readonly admit: (caller: Caller) => Effect.Effect<string, unknown>
  readonly handshake: Duration.Duration
  readonly maxPeers: number
  readonly maxConnections: number
  /** Bytes that one peer may have here, not taken yet. */
  readonly budgetBytes: number
  readonly maxMessageBytes: number
  readonly maxFileBytes: number
  readonly windowBytes: number
  readonly idle: Duration.Duration
  /** Where files of peers go, each to a folder by its name; without one there are none. */
  readonly directory: string | undefined
}

export interface Counters extends Inbox.Counters {
  readonly peers: number
  readonly connections: number
  readonly refused: number
  readonly streams: number
  readonly v1Streams: number
  readonly bytes: number
}

/** A file of a peer, whole. */
export interface IncomingFile extends Omit<Receiver.File, "session"> {
  readonly from: string
}

export interface Door {
  readonly host: string
  readonly port: number
  readonly inbox: Inbox.Inbox
  readonly takeFile: Effect.Effect<IncomingFile>
  /** What is told to whoever says hello, from now on and to those who did before. `undefined`: only v1 is spoken. */
  readonly advertise: (hello: Hello.Hello | undefined) => Effect.Effect<void>
  readonly counters: Effect.Effect<Counters>
  readonly isOpen: Effect.Effect<boolean>
}

interface Peer {
  readonly receiver: Receiver.Receiver
  heldByV1: number
  waiting: Array<() => void>
  v1Streams: number
}

/** Receivers look at the time this often. */
const beat = Schedule.spaced("50 millis")

export const open = Effect.fn("Door.open")(function* (
  options: Options
): Effect.fn.Return<Door, DwcpCannotListen, Scope.Scope> {
  const inbox = Inbox.make()
  const files = yield* Queue.sliding<IncomingFile>(1_024)
  const peers = new Map<string, Peer>()
  const sockets = new Set<TLSSocket>()
  const greeted = new Set<(hello: Hello.Hello) => void>()
  const count = { refused: 0, v1Bytes: 0 }
  let hello: Hello.Hello | undefined

  // ----------------------------------------------------------------------------------------------------------- peers

  const peerOf = (name: string): Peer | undefined => {
    const known = peers.get(name)
    if (known !== undefined) return known
    if (peers.size >= options.maxPeers) forgetOne()
    if (peers.size >= options.maxPeers) return undefined
    const made: Peer = { receiver: receiverOf(name), heldByV1: 0, waiting: [], v1Streams: 0 }
    peers.set(name, made)
    return made
  }

  /** Somebody who is not here any more and has left nothing makes room. */
  const forgetOne = () => {
    for (const [name, peer] of peers) {
      const { heldBytes, streams } = peer.receiver.counters()
      if (streams + heldBytes + peer.v1Streams + peer.heldByV1 > 0) continue
      peers.delete(name)
      void peer.receiver.close()
      return
    }
  }

  const receiverOf = (name: string): Receiver.Receiver =>
    Receiver.make({
      epoch: randomBytes(8).toString("hex"),
      directory: folderOf(options.directory, name),
      differences: undefined,
      windowBytes: options.windowBytes,
      maxMessageBytes: options.maxMessageBytes,
      budgetBytes: Math.max(options.budgetBytes, options.maxMessageBytes),
      maxFileBytes: options.maxFileBytes,
      maxTransfers: 1_024,
      maxStreams: 512,
      maxSessions: 64,
      helloMillis: Duration.toMillis(options.handshake),
      idleMillis: Duration.toMillis(options.idle),
      onMessage: ({ bytes, name: text, release }) => {
        const envelope = Envelope.read(text)
        if (Option.isSome(envelope)) {
          inbox.put({ from: name, version: "v3", envelope: envelope.value, bytes, release })
        } else {
          count.refused++
          release(true)
        }
      },
      onFile: ({ hash, name: called, path, size }) =>
        void Queue.offerUnsafe(files, { from: name, name: called, path, size, hash }),
      onRefused: () => void count.refused++
    })

  const serveV1 = (socket: TLSSocket, name: string, peer: Peer) => {
    peer.v1Streams++
    socket.once("close", () => peer.v1Streams--)
    V1.serve(socket, {
      maxMessage: options.maxMessageBytes,
      hasRoom: () => peer.heldByV1 < options.budgetBytes,
      onRoom: (again) => void peer.waiting.push(again),
      take: (envelope, bytes) => {
        peer.heldByV1 += bytes.length
        count.v1Bytes += bytes.length
        const release = () => {
          peer.heldByV1 -= bytes.length
          if (peer.heldByV1 < options.budgetBytes) for (const again of peer.waiting.splice(0)) again()
        }
        return inbox.put({ from: name, version: "v1", envelope, bytes, release })
      }
    })
  }

  const greet = (socket: TLSSocket) => {
    const { say } = Hello.speak(socket, hello, () => undefined)
    greeted.add(say)
    socket.once("close", () => greeted.delete(say))
  }

  const letIn = (socket: TLSSocket, name: string) => {
    const peer = peerOf(name)
    if (peer === undefined || socket.destroyed) {
      count.refused++
      return void socket.destroy()
    }
    if (socket.alpnProtocol === Hello.protocol) return greet(socket)
    if (socket.alpnProtocol === V1.protocol) return serveV1(socket, name, peer)
    // A sender of AMST that is no node knows no ALPN.
    return peer.receiver.accept(socket)
  }

  // ------------------------------------------------------------------------------------------------------- listening

  const address = `${options.host}:${options.port}`
  const tls = yield* options.tls
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createServer({
        ...tls,
        handshakeTimeout: Duration.toMillis(options.handshake),
        // A peer that offers nothing we speak is told so by an alert of TLS.
        ALPNCallback: ({ protocols }) =>
          (hello === undefined ? [V1.protocol] : [Hello.dataProtocol, Hello.protocol, V1.protocol]).find((mine) =>
            protocols.includes(mine)
          )
      })
    ),
    (server) =>
      Effect.promise(async () => {
        await Promise.all([...peers.values()].map(({ receiver }) => receiver.close()))
        for (const socket of sockets) socket.destroy()
        if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()))
      })
  )
  server.maxConnections = options.maxConnections
  server.on("tlsClientError", (_, socket) => {
    count.refused++
    socket.destroy()
  })
  server.on("secureConnection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    // Before anybody listens to it: a stream that fails meanwhile is not the end of the process.
    socket.on("error", () => socket.destroy())
    run(options.admit(callerOf(socket))).addObserver((exit) => {
      if (Exit.isSuccess(exit)) return letIn(socket, exit.value)
      count.refused++
      socket.destroy()
    })
  })
  const port = yield* Effect.callback<number, DwcpCannotListen>((resume) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const holder = cause.code === "EADDRINUSE" ? PortHolder.of(options.port) : undefined
      resume(Effect.fail(new DwcpCannotListen({ address, holder, cause })))
    })
    server.listen({ host: options.host, port: options.port, backlog: 1_024, exclusive: true }, () => {
      server.removeAllListeners("error").on("error", () => undefined)
      const bound = server.address()
      resume(Effect.succeed(typeof bound === "object" && bound !== null ? bound.port : options.port))
    })
  })
  yield* Clock.currentTimeMillis.pipe(
    Effect.map((now) => {
      inbox.tick(now)
      for (const { receiver } of peers.values()) receiver.tick(now)
    }),
    Effect.repeat(beat),
    Effect.forkScoped
  )
  yield* options.renewals.pipe(
    Stream.runForEach(() => Effect.map(options.tls, (renewed) => server.setSecureContext(renewed))),
    Effect.forkScoped
  )

  return {
    host: options.host,
    port,
    inbox,
    takeFile: Queue.take(files),
    isOpen: Effect.sync(() => server.listening),
    advertise: (next) =>
      Effect.sync(() => {
        hello = next
        const said = next ?? { node: "", features: Features.none, maxMessage: options.maxMessageBytes }
        for (const say of greeted) say(said)
      }),
    counters: Effect.sync(() => {
      const all = [...peers.values()]
      const sum = (of: (counters: Receiver.Counters) => number) =>
        all.reduce((total, { receiver }) => total + of(receiver.counters()), 0)
      return {
        ...inbox.counters(),
        peers: peers.size,
        connections: sockets.size,
        refused: count.refused + sum(({ refused }) => refused),
        streams: sum(({ streams }) => streams),
        v1Streams: all.reduce((total, { v1Streams }) => total + v1Streams, 0),
        bytes: count.v1Bytes + sum(({ bytes }) => bytes)
      }
    })
  }
})

const callerOf = (socket: TLSSocket): Caller => {
  // There is none when the socket is gone meanwhile, whatever its types say; nobody is known by no name.
  const certificate: Partial<PeerCertificate> | null = socket.getPeerCertificate()
  return {
    commonName: [certificate?.subject?.CN ?? ""].flat()[0] ?? "",
    fingerprint256: certificate?.fingerprint256 ?? "",
    address: `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`
  }
}

/** A name of a certificate is not a path: what is not a plain letter is written as its number. */
const folderOf = (directory: string | undefined, name: string): string | undefined => {
  if (directory === undefined) return undefined
  const plain = name.replace(/[^A-Za-z0-9_-]/gu, (letter) => `%${letter.codePointAt(0)?.toString(16)}`).slice(0, 200)
  const folder = join(directory, plain)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return folder
  } catch {
    // A disk that takes no folder takes no file: each is refused then, and messages go on.
    return undefined
  }
}
