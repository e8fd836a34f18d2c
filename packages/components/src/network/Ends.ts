/** Both ends of a socket: where they are, how they are shown, and how a connection is cut. */
import type { Socket } from "node:net"

/** An end of a connection, the peer's or this one's. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Where the other side is. */
export const far = ({ remoteAddress = "", remotePort = 0 }: Socket): Address => ({
  host: remoteAddress,
  port: remotePort
})

/** Tells a socket apart from all others that are open. */
export const both = ({ localAddress, localPort, remoteAddress, remotePort }: Socket): string =>
  `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`

/** As part of a URL: an address of IPv6 has colons of its own. */
export const show = ({ host, port }: Address): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)

/** Where a node reaches what listens there from within: what listens everywhere listens on the loopback. */
export const within = ({ host, port }: Address): Address => ({
  host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host,
  port
})

/** Ends a connection with a reset: nothing is waited for, and the other side cannot take it for an end in order. */
export const cut = (socket: Socket): void => {
  if (socket.destroyed) return
  // One that is not connected says that it is not.
  socket.once("error", ignore)
  socket.resetAndDestroy()
}

/** For errors of a socket of which its end is news enough. */
export const ignore = (): void => undefined
