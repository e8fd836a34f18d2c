/**
 * One line of the log: what it holds, and how it looks as JSON and as text for people. Pure.
 *
 * **Details**
 *
 * A line is made from a log call of Effect. The annotations `component`, `phase`, `event`, `duration_ms`, `dependencies`
 * and `metrics` have a place of their own, the others are in `data`. The first text of the call is the message; objects
 * beside it go into `data` as well. Log spans are there as `spans`, in milliseconds.
 */
import { Cause, type Logger, type LogLevel, References, Schema } from "effect"
import * as Redaction from "./Redaction.ts"
import { Level } from "./Settings.ts"

/** A line as data; this is also its JSON. */
export const LogLine = Schema.Struct({
  /** ISO 8601, UTC, with milliseconds. */
  timestamp: Schema.String,
  level: Level,
  component: Schema.optionalKey(Schema.String),
  phase: Schema.optionalKey(Schema.String),
  event: Schema.optionalKey(Schema.String),
  duration_ms: Schema.optionalKey(Schema.Finite),
  message: Schema.String,
  dependencies: Schema.optionalKey(Schema.Array(Schema.String)),
  metrics: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Union([Schema.Finite, Schema.Boolean, Schema.String]))
  ),
  /** The failure with its causes and stacks, as text. */
  cause: Schema.optionalKey(Schema.String),
  trace_id: Schema.optionalKey(Schema.String),
  span_id: Schema.optionalKey(Schema.String),
  spans: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  data: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
})
export type LogLine = typeof LogLine.Type

// ------------------------------------------------------------------------------------------------------------- levels

/** How important a level is; a line is written when its level weighs as much as the one that is set. */
export const weigh: { readonly [L in Level]: number } = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, fatal: 5 }

/** The level of a log call of Effect. */
export const levelOf = (level: LogLevel.LogLevel): Level => {
  switch (level) {
    case "All":
    case "Trace":
      return "trace"
    case "Debug":
      return "debug"
    case "Info":
      return "info"
    case "Warn":
      return "warn"
    case "Error":
      return "error"
    case "Fatal":
    case "None":
      return "fatal"
  }
}

// -------------------------------------------------------------------------------------------------------- construction

/** The line that a log call makes, without secrets. */
export const make = (
  { cause, date, fiber, logLevel, message }: Logger.Options<unknown>,
  redactor: Redaction.Redactor
): LogLine => {
  const annotations = redacted(redactor, fiber.getRef(References.CurrentLogAnnotations))
  const parts = Array.isArray(message) ? message : [message]
  const texts = parts.flatMap((part) => (isPlain(part) ? [] : [textOf(part, redactor)]))
  const objects = parts.filter(isPlain).map((part) => redacted(redactor, part))
  const facts: { [key: string]: unknown } = Object.assign({}, annotations, ...objects)
  const spans = fiber.getRef(References.CurrentLogSpans)
  const span = fiber.cache.span
  const data = Object.entries(facts).filter(([key, value]) => !fits(key, value))
  return {
    timestamp: date.toISOString(),
    level: levelOf(logLevel),
    ...known(facts),
    message: texts.join(" "),
    ...(cause.reasons.length === 0 ? {} : { cause: causeText(cause, redactor) }),
    ...(span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }),
    ...(spans.length === 0
      ? {}
      : { spans: Object.fromEntries(spans.map(([label, at]) => [redactor.text(label), date.getTime() - at])) }),
    ...(data.length === 0 ? {} : { data: Object.fromEntries(data) })
  }
}

const isPlain = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

const redacted = (redactor: Redaction.Redactor, value: object): { readonly [key: string]: unknown } => {
  const plain = redactor.value(value)
  return isPlain(plain) ? plain : {}
}

const textOf = (value: unknown, redactor: Redaction.Redactor): string => {
  if (Cause.isCause(value)) return causeText(value, redactor)
  const plain = redactor.value(value)
  return typeof plain === "string"
    ? plain
    : value instanceof Error
      ? redactor.text(value.message)
      : `${JSON.stringify(plain)}`
}

/** Of a failure that is no error only what {@link Redaction.Redactor.value} leaves: its fields may hold a secret. */
const causeText = (cause: Cause.Cause<unknown>, redactor: Redaction.Redactor): string =>
  cause.reasons
    .map((reason) => {
      const thrown = reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
      const isData = typeof thrown === "object" && thrown !== null && !(thrown instanceof Error)
      return isData
        ? `${JSON.stringify(redactor.value(thrown))}`
        : redactor.text(Cause.pretty(Cause.fromReasons([reason])))
    })
    .join("\n")

/** The facts that have a place of their own, as far as they are what belongs there. */
const known = (facts: { readonly [key: string]: unknown }): Partial<LogLine> =>
  Object.fromEntries(Object.entries(facts).filter(([key, value]) => fits(key, value)))

const fits = (key: string, value: unknown): boolean => {
  switch (key) {
    case "component":
    case "phase":
    case "event":
      return typeof value === "string"
    case "duration_ms":
      return typeof value === "number"
    case "dependencies":
      return Array.isArray(value) && value.every((one) => typeof one === "string")
    case "metrics":
      return isPlain(value) && Object.values(value).every((one) => ["number", "boolean", "string"].includes(typeof one))
    default:
      return false
  }
}

// --------------------------------------------------------------------------------------------------------------- looks

/** A line as one JSON object, without its end. */
export const toJson = (line: LogLine): string => Redaction.harmlessJson(line)

/** A line as text for people, without its end. A cause follows on lines of its own. */
export const toText = (line: LogLine, isColoured: boolean): string => {
  const paint = (code: number, text: string) => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text)
  const word = Redaction.harmlessText
  const { cause, component, data, duration_ms, event, level, message, metrics, phase, timestamp } = line
  const facts = Object.entries({ phase, event, ...metrics, ...data }).flatMap(([key, value]) =>
    value === undefined
      ? []
      : [`${word(key)}=${typeof value === "string" ? word(value) : Redaction.harmlessJson(value)}`]
  )
  const parts = [
    paint(2, timestamp.slice(11, 23)),
    paint(colours[level], level.toUpperCase().padEnd(5)),
    ...(component === undefined ? [] : [paint(1, word(component))]),
    word(message),
    ...(duration_ms === undefined ? [] : [paint(2, `(${Math.round(duration_ms * 10) / 10} ms)`)]),
    ...(facts.length === 0 ? [] : [paint(2, facts.join(" "))])
  ]
  const causes = cause === undefined ? [] : cause.split("\n").map((text) => `\n    ${word(text)}`)
  return `${parts.join(" ")}${causes.join("")}`
}

const colours: { readonly [L in Level]: number } = { trace: 90, debug: 90, info: 32, warn: 33, error: 31, fatal: 35 }
