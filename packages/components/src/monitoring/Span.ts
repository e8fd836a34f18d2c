/** Spans as OpenTelemetry has them, whoever makes them, and the trace that one belongs to as W3C writes it. */
import { Schema } from "effect"
import type { Trace } from "./Tally.ts"

/** What is said of a span, an event, a link. */
const Attributes = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
export type Attributes = typeof Attributes.Type

/** A span that has ended. Times are milliseconds since 1970, with fractions. */
export const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.NullOr(Schema.String),
  name: Schema.String,
  /** Whether somebody else asked for it. */
  kind: Schema.optionalKey(Schema.Literal("server")),
  startMs: Schema.Finite,
  endMs: Schema.Finite,
  attributes: Attributes,
  events: Schema.Array(Schema.Struct({ name: Schema.String, atMs: Schema.Finite, attributes: Attributes })),
  links: Schema.Array(Schema.Struct({ traceId: Schema.String, spanId: Schema.String, attributes: Attributes })),
  /** Events and links that there was no room for. */
  dropped: Schema.Finite,
  status: Schema.Literals(["unset", "ok", "error"]),
  message: Schema.String
})
export type Span = typeof Span.Type

/** What the spans of a program have in common. */
export type Resource = Attributes

/** Who caused it: the trace to go on with. */
export interface Parent extends Trace {
  readonly isSampled: boolean
}

/** Reads a W3C `traceparent`; nothing when it is none. */
export const parseTraceparent = (text: string | undefined): Parent | undefined => {
  const [, version = "", traceId = "", spanId = "", flags = "", rest = ""] =
    traceparentForm.exec(text?.trim() ?? "") ?? []
  if (version === "" || version === "ff" || (version === "00" && rest !== "")) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Writes a W3C `traceparent`. */
export const traceparent = ({ isSampled, spanId, traceId }: Parent): string =>
  `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`
