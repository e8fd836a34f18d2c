/** What the commands of the command line have in common: flags, and how the module of a command is loaded. */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Leave from "./Leave.ts"
import { Surroundings } from "./Surroundings.ts"

/** A flag that is off unless it is given. */
export const toggle = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withDescription(description))

export const json = toggle("json", "Write JSON to stdout, and nothing else there")

/** A variable that a script forgot to set is no name: `-d ""` would be the current directory. */
const text = (name: string) =>
  Flag.String(name).pipe(
    Flag.filter(
      (given) => given !== "",
      () => "a text that is not empty"
    )
  )

const config = Flag.optional(text("config")).pipe(
  Flag.withAlias("c"),
  Flag.withDescription("The file with the settings, YAML or JSON (default: novacron.yaml, if it is there)")
)

const dataDir = Flag.optional(text("data-dir")).pipe(
  Flag.withAlias("d"),
  Flag.withDescription("Where the node keeps everything (default: .novacron)")
)

const template = Flag.optional(text("template")).pipe(
  Flag.withDescription("datacenter, internet, hybrid or development (default: by the environment)")
)

const set = Flag.optional(Flag.KeyValuePair("set")).pipe(
  Flag.withAlias("s"),
  Flag.withDescription("Set one key, stronger than file and environment; may be repeated: -s system.log_level=debug")
)

export const source = { config, dataDir, template, set, json }

/** The flags as commands want them. */
export const asked = (input: {
  readonly config: Option.Option<string>
  readonly dataDir: Option.Option<string>
  readonly template: Option.Option<string>
  readonly set: Option.Option<Record<string, string>>
  readonly json: boolean
}) => ({
  config: Option.getOrUndefined(input.config),
  dataDir: Option.getOrUndefined(input.dataDir),
  template: Option.getOrUndefined(input.template),
  set: Option.getOrElse(input.set, () => ({})),
  json: input.json
})

/** A whole number, of which only some can be meant. */
export const whole = (name: string, least: number, most: number) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (given) => given >= least && given <= most,
      () => `a whole number from ${least} to ${most}`
    )
  )

/** A port; 0 is any that is free. */
export const port = whole("port", 0, 65_535)

/** Loads the module that does the work when it is needed, and leaves with its exit code. */
export const lazily = <M, Flags>(
  load: () => Promise<M>,
  program: (module: M) => (flags: Flags, surroundings: Surroundings["Service"]) => Promise<number>,
  flags: Flags
) =>
  Effect.gen(function* () {
    const surroundings = yield* Surroundings
    const exit = yield* Effect.promise(async () => program(await load())(flags, surroundings))
    if (exit !== 0) return yield* Leave.quietly(exit)
  })

/** A flag with a text that need not be given. */
export const optionalText = (name: string, description: string) =>
  Flag.optional(text(name)).pipe(Flag.withDescription(description))
