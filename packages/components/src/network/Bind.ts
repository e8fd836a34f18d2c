/** A port of this machine: how it is taken, what it means when it cannot be, and how it is given back. */
import type { Server } from "node:net"
import { Effect } from "effect"
import * as Ends from "./Ends.ts"
import { type Address, BadAddress, CannotListen, PortForbidden, PortTaken } from "./Network.ts"

/** Why it does not listen. */
export type CannotBind = PortTaken | PortForbidden | BadAddress | CannotListen

/** Listens, and answers where: port 0 is any that is free. */
export const listen = (server: Server, wanted: Address): Effect.Effect<Address, CannotBind> =>
  Effect.callback((resume) => {
    server.once("error", (cause) => resume(Effect.fail(judge(wanted, cause))))
    server.listen({ ...wanted, exclusive: true }, () => {
      const bound = server.address()
      const isBound = typeof bound === "object" && bound !== null
      // From now on an error is about one connection that could not be accepted.
      server.removeAllListeners("error").on("error", Ends.ignore)
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
export const release = (server: Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (!server.listening) return resume(Effect.void)
    server.close(() => resume(Effect.void))
  })
