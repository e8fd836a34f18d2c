/**
 * What other nodes reach this one by, and this one others: connections on which both ends have proved who they are, one
 * protocol each, and messages of bounded size.
 *
 * **Details**
 *
 * A protocol has a name, such as `novacron/ping`. A client says which one it wants while TLS is being set up (ALPN), or, if
 * it cannot, in its first frame. Whoever offers a protocol registers a handler; the connection lives as long as the handler
 * runs.
 *
 * When the node stops, nobody new is let in, and every peer is told. A handler that waits for a message then gets none; one
 * that is at work may finish, and is cut off when `network.drain_timeout` is over.
 */
import { PortHolder } from "@novacron/config"
import { Context, Data, type Effect, type Option, type Scope } from "effect"
import type { Principal } from "../security/Security.ts"
import { type Address, show } from "./Ends.ts"
import type * as Traffic from "./Traffic.ts"

export type { Address }

export class Network extends Context.Service<
  Network,
  {
    /** Where it really listens: with port 0 the system has chosen one. */
    readonly address: Address
    readonly connections: Effect.Effect<Connections>
    /** Handles connections of a protocol until the scope closes. Those under way go on. */
    readonly onConnection: (protocol: string, handler: Handler) => Effect.Effect<void, ProtocolTaken, Scope.Scope>
    /**
     * A connection to a peer, closed with the scope. Its certificate must be of our authority and name `serverName`.
     * That it is there does not mean that the peer wants it: a refusal is what the first message is.
     */
    readonly connect: (to: {
      readonly host: string
      readonly port: number
      readonly serverName: string
      readonly protocol: string
    }) => Effect.Effect<Connection, CannotConnect, Scope.Scope>
    /** Lets nobody in any more, tells all peers, and waits for them so long as `network.drain_timeout` says. */
    readonly drain: Effect.Effect<Drained>
    /** Fails when a connection to this very node does not go through. Answers how it goes. */
    readonly check: Effect.Effect<Traffic.Reading, ListenerSilent>
  }
>()("novacron/network") {}

/** What is done with a connection; when it is done, so is the connection. A failure is logged and ends this one alone. */
export type Handler = (connection: Connection) => Effect.Effect<void, unknown>

export interface Connection {
  /** Unique in this process. */
  readonly id: number
  readonly protocol: string
  readonly peer: { readonly principal: Principal; readonly fingerprint256: string; readonly address: Address }
  /**
   * The next message. None when there will be no more: the peer has ended it, or this node is draining and all that had
   * arrived has been received. The peer is not read from faster than messages are received.
   */
  readonly receive: Effect.Effect<Option.Option<Uint8Array>, ConnectionLost>
  /** Sends a message; waits while the peer does not read. */
  readonly send: (message: Uint8Array) => Effect.Effect<void, ConnectionLost | MessageTooLarge>
  /** Completes when one of both ends wants to finish: begin nothing new. */
  readonly draining: Effect.Effect<void>
}

/** Why somebody was not let in, or not kept. */
export type Refusal =
  /** A list of networks says so. */
  | "denied"
  /** There are too many already, of all, from this address, or of this node. */
  | "limit"
  /** No TLS, or no certificate of our authority. */
  | "handshake"
  /** Took too long to say who it is and what it wants, or too little at a time. */
  | "slow"
  /** Its certificate is of our authority, and security does not know it. */
  | "unauthenticated"
  /** Wants a protocol that nobody offers, or speaks none. */
  | "protocol"
  /** A frame above the limit. */
  | "oversized"
  /** Said nothing for too long. */
  | "idle"

export interface Connections {
  /** Those that have a protocol and a handler. */
  readonly open: number
  /** Those that have still to prove who they are. */
  readonly entering: number
  /** All there ever were, those included that were refused. */
  readonly accepted: number
  readonly refused: { readonly [R in Refusal]: number }
  readonly byNode: { readonly [name: string]: number }
}

/** What became of the connections of a node that drained. */
export interface Drained {
  readonly finished: number
  readonly cutOff: number
}

/** Somebody else listens there. An instance that is just ending gives the port back, so it is tried again. */
export class PortTaken extends Data.TaggedError("PortTaken")<Address & { readonly cause: unknown }> {
  readonly code = "NVC-2301"
  /** Who had it then. */
  readonly holder = PortHolder.of(this.port)
  override get message() {
    const hint = "Is another instance running? Stop it, or set network.bind_port"
    return `Port ${this.port} on ${this.host} is taken by ${this.holder}, so no peer can reach this node. ${hint}.`
  }
}

/** This user may not listen there. */
export class PortForbidden extends Data.TaggedError("PortForbidden")<Address & { readonly cause: unknown }> {
  readonly code = "NVC-2302"
  override get message() {
    const hint = "Set network.bind_port to one from 1024 up, or grant CAP_NET_BIND_SERVICE"
    return `This user may not listen on port ${this.port} of ${this.host}. ${hint}.`
  }
}

/** The address is none of this machine. */
export class BadAddress extends Data.TaggedError("BadAddress")<Address & { readonly cause: unknown }> {
  readonly code = "NVC-2303"
  override get message() {
    return `${this.host} is no address of this machine. Set network.listen_address to one of its own, or to 0.0.0.0.`
  }
}

/** The system does not let it listen, for a reason of its own. */
export class CannotListen extends Data.TaggedError("CannotListen")<Address & { readonly cause: unknown }> {
  readonly code = "NVC-2304"
  override get message() {
    return `This node cannot listen on ${show(this)}. The cause says why; look at the limits of the process.`
  }
}

/** It listens, and a connection to itself does not go through. */
export class ListenerSilent extends Data.TaggedError("ListenerSilent")<Address & { readonly cause: unknown }> {
  readonly code = "NVC-2305"
  override get message() {
    const hint = hints[codeOf(this.cause)] ?? "Does the certificate of this node name network.server_name?"
    return `The listener on ${show(this)} does not answer the probe of this node. ${hint}`
  }
}

const noWay = "This machine has no way to that address: is its interface up (ip link set lo up)?"
const noTime = "Is the clock of this machine right (date)?"
const noRoom = "Has this process descriptors left (ulimit -n, LimitNOFILE=)?"

/** What to look at when it was the system that said no, or the certificate says when it is valid. */
const hints: { readonly [code: string]: string } = {
  ENETUNREACH: noWay,
  EHOSTUNREACH: noWay,
  EADDRNOTAVAIL: noWay,
  EMFILE: noRoom,
  ENFILE: noRoom,
  ECONNRESET: noRoom,
  CERT_NOT_YET_VALID: noTime,
  CERT_HAS_EXPIRED: noTime
}

/** What the system calls it, if there is a hint for that. */
const codeOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return ""
  return "code" in cause && typeof cause.code === "string" && cause.code in hints ? cause.code : codeOf(cause.cause)
}

/** A protocol has a handler already. */
export class ProtocolTaken extends Data.TaggedError("ProtocolTaken")<{ readonly protocol: string }> {
  override get message() {
    return `There is a handler for ${this.protocol} already. A protocol has one.`
  }
}

/** A peer cannot be reached, is not who it should be, or does not speak the protocol. */
export class CannotConnect extends Data.TaggedError("CannotConnect")<
  Address & { readonly serverName: string; readonly cause: unknown }
> {
  override get message() {
    return `There is no connection to ${this.serverName} at ${show(this)}. Is it up, and of our authority?`
  }
}

/** A connection is gone that was still needed. */
export class ConnectionLost extends Data.TaggedError("ConnectionLost")<{
  readonly peer: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return `The connection with ${this.peer} is lost: ${this.reason}.`
  }
}

/** A message above `network.max_frame`. The connection is none the worse for it. */
export class MessageTooLarge extends Data.TaggedError("MessageTooLarge")<{
  readonly bytes: number
  readonly maxBytes: number
}> {
  override get message() {
    return `A message of ${this.bytes} bytes is too large to send; network.max_frame allows ${this.maxBytes}.`
  }
}
