/**
 * What `novacron trace` does: finds a boot, learns from those before it, and writes it as what was asked for.
 *
 * **Details**
 *
 * Everything that is asked for goes to stdout, or to a file when one is named; warnings go to stderr.
 */
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import {
  type BootEvent,
  Count,
  Durations,
  Rehearsal,
  Report,
  Timeline,
  TimelineView,
  Words
} from "@novacron/boot/model"
import { Monitoring } from "@novacron/components"
import { Data, Deferred, Effect, Result } from "effect"
import { WrongUsage } from "../Errors.ts"
import { quietly } from "../Leave.ts"
import { Surroundings } from "../Surroundings.ts"
import { messageStyleOf, visible } from "../Terminal.ts"
import { version } from "../version.ts"
import * as Boots from "./Boots.ts"
import * as Collector from "./Collector.ts"
import * as Receiver from "./Receiver.ts"
import * as Sequence from "./Sequence.ts"
import * as TraceChart from "./TraceChart.ts"

/** What may be asked of a boot. */
export interface Asked {
  /** `last`, `last~1`, an id or the beginning of one, a file. */
  readonly boot?: string | undefined
  /** The other boot of a difference. */
  readonly other?: string | undefined
  readonly as: "text" | "html" | "svg" | "perfetto" | "mermaid" | "json"
  readonly list: boolean
  readonly diff: boolean
  readonly whatIf: { readonly [component: string]: string }
  readonly otlp?: string | undefined
  readonly out?: string | undefined
  readonly width?: number | undefined
}

/** The file that was named cannot be written. */
export class OutputUnwritable extends Data.TaggedError("OutputUnwritable")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly exitCode = 73
  override get message() {
    return `${this.path} cannot be written. Name a file in a directory that exists and that this user may write to.`
  }
}

/** Where the journals of a data directory are. */
const journalsOf = (dataDir: string): string => join(dataDir, "journal")

/** How many spans are sent at a time. */
const spansPerRequest = 1_000

/** How many boots are learned from. */
const lessons = 20

/** Shows a boot, or compares two, or lists them. */
export const show = Effect.fn("Trace.show")(function* (dataDir: string, asked: Asked) {
  const journals = journalsOf(dataDir)
  if (asked.list) return yield* list(journals, asked)
  if (asked.diff) return yield* difference(journals, asked)
  const { events, found, timeline } = yield* load(journals, asked.boot)
  if (Object.keys(asked.whatIf).length > 0) return yield* whatIf(timeline, asked)
  if (asked.otlp !== undefined) return yield* send(events, timeline.report.bootId, asked.otlp, asked)
  const durations = Durations.learn(
    Boots.before(found.directory, found.file, lessons).map(({ events }) => Timeline.fromEvents(events))
  )
  const { env, stdout } = yield* Surroundings
  const colour = asked.out === undefined && messageStyleOf({ isTerminal: stdout.isTerminal, env }) === "colour"
  yield* write(asked, yield* written(timeline, asked, durations, colour))
})

const written = Effect.fnUntraced(function* (
  timeline: Timeline.Timeline,
  { as, width }: Asked,
  durations: Durations.Durations,
  colour: boolean
) {
  const { env } = yield* Surroundings
  switch (as) {
    case "text":
      return TimelineView.toText(timeline, { durations, colour, width: width ?? columns(env["COLUMNS"]) })
    case "html":
      return TimelineView.toHtml(timeline, { durations })
    case "svg":
      return TimelineView.toSvg(timeline, { durations })
    case "perfetto":
      return JSON.stringify(TimelineView.toPerfetto(timeline))
    case "mermaid":
      return Sequence.toMermaid(timeline)
    case "json":
      return JSON.stringify(timeline)
  }
})

const columns = (text: string | undefined): number => (/^\d{1,4}$/.test(text ?? "") ? Number(text) : 100)

/** Opens a boot, and says what is missing of it. */
const load = Effect.fnUntraced(function* (journals: string, which: string | undefined) {
  const { cwd, stderr } = yield* Surroundings
  const isPath = which?.includes("/") === true
  const found = yield* Effect.fromResult(Boots.find(journals, isPath ? resolve(cwd, which) : which))
  const { events, warnings } = yield* Effect.fromResult(Boots.open(found.directory, found.file))
  for (const warning of warnings) stderr.write(`${visible(warning)}\n`)
  return { events, found, timeline: Timeline.fromEvents(events) }
})

const list = Effect.fnUntraced(function* (journals: string, asked: Asked) {
  const heads = yield* Effect.fromResult(Boots.list(journals))
  if (asked.as === "json") return yield* write(asked, JSON.stringify(heads))
  const shown = heads.slice(0, 50)
  const lines = shown.map(({ bootId, environment, file, kind, nodeId, startedAt }) => {
    const when = startedAt > 0 ? TraceChart.moment(startedAt) : ""
    const what = kind === "boot" ? [bootId, nodeId, environment, when, ending(journals, file)] : [`(${kind})`, file]
    return what.map((text) => Words.visible(text, 80)).join("  ")
  })
  const more = heads.length - shown.length
  yield* write(asked, [...lines, ...(more === 0 ? [] : [`and ${more} before these`])].join("\n"))
})

/** What became of a boot, as far as its journal says. */
const ending = (journals: string, file: string): string => {
  const opened = Boots.open(journals, file)
  if (Result.isFailure(opened)) return "(unreadable)"
  const { failures, outcome, readyAtMs } = Report.fromEvents(opened.success.events)
  if (outcome === "failed") return ["failed", ...(failures[0]?.components ?? [])].join(" ")
  if (outcome === "booting") return "its end is not recorded"
  if (readyAtMs === null) return outcome
  return `ready after ${Words.duration(readyAtMs)}${outcome === "ready" ? "" : `, ${outcome}`}`
}

const difference = Effect.fnUntraced(function* (journals: string, asked: Asked) {
  const [first, second] = asked.other === undefined ? [asked.boot ?? "last~1", "last"] : [asked.boot, asked.other]
  const a = yield* load(journals, first)
  const b = yield* load(journals, second)
  const it = Rehearsal.difference(a.timeline, b.timeline)
  yield* write(asked, asked.as === "json" ? JSON.stringify(it) : TimelineView.differenceText(it))
})

const whatIf = Effect.fnUntraced(function* (timeline: Timeline.Timeline, asked: Asked) {
  const factors = new Map<string, number>()
  for (const [component, text] of Object.entries(asked.whatIf)) {
    const factor = text.trim() === "" ? NaN : Number(text)
    if (!Number.isFinite(factor) || factor < 0) {
      const reason = `--what-if ${visible(component, 80)}=${visible(text, 40)}: how many times as long? 0.5 is half.`
      return yield* new WrongUsage({ reason })
    }
    factors.set(component, factor)
  }
  if (timeline.report.readyAtMs === null) {
    return yield* new WrongUsage({ reason: "This boot did not come up: nothing faster would have won anything." })
  }
  const it = Rehearsal.whatIf(timeline, factors)
  const [unknown] = it.unknown
  if (unknown !== undefined) {
    const some = timeline.lanes.slice(0, 12).map(({ name }) => visible(name, 40))
    const more = timeline.lanes.length > some.length ? ", …" : ""
    const reason = `This boot has no component "${visible(unknown, 80)}". It has ${some.join(", ")}${more}.`
    return yield* new WrongUsage({ reason })
  }
  yield* write(asked, asked.as === "json" ? JSON.stringify(it) : TimelineView.whatIfText(it))
})

/** The spans that the node itself sends of this boot, with their ids: a collector that has them already has no more. */
const send = Effect.fnUntraced(function* (
  events: ReadonlyArray<BootEvent.BootEvent>,
  bootId: string,
  address: string,
  asked: Asked
) {
  const { env, stderr } = yield* Surroundings
  const { resource, spans } = Monitoring.BootTrace.fromEvents(events, { ratio: 1, version })
  const items = spans.map((span) => ({ resource, span }))
  const requests = Array.from({ length: Math.ceil(items.length / spansPerRequest) }, (_, k) =>
    Monitoring.Otlp.encode(items.slice(k * spansPerRequest, (k + 1) * spansPerRequest))
  )
  const headers = Collector.headersOf(env["OTEL_EXPORTER_OTLP_HEADERS"])
  const sent = yield* Collector.send(address, requests, { headers })
  const id = TimelineView.traceId(bootId)
  if (sent.rejected > 0)
    stderr.write(`The collector did not take ${Count.of(sent.rejected, "span")}: ${visible(sent.message)}\n`)
  yield* write(
    asked,
    asked.as === "json"
      ? JSON.stringify({ ...sent, traceId: id })
      : `sent ${Count.of(sent.spans, "span")} to ${sent.endpoint}, trace ${id}`
  )
  if (sent.rejected > 0) return yield* quietly(69)
})

/** To the file that was named, or to stdout. */
const write = Effect.fnUntraced(function* ({ out }: Asked, text: string) {
  const { cwd, stderr, stdout } = yield* Surroundings
  const whole = `${text.trimEnd()}\n`
  if (out === undefined) return stdout.write(whole)
  const path = resolve(cwd, out)
  yield* Effect.tryPromise({
    try: () => writeFile(path, whole, { mode: 0o600 }),
    catch: (cause) => new OutputUnwritable({ path, cause })
  })
  stderr.write(`written to ${path}\n`)
})

/** Receives traces and shows them, until a signal asks for the end. */
export const serve = Effect.fn("Trace.serve")(function* (dataDir: string | undefined, port: number, isJson = false) {
  const { onSignal, stderr, stdout } = yield* Surroundings
  yield* Effect.scoped(
    Effect.gen(function* () {
      const options = dataDir === undefined ? { port } : { port, journals: journalsOf(dataDir) }
      const { url } = yield* Receiver.serve(options)
      if (isJson) stdout.write(`${JSON.stringify({ url, traces: `${url}/v1/traces` })}\n`)
      else {
        stdout.write(`${url}\n`)
        stderr.write(`Send traces to ${url}, with any OTEL_EXPORTER_OTLP_PROTOCOL; look at them there as well.\n`)
      }
      const end = yield* Deferred.make<void>()
      yield* onSignal((signal) => {
        if (signal !== "SIGHUP") Deferred.doneUnsafe(end, Effect.void)
      })
      yield* Deferred.await(end)
    })
  )
})
