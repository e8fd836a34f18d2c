/** Errors of commands in the words of this program: with their code, and what to do about them. */
import { Cause, Effect } from "effect"
import * as Codes from "./Codes.ts"
import * as ExitCode from "./ExitCode.ts"
import * as LastWords from "./LastWords.ts"
import { Leave, quietly } from "./Leave.ts"
import { Surroundings } from "./Surroundings.ts"
import { messageStyleOf } from "./Terminal.ts"

/** Says an error in the words of this program, on stderr, and for programs as one object on stdout. Then leaves. */
export const explained = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  json: boolean,
  title = "NOT DONE"
): Effect.Effect<A, Leave, R | Surroundings> =>
  Effect.catchCause(effect, (cause) => {
    const error = Cause.squash(cause)
    return error instanceof Leave
      ? Effect.fail(error)
      : Effect.andThen(tell(cause, json, title), quietly(ExitCode.ofError(error)))
  })

/** Says an error, with its code and what to do about it. */
const tell = (cause: Cause.Cause<unknown>, json: boolean, title: string) =>
  Effect.gen(function* () {
    const { env, stderr, stdout } = yield* Surroundings
    const error = Cause.squash(cause)
    const exit = ExitCode.ofError(error)
    if (!isProblem(error)) {
      yield* Effect.logError(cause)
      if (json) stdout.write(`${JSON.stringify({ error: { message: "an internal error", exit } })}\n`)
      return
    }
    const { message } = error
    const code = Codes.ofError(error)?.code
    const reason = LastWords.reasonOf(error)
    if (json) stdout.write(`${JSON.stringify({ error: { code, message, reason, exit } })}\n`)
    const style = messageStyleOf({ env, isTerminal: stderr.isTerminal })
    stderr.write(`${LastWords.ofError(error, style, { exit, explain: () => undefined }, title)}\n`)
  })

const isProblem = (error: unknown): error is { readonly _tag: string; readonly message: string } =>
  error instanceof Error && "_tag" in error && typeof error._tag === "string"
