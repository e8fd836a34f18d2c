/**
 * A command as a program: takes flags and surroundings, does its work with everything that Node offers, says what went
 * wrong in the words of this program, and yields the code to exit with.
 *
 * **Details**
 *
 * A promise stands between the command line and its commands, so that each can be bundled with what it needs alone.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Context, Effect, Exit, Layer, Logger } from "effect"
import { explained } from "./Explained.ts"
import { Leave } from "./Leave.ts"
import * as Log from "./Log.ts"
import type { ExitCode } from "./Meanings.ts"
import { Surroundings } from "./Surroundings.ts"

/** What the work of a command may use. */
export type Platform = NodeServices.NodeServices | Surroundings

/** A command that can be run. */
export type Program<Flags> = (flags: Flags, surroundings: Surroundings["Service"]) => Promise<ExitCode>

/** Makes a program of the work of a command. */
export const make =
  <Flags extends { readonly json: boolean }>(
    work: (flags: Flags) => Effect.Effect<void, unknown, Platform>,
    /** Whether errors are told as JSON too, and what the block that tells them begins with. */
    options: { readonly title?: string; readonly isJson?: (flags: Flags, it: Surroundings["Service"]) => boolean } = {}
  ): Program<Flags> =>
  (flags, surroundings) => {
    const { env, stderr } = surroundings
    const isJson = options.isJson?.(flags, surroundings) ?? flags.json
    const layer = Layer.mergeAll(
      NodeServices.layer,
      Layer.succeedContext(Context.make(Surroundings, surroundings)),
      Logger.layer([Log.to(stderr, env)])
    )
    return Effect.runPromise(
      explained(work(flags), isJson, options.title).pipe(Effect.provide(layer), Effect.exit, Effect.map(codeOf))
    )
  }

const codeOf = (exit: Exit.Exit<unknown, unknown>): ExitCode => {
  if (Exit.isSuccess(exit)) return 0
  const error = Cause.squash(exit.cause)
  return error instanceof Leave ? error.exit : 70
}
