/**
 * What Node has compiled of the program is kept for the next start as soon as the node is up. Node itself writes it when the
 * process ends, so the boot after one that was killed would compile everything again.
 */
import * as module from "node:module"
import { Effect } from "effect"

/** A moment after the node is up, so that those who waited for it come first. Does nothing where nothing is kept. */
export const keepSoon: Effect.Effect<void> = Effect.delay(
  Effect.sync(() => module.flushCompileCache()),
  "1 second"
)
