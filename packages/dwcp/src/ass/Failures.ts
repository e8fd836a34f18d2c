/** What can go wrong with the state that nodes share, in the words of whoever is on call. */
import { Data } from "effect"

/** Nobody who could answer was reached in time. What was asked for was not done, and will not be. */
export class StoreUnreachable extends Data.TaggedError("StoreUnreachable")<{
  readonly store: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4401"
  override get message() {
    return (
      `${this.store} was not reached in time. Nothing was changed; what this node knows of the cluster grows old. ` +
      `Look whether it is up, of several members the majority, and at the network between.`
    )
  }
}

/** A write was sent and its answer was lost: it may be done, now or in a moment, or never. */
export class OutcomeUnknown extends Data.TaggedError("OutcomeUnknown")<{
  readonly store: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4402"
  override get message() {
    return (
      `${this.store} was lost while it had a write in hand. Whether the write took effect is not known. ` +
      `Read the key before it is written again; a leader that fails makes a few of these and no more.`
    )
  }
}

/** There is no room for more. What is there can be read and deleted. */
export class StoreFull extends Data.TaggedError("StoreFull")<{
  readonly store: string
  readonly limit?: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4403"
  override get message() {
    return (
      `${this.store} takes no more writes: ${this.limit ?? "its quota is used up"}. Reads and deletes go on. ` +
      `Make room (etcd: compact, defragment, disarm the alarm), or raise the limit.`
    )
  }
}

/** The other side does not let this node in, or this node does not trust the other side. */
export class StoreRefused extends Data.TaggedError("StoreRefused")<{
  readonly store: string
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4404"
  override get message() {
    return (
      `${this.store} and this node do not trust each other: ${this.reason}. State is neither read nor written. ` +
      `Renew the certificate, or correct the authorities or permissions; files are read again with each attempt.`
    )
  }
}

/** A document that a newer version has written. It was left as it is. */
export class NewerDocument extends Data.TaggedError("NewerDocument")<{
  readonly from: string
  readonly version: number
  readonly known: number
}> {
  readonly code = "NVC-4405"
  override get message() {
    return (
      `${this.from} has a document of version ${this.version}; this node reads up to ${this.known}. The document was left ` +
      `as it is and nothing of it is lost, but its changes are not seen here. Upgrade this node.`
    )
  }
}

/** A document that is no document: cut off, changed, or not from the cluster. */
export class DocumentDamaged extends Data.TaggedError("DocumentDamaged")<{
  readonly from: string
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4406"
  override get message() {
    return (
      `The document from ${this.from} cannot be used: ${this.reason}. It was put aside and nothing else is touched. ` +
      `The state comes back from other nodes; look at the disk, or at who speaks to this port.`
    )
  }
}

/** An engine cannot be had with these settings, or on this installation. */
export class EngineUnavailable extends Data.TaggedError("EngineUnavailable")<{
  readonly engine: string
  readonly reason: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4407"
  override get message() {
    return (
      `State cannot be kept by ${this.engine}: ${this.reason}. The node has no shared state until that is set right; ` +
      `the engine "alone" needs nothing but the database of the node.`
    )
  }
}

/** What was expected of a key is not so (any more). */
export class Conflict extends Data.TaggedError("Conflict")<{
  readonly key: string
  /** `undefined`: the key was to be absent. */
  readonly expected: bigint | undefined
  /** `undefined`: the key is absent, or what it is was not told. */
  readonly actual: bigint | undefined
}> {
  override get message() {
    const say = (version: bigint | undefined) => (version === undefined ? "absent" : `version ${version}`)
    const found = `${this.key} was to be ${say(this.expected)} and is ${say(this.actual)}`
    return `${found}. Nothing was changed; read it, and decide again.`
  }
}

/** An engine cannot keep this promise. It says so, and does not try. */
export class NotPromised extends Data.TaggedError("NotPromised")<{
  readonly engine: string
  readonly operation: string
  readonly reason: string
}> {
  override get message() {
    return (
      `${this.operation} is refused by ${this.engine}, because ${this.reason}. Nothing was changed. ` +
      `Decide by consensus, or write keys that only one node writes.`
    )
  }
}

/** What was asked for is outside of what any engine takes. */
export class RequestRefused extends Data.TaggedError("RequestRefused")<{ readonly reason: string }> {
  override get message() {
    return `The request was refused before it was sent: ${this.reason}. This is a fault of the caller.`
  }
}

/** What is stored under a key is not what its reader expects. */
export class ValueMalformed extends Data.TaggedError("ValueMalformed")<{
  readonly key: string
  readonly cause: unknown
}> {
  override get message() {
    return (
      `What stands at ${this.key} is not of the kind that is read there. It was left as it is. ` +
      `Another version of the software has written it, or another program.`
    )
  }
}

export type StateError =
  | StoreUnreachable
  | OutcomeUnknown
  | StoreFull
  | StoreRefused
  | NewerDocument
  | DocumentDamaged
  | NotPromised
  | RequestRefused
