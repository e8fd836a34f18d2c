/**
 * AMST v3, adaptive multi-stream transport: messages and files to a peer over as many TCP or TLS streams as help.
 *
 * **Details**
 *
 * A link sends, a listener receives; nodes that talk both ways have one of each. What is sent arrives whole and once, or
 * fails with a typed error: chunks carry checksums where TLS has none, the whole a SHA-256 or, of a message over TLS, a
 * tag; streams that die are replaced, and a file that was interrupted continues where it was. Closing the scope closes
 * streams and files.
 *
 * **Example** (a file to another node)
 *
 * ```ts
 * const amst = yield* Amst
 * const link = yield* amst.connect({ host: "10.0.0.2", port: 9090, tls: { ca } })
 * const { hash, resumedBytes } = yield* link.sendFile("/images/base.img", { priority: "background" })
 * ```
 */
import { Clock, Context, Duration, Effect, Layer, Queue, Schedule, Schema, type Scope } from "effect"
import { createHash, randomBytes } from "node:crypto"
import type { BigIntStats } from "node:fs"
import { constants, type FileHandle, open } from "node:fs/promises"
import * as Net from "node:net"
import { basename } from "node:path"
import * as Tls from "node:tls"
import { Acp } from "../acp/Acp.ts"
import * as Preference from "../acp/Preference.ts"
import {
  FileUnavailable,
  type FrameRefused,
  type LinkClosed,
  ListenFailed,
  type PeerLost,
  type TlsRefused,
  type TransferRefused
} from "./Failures.ts"
import type * as Difference from "./Difference.ts"
import * as Digest from "./Digest.ts"
import * as Growth from "./Growth.ts"
import type { Priority } from "./Lanes.ts"
import * as Probe from "./Probe.ts"
import * as Receiver from "./Receiver.ts"
import * as Sender from "./Sender.ts"
import { Settings } from "./Settings.ts"
import * as Source from "./Source.ts"
import type { Status } from "./Streams.ts"
import type * as Wire from "./Wire.ts"

/** Where a peer listens, and how it is spoken to. Without `tls` in the clear, which is a decision of whoever calls. */
export interface Peer {
  readonly host: string
  readonly port: number
  readonly tls?: Tls.ConnectionOptions
}

export interface Address {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly tls?: Tls.TlsOptions
  /** Where files go. Without one, files are refused. */
  readonly directory?: string
  /** Who makes files of differences. Without one those are refused. */
  readonly differences?: Difference.Taker
}

export interface SendOptions {
  /** Default: normal. Critical, normal and background share a busy link 50 : 30 : 20. */
  readonly priority?: Priority
  /** What the receiver sees; of a file its last component. */
  readonly name?: string
  /** Of a file: it is only a difference, and this is what becomes of it there. */
  readonly difference?: Wire.Difference
  /** Bytes that have arrived, of all. Called often. */
  readonly onProgress?: (arrivedBytes: number, size: number) => void
}

export interface Delivery {
  readonly bytes: number
  /** SHA-256 in hex, when that is what the receiver compared: of a message over TLS it is a cheaper tag. */
  readonly hash: string | undefined
}

/** Of a file. */
export interface Receipt extends Delivery {
  readonly hash: string
  /** Bytes that were there from an earlier attempt. */
  readonly resumedBytes: number
}

export interface Link {
  /** Done when the receiver has it, whole. */
  readonly send: (bytes: Uint8Array, options?: SendOptions) => Effect.Effect<Delivery, TransferError>
  readonly sendFile: (path: string, options?: SendOptions) => Effect.Effect<Receipt, TransferError | FileUnavailable>
  readonly status: Effect.Effect<Status>
  /** Breaks the stream at this place of those that are ready, as a network does. For drills. */
  readonly sever: (which: number) => Effect.Effect<void>
}

/** Why a transfer ended without effect. */
export type TransferError = TransferRefused | PeerLost | TlsRefused | LinkClosed

export interface Message {
  readonly session: string
  readonly name: string
  readonly priority: Priority
  readonly bytes: Buffer
}

export interface Listener {
  readonly port: number
  /** The next message. What is not taken counts against the budget; once that is used up, senders wait. */
  readonly take: Effect.Effect<Message>
  /**
   * The next message, for the time of `work`: then its room is given back, and its memory is used for other messages. What
   * of it should stay is copied. Several times as fast as `take` for large messages that are looked at and dropped.
   */
  readonly use: <A, E, R>(work: (message: Message) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The next file that has arrived whole. */
  readonly takeFile: Effect.Effect<Receiver.File>
  /** The next stream that was closed because of what arrived on it. Only the latest are kept. */
  readonly takeRefused: Effect.Effect<FrameRefused>
  readonly counters: Effect.Effect<Receiver.Counters>
}

export class Amst extends Context.Service<
  Amst,
  {
    /** Opens a link. Streams are dialled at once; a peer that is not there shows when something is sent. */
    readonly connect: (peer: Peer, settings?: Partial<typeof Settings.Type>) => Effect.Effect<Link, never, Scope.Scope>
    /** What the link to a peer is like: ten echoes, and at most a megabyte. */
    readonly probe: (peer: Peer) => Effect.Effect<Probe.Probe, PeerLost | TlsRefused>
    readonly listen: (address: Address) => Effect.Effect<Listener, ListenFailed, Scope.Scope>
  }
>()("novacron/dwcp/Amst") {
  static readonly layer = (settings: typeof Settings.Type): Layer.Layer<Amst, never, Acp> =>
    Layer.effect(
      Amst,
      Effect.gen(function* () {
        const { tcp } = yield* Acp
        return Amst.of({
          connect: Effect.fn("Amst.connect")((peer: Peer, other?: Partial<typeof Settings.Type>) =>
            link(peer, { ...settings, ...other }, tcp)
          ),
          probe: (peer) => Effect.scoped(Probe.run(`${peer.host}:${peer.port}`, () => dial(peer), tcp)),
          listen: Effect.fn("Amst.listen")((address: Address) => listener(address, settings))
        })
      })
    )

  static readonly layerStandard: Layer.Layer<Amst, never, Acp> = Layer.unwrap(
    Effect.map(Effect.orDie(Schema.decodeUnknownEffect(Settings)({})), (settings) => Amst.layer(settings))
  )
}

// ------------------------------------------------------------------------------------------------------------ sending

/** How often links look at what happened. */
const beat = Schedule.spaced("50 millis")

const windows: { readonly [E in Preference.Environment]: { readonly min: number; readonly max: number } } = {
  datacenter: { min: 1, max: 512 },
  internet: { min: 1, max: 256 },
  hybrid: { min: 1, max: 512 }
}

const link = Effect.fnUntraced(function* (
  peer: Peer,
  settings: typeof Settings.Type,
  tcp: Acp["Service"]["tcp"]
): Effect.fn.Return<Link, never, Scope.Scope> {
  const { max, min } = windows[settings.environment]
  const sender = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Sender.make({
        peer: `${peer.host}:${peer.port}`,
        // Names the session to the receiver, and must not be guessed: it joins streams.
        session: randomBytes(16).toString("hex"),
        sealed: peer.tls !== undefined,
        dial: () => dial(peer),
        tcp,
        congestion: Preference.listOf(settings.congestion, settings.environment),
        streams: settings.streams,
        firstStreams: settings.firstStreams,
        limits: { ...Growth.limits, min, max: Math.min(max, settings.maxStreams) },
        stallMillis: Duration.toMillis(settings.stall),
        dialMillis: Duration.toMillis(settings.dial),
        connectMillis: Duration.toMillis(settings.connect),
        giveUpMillis: Duration.toMillis(settings.giveUp),
        windowBytes: Number(settings.window)
      })
    ),
    (sender) => Effect.sync(() => sender.close())
  )
  const tick = Clock.currentTimeMillis.pipe(Effect.map((now) => sender.tick(now)))
  yield* tick
  yield* tick.pipe(Effect.repeat(beat), Effect.forkScoped)

  // The same at each attempt, whatever was measured, or an interrupted file could not be continued.
  const near = isLocal(peer.host) || settings.environment === "datacenter"
  const send = Effect.fn("Link.send")((bytes: Uint8Array, options: SendOptions = {}) => {
    const size = bytes.length
    const chunk = Growth.chunkBytes(size, near)
    const sending = {
      kind: "message" as const,
      name: options.name ?? "",
      size,
      chunk,
      priority: options.priority ?? "normal",
      fingerprint: "",
      difference: undefined,
      source: ({ skip, tag }: Parameters<Sender.Sending["source"]>[0]) =>
        Source.ofBytes(bytes, { size, chunk, skip, tag }),
      onProgress: (arrived: number) => options.onProgress?.(arrived, size)
    }
    return transfer(sender, sending).pipe(
      Effect.map(({ digest }): Delivery => ({ bytes: size, hash: hashIn(digest) })),
      Effect.catchTag("FileUnavailable", Effect.die) // memory is always readable
    )
  })
  const sendFile = Effect.fn("Link.sendFile")((path: string, options: SendOptions = {}) => {
    const once = sendOpenFile(sender, path, options, near)
    // The part the receiver had was of another content, and is gone: what is sent now is whole.
    return once.pipe(
      Effect.catchIf(
        (error) => error._tag === "TransferRefused" && error.reason === "hash",
        () => once
      )
    )
  })
  return {
    send,
    sendFile,
    status: Effect.sync(() => sender.status()),
    sever: (which) => Effect.sync(() => sender.sever(which))
  }
})

const sendOpenFile = (sender: Sender.Sender, path: string, options: SendOptions, near: boolean) =>
  Effect.scoped(
    Effect.gen(function* () {
      const unavailable = (cause: unknown) => new FileUnavailable({ path, cause })
      const file = yield* Effect.acquireRelease(
        // Not to wait for a writer where the path is a pipe: what it is, is asked of what was opened.
        Effect.tryPromise({ try: () => open(path, constants.O_RDONLY | constants.O_NONBLOCK), catch: unavailable }),
        (file) => Effect.promise(() => file.close())
      )
      const stat = yield* Effect.tryPromise({ try: () => file.stat({ bigint: true }), catch: unavailable })
      if (!stat.isFile()) return yield* Effect.fail(unavailable(new Error("It is not a file.")))
      const size = Number(stat.size)
      const chunk = Growth.chunkBytes(size, near)
      const seen = createHash("sha256").update(`${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs}`).digest("hex")
      const { digest, resumedBytes } = yield* transfer(
        sender,
        {
          kind: "file",
          name: options.name ?? basename(path),
          size,
          chunk,
          priority: options.priority ?? "normal",
          fingerprint: seen,
          difference: options.difference,
          source: (given) => Source.ofFile(file, { ...given, size, chunk, unchanged: () => unchanged(file, stat) }),
          onProgress: (arrived) => options.onProgress?.(arrived, size)
        },
        path
      )
      const receipt: Receipt = { bytes: size, hash: digest.toString("hex"), resumedBytes }
      return receipt
    })
  )

const unchanged = async (file: FileHandle, { mtimeNs, size }: BigIntStats): Promise<void> => {
  if (size === 0n && (await file.read(Buffer.alloc(1), 0, 1, 0)).bytesRead > 0) {
    throw new Error("It says that it is empty and is not, as files of /proc do: send a copy of it.")
  }
  const now = await file.stat({ bigint: true })
  if (now.size === size && now.mtimeNs === mtimeNs) return
  throw new Error("It was written to while it was sent: send it when nobody writes, or a copy that stays as it is.")
}

const hashIn = (digest: Buffer) => (digest.length === Digest.hashBytes ? digest.toString("hex") : undefined)

const transfer = (sender: Sender.Sender, sending: Omit<Sender.Sending, "onEnd">, path = "") =>
  Effect.callback<Extract<Sender.Ended, { _tag: "Arrived" }>, TransferError | FileUnavailable>((resume) => {
    const withdraw = sender.send({
      ...sending,
      onEnd: (ended) => {
        switch (ended._tag) {
          case "Arrived":
            return resume(Effect.succeed(ended))
          case "Failed":
            return resume(Effect.fail(ended.error))
          case "Unreadable":
            return resume(Effect.fail(new FileUnavailable({ path, cause: ended.cause })))
        }
      }
    })
    return Effect.sync(withdraw)
  })

const dial = ({
  host,
  port,
  tls
}: Peer): { readonly socket: Net.Socket; readonly ready: "connect" | "secureConnect" } => {
  if (tls === undefined) return { socket: Net.connect({ host, port }), ready: "connect" }
  return { socket: Tls.connect({ minVersion: "TLSv1.3", ...tls, host, port }), ready: "secureConnect" }
}

const isLocal = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.")

// ---------------------------------------------------------------------------------------------------------- receiving

const listener = Effect.fnUntraced(function* (
  address: Address,
  settings: typeof Settings.Type
): Effect.fn.Return<Listener, ListenFailed, Scope.Scope> {
  const messages = yield* Queue.unbounded<Receiver.Message>() // bounded by the budget, which counts bytes
  const files = yield* Queue.sliding<Receiver.File>(1_024)
  const refused = yield* Queue.sliding<FrameRefused>(64)
  const receiver = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Receiver.make({
        epoch: randomBytes(8).toString("hex"),
        directory: address.directory,
        differences: address.differences,
        windowBytes: Number(settings.window),
        maxMessageBytes: Number(settings.maxMessage),
        budgetBytes: Number(settings.budget),
        maxFileBytes: Number(settings.maxFile),
        maxTransfers: settings.maxTransfers,
        maxStreams: settings.maxStreams,
        maxSessions: settings.maxSessions,
        helloMillis: Duration.toMillis(settings.dial),
        idleMillis: Duration.toMillis(settings.idle),
        onMessage: (message) => void Queue.offerUnsafe(messages, message),
        onFile: (file) => void Queue.offerUnsafe(files, file),
        onRefused: (error) => void Queue.offerUnsafe(refused, error)
      })
    ),
    (receiver) => Effect.promise(() => receiver.close())
  )
  const port = yield* Effect.acquireRelease(bind(address, receiver), ({ close }) => close)
  yield* Clock.currentTimeMillis.pipe(
    Effect.map((now) => receiver.tick(now)),
    Effect.repeat(beat),
    Effect.forkScoped
  )
  return {
    port: port.port,
    take: Queue.take(messages).pipe(
      Effect.map(({ release, ...message }) => {
        release(false)
        return message
      })
    ),
    use: (work) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(Queue.take(messages)), ({ release, ...message }) =>
          Effect.ensuring(
            restore(work(message)),
            Effect.sync(() => release(true))
          )
        )
      ),
    takeFile: Queue.take(files),
    takeRefused: Queue.take(refused),
    counters: Effect.sync(() => receiver.counters())
  }
})

const bind = ({ host, port, tls }: Address, receiver: Receiver.Receiver) =>
  Effect.callback<{ readonly port: number; readonly close: Effect.Effect<void> }, ListenFailed>((resume) => {
    const server = tls === undefined ? Net.createServer() : Tls.createServer({ minVersion: "TLSv1.3", ...tls })
    server.on(tls === undefined ? "connection" : "secureConnection", receiver.accept)
    server.on("tlsClientError", (_error, socket) => socket.destroy())
    server.once("error", (cause) => {
      resume(Effect.fail(new ListenFailed({ address: `${host}:${port}`, cause })))
    })
    server.listen({ host, port, backlog: 1_024 }, () => {
      const bound = server.address()
      // Not awaited: it would wait for streams, and those are ended right after.
      const close = Effect.sync(() => void server.close())
      resume(Effect.succeed({ port: typeof bound === "object" && bound !== null ? bound.port : port, close }))
    })
  })
