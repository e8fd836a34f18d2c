/**
 * What V8 has compiled of the program is kept for the next start as soon as the node is up. It is kept when the process
 * ends too, but the boot after one that was killed would compile everything again.
 */
import { Effect } from "effect"
import { keeper } from "./Parts.ts"

/**
 * A moment after the node is up, so that those who waited for it come first, and part by part, so that nobody waits long.
 * Does nothing where nothing is kept, as in a checkout.
 */
export const keepSoon: Effect.Effect<void> = Effect.delay(
  Effect.gen(function* () {
    const keepNext: unknown = Reflect.get(globalThis, keeper)
    if (typeof keepNext !== "function") return
    while (keepNext() === true) yield* Effect.sleep("1 millis")
  }),
  "1 second"
)
