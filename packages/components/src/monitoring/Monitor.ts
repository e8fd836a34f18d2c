/**
 * Sees a boot from its first event to the last one, whatever becomes of it: it stands around the boot, like the log. It
 * knows the metrics, and sends the spans. The component `monitoring` lets others read the metrics.
 *
 * **Details**
 *
 * `observe` only takes the event. Events are folded when somebody asks, or when spans are to be sent: the boot does not
 * wait for it. The collector is dialled when the boot is up or has failed, and gets what has gathered until then. When the
 * scope closes all is down, and what has not been sent is sent, within a budget.
 *
 * **Example**
 *
 * ```ts
 * const monitor = yield* Monitor.make(settings.monitoring, { version, process })
 * const running = yield* Boot.make(components, { observe: monitor.observe })
 * yield* monitor.watch(running.health)
 * ```
 */
import { rename, writeFile } from "node:fs/promises"
import { gzipSync } from "node:zlib"
import type { Health } from "@novacron/boot"
import type { BootEvent } from "@novacron/boot/model"
import {
  Clock,
  Context,
  DateTime,
  Duration,
  Effect,
  Exit,
  type Fiber,
  Metric,
  Option,
  Schedule,
  type Scope,
  type Tracer
} from "effect"
import type { Figure } from "../post/StartupMetrics.ts"
import * as Alerts from "./Alerts.ts"
import * as BootMetrics from "./BootMetrics.ts"
import * as BootTrace from "./BootTrace.ts"
import * as Span from "./Span.ts"
import * as Exporter from "./Exporter.ts"
import * as Exposition from "./Exposition.ts"
import type { Source } from "./Listener.ts"
import * as ProcessFigures from "./ProcessFigures.ts"
import { attributesOf, type Settings } from "./Settings.ts"
import * as RequestTracer from "./RequestTracer.ts"
import * as Tally from "./Tally.ts"

/** What is measured outside of the boot. */
export type Spent = "dependency resolution" | "config parsing"

/** What is known of the process and its boots. */
export class Monitor extends Context.Service<
  Monitor,
  {
    /** For the option `observe` of a boot. Quick, and never throws. */
    readonly observe: (event: BootEvent.BootEvent) => void
    /** Something took so long that no event tells of. */
    readonly spent: (on: Spent, duration: Duration.Input) => Effect.Effect<void>
    /** From now on the probes of a running boot count, until the scope closes. */
    readonly watch: (health: Health.Health) => Effect.Effect<void, never, Scope.Scope>
    /** Asked with each scrape that finds nothing fresh, until the scope closes; has a second. */
    readonly ask: (figures: Effect.Effect<ReadonlyArray<Figure>>) => Effect.Effect<void, never, Scope.Scope>
    /** The metrics as of now. */
    readonly text: (format: Exposition.Format) => Effect.Effect<string>
    readonly source: Source
    /** The trace of what is going on: for log lines, and for requests to others. Undefined before the boot. */
    readonly trace: (component?: string) => Span.Parent | undefined
    /** Sends the spans of requests, in the trace of whoever asks; undefined where no spans are sent. */
    readonly requests: Tracer.Tracer | undefined
    /** Sends the spans of another boot, one that was killed for instance. Those that were sent already are the same. */
    readonly replay: (events: Iterable<BootEvent.BootEvent>) => Effect.Effect<void>
    /** Completes when all spans so far are sent or dropped, or after the stop budget. */
    readonly flush: Effect.Effect<void>
    /** How it goes with the spans. */
    readonly statistics: Effect.Effect<Exporter.Statistics>
    /** What is wrong, by the rules; nothing without a webhook. */
    readonly alerts: Effect.Effect<ReadonlyArray<Alerts.Alert>>
  }
>()("novacron/monitor") {}

export interface Options {
  /** The version of the program. */
  readonly version: string
  /** The process itself: what it uses is measured. */
  readonly process: ProcessFigures.Process
  /** `TRACEPARENT` of who started this process. */
  readonly traceparent?: string | undefined
  /** A file for spans that the collector has not taken when the process ends. Default: they are lost. */
  readonly spool?: string | undefined
  /** What this node tries out, by the names of experiments: other metrics are joined with it. */
  readonly variants?: { readonly [experiment: string]: string }
  /** What became of the boot before: `ready`, `failed`, `killed`, … */
  readonly previousOutcome?: string | undefined
}

/** How many events may wait to be folded. */
const unreadLimit = 10_000

/** Begins to see, until the scope closes. Nothing is listening yet. */
export const make = Effect.fn("Monitor.make")(function* (
  settings: Settings,
  options: Options
): Effect.fn.Return<Monitor["Service"], never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  // The last word: said when everything else of this is over.
  yield* Effect.addFinalizer(() => lastWord)
  const boot = BootMetrics.make(Tally.make(settings.maxSeries))
  const { previousOutcome, spool, variants = {}, version } = options
  const { endpoint, ratio } = settings.traces
  const attributes = attributesOf(settings.traces.attributes)
  const trace = BootTrace.make({ ratio, version, attributes, parent: Span.parseTraceparent(options.traceparent) })
  let unread: Array<BootEvent.BootEvent> = []
  /** What had been used by each of them. */
  let usages: Array<BootMetrics.Usage | undefined> = []

  const catchUp = (): void => {
    if (unread.length === 0) return
    const events = unread.map((event, i) => ({ event, usage: usages[i] }))
    unread = []
    usages = []
    for (const { event, usage } of events) {
      const before = BootTrace.current(trace, "component" in event ? event.component : undefined)
      const isKnown = exporter !== undefined && before?.isSampled === true
      BootMetrics.step(boot, event, usage, isKnown ? before : undefined)
      const spans = BootTrace.step(trace, event)
      if (spans.length > 0) exporter?.push(trace.resource, spans)
    }
  }
  // What happens within a tenth of a millisecond is measured once: asking costs more than it would tell.
  let measured = { atMs: NaN, usage: ProcessFigures.usage(options.process) }
  const usageAt = (atMs: number): BootMetrics.Usage => {
    if (!(Math.abs(atMs - measured.atMs) < 0.1)) measured = { atMs, usage: ProcessFigures.usage(options.process) }
    return measured.usage
  }
  const observe = (event: BootEvent.BootEvent): void => {
    unread.push(event)
    usages.push(BootMetrics.changesUsage(event) ? usageAt(event.atMs) : undefined)
    if (unread.length >= unreadLimit) catchUp()
    exporter?.nudge()
    if (isDecided(event)) exporter?.release()
  }

  const exporter: Exporter.Exporter | undefined =
    endpoint === undefined
      ? undefined
      : yield* Exporter.make({ ...settings.traces, endpoint }, { spool, gather: catchUp, held: true })
  const statistics = () => exporter?.statistics() ?? nothing
  const ofProcess = yield* ProcessFigures.make(options.process)
  const sources = new Set<Effect.Effect<ReadonlyArray<Figure>>>()

  const gather = Effect.gen(function* () {
    const asked = yield* Effect.forEach(sources, heard, { concurrency: "unbounded" })
    catchUp()
    const figures: ReadonlyArray<Figure> = [
      { name: "novacron_build_info", labels: { version, node_version: options.process.versions.node }, value: 1 },
      ...Object.entries(variants).map(([experiment, variant]) => ({
        name: "novacron_config_variant",
        labels: { experiment, variant },
        value: 1
      })),
      ...(previousOutcome === undefined
        ? []
        : [{ name: "novacron_previous_boot_outcome", labels: { outcome: previousOutcome }, value: 1 }]),
      ...BootMetrics.figures(boot),
      ...asked.flat(),
      ...(exporter === undefined ? [] : spanFigures(statistics())),
      ...ofProcess()
    ]
    return [
      ...boot.tally.families(),
      ...Exposition.ofFigures(figures),
      ...Exposition.ofRegistry(Metric.snapshotUnsafe(context))
    ]
  })
  const { webhook } = settings.alerts
  const alerts =
    webhook === undefined
      ? undefined
      : yield* Alerts.make(
          { ...settings.alerts, webhook },
          gather,
          () => `${trace.resource["service.instance.id"] ?? ""}`
        )
  const source = yield* cached(gather, settings)
  const write = (format: Exposition.Format) =>
    Effect.map(gather, (families) => Exposition.write(format, families, settings.maxSeries).text)

  const { textfile } = settings
  const lastWord =
    textfile === undefined
      ? Effect.void
      : write("text").pipe(
          Effect.flatMap((text) => Effect.tryPromise(() => put(textfile, text))),
          Effect.catch((error) => Effect.logWarning(`The metrics cannot be written to ${textfile}.`, error.cause))
        )

  return {
    observe,
    source,
    text: write,
    spent: (on, duration) =>
      Effect.sync(() => {
        const seconds = Duration.toSeconds(Duration.fromInputUnsafe(duration))
        const endMs = clock.currentTimeMillisUnsafe()
        boot.tally.observe(spentNames[on], {}, seconds, endMs)
        // How long is measured, until when is not: at the latest until now.
        trace.before.push({ name: on, startMs: endMs - seconds * 1_000, endMs })
      }),
    watch: (health) =>
      Effect.asVoid(
        Effect.forkScoped(
          Effect.repeat(
            Effect.flatMap(Effect.andThen(Effect.sync(catchUp), health.snapshot), probesOf(boot, new Map())),
            Schedule.spaced(settings.sampleInterval)
          )
        )
      ),
    ask: (figures) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => sources.add(figures)),
          () => Effect.sync(() => sources.delete(figures))
        )
      ),
    trace: (component) => {
      catchUp()
      return BootTrace.current(trace, component)
    },
    requests: exporter && RequestTracer.make((span) => exporter.push(trace.resource, [span])),
    replay: (events) =>
      Effect.sync(() => {
        const { resource, spans } = BootTrace.fromEvents(events, { ratio, version, attributes })
        exporter?.push(resource, spans)
      }),
    flush: Effect.suspend(() => exporter?.flush ?? Effect.void),
    statistics: Effect.sync(statistics),
    alerts: alerts?.active ?? Effect.succeed([])
  }
})

/** The boot is up, or will not be: from now on there is time for a collector. */
const isDecided = ({ _tag }: BootEvent.BootEvent): boolean =>
  _tag === "BootReady" || _tag === "RollbackStarted" || _tag === "BootEnded"

const nothing: Exporter.Statistics = { sent: 0, waiting: 0, failures: 0, dropped: { full: 0, refused: 0, lost: 0 } }

const spentNames = {
  "dependency resolution": "novacron_dependency_resolution_duration_seconds",
  "config parsing": "novacron_config_parsing_duration_seconds"
} as const

const spanFigures = ({ dropped, failures, sent, waiting }: Exporter.Statistics): ReadonlyArray<Figure> => [
  { name: "novacron_trace_spans_sent_total", labels: {}, value: sent },
  { name: "novacron_trace_spans_waiting", labels: {}, value: waiting },
  { name: "novacron_trace_export_failures_total", labels: {}, value: failures },
  ...Object.entries(dropped).map(([reason, value]) => ({
    name: "novacron_trace_spans_dropped_total",
    labels: { reason },
    value
  }))
]

/** Counts each probe once: by the time of its result. */
const probesOf =
  (boot: BootMetrics.Fold, seen: Map<string, number>) =>
  ({ components }: Health.HealthReport): Effect.Effect<void> =>
    Effect.sync(() => {
      for (const { lastCheckedAt, latencyMs, name, status } of components) {
        const health = healths[status]
        if (health === undefined || lastCheckedAt === undefined) continue
        const atMs = DateTime.toEpochMillis(lastCheckedAt)
        const isNew = seen.get(name) !== atMs
        seen.set(name, atMs)
        BootMetrics.probed(boot, name, isNew && latencyMs !== undefined ? latencyMs / 1_000 : undefined, health, atMs)
      }
    })

const healths: { readonly [S in Health.Status]: number | undefined } = {
  healthy: 1,
  degraded: 0.5,
  unhealthy: 0,
  unknown: undefined
}

/** What is asked; nothing when it fails, dies or hangs. */
const heard = (source: Effect.Effect<ReadonlyArray<Figure>>): Effect.Effect<ReadonlyArray<Figure>> =>
  Effect.map(Effect.exit(Effect.timeoutOption(source, "1 second")), (exit) =>
    Exit.isSuccess(exit) ? Option.getOrElse(exit.value, () => []) : []
  )

/** Whole or not at all. Others read it: that is what it is for. */
const put = async (path: string, text: string): Promise<void> => {
  await writeFile(`${path}.half`, text, { mode: 0o644 })
  await rename(`${path}.half`, path)
}

// ------------------------------------------------------------------------------------------------------------- cached

/** The bytes of each kind of answer, made when they are asked for, of metrics that are gathered once in an interval. */
const cached = Effect.fnUntraced(function* (gather: Effect.Effect<ReadonlyArray<Tally.Family>>, settings: Settings) {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const cacheMs = Duration.toMillis(settings.cacheInterval)
  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  let families: ReadonlyArray<Tally.Family> = []
  let madeAtMs = -Infinity
  let bytes = new Map<string, Buffer>()
  let waiting: Array<() => void> | undefined
  let flight: Fiber.Fiber<unknown> | undefined
  yield* Effect.addFinalizer(() => Effect.sync(() => flight?.interruptUnsafe()))

  const answer = (format: Exposition.Format, gzip: boolean): Buffer => {
    const key = `${format} ${gzip}`
    let found = bytes.get(key)
    if (found === undefined) {
      const plain = Buffer.from(Exposition.write(format, families, settings.maxSeries).text)
      bytes.set(key, (found = gzip ? gzipSync(plain) : plain))
    }
    return found
  }
  /** Gathers, or waits for what is under way. Looking and beginning are one synchronous step. */
  const renew = (done: () => void): void => {
    if (waiting !== undefined) {
      waiting.push(done)
      return
    }
    waiting = [done]
    flight = Effect.runForkWith(context)(
      Effect.map(gather, (made) => {
        families = made
        bytes = new Map()
        madeAtMs = nowMs()
      })
    )
    flight.addObserver(() => {
      const all = waiting ?? []
      waiting = undefined
      for (const one of all) one()
    })
  }
  const source: Source = {
    now: (format, gzip) => (nowMs() - madeAtMs < cacheMs ? answer(format, gzip) : undefined),
    soon: (format, gzip, send) => renew(() => send(answer(format, gzip)))
  }
  return source
})
