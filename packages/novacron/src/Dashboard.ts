/**
 * The dashboard of this node: who answers what its pages ask. Of a node that runs it is the node itself; where none runs,
 * the journals that it left.
 *
 * **Details**
 *
 * The pages lie beside the program that is published. In a checkout they are built when somebody wants to see them, by
 * `packages/dashboard/build.ts`.
 */
import { fork } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { type BootEvent, Rehearsal, Report, Timeline } from "@novacron/boot/model"
import { Operator, Orchestration, Security } from "@novacron/components"
import type { Config } from "@novacron/config"
import { Context, Effect, FileSystem, Option, Result, type Scope } from "effect"
import * as Alive from "./Alive.ts"
import * as Answers from "./Answers.ts"
import * as NodeId from "./NodeId.ts"
import * as Boots from "./trace/Boots.ts"
import { version } from "./version.ts"

/** What the dashboard of a node is made of. */
export interface Options {
  readonly settings: typeof Operator.Settings.Type
  readonly security: typeof Security.Settings.Type
  readonly dataDir: string
  /** What the node is called by its settings, for its certificate. */
  readonly nodeId: string | undefined
  readonly explain: (key: string) => ReadonlyArray<Config.Explanation>
}

/** Opens the dashboard of a node, until the scope closes. */
export interface Opens {
  (node: Alive.Alive): Effect.Effect<Operator.Dashboard | undefined, never, FileSystem.FileSystem | Scope.Scope>
}

/** Serves the dashboard of a node that lives, if it is to have one. What is in the way of that is told and left. */
export const ofNode =
  (options: Options): Opens =>
  (node) =>
    Effect.gen(function* () {
      const { dataDir, explain, nodeId, security, settings } = options
      if (!settings.enabled) return undefined
      const fileSystem = yield* FileSystem.FileSystem
      const tls = Effect.gen(function* () {
        const name = yield* NodeId.keep(dataDir, nodeId, node.surroundings.hostname)
        return yield* Operator.NodeTls.make(security, dataDir, name)
      })
      const sources: Operator.Sources = {
        ...fromJournals(join(dataDir, "journal")),
        node: Effect.sync(() => ({
          ...program,
          pid: node.surroundings.pid,
          mode: "live" as const,
          health: node.endpoints?.url ?? "",
          isStopping: node.end !== undefined
        })),
        report: node.report,
        health: Effect.suspend(() => node.running?.health.snapshot ?? Alive.whileBooting(node).report),
        impact: (component) => Answers.restore(node, component, false),
        restore: (component) =>
          Effect.andThen(
            Effect.logInfo(`The dashboard asks to restore ${JSON.stringify(component)}.`),
            Answers.restore(node, component, true)
          ),
        settings: Effect.sync(() => explain("")),
        orchestration: Effect.sync(() =>
          Option.flatMap(up(node), (services) => Context.getOption(services, Orchestration.Orchestration))
        ),
        security: Effect.sync(() =>
          Option.flatMap(up(node), (services) => Context.getOption(services, Security.Security))
        )
      }
      return yield* Operator.make({
        settings,
        roles: security.roles,
        dataDir,
        ...pages(),
        tls: Effect.provideService(tls, FileSystem.FileSystem, fileSystem),
        sources
      })
    }).pipe(Effect.catch((error) => Effect.as(Effect.logWarning(`${error.code} ${error.message}`), undefined)))

/** The services of a node that is up, and not on its way down. */
const up = ({ end, running }: Alive.Alive) =>
  running === undefined || end !== undefined ? Option.none() : Option.some(running.services)

/** Shows the journals of a data directory where no node runs: the last boot as if it were there, and nothing to do. */
export const ofJournals = (dataDir: string, pid: number, settings: typeof Operator.Settings.Type) =>
  Effect.gen(function* () {
    const directory = join(dataDir, "journal")
    const { events } = yield* Effect.fromResult(
      Result.flatMap(Boots.find(directory), ({ file }) => Boots.open(directory, file))
    )
    const noNode = Effect.fail({ message: "No node runs here: these are its journals." })
    const report = Report.fromEvents(events)
    const dashboard = yield* Operator.make({
      settings: { ...settings, host: "127.0.0.1" },
      // Whoever may read the journals may look at them.
      roles: { admin: ["status.*", "health.*"] },
      dataDir,
      ...pages(),
      sources: {
        ...fromJournals(directory),
        node: Effect.succeed({ ...program, pid, mode: "journals", health: "", isStopping: false }),
        report: () => report,
        health: Effect.never,
        impact: () => noNode,
        restore: () => noNode,
        settings: Effect.succeed([]),
        orchestration: Effect.succeedNone,
        security: Effect.succeedNone
      }
    })
    for (const event of events) dashboard.observe(event)
    return dashboard
  })

const program = { program: "novacron", version }

// ------------------------------------------------------------------------------------------------------------ journals

/** Events of one boot that a page gets; more than any boot has that is not hostile. */
const maxEvents = 200_000

/** How many boots of a list are opened to see what became of them: the latest. */
const maxOutcomes = 50

const outcomeOf = (directory: string, { file, kind }: Boots.Head): { readonly outcome?: Report.Report["outcome"] } => {
  const opened = kind === "boot" ? Boots.open(directory, file) : undefined
  if (opened === undefined || Result.isFailure(opened)) return {}
  return { outcome: Report.fromEvents(opened.success.events).outcome }
}

const fromJournals = (directory: string): Pick<Operator.Sources, "boots" | "boot" | "difference"> => ({
  boots: (limit) =>
    Effect.fromResult(
      Result.map(Boots.list(directory, limit), (boots) => ({
        boots: boots.map((head, i) => (i < maxOutcomes ? { ...head, ...outcomeOf(directory, head) } : head)),
        total: readdirSync(directory).filter((file) => file.endsWith(".journal")).length
      }))
    ),
  boot: (id) =>
    Effect.fromResult(
      Result.map(opened(directory, id), ({ events, file, warnings }) => ({
        file,
        events: events.slice(0, maxEvents),
        warnings:
          events.length <= maxEvents
            ? warnings
            : [...warnings, `The first ${maxEvents} of ${events.length} events are shown.`]
      }))
    ),
  difference: (a, b) =>
    Effect.fromResult(
      Result.gen(function* () {
        const [one, other] = [yield* opened(directory, a), yield* opened(directory, b)]
        return Rehearsal.difference(timeline(one.events), timeline(other.events))
      })
    )
})

const timeline = (events: ReadonlyArray<BootEvent.BootEvent>) => Timeline.fromEvents(events)

/** A boot by its name. On the command line a name may be a path; what comes from a page may not. */
const opened = (directory: string, id: string) =>
  Result.flatMap(
    /^[\w.~-]{1,255}$/.test(id)
      ? Boots.find(directory, id)
      : Result.fail(new Boots.BootUnknown({ which: "", candidates: [] })),
    ({ file }) => Boots.open(directory, file)
  )

// --------------------------------------------------------------------------------------------------------- the pages

/** Beside the bundle, wherever in it this has ended up; or in the repository that the sources are in. */
const folders = ["pages", "../pages", "../../pages"].map((path) => join(import.meta.dirname, path))
const workshop = join(import.meta.dirname, "../../dashboard")

/** Where the pages are; in a checkout with what builds them. */
export const pages = (): Pick<Operator.Options, "site" | "build"> => {
  const folder = folders.find((path) => existsSync(join(path, "index.html")))
  if (folder !== undefined) return { site: folder }
  const script = join(workshop, "build.ts")
  const site = join(workshop, "dist/site")
  return existsSync(script) ? { site, build: built(script) } : { site }
}

/** Builds the pages in a process of its own, if something has changed since they were built. */
const built = (script: string): Effect.Effect<void, Operator.Refused> =>
  Effect.callback((resume) => {
    const child = fork(script, ["--if-needed"], { execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] })
    let said = ""
    child.stderr?.on("data", (chunk: Buffer) => {
      if (said.length < 4_096) said += chunk.toString()
    })
    const failed = (why: string) => resume(Effect.fail({ message: `The pages cannot be built. ${why.trim()}` }))
    child.once("error", ({ message }) => failed(message))
    child.once("close", (code) => (code === 0 ? resume(Effect.void) : failed(said)))
    return Effect.sync(() => child.kill())
  })
