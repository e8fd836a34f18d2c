/** How commands end that do not end with 0: with a code, after everything has been said. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type ExitCode, known, meanings } from "./Meanings.ts"

/** Ends the command with a code. All that there is to say has been said. */
export class Leave extends Data.TaggedError("Leave")<{ readonly exit: ExitCode }> {
  override get message() {
    return meanings[this.exit]
  }
}

/** Leaves with a code; nothing more is said. */
export const quietly = (code: number): Effect.Effect<never, Leave> => Effect.fail(new Leave({ exit: known(code) }))
