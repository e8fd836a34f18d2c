/**
 * Boots the shortener and shows all there is to see: the plan, each event, the report.
 *
 *     npx -y pnpm@12 exec node examples/shortener/src/main.ts [--exit-when-ready] [--report FILE]
 */
import { parseArgs } from "node:util"
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { Boot, type BootEvent, PlanView, Report } from "@novacron/boot"
import { Console, Context, Effect, FileSystem, Result } from "effect"
import { sabotaged } from "./Sabotage.ts"
import { Server } from "./Server.ts"

const { values: flags } = parseArgs({ options: { "exit-when-ready": { type: "boolean" }, report: { type: "string" } } })

const events: Array<BootEvent.BootEvent> = []
const report = () => Report.fromEvents(events)

const up = Effect.gen(function* () {
  const components = yield* sabotaged
  yield* Console.log(PlanView.toText(Result.getOrThrow(Boot.plan(components))))
  const { ended, services } = yield* Boot.make(components, { observe: tell, monitor: "1 second" })
  yield* Console.log(Report.text(report()))
  yield* Console.log(`Serving on ${Context.get(services, Server).url} until Ctrl-C.`)
  if (flags["exit-when-ready"] !== true) yield* ended
})

const tell = (event: BootEvent.BootEvent): void => {
  events.push(event)
  console.log(line(event))
}

/** An event as it is: when, what, and its facts. */
const line = ({ _tag, atMs, ...facts }: BootEvent.BootEvent): string => {
  const told = Object.entries(facts)
    .filter(([, fact]) => fact !== "")
    .map(([name, fact]) => {
      if (name === "component") return fact
      return `${name}=${Array.isArray(fact) ? fact.length : JSON.stringify(fact)}`
    })
  return `${atMs.toFixed(1).padStart(9)} ms  ${_tag.padEnd(18)} ${told.join(" ")}`
}

/** The last word, whatever happened: everything is down, and this is what became of it. */
const sayGoodbye = Effect.gen(function* () {
  if (events.length === 0) return
  const it = report()
  yield* (it.outcome === "stopped" ? Console.log : Console.error)(`\n${Report.text(it)}`)
  if (flags.report === undefined) return
  const fileSystem = yield* FileSystem.FileSystem
  yield* fileSystem.writeFileString(flags.report, `${JSON.stringify(it, null, 2)}\n`)
})

up.pipe(
  Effect.scoped,
  // What the report cannot hold: the stack of a bug, or why there was no boot at all.
  Effect.tapCause((cause) => (report().exitCode === 70 ? Effect.logError(cause) : Effect.void)),
  Effect.ensuring(Effect.orDie(sayGoodbye)),
  Effect.provide(NodeFileSystem.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (_, exit) => exit(events.length === 0 ? 78 : report().exitCode)
  })
)
