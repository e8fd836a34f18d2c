/** The ports of the API: how they are taken, and what it means when they cannot be. */
import type { Server } from "node:net"
import { PortHolder } from "@novacron/config"
import { Data, Effect } from "effect"
import * as Ends from "../network/Ends.ts"
import * as Bind from "../network/Bind.ts"

/** Which of the two servers. */
export type Which = "REST" | "gRPC"

interface Place {
  readonly server: Which
  readonly host: string
  readonly port: number
}

const settingOf = (server: Which): string => (server === "REST" ? "api.port" : "api.grpc.port")

/** Somebody else listens there: perhaps an instance that is just ending. */
export class ApiPortTaken extends Data.TaggedError("ApiPortTaken")<Place & { readonly cause: unknown }> {
  readonly code = "NVC-2801"
  /** Who had it then. */
  readonly holder = PortHolder.of(this.port)
  override get message(): string {
    const lost = `so nobody could ask this node over ${this.server}`
    const hint = `Is another instance running? Stop it, or set ${settingOf(this.server)}`
    return `Port ${this.port} on ${this.host} is taken by ${this.holder}, ${lost}. ${hint}.`
  }
}

/** It may not listen there, or there is no such address. */
export class ApiCannotListen extends Data.TaggedError("ApiCannotListen")<Place & { readonly cause: unknown }> {
  readonly code = "NVC-2802"
  override get message(): string {
    return `The API (${this.server}) cannot listen on ${Ends.show(this)}. Set api.host to an address of this \
machine and ${settingOf(this.server)} to a port above 1023.`
  }
}

/** It has listened, and does not any more. */
export class ApiClosed extends Data.TaggedError("ApiClosed")<Place> {
  readonly code = "NVC-2803"
  override get message(): string {
    return `The API (${this.server}) on ${Ends.show(this)} has stopped listening. Restart the node.`
  }
}

/** Listens; interrupted, it is closed again. */
export const listen = (
  server: Server,
  which: Which,
  wanted: { readonly host: string; readonly port: number }
): Effect.Effect<{ readonly host: string; readonly port: number }, ApiPortTaken | ApiCannotListen> =>
  Effect.mapError(Bind.listen(server, wanted), ({ _tag, cause }) => {
    const place = { server: which, host: wanted.host, port: wanted.port, cause }
    return _tag === "PortTaken" ? new ApiPortTaken(place) : new ApiCannotListen(place)
  })

/** Whether it still listens. */
export const check = (server: Server, which: Which, at: { readonly host: string; readonly port: number }) =>
  Effect.suspend(() => (server.listening ? Effect.void : Effect.fail(new ApiClosed({ server: which, ...at }))))
