/** `novacron boot`: reads the settings and lives the life of a node. */
import { Logger } from "@novacron/components"
import { Effect } from "effect"
import * as Configuration from "../Configuration.ts"
import * as Program from "../Program.ts"
import * as Reloading from "../Reloading.ts"
import * as Leave from "../Leave.ts"
import * as Life from "../Life.ts"
import * as Node from "../Node.ts"
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
  return Effect.provide(work, Logger.Logging.layer({ isColoured }))
}

const life = Effect.fnUntraced(function* (flags: Flags) {
  const surroundings = yield* Surroundings
  const { env, stdout } = surroundings
  const style = styleOf({ env, isTerminal: stdout.isTerminal }, flags.json)
  const { detection, loaded, sources } = yield* Configuration.load(flags)
  const logging = yield* Logger.Logging
  for (const secret of Node.secretsOf(loaded.settings)) logging.hide(secret)
  yield* logging.configure(Node.loggerSettings(loaded.settings))
  for (const warning of loaded.warnings) yield* Effect.logWarning(`${warning.code} ${warning.message}`)
  const dataDir = Configuration.dataDirOf(loaded.settings, surroundings)
  const exit = yield* Life.live({
    dataDir,
    style,
    exitWhenReady: flags.exitWhenReady,
    strict: flags.strict,
    reportFile: flags.report,
    ...Node.around(loaded, dataDir),
    boot: (given) => Node.boot(loaded, detection, dataDir, given),
    reloading: (ready) => Reloading.make({ loaded, sources, dataDir, user: surroundings.user, ready }),
    explain: (setting) => Configuration.explain(loaded, setting)
  })
  if (exit !== 0) return yield* Leave.quietly(exit)
})
