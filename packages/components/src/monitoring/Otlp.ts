/** Spans as OTLP writes them, for JSON and for protobuf alike. */
import type { OtlpTracer } from "effect/observability"
import type { Resource, Span } from "./Span.ts"

/** A span and what it shares with those of its boot. */
export interface Item {
  readonly resource: Resource
  readonly span: Span
}

const statusCode = { unset: 0, ok: 1, error: 2 } as const

/** `SPAN_KIND_INTERNAL`, for nobody is called and nobody calls; and `SPAN_KIND_SERVER`. */
const kinds = { internal: 1, server: 2 } as const

/** What a collector is sent: the spans, those of a boot together. */
export const encode = (items: ReadonlyArray<Item>): OtlpTracer.TraceData => {
  const byResource = new Map<Resource, Array<Item>>()
  for (const item of items) {
    const others = byResource.get(item.resource)
    if (others === undefined) byResource.set(item.resource, [item])
    else others.push(item)
  }
  return {
    resourceSpans: [...byResource].map(([resource, those]) => ({
      resource: { attributes: keyValues(resource), droppedAttributesCount: 0 },
      scopeSpans: [
        { scope: { name: "@novacron/components/monitoring" }, spans: those.map(({ span }) => encodeSpan(span)) }
      ]
    }))
  }
}

const encodeSpan = (span: Span) => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId ?? undefined,
  name: span.name,
  kind: kinds[span.kind ?? "internal"],
  startTimeUnixNano: nanos(span.startMs),
  endTimeUnixNano: nanos(span.endMs),
  attributes: keyValues(span.attributes),
  droppedAttributesCount: 0,
  events: span.events.map(({ atMs, attributes, name }) => ({
    name,
    timeUnixNano: nanos(atMs),
    attributes: keyValues(attributes),
    droppedAttributesCount: 0
  })),
  droppedEventsCount: span.dropped,
  status:
    span.message === "" ? { code: statusCode[span.status] } : { code: statusCode[span.status], message: span.message },
  links: span.links.map(({ attributes, spanId, traceId }) => ({
    traceId,
    spanId,
    attributes: keyValues(attributes),
    droppedAttributesCount: 0
  })),
  droppedLinksCount: 0
})

/** Nanoseconds since 1970 do not fit into a number: as text, from milliseconds that are good to a few microseconds. */
const nanos = (ms: number): string => {
  const micros = Math.round(ms * 1_000)
  return `${BigInt(micros) * 1_000n}`
}

const keyValues = (attributes: Resource) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }))

const anyValue = (value: string | number | boolean) => {
  if (typeof value === "string") return { stringValue: value }
  if (typeof value === "boolean") return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: value } : { doubleValue: value }
}
