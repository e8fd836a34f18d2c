/** What can go wrong where replicas agree, in the words of whoever is on call. */
import { Data } from "effect"

/** The journal says what this replica has promised; without it, it could promise something else. */
export class JournalUnusable extends Data.TaggedError("JournalUnusable")<{
  readonly path: string
  readonly problem: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-4451"
  override get message() {
    return (
      `The journal ${this.path} cannot be used: ${this.problem}. This replica takes no part, because it could contradict ` +
      `what it said before; the others go on without it. Repair the disk, or give the replica a new key and an empty journal.`
    )
  }
}

/** Nothing can listen at the address. */
export class ReplicaCannotListen extends Data.TaggedError("ReplicaCannotListen")<{
  readonly address: string
  readonly cause: unknown
}> {
  readonly code = "NVC-4452"
  override get message() {
    return `This replica cannot listen at ${this.address}, so that others cannot reach it. Free the port, or set another.`
  }
}

/** Members, keys and place of this replica do not fit together. */
export class MembershipInvalid extends Data.TaggedError("MembershipInvalid")<{ readonly problem: string }> {
  readonly code = "NVC-4453"
  override get message() {
    return (
      `This replica cannot join: ${this.problem}. All members need the same list, and each one its own key. A node that is ` +
      `not to decide leaves dwcp.consensus.byzantine_tolerance off, and has no part in what the members share.`
    )
  }
}

/** No decision came in time. */
export class Undecided extends Data.TaggedError("Undecided")<{ readonly seconds: number }> {
  readonly code = "NVC-4454"
  override get message() {
    return (
      `No decision after ${this.seconds} s. The proposal may still be decided, once and not twice. Look whether enough ` +
      `replicas are up and reach each other.`
    )
  }
}

/** What was proposed cannot be, whenever it is tried. */
export class ProposalRefused extends Data.TaggedError("ProposalRefused")<{ readonly problem: string }> {
  readonly code = "NVC-4455"
  override get message() {
    return `The proposal was not made: ${this.problem}.`
  }
}

/** This replica does not agree with enough others. */
export class NoAgreement extends Data.TaggedError("NoAgreement")<{ readonly problem: string }> {
  readonly code = "NVC-4456"
  override get message() {
    return `There is no agreement here: ${this.problem}. Proposals wait until this is over.`
  }
}
