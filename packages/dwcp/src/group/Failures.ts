/** What can go wrong with DWCP as a whole, in the words of whoever is on call. */
import { Data } from "effect"

/** The address cannot be listened on. */
export class DwcpCannotListen extends Data.TaggedError("DwcpCannotListen")<{
  readonly address: string
  /** Who has the port, where it is taken. */
  readonly holder?: string | undefined
  readonly cause: unknown
}> {
  readonly code = "NVC-2601"
  override get message() {
    const why = this.holder === undefined ? "" : `, which ${this.holder} has`
    return (
      `DWCP cannot listen at ${this.address}${why}, so no peer reaches this node. Free the port, or set dwcp.bind_port and ` +
      `dwcp.listen_address to what this machine has.`
    )
  }
}

/** A subsystem that nothing works without did not come up, or did not stay up. */
export class SubsystemDown extends Data.TaggedError("SubsystemDown")<{
  readonly subsystem: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2602"
  override get message() {
    // The door is no subsystem: v1 stands on it too, and it comes again with whoever starts all of DWCP anew.
    if (this.subsystem === "door") {
      return "DWCP listens no more, so no peer reaches this node. novacron restart dwcp opens it again."
    }
    return (
      `The subsystem ${this.subsystem} of DWCP is down and starting it again did not help. With dwcp.fallback = v1 the ` +
      `node goes on with one stream to each peer; with none it stops. Look at the cause.`
    )
  }
}

/** The peer cannot be reached, or was lost while something was sent to it. */
export class PeerUnreachable extends Data.TaggedError("PeerUnreachable")<{
  readonly peer: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2603"
  override get message() {
    return `${this.peer} cannot be reached by DWCP. What was to be sent was not; other peers are not affected. Is it up?`
  }
}

/** The peer has said no to a message. */
export class MessageRefused extends Data.TaggedError("MessageRefused")<{
  readonly peer: string
  readonly reason: string
}> {
  readonly code = "NVC-2604"
  override get message() {
    return `${this.peer} refuses a message: ${this.reason}. Others go on. Sending the same again will not help.`
  }
}

/** The gates have taken v3 back on this node. */
export class RolledBack extends Data.TaggedError("RolledBack")<{
  readonly features: ReadonlyArray<string>
  readonly because: string
}> {
  readonly code = "NVC-2605"
  override get message() {
    return (
      `DWCP has gone back to v1 for ${this.features.join(", ")} on this node, because ${this.because}. Nothing was lost. ` +
      `Find out why v3 is worse here, then release the hold.`
    )
  }
}

/** What arrived cannot be read any more, so it is gone although its sender was told that it arrived. */
export class MessageUnreadable extends Data.TaggedError("MessageUnreadable")<{
  readonly peer: string
  readonly channel: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2606"
  override get message() {
    return (
      `A message of ${this.peer} on ${this.channel} arrived and cannot be decoded; it is lost. Compression is taken back ` +
      `by the gates if this node caused it. Look at the cause.`
    )
  }
}

/** Why something was not sent. */
export type SendError = PeerUnreachable | MessageRefused | SubsystemDown
