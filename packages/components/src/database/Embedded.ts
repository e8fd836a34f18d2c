/**
 * A PostgreSQL server that belongs to this node: it starts with it, is started again when it ends, and never outlives it.
 *
 * **Details**
 *
 * The server listens on a unix socket alone. When this process is killed, its guard ({@link Guarded}) stops it, cleanly.
 *
 * It is asked to end, then told, then ended, each in its share of the time there is ({@link stages}). One that does not even
 * say that it heard hangs, or was stopped by a debugger or a freezer, and is ended with all of its backends. What was
 * committed is in its log, and there again.
 *
 * When the server is killed, it is started again until it runs; what was committed is there again. Calls meanwhile fail.
 */
import { createInterface } from "node:readline"
import { Cause, Deferred, Duration, Effect, Exit, Option, Queue, Schedule, type Scope } from "effect"
import * as DataDir from "./DataDir.ts"
import * as Guarded from "./Guarded.ts"
import { EmbeddedFailed, type EmbeddedFailure } from "./DatabaseError.ts"
import * as Slice from "./Slice.ts"
import type { Target } from "./Target.ts"

export interface Embedded {
  readonly target: Target
  /** Says so each time the server has been started again. */
  readonly restarted: Queue.Dequeue<void>
}

export interface Options {
  /** Where it keeps everything; made when it is not there. */
  readonly directory: string
  /** How many connections it takes. */
  readonly connections: number
  /** What closing may take. The server has ended when that is over. */
  readonly slice: Slice.Slice
  /** Told when the server has been launched: what it does until it is ready takes none of our time. */
  readonly launched?: (() => void) | undefined
}

/** Starts the server, and keeps it up until the scope closes. */
export const make = Effect.fn("Embedded.make")(function* (
  options: Options
): Effect.fn.Return<Embedded, EmbeddedFailure, Scope.Scope> {
  const home = yield* DataDir.open(options.directory)
  const up = yield* Deferred.make<void, EmbeddedFailure>()
  const restarted = yield* Queue.sliding<void>(1)
  // One life of the server: from its start to its end, by whatever cause.
  const life = Effect.scoped(
    Effect.gen(function* () {
      const server = yield* launch(home, options)
      options.launched?.()
      yield* Effect.timeoutOrElse(Deferred.await(server.ready), {
        duration: startWithin,
        orElse: () => Effect.fail(failed(home, `it took more than ${Duration.format(startWithin)}`, server))
      })
      if (yield* Deferred.isDone(up)) yield* Queue.offer(restarted, undefined)
      yield* Deferred.succeed(up, undefined)
      const how = yield* Deferred.await(server.ended)
      yield* Effect.logError(`The embedded PostgreSQL ended unexpectedly (${how}) and is started again.`)
    })
  )
  const started = Effect.retry(life, {
    schedule: straightAway,
    while: (error) => error._tag === "EmbeddedFailed" && isPassing.test(error.output)
  })
  const keptUp = Effect.gen(function* () {
    yield* started
    return yield* Effect.forever(
      Effect.catch(life, (error) => Effect.andThen(Effect.logError(error.message), Effect.sleep("1 second")))
    )
  })
  yield* Effect.forkScoped(Effect.onExit(keptUp, (exit) => Deferred.done(up, Exit.asVoid(exit))))
  yield* Deferred.await(up)
  if (home.isNew) yield* Effect.forkScoped(DataDir.sync(home))
  return {
    restarted,
    target: {
      at: { _tag: "Unix", directory: home.sockets, port: DataDir.port },
      database: "postgres",
      user: DataDir.user,
      password: Option.some(home.password),
      sslmode: "disable"
    }
  }
})

/** Reading its log after a crash takes time, and is worth waiting for. */
const startWithin = Duration.seconds(12)

/** Backends of a server that was killed take a moment to notice. */
const straightAway = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(50)])
const isPassing = /pre-existing shared memory block|lock file "[^"]*" (?:already )?exists/

// ------------------------------------------------------------------------------------------------------------- process

interface Server {
  readonly child: Guarded.Child
  readonly said: Array<string>
  readonly ready: Deferred.Deferred<void, EmbeddedFailure>
  /** How it ended: `signal SIGKILL`, `exit code 1`. */
  readonly ended: Deferred.Deferred<string>
  /** It says that it ends. */
  readonly heard: Deferred.Deferred<void>
  /** Its backends have ended as well, and so has the guard. */
  readonly gone: Deferred.Deferred<void>
}

const launch = (
  home: DataDir.DataDir,
  { connections, slice }: Options
): Effect.Effect<Server, EmbeddedFailure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const server: Server = {
        child: Guarded.start(home.binaries.postgres, argumentsFor(connections), {
          as: home.as,
          cwd: home.data,
          signal: "INT"
        }),
        said: [],
        ready: Deferred.makeUnsafe(),
        ended: Deferred.makeUnsafe(),
        heard: Deferred.makeUnsafe(),
        gone: Deferred.makeUnsafe()
      }
      listen(home, server)
      if (server.child.pid !== undefined) yield* DataDir.remember(home, server.child.pid)
      return server
    }),
    // A server that did not start has the same time to end, and takes it from nobody.
    (server, exit) =>
      Effect.andThen(stop(home, server, isOver(exit) ? slice : Slice.make(slice.whole)), DataDir.forget(home))
  )

const argumentsFor = (connections: number): ReadonlyArray<string> => [
  "-D",
  DataDir.here,
  ...Object.entries({
    listen_addresses: "",
    port: `${DataDir.port}`,
    unix_socket_directories: DataDir.here,
    unix_socket_permissions: "0700",
    max_connections: `${connections}`,
    log_destination: "stderr",
    logging_collector: "off",
    log_checkpoints: "off",
    log_line_prefix: ""
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
]

const listen = (home: DataDir.DataDir, server: Server): void => {
  const { child, said } = server
  const over = (how: string) => {
    Deferred.doneUnsafe(server.ended, Effect.succeed(how))
    Deferred.doneUnsafe(server.ready, Effect.fail(failed(home, how, server)))
  }
  child.once("error", (cause) => {
    over(cause.message)
    Deferred.doneUnsafe(server.gone, Effect.void) // it has never been there
  })
  child.once("close", () => Deferred.doneUnsafe(server.gone, Effect.void)) // nobody has a pipe to us any more
  child.once("exit", (code, signal) => over(signal === null ? `exit code ${code}` : `signal ${signal}`))
  createInterface({ input: child.stderr }).on("line", (line) => {
    said.push(line)
    if (said.length > maxLines) said.shift()
    if (line.endsWith("database system is ready to accept connections")) {
      Deferred.doneUnsafe(server.ready, Effect.void)
    }
    if (line.endsWith("received fast shutdown request")) Deferred.doneUnsafe(server.heard, Effect.void)
  })
}

const maxLines = 50

/** Whoever wanted the server wants it no longer. */
const isOver = (exit: Exit.Exit<unknown, unknown>): boolean => Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)

/** Connections are cut, what is committed is written, the socket is removed. Firmly when that takes too long. */
const stop = (home: DataDir.DataDir, { child, ended, gone, heard }: Server, slice: Slice.Slice): Effect.Effect<void> =>
  Effect.gen(function* () {
    const isCrash = yield* Deferred.isDone(ended)
    for (const [signal, share] of stages) {
      if (yield* Deferred.isDone(ended)) break
      child.kill(signal)
      const said = Effect.raceFirst(Deferred.await(heard), Deferred.await(ended))
      if (Option.isNone(yield* Effect.timeoutOption(said, yield* slice.until(hearsBy)))) break
      yield* Effect.timeoutOption(Deferred.await(ended), yield* slice.until(share))
    }
    const isDown = yield* Deferred.isDone(ended)
    const patience = isCrash ? Duration.seconds(1) : isDown ? yield* slice.until(backendsBy) : Duration.zero
    if (Option.isSome(yield* Effect.timeoutOption(Deferred.await(gone), patience))) return
    // A server that hangs hears nothing but this, and a backend that hangs does not notice that its server has gone.
    const what = isDown
      ? "The embedded PostgreSQL has ended, and some of its backends have not"
      : "The embedded PostgreSQL did not end when it was told to"
    yield* Effect.logWarning(
      `${what}: it hangs, or was stopped. What is left of it is killed. What was committed is in its log; the next start ` +
        `reads that first.`
    )
    yield* DataDir.evacuate(home.root)
  })

/** What each signal has, as a share of the whole: SIGINT cuts connections, SIGQUIT does not wait for the disk either. */
const stages = [
  ["SIGINT", 0.6],
  ["SIGQUIT", 0.8]
] as const

/** Until when it has said that it heard the first, as a share of the whole. It does so at once, or hangs. */
const hearsBy = 0.3

/** Until when the backends of a server that has ended may take, as a share of the whole. What is left ends all of it. */
const backendsBy = 0.85

const failed = ({ root }: DataDir.DataDir, how: string, { said }: Server): EmbeddedFailed => {
  const output = DataDir.lastLines(said.join("\n"))
  const isFinal = DataDir.isFinal(how, output) && !isPassing.test(output)
  return new EmbeddedFailed({ directory: root, problem: `did not start (${how})`, output, isFinal })
}
