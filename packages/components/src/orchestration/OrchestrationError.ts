/** What keeps orchestration from coming up, each with what follows and what to do. */
import { Data } from "effect"

/** The database refused what orchestration needs of it. */
export class TablesUnusable extends Data.TaggedError("TablesUnusable")<{
  readonly problem: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2701"
  override get message() {
    return `Orchestration cannot use its tables: ${this.problem}. No task is taken. Is the database up, and has it all \
migrations of this version?`
  }
}

/** The port for the other nodes cannot be had. */
export class CannotMeet extends Data.TaggedError("CannotMeet")<{
  readonly host: string
  readonly port: number
  readonly cause: unknown
}> {
  readonly code = "NVC-2702"
  override get message() {
    return `The nodes of the cluster cannot reach this one: it cannot listen at ${this.host}:${this.port}. Set \
orchestration.cluster.port to a free one, or end what has it.`
  }
}

/** All nodes of a cluster wait for one that coordinates. */
export class NobodyCoordinates extends Data.TaggedError("NobodyCoordinates")<{ readonly seconds: number }> {
  readonly code = "NVC-2703"
  override get message() {
    return `No node coordinates, after ${this.seconds} seconds. Tasks are kept and none is placed. Do all nodes use the \
same database, and can it hold their locks?`
  }
}
