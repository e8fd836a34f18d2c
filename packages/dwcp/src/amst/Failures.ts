/** What can go wrong with a transfer, in the words of whoever is on call. */
import { Data } from "effect"

/** The bytes of a peer are no frames of ours: changed on the way, cut, or hostile. */
export class FrameRefused extends Data.TaggedError("FrameRefused")<{ readonly reason: string }> {
  readonly code = "NVC-4101"
  override get message() {
    return (
      `A stream was closed, because what arrived on it cannot be trusted: ${this.reason}. Chunks that were on it are ` +
      `sent again on others. If it happens again, look at what stands between the nodes.`
    )
  }
}

/** No stream to the peer could be kept or opened for as long as the settings allow. */
export class PeerLost extends Data.TaggedError("PeerLost")<{
  readonly peer: string
  readonly seconds: number
  readonly cause?: unknown
}> {
  readonly code = "NVC-4102"
  override get message() {
    return (
      `${this.peer} has not been reached for ${this.seconds} s. Transfers to it have ended; files continue where they ` +
      `were when they are sent again. Look at the network and at the other node.`
    )
  }
}

/** The peer is there, and one side refuses TLS with the other: waiting does not change that. */
export class TlsRefused extends Data.TaggedError("TlsRefused")<{ readonly peer: string; readonly cause: unknown }> {
  readonly code = "NVC-4108"
  override get message() {
    return (
      `${this.peer} was reached, and TLS with it was refused. Nothing was sent. Trust the CA that signed its certificate, ` +
      `and call it by a name that the certificate is for.`
    )
  }
}

/** The peer took the transfer apart from the rest and said no to it. */
export class TransferRefused extends Data.TaggedError("TransferRefused")<{
  readonly reason: RefusalReason
  readonly detail: string
}> {
  readonly code = "NVC-4103"
  override get message() {
    return `The transfer has ended without effect: ${says[this.reason]} (${this.detail}). Other transfers go on.`
  }
}

/** A file on this side did not do what it should. */
export class FileUnavailable extends Data.TaggedError("FileUnavailable")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly code = "NVC-4104"
  override get message() {
    return `${this.path} could not be read. Its transfer has ended; others go on. Look at the cause, then send it again.`
  }
}

/** Nothing can listen at the address. */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly address: string
  readonly cause: unknown
}> {
  readonly code = "NVC-4105"
  override get message() {
    return `AMST cannot listen at ${this.address}. No peer can send to this node. Free the port, or set another.`
  }
}

/** The link was closed here while the transfer was on its way. */
export class LinkClosed extends Data.TaggedError("LinkClosed")<{ readonly peer: string }> {
  readonly code = "NVC-4106"
  override get message() {
    return `The link to ${this.peer} was closed on this side. What was on its way has ended; send it again if it matters.`
  }
}

export type AmstError =
  | FrameRefused
  | PeerLost
  | TlsRefused
  | TransferRefused
  | FileUnavailable
  | ListenFailed
  | LinkClosed

/** Why a receiver refuses a transfer. */
export type RefusalReason =
  | "hash"
  | "size"
  | "name"
  | "busy"
  | "disk"
  | "superseded"
  | "withdrawn"
  | "replayed"
  | "base"

const says: { readonly [R in RefusalReason]: string } = {
  hash: "what arrived is not what was sent",
  size: "it is larger than the receiver takes, or its lengths contradict each other",
  name: "the receiver does not take files of this name",
  busy: "another sender is writing the same file",
  disk: "the receiver could not write it",
  superseded: "a later transfer has taken its name",
  withdrawn: "the sender took it back",
  replayed: "its number was used before",
  base: "the receiver has not the file that it is a difference to"
}
