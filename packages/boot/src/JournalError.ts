/** Why the record of a boot could not be kept or not be read, said to whoever is on call. */
import { Data } from "effect"
import * as Count from "./Count.ts"

/** What failed. `lost` counts the events that were appended and are not known to be durable. */
export type JournalReason =
  | { readonly _tag: "Open"; readonly path: string }
  | { readonly _tag: "Write"; readonly path: string; readonly lost: number }
  | { readonly _tag: "Sync"; readonly path: string; readonly lost: number }
  | { readonly _tag: "Full"; readonly path: string; readonly lost: number; readonly capacity: number }
  | { readonly _tag: "Read"; readonly path: string }

/** The record of a boot could not be kept, or not be read. The boot itself is not concerned. */
export class JournalError extends Data.TaggedError("JournalError")<{
  readonly reason: JournalReason
  readonly cause?: unknown
}> {
  override get message() {
    const reason = this.reason
    const it = `The boot journal ${reason.path}`
    const lost = "lost" in reason ? Count.of(reason.lost, "event") : ""
    switch (reason._tag) {
      case "Open":
        return `${it} cannot be created. Give each boot a path of its own, in a directory that this user may write.`
      case "Write":
        return `${it} cannot be written: ${lost} lost, the boot goes on. Check free space and disk.`
      case "Sync":
        return `${it} is not confirmed: ${lost} may be lost, the boot goes on. Check the disk.`
      case "Full":
        return `${it} lacks ${lost}: over ${reason.capacity} waited, or were no data. Check the disk.`
      case "Read":
        return `${it} cannot be read: nothing is known of that boot. Check that the file is there and readable.`
    }
  }
}
