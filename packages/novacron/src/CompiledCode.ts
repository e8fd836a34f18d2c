/**
 * What Node has compiled of the program is kept for the next start while it is all there. Node itself writes it when the
 * process ends: by then the engine has thrown away what only a start needs, and a process that is killed writes nothing.
 */
import * as module from "node:module"
import { Effect } from "effect"

/** A moment after the node is up, so that those who waited for it come first. Does nothing where nothing is kept. */
export const keepSoon: Effect.Effect<void> = Effect.delay(
  Effect.sync(() => module.flushCompileCache()),
  "1 second"
)
