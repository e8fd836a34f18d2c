#!/usr/bin/env node
/**
 * The entry of the process: takes the surroundings, runs the command line, leaves with its code.
 *
 *     node packages/novacron/src/main.ts boot
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { formatter, novacron, presenter } from "./Cli.ts"
import { Leave } from "./Leave.ts"
import * as Log from "./Log.ts"
import { Surroundings, thisProcess } from "./Surroundings.ts"
import { messageStyleOf } from "./Terminal.ts"
import { version } from "./version.ts"

const surroundings = thisProcess()
const { args, env, leave, stderr, stdout } = surroundings
const colors = messageStyleOf({ env, isTerminal: stdout.isTerminal }) === "colour"

const layer = Layer.mergeAll(
  NodeServices.layer,
  Layer.succeedContext(Context.make(Surroundings, surroundings)),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }),
  CliOutput.layer(formatter({ colors })),
  CliOutput.layerPresenter(presenter),
  Logger.layer([Log.to(stderr, env)])
)

/** 64 for a command line that nobody understands; what a command leaves with; 70 for what nobody foresaw. */
const codeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Cause.squash(exit.cause)
  if (error instanceof Leave) return error.exit
  if (typeof error === "object" && error !== null && "_tag" in error && error._tag === "ShowHelp") {
    return "errors" in error && Array.isArray(error.errors) && error.errors.length === 0 ? 0 : 64
  }
  stderr.write(`${Cause.pretty(exit.cause)}\n`)
  return 70
}

const main = Command.runWith(novacron, { version })(args)

Effect.runFork(Effect.provide(main, layer)).addObserver((exit) => leave(codeOf(exit)))
