/**
 * A timeline for other tools: as OpenTelemetry spans in OTLP's JSON, and as a Chrome trace for Perfetto. `TimelineView.ts`
 * is the door to both.
 *
 * **Details**
 *
 * The trace of a boot is boot → phase → component → attempt; a member of a group is below its group. A component links
 * to what it needs. Retries, fallbacks, skips and checkpoints are events of spans. The rollback of a boot that did not
 * come up is part of its trace; what happens to a node that was up, its restorations and its stop, are traces of their
 * own that link to the boot. Ids follow from the id of the boot: whoever exports a boot twice has it once.
 *
 * Spans are made one after the other, and requests hold so many of them: a boot of any size goes through bounded memory.
 */
import { Option, DateTime } from "effect"
import type { Failure } from "./BootEvent.ts"
import * as Phase from "./Phase.ts"
import type { Attempt, Lane, Restoration, Timeline } from "./Timeline.ts"

/** Until when the chart and the trace of a boot go: READY, or the end of a boot that never was. */
export const untilMs = ({ atMs, report }: Timeline): number => report.readyAtMs ?? report.endedAtMs ?? atMs

// ---------------------------------------------------------------------------------------------------------------- ids

/** Four words that depend on every character of a text. Not for secrets. */
const words = (text: string): ReadonlyArray<number> => {
  let [a, b, c, d] = [1_779_033_703, 3_144_134_277, 1_013_904_242, 2_773_480_762]
  for (let i = 0; i < text.length; i++) {
    const k = text.charCodeAt(i)
    a = b ^ Math.imul(a ^ k, 597_399_067)
    b = c ^ Math.imul(b ^ k, 2_869_860_233)
    c = d ^ Math.imul(c ^ k, 951_274_213)
    d = a ^ Math.imul(d ^ k, 2_716_044_179)
  }
  const mixed = [
    Math.imul(c ^ (a >>> 18), 597_399_067),
    Math.imul(d ^ (b >>> 22), 2_869_860_233),
    Math.imul(a ^ (c >>> 17), 951_274_213),
    Math.imul(b ^ (d >>> 19), 2_716_044_179)
  ]
  const all = mixed.reduce((sum, word) => sum ^ word, 0)
  return [all, ...mixed.slice(1).map((word) => word ^ all)]
}

const hex = (text: string, count: number): string => {
  const id = words(text)
    .slice(0, count)
    .map((word) => (word >>> 0).toString(16).padStart(8, "0"))
    .join("")
  // All zeros means that there is no id.
  return /^0+$/.test(id) ? `${id.slice(1)}1` : id
}

/** The id of a boot's trace: the id of the boot when that can be one, as a UUID can. */
export const traceId = (bootId: string): string => {
  const plain = bootId.replaceAll("-", "").toLowerCase()
  return /^[0-9a-f]{32}$/.test(plain) && !/^0+$/.test(plain) ? plain : hex(`boot ${bootId}`, 4)
}

/** The id of a span, by where it stands: the ids of the boot and of what it stands for. */
export const spanId = (bootId: string, ...path: ReadonlyArray<string | number>): string =>
  hex(JSON.stringify([bootId, ...path]), 2)

// --------------------------------------------------------------------------------------------------------------- OTLP

/** A value of an attribute, as OTLP's JSON has it: 64-bit integers are strings. */
export type OtlpValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number }

/** A key and its value. */
export interface OtlpAttribute {
  readonly key: string
  readonly value: OtlpValue
}

/** A span, as OTLP's JSON has it: ids in hexadecimal, times as strings of nanoseconds, enumerations as numbers. */
export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: 1
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: ReadonlyArray<OtlpAttribute>
  readonly events: ReadonlyArray<{
    readonly timeUnixNano: string
    readonly name: string
    readonly attributes: ReadonlyArray<OtlpAttribute>
  }>
  readonly links: ReadonlyArray<{
    readonly traceId: string
    readonly spanId: string
    readonly attributes: ReadonlyArray<OtlpAttribute>
  }>
  readonly status: { readonly code?: 1 | 2; readonly message?: string }
}

/** An `ExportTraceServiceRequest`. */
export interface OtlpRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<OtlpAttribute> }
    readonly scopeSpans: ReadonlyArray<{
      readonly scope: { readonly name: string; readonly version: string }
      readonly spans: ReadonlyArray<OtlpSpan>
    }>
  }>
}

/** The boot as requests to a collector, with at most so many spans in each. */
export function* toOtlp(
  timeline: Timeline,
  options: { readonly spansPerRequest?: number; readonly serviceName?: string; readonly serviceVersion?: string } = {}
): Generator<OtlpRequest> {
  const { serviceName = "novacron", serviceVersion = "", spansPerRequest = 1_000 } = options
  const { configVersion, environment, nodeId } = timeline.report
  const resource = {
    attributes: attributes({
      "service.name": serviceName,
      "service.version": serviceVersion,
      "service.instance.id": nodeId,
      "deployment.environment.name": environment,
      "novacron.config_version": configVersion
    })
  }
  const requestOf = (spans: ReadonlyArray<OtlpSpan>): OtlpRequest => ({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "@novacron/boot", version: "1" }, spans }] }]
  })
  let spans: Array<OtlpSpan> = []
  for (const span of spansOf(timeline)) {
    spans.push(span)
    if (spans.length < Math.max(1, spansPerRequest)) continue
    yield requestOf(spans)
    spans = []
  }
  if (spans.length > 0) yield requestOf(spans)
}

function* spansOf(timeline: Timeline): Generator<OtlpSpan> {
  const make = spanMaker(timeline)
  const { report } = timeline
  const endMs = untilMs(timeline)
  const tops = new Set(timeline.lanes.map(({ name }) => name))
  const ofLane = (lane: Lane) => ["component", lane.name]
  yield make.span({
    path: [],
    parent: undefined,
    name: "boot",
    fromMs: 0,
    toMs: endMs,
    attributes: {
      "novacron.boot_id": report.bootId,
      "novacron.outcome": report.outcome,
      "novacron.concurrency": report.concurrency,
      "novacron.critical_path_ms": report.criticalPathMs,
      "novacron.critical_path": report.criticalPath.slice(0, 50).join(" → ")
    },
    events: report.checkpoints
      .filter(({ atMs }) => atMs <= endMs)
      .map(({ atMs, checkpoint }) => ({ atMs, name: "checkpoint", attributes: { "novacron.checkpoint": checkpoint } })),
    status:
      report.readyAtMs !== null
        ? "ok"
        : report.rollback === null
          ? undefined
          : `${report.outcome}: ${report.rollback.because}`
  })
  for (const phase of Phase.all) {
    const lanes = timeline.lanes.filter((lane) => lane.phase === phase && lane.group === null)
    const spans = lanes.map((lane) => spanTimes(lane, endMs))
    if (spans.length === 0) continue
    const known = report.phases.find((one) => one.phase === phase)
    const fromMs = spans.reduce((least, one) => Math.min(least, one.fromMs), known?.startedAtMs ?? Infinity)
    const toMs = spans.reduce((most, one) => Math.max(most, one.toMs), fromMs)
    const busyMs = lanes.reduce((sum, { workMs }) => sum + workMs, 0)
    yield make.span({
      path: ["phase", phase],
      parent: [],
      name: Phase.title[phase],
      fromMs,
      toMs,
      attributes: {
        "novacron.phase": phase,
        "novacron.components": lanes.length,
        // More was done than there was time: some of it at the same time.
        parallel: busyMs > toMs - fromMs + 1e-6
      }
    })
  }
  for (const lane of timeline.lanes) {
    const { fromMs, toMs } = spanTimes(lane, endMs)
    const inside = lane.group !== null && tops.has(lane.group)
    yield make.span({
      path: ofLane(lane),
      parent: inside ? ["component", lane.group] : ["phase", lane.phase],
      name: lane.name,
      fromMs,
      toMs,
      attributes: {
        "novacron.component": lane.name,
        "novacron.phase": lane.phase,
        "novacron.severity": lane.severity,
        "novacron.state": lane.state,
        "novacron.critical_path": lane.onCriticalPath,
        "novacron.work_ms": lane.workMs,
        "novacron.waiting_ms": spentIn(lane, "waiting", toMs),
        "novacron.queued_ms": spentIn(lane, "queued", toMs),
        "novacron.backoff_ms": spentIn(lane, "backoff", toMs),
        // What is only worth a warning, the boot goes on without.
        optional: lane.severity === "warning"
      },
      events: lane.marks
        .filter(({ atMs }) => atMs <= toMs)
        .slice(0, mostEvents)
        .map(({ atMs, kind, text }) => ({ atMs, name: kind, attributes: { "novacron.text": text } })),
      links: lane.needs.slice(0, mostEvents).map((need) => ({ path: ["component", need], why: "needs" })),
      status: lane.state === "failed" ? (lane.attempts.at(-1)?.failure ?? "failed") : undefined
    })
    for (const [k, attempt] of lane.attempts.entries()) {
      if (attempt.fromMs < toMs || (attempt.fromMs === toMs && fromMs === toMs)) {
        yield make.span(attemptSpan(attempt, [...ofLane(lane), "attempt", k], ofLane(lane)))
      }
    }
  }
  yield* rollbackSpans(timeline, make)
  const byName = new Map(timeline.lanes.map((lane) => [lane.name, lane]))
  for (const [k, one] of timeline.restorations.entries())
    yield* restorationSpans(make, one, k, byName.get(one.component))
}

/** How many events and links a span has at the most. */
const mostEvents = 128

type Path = ReadonlyArray<string | number>

interface Draft {
  readonly path: Path
  readonly parent: Path | undefined
  readonly name: string
  readonly fromMs: number
  readonly toMs: number
  readonly attributes: { readonly [key: string]: string | number | boolean }
  readonly events?: ReadonlyArray<{
    readonly atMs: number
    readonly name: string
    readonly attributes: Draft["attributes"]
  }>
  /** To spans of the boot's own trace. */
  readonly links?: ReadonlyArray<{ readonly path: Path; readonly why: string }>
  readonly status?: Failure | "ok" | (string & {}) | undefined
  /** The trace it is in; default: the boot's own. */
  readonly trace?: string
}

const spanMaker = ({ report: { bootId }, startedAt }: Timeline) => {
  const own = traceId(bootId)
  const beganNs = nanos(startedAt)
  const at = (ms: number): string => `${beganNs + nanos(ms)}`
  const span = (draft: Draft): OtlpSpan => ({
    traceId: draft.trace ?? own,
    spanId: spanId(bootId, ...draft.path),
    ...(draft.parent === undefined ? {} : { parentSpanId: spanId(bootId, ...draft.parent) }),
    name: bounded(draft.name),
    kind: 1,
    startTimeUnixNano: at(draft.fromMs),
    endTimeUnixNano: at(Math.max(draft.fromMs, draft.toMs)),
    attributes: attributes(draft.attributes),
    events: (draft.events ?? []).map((event) => ({
      timeUnixNano: at(event.atMs),
      name: event.name,
      attributes: attributes(event.attributes)
    })),
    links: (draft.links ?? []).map(({ path, why }) => ({
      traceId: own,
      spanId: spanId(bootId, ...path),
      attributes: attributes({ "novacron.link": why })
    })),
    status: statusOf(draft.status)
  })
  return { span, traceOf: (...path: Path): string => hex(JSON.stringify(["trace", bootId, ...path]), 4) }
}

const statusOf = (status: Draft["status"]): OtlpSpan["status"] => {
  if (status === undefined) return {}
  if (status === "ok") return { code: 1 }
  return { code: 2, message: bounded(typeof status === "string" ? status : `${status.tag}: ${status.message}`) }
}

/** From the moment that nothing was missing but a slot until it settled; nothing at all for who was never started. */
const spanTimes = (lane: Lane, endMs: number): { readonly fromMs: number; readonly toMs: number } => {
  const toMs = Math.min(lane.settledAtMs ?? endMs, endMs)
  const first = lane.intervals.find(({ state }) => state === "queued" || state === "running")?.fromMs
  const fromMs = Math.min(first ?? lane.attempts[0]?.fromMs ?? toMs, toMs)
  return { fromMs, toMs }
}

const spentIn = ({ intervals }: Lane, state: Lane["state"], toMs: number): number =>
  intervals.reduce((sum, one) => (one.state === state && one.fromMs < toMs ? sum + one.toMs - one.fromMs : sum), 0)

const attemptSpan = (attempt: Attempt, path: Path, parent: Path, trace?: string): Draft => ({
  path,
  parent,
  name: `attempt ${attempt.attempt}${attempt.variant === 0 ? "" : ` of ${attempt.name}`}`,
  fromMs: attempt.fromMs,
  toMs: attempt.toMs,
  attributes: {
    "novacron.variant": attempt.variant,
    "novacron.attempt": attempt.attempt,
    "novacron.interrupted": attempt.interrupted,
    ...(attempt.retryInMs === null ? {} : { "novacron.retry_in_ms": attempt.retryInMs }),
    ...(attempt.failure === null ? {} : { "error.type": attempt.failure.tag })
  },
  events: [
    ...(attempt.acquiredAtMs === null ? [] : [{ atMs: attempt.acquiredAtMs, name: "acquired", attributes: {} }]),
    ...(attempt.failure === null
      ? []
      : [
          {
            atMs: attempt.decidedAtMs ?? attempt.toMs,
            name: "exception",
            attributes: { "exception.type": attempt.failure.tag, "exception.message": attempt.failure.message }
          }
        ])
  ],
  status: attempt.failure ?? (attempt.interrupted ? undefined : attempt.decidedAtMs === null ? undefined : "ok"),
  ...(trace === undefined ? {} : { trace })
})

function* rollbackSpans(timeline: Timeline, { span, traceOf }: ReturnType<typeof spanMaker>): Generator<OtlpSpan> {
  const { readyAtMs, rollback } = timeline.report
  if (rollback === null) return
  const isOwn = readyAtMs !== null
  const trace = isOwn ? { trace: traceOf("stop") } : {}
  yield span({
    path: ["rollback"],
    parent: isOwn ? undefined : [],
    name: isOwn ? "stop" : "rollback",
    fromMs: rollback.startedAtMs,
    toMs: rollback.startedAtMs + rollback.durationMs,
    attributes: {
      "novacron.why": rollback.why,
      "novacron.because": rollback.because,
      "novacron.components": rollback.components,
      "novacron.clean": rollback.clean
    },
    links: isOwn ? [{ path: [], why: "boot" }] : [],
    status: rollback.clean ? "ok" : "not everything was closed cleanly",
    ...trace
  })
  for (const lane of timeline.lanes) {
    for (const { fromMs, state, toMs } of lane.intervals) {
      if (state !== "stopping") continue
      yield span({
        path: ["rollback", lane.name, fromMs],
        parent: ["rollback"],
        name: `stop ${lane.name}`,
        fromMs,
        toMs,
        attributes: { "novacron.component": lane.name },
        links: [{ path: ["component", lane.name], why: "started" }],
        ...trace
      })
    }
  }
}

function* restorationSpans(
  { span, traceOf }: ReturnType<typeof spanMaker>,
  { component, failure, fromMs, outcome, retryInMs, toMs, variant }: Restoration,
  k: number,
  lane: Lane | undefined
): Generator<OtlpSpan> {
  const trace = traceOf("restoration", k)
  const path = ["restoration", k]
  yield span({
    path,
    parent: undefined,
    name: variant === 0 ? `restore ${component}` : `replace ${component}`,
    fromMs,
    toMs,
    attributes: {
      "novacron.component": component,
      "novacron.variant": variant,
      "novacron.outcome": outcome,
      ...(retryInMs === null ? {} : { "novacron.retry_in_ms": retryInMs })
    },
    links: [
      { path: [], why: "boot" },
      { path: ["component", component], why: "component" }
    ],
    status: failure ?? (outcome === "completed" ? "ok" : outcome === "failed" ? "failed" : undefined),
    trace
  })
  for (const [n, attempt] of (lane?.attempts ?? []).entries()) {
    if (
      attempt.fromMs >= fromMs &&
      attempt.toMs <= toMs &&
      lane?.settledAtMs !== null &&
      attempt.fromMs > (lane?.settledAtMs ?? 0)
    ) {
      yield span(attemptSpan(attempt, [...path, n], path, trace))
    }
  }
}

/** Values as OTLP has them; an empty text says nothing. */
const attributes = (values: Draft["attributes"]): ReadonlyArray<OtlpAttribute> =>
  Object.entries(values).flatMap(([key, value]): ReadonlyArray<OtlpAttribute> => {
    if (typeof value === "boolean") return [{ key, value: { boolValue: value } }]
    if (typeof value === "string") return value === "" ? [] : [{ key, value: { stringValue: bounded(value) } }]
    if (!Number.isFinite(value)) return []
    return [{ key, value: Number.isSafeInteger(value) ? { intValue: `${value}` } : { doubleValue: value } }]
  })

/** Whole characters, and not too many: a collector refuses a request for one bad text. */
const bounded = (text: string): string => (text.length > 1_024 ? `${text.slice(0, 1_023)}…` : text).toWellFormed()

/** Milliseconds as nanoseconds, within what 64 bits can hold. */
const nanos = (ms: number): bigint => {
  const sane = Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 9e12) : 0
  const whole = Math.floor(sane)
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((sane - whole) * 1e6))
}

// ------------------------------------------------------------------------------------------------------------ Perfetto

/** A Chrome trace: what `ui.perfetto.dev` and `chrome://tracing` open. Times are microseconds. */
export interface PerfettoTrace {
  readonly displayTimeUnit: "ms"
  readonly otherData: { readonly [key: string]: string }
  readonly traceEvents: ReadonlyArray<PerfettoEvent>
}

/** One of its events: a slice (X), an instant (i), or what a track is called (M). */
export type PerfettoEvent = { readonly pid: number; readonly tid: number; readonly name: string } & (
  | { readonly ph: "M"; readonly args: { readonly name: string } | { readonly sort_index: number } }
  | {
      readonly ph: "X"
      readonly cat: string
      readonly ts: number
      readonly dur: number
      readonly args: { readonly [key: string]: string | number }
    }
  | { readonly ph: "i"; readonly cat: string; readonly s: "t" | "p"; readonly ts: number }
)

/** The boot as a Chrome trace: a track for each component, a slice for each interval, what happened as instants. */
export const toPerfetto = (timeline: Timeline): PerfettoTrace => {
  const { report } = timeline
  const endMs = report.endedAtMs ?? timeline.atMs
  const pid = 1
  const startedAt = Option.match(DateTime.make(timeline.startedAt), { onNone: () => "", onSome: DateTime.formatIso })
  const events: Array<PerfettoEvent> = [
    { ph: "M", pid, tid: 0, name: "process_name", args: { name: bounded(`boot ${report.bootId}`) } },
    { ph: "M", pid, tid: 0, name: "thread_name", args: { name: "boot" } },
    {
      ph: "X",
      pid,
      tid: 0,
      name: "boot",
      cat: "boot",
      ts: 0,
      dur: micros(untilMs(timeline)),
      args: { outcome: report.outcome }
    },
    ...report.checkpoints.map(({ atMs, checkpoint }): PerfettoEvent => {
      return { ph: "i", pid, tid: 0, name: checkpoint, cat: "checkpoint", s: "p", ts: micros(atMs) }
    })
  ]
  for (const [k, lane] of timeline.lanes.entries()) {
    const tid = k + 1
    const mark = lane.onCriticalPath ? "* " : ""
    events.push(
      { ph: "M", pid, tid, name: "thread_name", args: { name: bounded(`${mark}${lane.name}`) } },
      { ph: "M", pid, tid, name: "thread_sort_index", args: { sort_index: tid } }
    )
    for (const { attempt, fromMs, state, toMs } of lane.intervals) {
      if (state === "absent" || state === "skipped" || state === "failed" || state === "stopped") continue
      const tried = attempt === null ? undefined : lane.attempts[attempt]
      const failure = tried?.failure ?? null
      events.push({
        ph: "X",
        pid,
        tid,
        name: state,
        cat: state,
        ts: micros(fromMs),
        dur: micros(Math.min(toMs, endMs)) - micros(fromMs),
        args: {
          component: bounded(lane.name),
          ...(tried === undefined ? {} : { attempt: tried.attempt, variant: bounded(tried.name) }),
          ...(failure === null ? {} : { error: bounded(`${failure.tag}: ${failure.message}`) })
        }
      })
    }
    for (const { atMs, kind, text } of lane.marks) {
      events.push({ ph: "i", pid, tid, name: bounded(text), cat: kind, s: "t", ts: micros(atMs) })
    }
  }
  return {
    displayTimeUnit: "ms",
    otherData: { bootId: bounded(report.bootId), nodeId: bounded(report.nodeId), startedAt },
    traceEvents: events
  }
}

const micros = (ms: number): number => Math.round(ms * 1_000)
