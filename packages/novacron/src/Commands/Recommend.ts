/** `novacron recommend`: what earlier boots, and the nodes as they are, advise to do differently. */
import { join } from "node:path"
import { Report } from "@novacron/boot/model"
import { Duration, Effect, Exit, Result } from "effect"
import * as Advice from "../Advice.ts"
import * as Configuration from "../Configuration.ts"
import { isDenied } from "../Errors.ts"
import * as NodeApi from "../NodeApi.ts"
import * as Program from "../Program.ts"
import { Surroundings } from "../Surroundings.ts"
import * as Templates from "../Templates.ts"
import { visible } from "../Terminal.ts"
import * as Boots from "../trace/Boots.ts"

/** What it may be told. */
export interface Flags extends Configuration.Asked {
  readonly json: boolean
}

/** How many boots are learned from. */
const lessons = 20

/** Reads the journals and asks the node, if one runs; changes nothing. */
export const recommend = Program.make(
  Effect.fnUntraced(function* (flags: Flags) {
    const surroundings = yield* Surroundings
    const { loaded } = yield* Configuration.load(flags, { resources: "skip" })
    const { system } = loaded.settings
    const journals = join(Configuration.dataDirOf(loaded.settings, surroundings), "journal")
    const boots = yield* Effect.fromResult(reportsOf(journals))
    const advice = Advice.ofBoots(boots, {
      bootTimeoutMs: Duration.toMillis(system.bootTimeout),
      shutdownTimeoutMs: Duration.toMillis(system.shutdownTimeout),
      maxConcurrency: system.maxConcurrency,
      slotsOfMachine: Templates.concurrency(boots.at(-1)?.environment ?? "", Templates.machine())
    })
    // A node that does not run has nothing to say; what its boots say is of use all the same.
    const asked = yield* Effect.exit(
      NodeApi.ask({ ...flags, url: undefined, ca: undefined }, (client) => client.nodes.list({}))
    )
    const nodes = Exit.isSuccess(asked) ? Advice.ofNodes(asked.value.nodes) : null
    const { stdout } = surroundings
    if (flags.json) stdout.write(`${JSON.stringify({ boots: boots.length, advice, nodes })}\n`)
    else stdout.write(`${shown(boots, advice, nodes)}\n`)
  })
)

/** Where nothing has booted yet there is nothing to learn; what may not be read is no such place. */
const reportsOf = (journals: string): Result.Result<ReadonlyArray<Report.Report>, Boots.NoBoots> => {
  const listed = Boots.list(journals, lessons)
  if (Result.isFailure(listed)) return isDenied(listed.failure.cause) ? Result.fail(listed.failure) : Result.succeed([])
  return Result.succeed(
    listed.success.toReversed().flatMap(({ file, kind }) => {
      const opened = kind === "boot" ? Boots.open(journals, file) : undefined
      return opened !== undefined && Result.isSuccess(opened) ? [Report.fromEvents(opened.success.events)] : []
    })
  )
}

const shown = (
  boots: ReadonlyArray<Report.Report>,
  advice: ReadonlyArray<Advice.Advice>,
  nodes: Advice.Scale | null
): string => {
  const about = advice.flatMap(({ because, instead, now, subject }) => [
    `  ${visible(subject, 80)}${now === null ? "" : ` ${now}`} → ${visible(instead, 200)}`,
    `      ${visible(because, 400)}`
  ])
  const up = boots.filter(({ readyAtMs }) => readyAtMs !== null).length
  const others = boots.length === up ? "" : `; ${boots.length - up} did not come up: novacron trace --list`
  const nothing =
    up < Advice.fewest
      ? `  too few boots to advise anything: ${up}, and it takes ${Advice.fewest}${others}`
      : `  nothing: ${up} boots went as they should${others}`
  return [
    "SETTINGS",
    ...(about.length === 0 ? [nothing] : about),
    "NODES",
    nodes === null ? "  no node runs here that could be asked" : `  ${sign(nodes.change)}: ${nodes.because}`
  ].join("\n")
}

const sign = (change: number): string =>
  change === 0 ? "as many as there are" : change > 0 ? `${change} more` : `${-change} fewer`
