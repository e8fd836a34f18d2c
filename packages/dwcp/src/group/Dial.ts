/** A TLS connection to a peer that says by ALPN what it speaks. */
import { type Duration, Effect, type Scope } from "effect"
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls"
import { PeerUnreachable } from "./Failures.ts"

/** Where a peer is, and which name its certificate has to bear. Default: that of the settings. */
export interface Peer {
  readonly host: string
  readonly port: number
  readonly serverName?: string
}

export const nameOf = ({ host, port }: Peer): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)

/** Connected and trusted; closed with the scope. `alpnProtocol` is what the peer took of `protocols`. */
export const dial = (
  peer: Peer,
  tls: ConnectionOptions,
  protocols: ReadonlyArray<string>,
  within: Duration.Duration
): Effect.Effect<TLSSocket, PeerUnreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const { host, port } = peer
        const socket = connect({ minVersion: "TLSv1.3", ...tls, ALPNProtocols: [...protocols], host, port })
        socket.on("error", () => socket.destroy())
        return socket
      }),
      (socket) => Effect.sync(() => socket.destroySoon())
    )
    const failed = (cause: unknown) => Effect.fail(new PeerUnreachable({ peer: nameOf(peer), cause }))
    yield* Effect.callback<void, PeerUnreachable>((resume) => {
      let why: unknown = new Error("It closed the connection.")
      socket.once("error", (cause) => (why = cause))
      socket.once("secureConnect", () => resume(Effect.void))
      socket.once("close", () => resume(failed(why)))
    }).pipe(
      Effect.timeoutOrElse({ duration: within, orElse: () => failed(new Error("It took too long.")) }),
      Effect.tapError(() => Effect.sync(() => socket.destroy()))
    )
    return socket
  })
