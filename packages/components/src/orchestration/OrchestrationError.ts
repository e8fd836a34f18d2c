/** What keeps orchestration from coming up, each with what follows and what to do. */
import { PortHolder } from "@novacron/config"
import { Data } from "effect"
import * as Ends from "../network/Ends.ts"
import { codeOf, textOf } from "../database/DatabaseError.ts"

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
  /** Who had the port then, where it is taken: perhaps an instance that is just ending. */
  readonly holder = codeOf(this.cause) === "EADDRINUSE" ? PortHolder.of(this.port) : undefined
  override get message() {
    const where = Ends.show(this)
    const lost = "so the nodes of the cluster cannot reach this one"
    return this.holder === undefined
      ? `Orchestration cannot listen at ${where} (${textOf(this.cause)}), ${lost}. Set orchestration.cluster.listen_address \
and port to what this machine has.`
      : `Orchestration cannot listen at ${where}, which ${this.holder} has, ${lost}. Free the port, or set \
orchestration.cluster.port.`
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
