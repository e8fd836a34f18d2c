/** What can go wrong with the process itself, before and around a boot. */
import { Data } from "effect"

/** The data directory cannot be had. */
export class NodeDirUnusable extends Data.TaggedError("NodeDirUnusable")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly code = "NVC-3003"
  override get message() {
    return `The data directory ${this.path} cannot be made or used. Nothing can be kept, so nothing was started.`
  }
}

/** The report was asked for and cannot be written. */
export class ReportUnwritable extends Data.TaggedError("ReportUnwritable")<{
  readonly path: string
  /** Whether that was seen in time. */
  readonly beforeBoot: boolean
  readonly cause: unknown
}> {
  readonly code = "NVC-3008"
  override get message() {
    const follows = this.beforeBoot
      ? "Nothing was started."
      : "The boot was not concerned, but whoever waits for it will be."
    return `The report cannot be written to ${this.path}. ${follows}`
  }
}
