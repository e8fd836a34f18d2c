/**
 * The traces that other programs have sent: read from OTLP's JSON, or what has its form, kept within bounds, the oldest given
 * up first.
 *
 * **Details**
 *
 * Whoever sends may be anybody: a span without sound ids or times is rejected and counted, texts are cut, and of a trace
 * only so many spans are kept. What is kept is counted in spans and in characters, and both have a limit.
 */

/** A span, as much of it as is shown. Times are milliseconds since 1970. */
export interface Span {
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly service: string
  readonly startMs: number
  readonly endMs: number
  readonly isError: boolean
  readonly statusMessage: string
  readonly attributes: ReadonlyArray<readonly [key: string, value: string]>
  readonly events: ReadonlyArray<{ readonly atMs: number; readonly name: string; readonly text: string }>
  readonly links: number
}

/** A trace: its spans by id. */
export interface Trace {
  readonly traceId: string
  readonly spans: Map<string, Span>
  /** Spans of it that were not kept. */
  dropped: number
  /** About how many characters it holds. */
  weight: number
  /** Counts requests: who was heard of last. */
  heard: number
}

/** What is kept. Make one with {@link make}; only {@link accept} changes it. */
export interface Store {
  readonly traces: Map<string, Trace>
  readonly limits: Limits
  spans: number
  weight: number
  heard: number
}

/** How much is kept. */
export interface Limits {
  readonly traces: number
  readonly spans: number
  readonly spansPerTrace: number
  /** Of all texts together. */
  readonly characters: number
}

/** 200,000 spans, 100,000 of them in one trace, and about 100 MB. */
const usualLimits: Limits = { traces: 1_000, spans: 200_000, spansPerTrace: 100_000, characters: 50_000_000 }

/** An empty store. */
export const make = (limits: Partial<Limits> = {}): Store => ({
  traces: new Map(),
  limits: { ...usualLimits, ...limits },
  spans: 0,
  weight: 0,
  heard: 0
})

/** What became of a request. */
export interface Accepted {
  readonly accepted: number
  readonly rejected: number
  /** Why, for the first of them. */
  readonly message: string
}

/** Takes the spans of an `ExportTraceServiceRequest`; undefined when it is none. */
export const accept = (store: Store, request: unknown): Accepted | undefined => {
  const resourceSpans = listIn(request, "resourceSpans") ?? (isRecord(request) ? [] : undefined)
  if (resourceSpans === undefined) return undefined
  store.heard++
  let accepted = 0
  let rejected = 0
  let message = ""
  for (const one of resourceSpans) {
    const service = serviceOf(one)
    for (const scope of listIn(one, "scopeSpans") ?? []) {
      for (const raw of listIn(scope, "spans") ?? []) {
        const span = spanOf(raw, service)
        if (typeof span === "string") {
          rejected++
          if (message === "") message = span
        } else {
          accepted++
          keep(store, span.traceId, span.span)
        }
      }
    }
  }
  return { accepted, rejected, message }
}

const keep = (store: Store, traceId: string, span: Span): void => {
  const { limits } = store
  let trace = store.traces.get(traceId)
  if (trace === undefined) {
    trace = { traceId, spans: new Map(), dropped: 0, weight: 0, heard: 0 }
  } else store.traces.delete(traceId)
  // The one heard of last is the last in the map.
  store.traces.set(traceId, trace)
  trace.heard = store.heard
  const before = trace.spans.get(span.spanId)
  if (before === undefined && trace.spans.size >= limits.spansPerTrace) {
    trace.dropped++
    return
  }
  const added = weightOf(span) - (before === undefined ? 0 : weightOf(before))
  trace.spans.set(span.spanId, span)
  trace.weight += added
  store.weight += added
  if (before === undefined) store.spans++
  for (const [oldest, one] of store.traces) {
    const isOver = store.spans > limits.spans || store.weight > limits.characters || store.traces.size > limits.traces
    if (!isOver || one === trace) break
    store.traces.delete(oldest)
    store.spans -= one.spans.size
    store.weight -= one.weight
  }
  // One trace alone may be too much as well: what came last of it goes.
  if (store.weight > limits.characters) {
    trace.spans.delete(span.spanId)
    trace.dropped++
    const weight = weightOf(span)
    trace.weight -= weight
    store.weight -= weight
    store.spans--
  }
}

/** Characters, and what a span weighs without any. */
const weightOf = ({ attributes, events, name, statusMessage }: Span): number =>
  150 +
  name.length +
  statusMessage.length +
  attributes.reduce((sum, [key, value]) => sum + key.length + value.length + 30, 0) +
  events.reduce((sum, event) => sum + event.name.length + event.text.length + 40, 0)

// ------------------------------------------------------------------------------------------------------------ reading

/** How much of a span is kept. */
const most = { name: 256, text: 256, attributes: 32, events: 32, depth: 4 } as const

const isRecord = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const field = (value: unknown, key: string): unknown =>
  isRecord(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined

const listIn = (value: unknown, key: string): ReadonlyArray<unknown> | undefined => {
  const list = field(value, key)
  return Array.isArray(list) ? list : undefined
}

const textOf = (value: unknown, length: number): string => (typeof value === "string" ? cut(value, length) : "")

/** The beginning of a text, as a text of its own: a slice would keep all of what it was cut from in memory. */
const cut = (text: string, length: number): string =>
  text.length <= length ? text : Buffer.from(text.slice(0, length)).toString()

const serviceOf = (resourceSpans: unknown): string => {
  const attributes = listIn(field(resourceSpans, "resource"), "attributes") ?? []
  const named = attributes.find((one) => field(one, "key") === "service.name")
  return textOf(field(field(named, "value"), "stringValue"), most.name)
}

const spanOf = (raw: unknown, service: string): { readonly traceId: string; readonly span: Span } | string => {
  const traceId = idOf(field(raw, "traceId"), 32)
  const spanId = idOf(field(raw, "spanId"), 16)
  if (traceId === undefined || spanId === undefined)
    return "a span has no traceId of 32 or spanId of 16 hexadecimal digits"
  const startMs = msOf(field(raw, "startTimeUnixNano"))
  const endMs = msOf(field(raw, "endTimeUnixNano"))
  if (startMs === undefined || endMs === undefined) return "a span has no startTimeUnixNano or endTimeUnixNano"
  const status = field(raw, "status")
  const code = field(status, "code")
  return {
    traceId,
    span: {
      spanId,
      parentSpanId: idOf(field(raw, "parentSpanId"), 16),
      name: textOf(field(raw, "name"), most.name),
      service,
      startMs,
      endMs: Math.max(startMs, endMs),
      isError: code === 2 || code === "STATUS_CODE_ERROR",
      statusMessage: textOf(field(status, "message"), most.text),
      attributes: attributesOf(raw),
      events: (listIn(raw, "events") ?? []).slice(0, most.events).map((event) => ({
        atMs: msOf(field(event, "timeUnixNano")) ?? startMs,
        name: textOf(field(event, "name"), most.name),
        text: cut(
          attributesOf(event)
            .map(([key, value]) => `${key}=${value}`)
            .join(" "),
          2 * most.text
        )
      })),
      links: listIn(raw, "links")?.length ?? 0
    }
  }
}

/** Ids of other programs may be written in capitals. */
const idOf = (value: unknown, digits: 16 | 32): string | undefined =>
  typeof value === "string" && value.length === digits && /^[0-9a-fA-F]+$/.test(value) && !/^0+$/.test(value)
    ? value.toLowerCase()
    : undefined

/** Nanoseconds, as a string or, where a program does not know better, as a number. */
const msOf = (value: unknown): number | undefined => {
  const isNumber = typeof value === "number" || (typeof value === "string" && /^\d{1,20}$/.test(value))
  const ns = isNumber ? Number(value) : NaN
  return Number.isFinite(ns) && ns >= 0 && ns < 2 ** 64 ? ns / 1e6 : undefined
}

const attributesOf = (raw: unknown): Span["attributes"] =>
  (listIn(raw, "attributes") ?? []).slice(0, most.attributes).flatMap((one): Span["attributes"] => {
    const key = textOf(field(one, "key"), most.text)
    return key === "" ? [] : [[key, cut(valueOf(field(one, "value"), 0), most.text)]]
  })

const valueOf = (value: unknown, depth: number): string => {
  if (depth > most.depth) return "…"
  for (const key of ["stringValue", "intValue", "doubleValue", "boolValue", "bytesValue"]) {
    const plain = field(value, key)
    if (typeof plain === "string") return plain
    if (typeof plain === "number" || typeof plain === "boolean") return `${plain}`
  }
  const list = listIn(field(value, "arrayValue"), "values")
  if (list !== undefined)
    return `[${list
      .slice(0, 16)
      .map((one) => valueOf(one, depth + 1))
      .join(", ")}]`
  const pairs = listIn(field(value, "kvlistValue"), "values")
  if (pairs === undefined) return ""
  const words = pairs
    .slice(0, 16)
    .map((one) => `${textOf(field(one, "key"), 64)}: ${valueOf(field(one, "value"), depth + 1)}`)
  return `{${words.join(", ")}}`
}
