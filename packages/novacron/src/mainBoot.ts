/** The entry of a process that is told to boot: no other command is described before that, and this one only if it must. */
import { Effect } from "effect"
import * as BootWords from "./BootWords.ts"
import { type Flags, boot } from "./Commands/Boot.ts"
import { type Surroundings, thisProcess } from "./Surroundings.ts"

/** The rare ways of saying it, and those that are wrong, are for the whole command line. */
const byCommandLine = async (): Promise<void> => {
  const [{ novacron }, { run }] = await Promise.all([import("./BootCli.ts"), import("./CommandLine.ts")])
  run(novacron)
}

const byFlags = async (flags: Flags, surroundings: Surroundings["Service"]): Promise<void> => {
  // A program tells what went wrong by itself; what is rejected is a bug of ours.
  const code = await boot(flags, surroundings).catch((bug: unknown) => {
    surroundings.stderr.write(`${bug instanceof Error ? (bug.stack ?? bug.message) : String(bug)}\n`)
    return 70
  })
  // Everything is down: whoever does not read its last words keeps no node, as it would keep a command.
  await Effect.runPromise(Effect.timeoutOption(Effect.promise(surroundings.flushed), "2 seconds"))
  surroundings.leave(code)
}

const surroundings = thisProcess()
const flags = BootWords.read(surroundings.args)
void (flags === undefined ? byCommandLine() : byFlags(flags, surroundings))
