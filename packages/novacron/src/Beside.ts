/**
 * Code that is large is loaded beside the database server, which takes none of our time once it is launched: not before
 * that, as code that is being loaded leaves the launch no turn; and not later, as there is nothing else to do.
 */
import type { BootEvent } from "@novacron/boot/model"
import { Deferred, Effect } from "effect"

export interface Beside {
  /** Hears what the boot does. */
  readonly hear: (event: BootEvent.BootEvent) => void
  /** The server has been launched. */
  readonly launched: () => void
  /** Waits for that while it is under way; for a second at the most, should it hang. */
  readonly turn: Effect.Effect<void>
}

/** `isOwn` says whether there is a server to launch; `load` loads what is large and needed next. */
export const make = (isOwn: boolean, load: () => Promise<unknown>): Beside => {
  const over = Deferred.makeUnsafe<void>()
  let isUnderWay = false
  const launched = (): void => {
    if (!Deferred.doneUnsafe(over, Effect.void)) return
    // Whoever needs it asks for it again, and is told then what is wrong with it.
    load().catch(() => undefined)
  }
  return {
    hear: (event) => {
      if (event._tag !== "ComponentStarted" || event.component !== "database") return
      isUnderWay = true
      if (!isOwn) launched()
    },
    launched,
    turn: Effect.suspend(() =>
      isUnderWay ? Effect.asVoid(Effect.timeoutOption(Deferred.await(over), longest)) : Effect.void
    )
  }
}

/** A launch takes some milliseconds. */
const longest = "1 second"
