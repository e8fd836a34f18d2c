/**
 * The log of the process: one logger from the first line to the last. What is said before the settings are known is kept
 * and written in order as soon as they are.
 *
 * **Details**
 *
 * `Logging.layer` goes around the whole program. Until `configure` is called, lines wait in a buffer with a limit; when
 * the program ends before that they go to stderr, so a boot that fails early is not silent. `configure` opens what the
 * settings say, writes the lines that waited (those that the level lets through) and then every line as it comes. It may
 * be called again; the level alone is changed by `setLevel`. What was opened is flushed and closed with the layer, after
 * everything that the program brought up.
 *
 * **Gotchas**
 *
 * A process that calls `process.exit` runs no finalizers: hook `flushNow` to its `exit` event.
 *
 * **Example**
 *
 * ```ts
 * const program = Effect.gen(function*() {
 *   yield* Effect.logInfo("reading the settings") // kept
 *   const logging = yield* Logging
 *   yield* logging.configure(settings.logger)     // written
 * }).pipe(Effect.provide(Logging.layer()))
 * ```
 */
import { isatty } from "node:tty"
import { Context, Effect, Exit, Layer, Logger, Redacted, References, Scope } from "effect"
import * as LogLine from "./LogLine.ts"
import * as Redaction from "./Redaction.ts"
import type { Level, Settings } from "./Settings.ts"
import * as Sink from "./Sink.ts"

export interface Options {
  /** How many lines are kept until the settings are known. More push out the oldest. Default: 1,000. */
  readonly early?: number
  /** Whether a stream is a terminal. Default: whether it is one. */
  readonly isTerminal?: (fd: number) => boolean
  /** Whether text for people is coloured. Default: on a terminal. */
  readonly isColoured?: boolean
}

/** The log of the process. */
export class Logging extends Context.Service<
  Logging,
  {
    /** Opens what the settings say, in place of what was open before. Nothing changes when that fails. */
    readonly configure: (settings: typeof Settings.Type) => Effect.Effect<void, Sink.LogFileUnusable>
    /** From the next line on. */
    readonly setLevel: (level: Level) => Effect.Effect<void>
    readonly level: Effect.Effect<Level>
    /** A line that is no log call of Effect, of an event of the boot for instance. Comes back at once. */
    readonly tell: (line: LogLine.LogLine) => void
    /** From now on this value is taken out of every line, the kept ones included. */
    readonly hide: (secret: string | Redacted.Redacted) => void
    /** The last lines as JSON, oldest first, for dumps. */
    readonly recent: Effect.Effect<ReadonlyArray<string>>
    /** How many lines were lost: there was no room, or they could not be written. */
    readonly dropped: Effect.Effect<number>
    /** Completes when all lines so far are written, or after a second. */
    readonly flush: Effect.Effect<void>
    /** For the `exit` event of a process. */
    readonly flushNow: () => void
  }
>()("novacron/logging") {
  /** The log, and the logger that fills it, for the whole program. */
  static readonly layer = (options: Options = {}): Layer.Layer<Logging> =>
    Layer.effectContext(
      Effect.map(make(options), ({ logger, logging }) =>
        Context.make(Logging, logging).pipe(
          Context.add(Logger.CurrentLoggers, new Set([logger, Logger.tracerLogger])),
          // The level is decided here, where it can change.
          Context.add(References.MinimumLogLevel, "All")
        )
      )
    )
}

/** What writes lines: what is open now. */
interface Generation {
  readonly scope: Scope.Closeable
  readonly write: (line: LogLine.LogLine) => void
  readonly sinks: ReadonlyArray<Sink.Sink>
}

const make = Effect.fnUntraced(function* (options: Options) {
  const outer = yield* Effect.scope
  const redactor = Redaction.make()
  const isTerminal = options.isTerminal ?? isatty
  let early: ReturnType<typeof ring<LogLine.LogLine>> | undefined = ring(options.early ?? 1_000)
  let recent = ring<LogLine.LogLine>(options.early ?? 1_000)
  let level: Level = "trace"
  let generation: Generation | undefined
  let droppedBefore = 0

  const isWanted = (one: Level) => LogLine.weigh[one] >= LogLine.weigh[level]
  const looks = (format: "auto" | "json" | "pretty", fd: number) => {
    const isText = format === "pretty" || (format === "auto" && isTerminal(fd))
    const isColoured = options.isColoured ?? isTerminal(fd)
    return isText ? (line: LogLine.LogLine) => LogLine.toText(line, isColoured) : LogLine.toJson
  }

  const take = (line: LogLine.LogLine): void => {
    if (early !== undefined) return early.add(line)
    recent.add(line)
    generation?.write(line)
  }
  const logger = Logger.make<unknown, void>((call) => {
    if (isWanted(LogLine.levelOf(call.logLevel))) take(LogLine.make(call, redactor))
  })

  /** What was learned to be secret since is taken out as well. */
  const again = (line: LogLine.LogLine): LogLine.LogLine => redactor.value(line) as LogLine.LogLine // a line stays one

  const open = Effect.fnUntraced(function* (settings: typeof Settings.Type) {
    const { capacity, file, format, maxFiles, maxSize, output } = settings
    const pairs: Array<{ readonly sink: Sink.Sink; readonly look: (line: LogLine.LogLine) => string }> = []
    if (output !== "none") {
      const fd = output === "stdout" ? 1 : 2
      const look = looks(format, fd)
      pairs.push({ look, sink: yield* Sink.stream(fd, { capacity, notice: noticed(look) }) })
    }
    if (file !== undefined) {
      const queue = { capacity, notice: noticed(LogLine.toJson) }
      const maxBytes = Number(maxSize)
      pairs.push({ look: LogLine.toJson, sink: yield* Sink.file({ path: file, maxBytes, maxFiles, queue }) })
    }
    return {
      sinks: pairs.map(({ sink }) => sink),
      write: (line: LogLine.LogLine) => {
        for (const { look, sink } of pairs) sink.write(look(line))
      }
    }
  })

  const shut = Effect.fnUntraced(function* (old: Generation) {
    yield* Scope.close(old.scope, Exit.void)
    droppedBefore += old.sinks.reduce((sum, sink) => sum + sink.dropped(), 0)
  })

  const configure = Effect.fn("Logging.configure")(function* (settings: typeof Settings.Type) {
    const scope = yield* Scope.fork(outer)
    const opened = yield* Scope.provide(open(settings), scope).pipe(
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    const old = generation
    generation = { scope, ...opened }
    level = settings.level
    const waited = early
    early = undefined
    const kept = waited?.all() ?? recent.all()
    recent = ring(settings.recent)
    for (const line of kept.map(again)) {
      if (waited === undefined || isWanted(line.level)) recent.add(line)
      if (waited !== undefined && isWanted(line.level)) generation.write(line)
    }
    if (waited !== undefined && waited.lost() > 0) {
      yield* Effect.logWarning(`${waited.lost()} early log lines were dropped: more than can be kept.`)
    }
    if (old !== undefined) yield* shut(old)
  }, Effect.uninterruptible)

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      if (early === undefined) return Effect.void
      // Nobody has said where to: whoever started this process reads stderr.
      const look = looks("auto", 2)
      const lines = early.all().map(again)
      early = undefined
      const queue = { capacity: lines.length + 1, notice: noticed(look) }
      return Effect.scoped(
        Effect.map(Sink.stream(2, queue), (sink) => {
          for (const line of lines) sink.write(look(line))
        })
      )
    })
  )

  const sinks = () => generation?.sinks ?? []
  const logging: Logging["Service"] = {
    configure,
    setLevel: (next) => Effect.sync(() => void (level = next)),
    level: Effect.sync(() => level),
    tell: (line) => {
      if (isWanted(line.level)) take(again(line))
    },
    hide: (secret) => redactor.hide(typeof secret === "string" ? secret : Redacted.value(secret)),
    recent: Effect.sync(() => (early ?? recent).all().map((line) => LogLine.toJson(again(line)))),
    dropped: Effect.sync(() => sinks().reduce((sum, sink) => sum + sink.dropped(), droppedBefore)),
    flush: Effect.suspend(() =>
      Effect.forEach(sinks(), ({ flush }) => flush, { concurrency: "unbounded", discard: true })
    ),
    flushNow: () => {
      for (const sink of sinks()) sink.flushNow()
    }
  }
  return { logger, logging }
})

const noticed =
  (look: (line: LogLine.LogLine) => string) =>
  (dropped: number): string =>
    look({
      timestamp: "",
      level: "warn",
      component: "logger",
      event: "dropped",
      message: `${dropped} log lines were dropped: they came faster than they could be written, or could not be written.`
    })

/** The last of many, in order. */
const ring = <A>(capacity: number) => {
  let kept: Array<A> = []
  let lost = 0
  return {
    add: (one: A): void => {
      kept.push(one)
      if (kept.length < 2 * capacity) return
      lost += kept.length - capacity
      kept = kept.slice(-capacity)
    },
    all: (): ReadonlyArray<A> => kept.slice(-capacity),
    lost: (): number => lost + Math.max(0, kept.length - capacity)
  }
}
