/**
 * Frames between replicas: each one dials all others and speaks, and listens to all that dial it.
 *
 * **Details**
 *
 * A frame is a length and that many bytes. With TLS both sides show certificates, and whoever may not come is hung up on
 * before a frame is read. Who a frame is from is said by the
 * signatures in it and not by the connection. What cannot be sent, or only to a peer that does not read, is dropped: the
 * protocol says again what matters. A frame that is too long ends its connection; while the reader is full nothing is read.
 */
import { Effect, FiberSet, Schedule, type Scope, Stream } from "effect"
import * as Net from "node:net"
import * as TlsSockets from "node:tls"
import { ReplicaCannotListen } from "./Failures.ts"

export interface Address {
  readonly host: string
  readonly port: number
}
/** PEM texts: the own key and certificate, and who signs those of the peers. */
export interface Identity {
  readonly key: string
  readonly cert: string
  readonly ca: string
}
/** Who has shown a certificate that is of the authority. */
export interface Shown {
  readonly commonName: string
  readonly fingerprint256: string
}
/** TLS each way, asked for whenever a connection is made, as certificates are renewed. */
export interface Tls {
  readonly server: Effect.Effect<TlsSockets.TlsOptions>
  /** Towards the member at that place in the list. */
  readonly client: (member: number) => Effect.Effect<TlsSockets.ConnectionOptions>
  /** Fails for who may not come, though their certificate is of the authority: one that was revoked, say. */
  readonly admit: (shown: Shown) => Effect.Effect<unknown, unknown>
  /** Emits when `server` is another one. */
  readonly renewals: Stream.Stream<void>
}

/** TLS by an identity that stays the same. */
export const fixed = (identity: Identity): Tls => ({
  server: Effect.succeed({ ...identity, minVersion: "TLSv1.3", requestCert: true, rejectUnauthorized: true }),
  client: () => Effect.succeed({ ...identity, minVersion: "TLSv1.3" }),
  admit: () => Effect.void,
  renewals: Stream.never
})

export interface Options {
  readonly self: number
  readonly members: ReadonlyArray<Address>
  readonly listen: Address
  readonly tls: Tls | undefined
  readonly maxFrameBytes: number
  /** False: enough for now, until `resume`. */
  readonly onFrame: (bytes: Buffer) => boolean
}

export interface Peers {
  readonly port: number
  readonly send: (to: number | "others", bytes: Uint8Array) => void
  readonly resume: () => void
  /** Peers that can be spoken to now. */
  readonly connected: () => number
}

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(Schedule.jittered)
const headBytes = 4
/** Milliseconds that somebody may take to show a certificate. */
const handshakeTimeout = 10_000
/** Beside its peers' connections, somebody may be about to replace one. */
const connectionsEach = 4

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Peers, ReplicaCannotListen, Scope.Scope> {
  const { members, self } = options
  const links = new Map<number, Net.Socket>()
  const readers = new Set<Net.Socket>()
  const accept = (socket: Net.Socket): void => {
    if (readers.size >= members.length * connectionsEach) return void socket.destroy()
    readers.add(socket)
    socket.on("close", () => readers.delete(socket))
    socket.on("error", () => socket.destroy())
    socket.setNoDelay(true)
    if (tls === undefined || !(socket instanceof TlsSockets.TLSSocket)) return reading(socket, options)
    // Nothing is read of it until somebody listens to what it says.
    const outcome = { onFailure: () => void socket.destroy(), onSuccess: () => reading(socket, options) }
    run(Effect.match(tls.admit(shownBy(socket)), outcome))
  }
  const { tls } = options
  const run = yield* FiberSet.makeRuntime<never>()
  const secure = tls === undefined ? undefined : yield* tls.server
  // Of those that are not through with TLS too: the server is not closed before they are.
  const raw = new Set<Net.Socket>()
  const server = yield* Effect.acquireRelease(listening(options, secure, accept), (server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of raw) socket.destroy()
    })
  )
  server.on("connection", (socket: Net.Socket) => {
    if (raw.size >= 2 * members.length * connectionsEach) return void socket.destroy()
    raw.add(socket)
    socket.on("close", () => raw.delete(socket))
  })
  if (tls !== undefined && server instanceof TlsSockets.Server) {
    yield* tls.renewals.pipe(
      Stream.runForEach(() => Effect.map(tls.server, (next) => server.setSecureContext(next))),
      Effect.forkScoped
    )
  }
  for (const [id, { host, port }] of members.entries()) {
    if (id === self) continue
    const secured = tls === undefined ? Effect.undefined : tls.client(id)
    const speak = (secured: TlsSockets.ConnectionOptions | undefined) =>
      Effect.callback<void>((resume) => {
        const socket =
          secured === undefined ? Net.connect({ host, port }) : TlsSockets.connect({ ...secured, host, port })
        socket.on("error", () => socket.destroy())
        socket.once(secured === undefined ? "connect" : "secureConnect", () => {
          socket.setNoDelay(true)
          links.set(id, socket)
        })
        // Nobody answers on a connection that is spoken on.
        socket.on("data", () => socket.destroy())
        socket.on("close", () => {
          if (links.get(id) === socket) links.delete(id)
          resume(Effect.void)
        })
        return Effect.sync(() => socket.destroy())
      })
    const once = Effect.flatMap(secured, speak)
    yield* once.pipe(Effect.repeat(again), Effect.repeat(Schedule.spaced("1 second")), Effect.forkScoped)
  }

  const write = (socket: Net.Socket | undefined, head: Buffer, bytes: Uint8Array): void => {
    if (socket === undefined || socket.writableLength > 2 * options.maxFrameBytes) return
    socket.cork()
    socket.write(head)
    socket.write(bytes)
    socket.uncork()
  }
  const address = server.address()
  return {
    port: address !== null && typeof address === "object" ? address.port : options.listen.port,
    send: (to, bytes) => {
      if (bytes.length > options.maxFrameBytes) return
      const head = Buffer.allocUnsafe(headBytes)
      head.writeUInt32BE(bytes.length)
      if (to !== "others") return write(links.get(to), head, bytes)
      for (const socket of links.values()) write(socket, head, bytes)
    },
    resume: () => {
      for (const socket of readers) if (socket.isPaused()) socket.resume()
    },
    connected: () => links.size
  }
})

const shownBy = (socket: TlsSockets.TLSSocket): Shown => {
  // There is none when the socket is gone meanwhile, whatever its types say.
  const certificate: Partial<TlsSockets.PeerCertificate> | null = socket.getPeerCertificate()
  const name = [certificate?.subject?.CN ?? ""].flat()[0] ?? ""
  return { commonName: name, fingerprint256: certificate?.fingerprint256 ?? "" }
}

const listening = (
  { listen: { host, port } }: Options,
  secure: TlsSockets.TlsOptions | undefined,
  accept: (socket: Net.Socket) => void
) =>
  Effect.callback<Net.Server, ReplicaCannotListen>((resume) => {
    const server =
      secure === undefined
        ? Net.createServer(accept)
        : TlsSockets.createServer({ ...secure, handshakeTimeout, requestCert: true, rejectUnauthorized: true }, accept)
    server.on("tlsClientError", (_error: Error, socket: Net.Socket) => socket.destroy())
    server.once("error", (cause) => resume(Effect.fail(new ReplicaCannotListen({ address: `${host}:${port}`, cause }))))
    server.listen({ host, port }, () => resume(Effect.succeed(server)))
    return Effect.sync(() => server.close())
  })

const reading = (socket: Net.Socket, { maxFrameBytes, onFrame }: Options): void => {
  let parts: Array<Buffer> = []
  let length = 0
  let needed = headBytes
  let head = true
  socket.on("data", (chunk: Buffer) => {
    parts.push(chunk)
    length += chunk.length
    if (length < needed) return
    let bytes = parts.length === 1 ? chunk : Buffer.concat(parts)
    let more = true
    while (bytes.length >= needed) {
      if (head) {
        const size = bytes.readUInt32BE(0)
        if (size > maxFrameBytes) return void socket.destroy()
        bytes = bytes.subarray(headBytes)
        needed = size
      } else {
        more = onFrame(bytes.subarray(0, needed)) && more
        bytes = bytes.subarray(needed)
        needed = headBytes
      }
      head = !head
    }
    parts = bytes.length === 0 ? [] : [bytes]
    length = bytes.length
    if (!more) socket.pause()
  })
}
