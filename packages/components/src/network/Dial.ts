/** Connections from here to a peer, who has to prove who it is before anything is sent. */
import * as Net from "node:net"
import * as Tls from "node:tls"
import { type Duration, Effect, type Scope } from "effect"
import type { Security } from "../security/Security.ts"
import * as Conversation from "./Conversation.ts"
import * as Ends from "./Ends.ts"
import * as Link from "./Link.ts"
import { type Address, CannotConnect, type Connection, type Network } from "./Network.ts"

export interface Options {
  readonly security: Security["Service"]
  /** How long all of it may take. */
  readonly within: Duration.Duration
  readonly link: (peer: string, socket: Net.Socket) => Link.Options
  readonly connection: ReturnType<typeof Conversation.numbered>
}

/** Connects, and closes with the scope. `dialled` hears of the socket before anything has happened on it. */
export const dial = (
  options: Options,
  to: Parameters<Network["Service"]["connect"]>[0],
  dialled: (socket: Net.Socket) => void = Ends.ignore
): Effect.Effect<Connection, CannotConnect, Scope.Scope> =>
  Effect.gen(function* () {
    const { protocol, serverName } = to
    const address: Address = { host: to.host, port: to.port }
    const cannot = (cause: unknown) => new CannotConnect({ ...address, serverName, cause })
    const tls = yield* options.security.clientTls(serverName)
    let isSecure = false
    let failure: unknown
    const { link, socket } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const raw = Net.connect(address)
        dialled(raw)
        const socket = Tls.connect({ ...tls, socket: raw, ALPNProtocols: [protocol] })
        // Before the link, which ends what fails: an end is told before the failure that led to it.
        for (const it of [raw, socket]) it.on("error", (error) => void (failure ??= error))
        return { socket, link: Link.make(socket, options.link(`${serverName} at ${Ends.show(address)}`, raw)) }
      }),
      ({ link, socket }) => (isSecure ? link.close : Effect.sync(() => socket.destroy()))
    )
    yield* Effect.callback<void, CannotConnect>((resume) => {
      socket.once("secureConnect", () => {
        isSecure = true
        resume(Effect.void)
      })
      socket.once("close", () => resume(Effect.fail(cannot(failure ?? "the other side closed the connection"))))
    }).pipe(Effect.timeoutOrElse({ duration: options.within, orElse: () => Effect.fail(cannot("it took too long")) }))
    if (socket.alpnProtocol !== protocol) return yield* cannot(`it does not speak ${protocol}`)
    return options.connection(
      link,
      protocol,
      yield* Effect.mapError(Conversation.peerOf(options.security, socket), cannot)
    )
  })
