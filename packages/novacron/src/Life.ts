/**
 * The life of a node, from the first signal it hears to the last thing it says: it boots what it is given, answers for
 * it, stops it, and decides what the process exits with.
 *
 * **Details**
 *
 * Around the boot stand, in this order and taken down in reverse: the data directory, its lock, the control socket, the
 * health endpoints, the journal, and the dashboard, which opens while the boot begins. So the health and `novacron status`
 * can be asked from the first moment of a boot until the last of a stop.
 *
 * A signal that ends the node first makes it not ready, then stops it in reverse within its budget; during a boot it is
 * cancelled and rolled back at once. The second one says what it is that does not end, and leaves. SIGHUP reloads the
 * settings, as soon as the node is up. SIGUSR2 says what is going on.
 */
import { dirname } from "node:path"
import { type Lock, type Logger, type Operator, Post } from "@novacron/components"
import type { BootEvent, Report } from "@novacron/boot/model"
import {
  Cause,
  DateTime,
  Deferred,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Option,
  type Path,
  type PlatformError,
  Scope
} from "effect"
import * as Alive from "./Alive.ts"
import * as Answers from "./Answers.ts"
import * as BootLines from "./BootLines.ts"
import * as Codes from "./Codes.ts"
import * as ControlSocket from "./ControlSocket.ts"
import { NodeDirUnusable, ReportUnwritable } from "./Errors.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Expected from "./Expected.ts"
import * as Journals from "./Journals.ts"
import * as LastWords from "./LastWords.ts"
import * as Soon from "./Soon.ts"
import { type Signal, Surroundings } from "./Surroundings.ts"
import { messageStyleOf, type Style } from "./Terminal.ts"

/** What the life of a node needs to know. */
export interface Options {
  readonly dataDir: string
  readonly style: Style
  /** Stops as soon as it is ready. */
  readonly exitWhenReady: boolean
  /** Whether a degraded boot counts as a temporary failure. */
  readonly strict: boolean
  /** Where to write the report, when the boot has turned out one way or the other. */
  readonly reportFile: string | undefined
  /** Keeps a second node out; released last. */
  readonly lock: Effect.Effect<Lock.Lock["Service"], Problem, Scope.Scope>
  /** The health endpoints. */
  readonly listen: Effect.Effect<Alive.Endpoints, Problem, Scope.Scope>
  /** The dashboard, if there is to be one: it is there as long as the process is. */
  readonly dashboard?: (
    node: Alive.Alive
  ) => Effect.Effect<Operator.Dashboard | undefined, never, Scope.Scope | Platform>
  /** Boots. It gets what only the process can know. */
  readonly boot: (given: Alive.Given) => Effect.Effect<Alive.Running, unknown, Scope.Scope | Platform>
  /** Follows the settings while the node runs; reloads wait for `ready`. */
  readonly reloading: (
    ready: Effect.Effect<Alive.Running>
  ) => Effect.Effect<Alive.Reloading, never, Scope.Scope | Platform>
  /** What is known of a setting, for the last words. */
  readonly explain: (setting: string) => string | undefined
}

/** What is around the node. */
export type Platform = FileSystem.FileSystem | Path.Path | Surroundings | Logger.Logging

/** A problem that a person is told of. */
export interface Problem {
  readonly _tag: string
  readonly message: string
}

/** Lives a life, and says what the process should exit with. */
export const live = Effect.fn("Life.live")(function* (options: Options) {
  const surroundings = yield* Surroundings
  const node = Alive.make(surroundings)
  yield* listenToSignals(node)
  const outcome = yield* Effect.exit(Effect.scoped(around(options, node)))
  const report = node.report()
  if (Exit.isFailure(outcome)) {
    const error = Cause.squash(outcome.cause)
    if (report.startedAt === "" || isOurs(error)) return yield* refuse(options, outcome.cause)
    // The stack of a bug is nowhere else.
    if (report.exitCode === 70) yield* Effect.logError(outcome.cause)
  }
  // Ended before it began: a signal came while the lock or the journal was being opened.
  if (report.startedAt === "") return ExitCode.bySignal(node.end?.signal)
  return yield* sayGoodbye(options, node)
}, Effect.scoped)

/** What stands around the boot, and the boot itself; ends when everything is down. */
const around = (options: Options, node: Alive.Alive) =>
  Effect.gen(function* () {
    const { boot, dataDir, listen, lock, reloading } = options
    yield* makeDataDir(dataDir)
    yield* examineReport(options)
    const held = yield* lock
    node.reload = (yield* reloading(Deferred.await(node.settled))).reload
    yield* ControlSocket.serve({
      path: ControlSocket.pathOf(dataDir),
      answer: (request) => Answers.answer(node, request)
    })
    node.notify = yield* Post.Notify.make(node.surroundings)
    node.endpoints = yield* listen
    yield* node.endpoints.serve(Alive.whileBooting(node))
    const { remarks, ...before } = yield* Journals.open(`${dataDir}/journal`)
    for (const remark of remarks) yield* Effect.logWarning(remark)
    yield* Post.Notify.keepAlive(node.notify, Effect.succeed(true))
    const { begun, flush, observe, show, watch } = observer(options, node)
    yield* Effect.forkScoped(watch)
    const opens = Effect.tap(options.dashboard?.(node) ?? Effect.succeed(undefined), show)
    yield* Effect.forkScoped(Effect.andThen(begun, opens))
    yield* Effect.ensuring(
      bootAndStop(
        options,
        node,
        boot({
          ...before,
          lock: held,
          notify: whileUp(node),
          observe,
          report: Effect.sync(node.report),
          because: () => node.end?.because
        })
      ),
      Effect.andThen(Effect.sync(flush), tellTheEnd(options, node))
    )
  })

/** For who says that the node is ready: restarted by hand it goes down, and the node does not. */
const whileUp = (node: Alive.Alive): Post.Notify.Notify => ({
  ...node.notify,
  tell: (message) => {
    if (message !== "stopping" || node.report().rollback !== null) node.notify.tell(message)
  }
})

/** Boots, waits for the end, and takes everything down again. What was started is down when this is over. */
const bootAndStop = (
  options: Options,
  node: Alive.Alive,
  boot: Effect.Effect<Alive.Running, unknown, Scope.Scope | Platform>
) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const booting = yield* Effect.forkChild(Scope.provide(boot, scope))
    const first = yield* Effect.raceFirst(
      Effect.map(Fiber.join(booting), Option.some),
      Effect.as(Deferred.await(node.ending), Option.none<Alive.Running>())
    )
    if (Option.isNone(first)) {
      node.notify.tell("stopping")
      yield* Fiber.interrupt(booting)
      return yield* Scope.close(scope, Exit.void)
    }
    const running = first.value
    node.running = running
    // Whatever of this takes long or hangs: a signal ends it, like everything else.
    const serve = Effect.andThen(announce(options, node, running), running.ended)
    const ended = yield* Effect.exit(Effect.raceFirst(serve, Deferred.await(node.ending)))
    node.notify.tell("stopping")
    // When the node has failed by itself this only waits for the end of its rollback.
    yield* running.stop(node.end?.because ?? "its failure")
    yield* Scope.close(scope, Exit.void)
    if (Exit.isFailure(ended)) yield* ended
  })

/** The node is up: whoever waits for that is told. */
const announce = (options: Options, node: Alive.Alive, running: Alive.Running) =>
  Effect.gen(function* () {
    yield* Effect.timeoutOption(node.endpoints?.serve(Alive.whileRunning(node, running)) ?? Effect.void, "5 seconds")
    node.notify.tell("ready")
    node.isReported = yield* reported(options, finalReport(options, node))
    yield* Deferred.succeed(node.settled, running)
    if (options.exitWhenReady) yield* Alive.end(node, { because: "--exit-when-ready", signal: undefined })
  })

/** Those who asked it to stop, and still wait, hear how it went before their connection is closed. */
const tellTheEnd = (options: Options, node: Alive.Alive) =>
  Effect.suspend(() => Deferred.succeed(node.over, finalReport(options, node)))

/** What has happened is known at once. What is said of it waits until components that can start have been started. */
const observer = ({ dataDir, explain, style }: Options, node: Alive.Alive) => {
  const { env, stdout } = node.surroundings
  const budget = () => explain("system.shutdown_timeout")
  const lines = BootLines.make(style, { traceparent: env["TRACEPARENT"], budget })
  const write = (line: string | undefined): void => {
    if (line !== undefined) stdout.write(`${line}\n`)
  }
  const remark = (it: Expected.Remark): void =>
    write(style === "json" ? JSON.stringify(lines.remark.json(it)) : lines.remark.pretty(it))
  const tell = (event: BootEvent.BootEvent): void => {
    Deferred.doneUnsafe(begun, Effect.void)
    expected.step(event)
    tellDashboard(event)
    write(style === "json" ? JSON.stringify(lines.json(event)) : lines.pretty(event))
    if (statusWorthy.has(event._tag)) node.notify.tell({ status: Alive.statusLine(node.report()) })
  }
  const expected = Expected.make(`${dataDir}/journal`, remark)
  // It opens when the first components have been started, and nobody waits for it.
  const begun = Deferred.makeUnsafe<void>()
  const missed: Array<BootEvent.BootEvent> = []
  let tellDashboard = (event: BootEvent.BootEvent): void => void missed.push(event)
  const show = (dashboard: Operator.Dashboard | undefined): Effect.Effect<boolean> => {
    tellDashboard = (event) => dashboard?.observe(event)
    for (const event of missed.splice(0)) tellDashboard(event)
    return Deferred.succeed(node.dashboard, dashboard)
  }
  const { flush, hear } = Soon.make(tell)
  const observe = (event: BootEvent.BootEvent): void => {
    node.step(event)
    hear(event)
  }
  return { begun: Deferred.await(begun), observe, flush, show, watch: expected.watch }
}

const statusWorthy: ReadonlySet<string> = new Set<BootEvent.BootEvent["_tag"]>([
  "BootStarted",
  "BootReady",
  "RollbackStarted",
  "HealthChanged",
  "SwapCompleted"
])

// ----------------------------------------------------------------------------------------------------------- signals

const listenToSignals = (node: Alive.Alive) =>
  Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<Platform>())
    yield* node.surroundings.onSignal((signal) => void run(onSignal(node, signal)))
  })

const onSignal = (node: Alive.Alive, signal: Signal) => {
  switch (signal) {
    case "SIGINT":
    case "SIGTERM":
      return onEnding(node, signal)
    case "SIGHUP":
      return reload(node)
    case "SIGUSR2":
      return Effect.sync(() => say(node, Alive.dump(node)))
  }
}

/** A stop that a command asked for goes on at the first signal: whoever sent it did not know, or means the same. */
const onEnding = (node: Alive.Alive, signal: ExitCode.Ending) =>
  Effect.map(Alive.end(node, { because: signal, signal }), (isFirst) => {
    if (node.isSignalled) return leave(node, signal)
    node.isSignalled = true
    if (isFirst) return
    say(node, `${signal}: stopping already, because of ${node.end?.because}. A second signal leaves at once.`)
  })

const leave = (node: Alive.Alive, signal: ExitCode.Ending): void => {
  const blockers = Alive.blockers(node.report())
  say(node, `Second signal (${signal}): not waiting for ${blockers} any longer. It may have left something behind.`)
  node.surroundings.leave(ExitCode.bySignal(signal))
}

const reload = (node: Alive.Alive) =>
  Effect.gen(function* () {
    if (node.running === undefined) say(node, "Reload: queued until the node is ready.")
    yield* Effect.raceFirst(Deferred.await(node.settled), Deferred.await(node.ending))
    if (node.end !== undefined) return say(node, "Reload: not done, the node stops.")
    node.notify.tell("reloading")
    yield* Effect.match(node.reload, {
      onSuccess: (changed) => say(node, `Reload: ${changed}`),
      onFailure: ({ message }) => say(node, `Reload: nothing changed. ${message}`)
    })
    node.notify.tell("ready")
  })

const say = (node: Alive.Alive, text: string): void => node.surroundings.stderr.write(`${text}\n`)

// --------------------------------------------------------------------------------------------------- first and last

/**
 * Makes a directory and those above it, one after the other. Node's own way to do all at once tries for ever where the
 * system says that there is no such place and the directory above is there, as below /proc.
 */
const directories = (files: FileSystem.FileSystem, path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (yield* files.exists(path)) return yield* files.makeDirectory(path, { recursive: true })
    if (dirname(path) !== path) yield* directories(files, dirname(path))
    // Somebody else may have made it meanwhile.
    yield* Effect.catch(files.makeDirectory(path, { mode: 0o700 }), (cause) =>
      Effect.flatMap(files.exists(path), (isThere) => (isThere ? Effect.void : Effect.fail(cause)))
    )
  })

const makeDataDir = (path: string) =>
  Effect.gen(function* () {
    const fileSystem = yield* FileSystem.FileSystem
    yield* Effect.mapError(directories(fileSystem, path), (cause) => new NodeDirUnusable({ path, cause }))
    // It may have been there before: a directory that somebody else made is left as it is, and told of.
    const { mode } = yield* Effect.mapError(fileSystem.stat(path), (cause) => new NodeDirUnusable({ path, cause }))
    if ((mode & 0o022) !== 0) yield* Effect.logWarning(`Others may write to the data directory ${path}: chmod 700 it.`)
  })

/** Whoever wants a report hears that there can be none while it costs nothing, and not from a node that was up. */
const examineReport = ({ reportFile: path }: Options) =>
  Effect.gen(function* () {
    if (path === undefined) return
    const unwritable = (cause: unknown) => new ReportUnwritable({ path, beforeBoot: true, cause })
    const files = yield* FileSystem.FileSystem
    const examine = Effect.gen(function* () {
      const isThere = yield* files.exists(path)
      const place = isThere ? path : dirname(path)
      // Not opened: a pipe would wait for its reader, or end for one that is there already.
      yield* files.access(place, { writable: true })
      const isDirectory = (yield* files.stat(place)).type === "Directory"
      if (isDirectory === isThere) return yield* Effect.fail(new Error(`${place} is ${isThere ? "a" : "no"} directory`))
    })
    yield* Effect.mapError(examine, unwritable)
  })

const writeReport = ({ reportFile: path }: Options, report: Report.Report) =>
  Effect.gen(function* () {
    if (path === undefined) return
    const fileSystem = yield* FileSystem.FileSystem
    yield* Effect.mapError(
      fileSystem.writeFileString(path, `${JSON.stringify(report, null, 2)}\n`),
      (cause) => new ReportUnwritable({ path, beforeBoot: false, cause })
    )
  })

/** Whether the report of a node that is up was written. Only who waits for nothing else ends when it was not. */
const reported = (options: Options, report: Report.Report): Effect.Effect<boolean, ReportUnwritable, Platform> => {
  const written = Effect.as(writeReport(options, report), true)
  if (options.exitWhenReady) return written
  return Effect.catch(written, (error) => Effect.as(Effect.logError(error.message), false))
}

/** The report with what only the process knows: what it exits with. */
const finalReport = ({ exitWhenReady, strict }: Options, node: Alive.Alive): Report.Report => {
  const report = node.report()
  const code = ExitCode.of({ report, signal: node.end?.signal, strict })
  // A script that waits for ready and gets a degraded node asked to be told so, stopped or not.
  const wasDegraded = strict && exitWhenReady && report.components.some((one) => one.fallback !== null)
  return { ...report, exitCode: code === 0 && wasDegraded ? 75 : code }
}

/** The last words, the last report, the exit code: everything is down. */
const sayGoodbye = (options: Options, node: Alive.Alive) =>
  Effect.gen(function* () {
    const { explain, style } = options
    const report = finalReport(options, node)
    const exit = ExitCode.known(report.exitCode)
    const { env, stderr, stdout } = node.surroundings
    if (style === "json") stdout.write(`${JSON.stringify({ timestamp: yield* now, ...lastLine(report, exit) })}\n`)
    const words = LastWords.text(report, messageStyleOf({ env, isTerminal: stderr.isTerminal }), { exit, explain })
    if (style !== "json" || exit !== 0) stderr.write(`${words}\n`)
    // One that was ready has its report already; the way down is of interest only when it was not an orderly one.
    if (node.isReported && exit === 0) return exit
    return yield* Effect.matchEffect(writeReport(options, report), {
      onSuccess: () => Effect.succeed(exit),
      onFailure: (error) => Effect.as(refuse(options, Cause.fail(error)), exit)
    })
  })

const now = Effect.map(DateTime.now, DateTime.formatIso)

const lastLine = (report: Report.Report, exit: ExitCode.ExitCode) => {
  const worst = report.outcome === "failed" ? Codes.fatal(report)[0] : undefined
  const code = worst === undefined ? undefined : Codes.find(worst.tag)
  return {
    level: exit === 0 ? "info" : "error",
    event: "ProcessEnded",
    message: worst?.message ?? report.outcome,
    boot_id: report.bootId,
    node_id: report.nodeId,
    exit_code: exit,
    ...(code === undefined ? {} : { code: code.code, remedy: code.remedy }),
    ...(worst === undefined ? {} : { component: worst.components[0] })
  }
}

/** An error beside the boot: the report of the boot says nothing about it. */
const isOurs = (error: unknown): error is ReportUnwritable => error instanceof ReportUnwritable

const isProblem = (error: unknown): error is Problem => error instanceof Error && "_tag" in error

/** Says why there is no boot, or none any more. */
const refuse = ({ explain, style }: Options, cause: Cause.Cause<unknown>) =>
  Effect.gen(function* () {
    const { env, stderr, stdout } = yield* Surroundings
    const error = Cause.squash(cause)
    const exit = ExitCode.ofError(error)
    if (!isProblem(error)) {
      yield* Effect.logError(cause)
      return exit
    }
    if (style === "json") {
      const code = Codes.ofError(error)
      const facts = { level: "error", event: "ProcessEnded", message: error.message, exit_code: exit }
      stdout.write(`${JSON.stringify({ timestamp: yield* now, ...facts, code: code?.code, remedy: code?.remedy })}\n`)
    }
    const surface = messageStyleOf({ env, isTerminal: stderr.isTerminal })
    // The boot was over when its report was to be written.
    const title = isOurs(error) && !error.beforeBoot ? "NOT DONE" : undefined
    stderr.write(`${LastWords.ofError(error, surface, { exit, explain }, title)}\n`)
    return exit
  })
