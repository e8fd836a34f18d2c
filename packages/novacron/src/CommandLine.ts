/**
 * Runs a command line in this process: takes the surroundings, reads the arguments, runs a command, leaves with its code.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { formatter, presenter } from "./CliWords.ts"
import { Leave } from "./Leave.ts"
import { type Output, Surroundings, thisProcess } from "./Surroundings.ts"
import { messageStyleOf } from "./Terminal.ts"
import { version } from "./version.ts"

/** Runs it with the arguments of this process, which ends when it has ended. */
export const run = (novacron: Command.Command.Any): void => {
  const surroundings = thisProcess()
  const { args, env, flushed, leave, stderr, stdout } = surroundings

  const colors = messageStyleOf({ env, isTerminal: stdout.isTerminal }) === "colour"

  const context = Context.make(Surroundings, surroundings).pipe(
    Context.add(CliConfig.CliConfig, CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] })),
    Context.add(CliOutput.Formatter, formatter({ colors })),
    Context.add(CliOutput.Presenter, presenter(args))
  )
  // Our flags are words: nothing asks for a file system before a command runs, and commands bring their own.
  const main = Command.runWith(novacron, { version })(args) as Effect.Effect<void, unknown, Surroundings>

  Effect.runFork(Effect.provideContext(main, context)).addObserver((exit) => {
    const code = codeOf(exit, stderr)
    void flushed().then(() => leave(code))
  })
}

/** What a command leaves with; 64 for a command line that nobody understands; 70 for what nobody foresaw. */
const codeOf = (exit: Exit.Exit<unknown, unknown>, stderr: Output): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Cause.squash(exit.cause)
  if (error instanceof Leave) return error.exit
  if (typeof error === "object" && error !== null && "_tag" in error && error._tag === "ShowHelp") {
    return "errors" in error && Array.isArray(error.errors) && error.errors.length === 0 ? 0 : 64
  }
  stderr.write(`${Cause.pretty(exit.cause)}\n`)
  return 70
}
