/**
 * The command line of `novacron boot`: a file of its own, because a boot that is asked for by its name waits for no other
 * command to be described.
 */
import * as Command from "effect/cli/Command"
import * as Option from "effect/Option"
import { asked, lazily, optionalText, source, toggle } from "./CommandFlags.ts"

/** The flags of a boot. `BootWords` reads the plain ones by itself. */
export const flags = {
  ...source,
  exitWhenReady: toggle("exit-when-ready", "Stop as soon as the node is ready"),
  strict: toggle("strict", "Exit with 75 when the node is up but degraded"),
  lastGood: toggle("last-good", "When the file cannot be used, boot with its last version that was good, and say so"),
  report: optionalText("report", "Write the report of the boot to this file")
}

/** The flags as the command wants them. */
export const toFlags = (
  input: Parameters<typeof asked>[0] & {
    readonly exitWhenReady: boolean
    readonly strict: boolean
    readonly lastGood: boolean
    readonly report: Option.Option<string>
  }
) => ({
  ...asked(input),
  exitWhenReady: input.exitWhenReady,
  strict: input.strict,
  lastGood: input.lastGood,
  report: Option.getOrUndefined(input.report)
})

export const boot = Command.make("boot", flags, (input) =>
  lazily(
    () => import("./Commands/Boot.ts"),
    (it) => it.boot,
    toFlags(input)
  )
).pipe(
  Command.withDescription("Boot the node and keep it up until a signal or novacron stop ends it"),
  Command.withExamples([
    { command: "novacron boot", description: "a node on embedded defaults; everything is kept in .novacron" },
    { command: "novacron boot -c /etc/novacron/novacron.yaml", description: "a node with settings" },
    { command: "novacron boot --exit-when-ready --report r.json", description: "does it boot? for scripts" }
  ])
)

/** A command line that knows this command alone. */
export const novacron = Command.make("novacron").pipe(Command.withSubcommands([boot]))
