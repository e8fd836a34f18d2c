/** `novacron boot`: reads the settings and lives the life of a node. */
import { Logging } from "@novacron/components/early"
import { Effect } from "effect"
import * as Configuration from "../Configuration.ts"
import * as Program from "../Program.ts"
import * as Leave from "../Leave.ts"
import * as Settings from "../Settings.ts"
import { Surroundings } from "../Surroundings.ts"
import { messageStyleOf, styleOf } from "../Terminal.ts"

/** What it may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
  readonly exitWhenReady: boolean
  readonly strict: boolean
  readonly report: string | undefined
}

/** Boots, and ends when the node has ended; leaves with its exit code. */
export const boot = Program.make((flags: Flags) => Effect.flatMap(Surroundings, (it) => logged(life(flags), it)), {
  title: "BOOT FAILED  before anything was started",
  isJson: (flags, { env, stdout }) => styleOf({ env, isTerminal: stdout.isTerminal }, flags.json) === "json"
})

/** With a log in the colours of everything else. */
const logged = <A, E, R>(work: Effect.Effect<A, E, R>, { env, stderr }: Surroundings["Service"]) => {
  const isColoured = messageStyleOf({ env, isTerminal: stderr.isTerminal }) === "colour"
  return Effect.provide(work, Logging.Logging.layer({ isColoured }))
}

const life = Effect.fnUntraced(function* (flags: Flags) {
  const { env, stderr, stdout } = yield* Surroundings
  // The code of all parts is loaded while the environment is being found out.
  const code = yield* Effect.cached(Effect.promise(() => import("../NodeLife.ts")))
  const configuration = yield* Configuration.load(flags, { meanwhile: code })
  const { settings, warnings } = configuration.loaded
  if (configuration.lastGood !== undefined) stderr.write(`${lastGoodWords(configuration.lastGood)}\n`)
  const logging = yield* Logging.Logging
  for (const secret of Settings.secretsOf(settings)) logging.hide(secret)
  yield* logging.configure(Settings.loggerOf(settings))
  for (const warning of warnings) yield* Effect.logWarning(`${warning.code} ${warning.message}`)
  if (configuration.lastGood !== undefined) {
    const { because, file, number } = configuration.lastGood
    yield* Effect.logError(`${because.code} ${file} cannot be used; this node boots with version ${number} of it.`)
  }
  const { live } = yield* code
  const exit = yield* live(configuration, {
    style: styleOf({ env, isTerminal: stdout.isTerminal }, flags.json),
    exitWhenReady: flags.exitWhenReady,
    strict: flags.strict,
    reportFile: flags.report
  })
  if (exit !== 0) return yield* Leave.quietly(exit)
})

/** On stderr whatever the log is set to: nobody may take these settings for those of the file. */
const lastGoodWords = ({ because, file, number, path }: Configuration.LastGood): string =>
  [
    `LAST GOOD SETTINGS  ${file} cannot be used; this boots with version ${number} of it, ${path}`,
    because.message,
    "  Mend the file; then: novacron reload, or a restart. What was kept: novacron config history"
  ].join("\n")
