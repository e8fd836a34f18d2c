/** `novacron completion SHELL`: a script that makes the shell complete our commands and flags. */
import { Effect } from "effect"
import { type Command, Completions } from "effect/cli"
import { Surroundings } from "../Surroundings.ts"

/** Prints the script for a shell. */
export const completion = Effect.fnUntraced(function* (command: Command.Command.Any, shell: Completions.Shell) {
  const { stdout } = yield* Surroundings
  stdout.write(`${Completions.generate(command.name, shell, Completions.fromCommand(command)).trimEnd()}\n`)
})
