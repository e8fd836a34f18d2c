/**
 * The lines of a journal: events as bytes that show what was done to them, and back.
 *
 * **Details**
 *
 * The first line is a header. Each further line is a CRC-32, a space, and a payload of JSON that carries the number of
 * the line. A CRC covers the header and all payloads up to its own line, so a line that was changed, lost, repeated or
 * moved ends what is believed. {@link decode} returns the longest beginning that is whole, and says what was behind it.
 */
import { crc32 } from "node:zlib"
import { Predicate, Result, Schema } from "effect"
import { BootEvent, type Closing, decode as decodeEvent, type Of } from "./BootEvent.ts"
import { LineBytes, sealLength } from "./LineBytes.ts"

/** What one line says. */
export type Line = BootEvent | Hole

/** Stands where events were dropped. */
export interface Hole {
  readonly _tag: "Hole"
  readonly dropped: number
}

/** What the lines of a file say: a beginning of what was encoded, never more. */
export interface Found {
  readonly events: ReadonlyArray<BootEvent>
  /** What is behind the last good line, if anything; `offset` is where it begins, in bytes. */
  readonly torn: { readonly offset: number; readonly reason: string } | undefined
  /** How many events are missing in between, as the lines themselves say. */
  readonly dropped: number
}

const header = "novacron-journal 1\n"
const headerCrc = crc32(header)

// ------------------------------------------------------------------------------------------------------------ encoding

/**
 * Encodes batch after batch; the first bytes are the header. `unfit` counts events that JSON cannot hold. The bytes are
 * good until the next batch.
 */
export const encoder = () => {
  const lines = new LineBytes()
  let head = header
  let crc = headerCrc
  let n = 0
  const put = (line: Line): boolean => {
    n++
    lines.begin()
    if (line._tag !== "Hole" && putCommon(lines, n, line)) return true
    lines.takeBack()
    const event = line._tag === "Hole" ? undefined : jsonOf(line)
    const dropped = line._tag === "Hole" ? line.dropped : 1
    const json = event === undefined ? `{"n":${n},"dropped":${dropped}}` : `{"n":${n},"event":${event}}`
    lines.room(3 * json.length + framing)
    lines.begin()
    lines.text(json)
    return event !== undefined || line._tag === "Hole"
  }
  return (batch: ReadonlyArray<Line>): { readonly bytes: Uint8Array; readonly unfit: number } => {
    lines.clear()
    lines.text(head)
    head = ""
    let unfit = 0
    for (let k = 0; k < batch.length; k++) {
      if (!put(batch[k]!)) unfit++
      crc = lines.seal(crc)
    }
    return { bytes: lines.written, unfit }
  }
}

/** More than what stands around the names and texts of a line. */
const framing = 256

/** The five events that every component has, byte by byte; false when this is none of them, or not as plain as most. */
const putCommon = (lines: LineBytes, n: number, event: BootEvent): boolean => {
  if (!isCommon(event) || !Number.isFinite(event.atMs)) return false
  lines.room(event.component.length + framing)
  lines.part(parts.n)
  lines.whole(n)
  lines.part(parts.event[event._tag])
  lines.number(event.atMs)
  lines.part(parts.component)
  if (!lines.quoted(event.component)) return false
  if (event._tag === "ComponentStarted") {
    const { attempt, variant } = event
    if (!isCount(variant) || !isCount(attempt)) return false
    lines.part(parts.variant)
    lines.whole(variant)
    lines.part(parts.attempt)
    lines.whole(attempt)
  } else if (event._tag === "ComponentStopped") lines.part(parts.closing[event.closing])
  lines.part(parts.end)
  return true
}

const isCommon = (event: BootEvent): event is Common =>
  event._tag === "ComponentStarted" ||
  event._tag === "ComponentReady" ||
  event._tag === "ComponentStopped" ||
  event._tag === "ComponentAcquired" ||
  (event._tag === "ComponentStopping" && event.byHand === undefined)

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0

type Common = Of<"ComponentReady" | "ComponentAcquired" | "ComponentStarted" | "ComponentStopping" | "ComponentStopped">

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const eventOf = (tag: Common["_tag"]): Uint8Array => bytesOf(`,"event":{"_tag":"${tag}","atMs":`)
const closingOf = (closing: Closing): Uint8Array => bytesOf(`,"closing":"${closing}"`)

/** What stands in such a line, between what differs. */
const parts = {
  n: bytesOf('{"n":'),
  event: {
    ComponentReady: eventOf("ComponentReady"),
    ComponentAcquired: eventOf("ComponentAcquired"),
    ComponentStarted: eventOf("ComponentStarted"),
    ComponentStopping: eventOf("ComponentStopping"),
    ComponentStopped: eventOf("ComponentStopped")
  },
  component: bytesOf(',"component":'),
  variant: bytesOf(',"variant":'),
  attempt: bytesOf(',"attempt":'),
  closing: { clean: closingOf("clean"), failed: closingOf("failed"), abandoned: closingOf("abandoned") },
  end: bytesOf("}}")
} as const

/**
 * `JSON.stringify` of an event, or undefined when that loses something: NaN and Infinity become null, and such a line
 * would end what the next boot believes.
 */
const jsonOf = (event: BootEvent): string | undefined => {
  const json = JSON.stringify(event)
  return json.includes(":null") && Result.isFailure(decodeEvent(event)) ? undefined : json
}

// ------------------------------------------------------------------------------------------------------------ decoding

/** Finds the longest beginning of `bytes` that is whole. */
export const decode = (bytes: Uint8Array): Found => {
  const events: Array<BootEvent> = []
  let dropped = 0
  const found = (torn: Found["torn"]): Found => ({ events, torn, dropped })
  if (text.decode(bytes.subarray(0, header.length)) !== header) {
    return found({ offset: 0, reason: whyNothing(text.decode(bytes.subarray(0, 64))) })
  }
  let offset = header.length
  let crc = headerCrc
  for (let n = 1; offset < bytes.length; n++) {
    const end = bytes.indexOf(newline, offset)
    if (end === -1) return found({ offset, reason: `record ${n} is cut off` })
    crc = crc32(bytes.subarray(offset + sealLength, end), crc)
    const line = text.decode(bytes.subarray(offset, end))
    if (!line.startsWith(seal(crc))) return found({ offset, reason: `record ${n} does not match its checksum` })
    const record = read(line.slice(sealLength))
    if (Result.isFailure(record)) return found({ offset, reason: `record ${n} is not an event of this version` })
    if (record.success.n !== n) return found({ offset, reason: `record ${record.success.n} stands in place of ${n}` })
    if ("event" in record.success) events.push(record.success.event)
    else dropped += record.success.dropped
    offset = end + 1
  }
  return found(undefined)
}

/** What a file is that does not begin as a journal of this version does. */
const whyNothing = (head: string): string => {
  if (head === "") return "it is empty: the boot was killed before its first event was written"
  const [, version] = /^novacron-journal (\d{1,9})\n/.exec(head) ?? []
  return version === undefined
    ? `it does not begin with "${header.trimEnd()}": it is no journal`
    : `it is of version ${version}, which a newer novacron has written`
}

// --------------------------------------------------------------------------------------------------------------- parts

/** What a line says: by hand where it is one of the events that every component has, and else by the schema. */
const read = (payload: string) =>
  Result.flatMap(
    Result.try(() => JSON.parse(payload) as unknown),
    (json) => {
      const plain = commonOf(json)
      return plain === undefined ? decodeLine(json) : Result.succeed(plain)
    }
  )

const decodeLine = Schema.decodeUnknownResult(
  Schema.Union([
    Schema.Struct({ n: Schema.Int, event: BootEvent }),
    Schema.Struct({ n: Schema.Int, dropped: Schema.Int })
  ])
)

/**
 * What {@link putCommon} has written. Nine of ten lines are that, and before a boot begins there is no time for what the
 * schema takes to learn how to read them.
 */
const commonOf = (json: unknown): { readonly n: number; readonly event: BootEvent } | undefined => {
  if (!Predicate.isObject(json)) return undefined
  const { event, n } = json
  if (!Number.isSafeInteger(n) || !Predicate.isObject(event)) return undefined
  const { _tag, atMs, attempt, closing, component, variant } = event
  if (!Number.isFinite(atMs) || typeof component !== "string") return undefined
  const common = { atMs: atMs as number, component }
  const numbered = (event: Common) => ({ n: n as number, event })
  switch (_tag) {
    case "ComponentReady":
    case "ComponentAcquired":
      return numbered({ _tag, ...common })
    case "ComponentStarted":
      return Number.isFinite(variant) && Number.isFinite(attempt)
        ? numbered({ _tag, ...common, variant: variant as number, attempt: attempt as number })
        : undefined
    case "ComponentStopping":
      return "byHand" in event ? undefined : numbered({ _tag, ...common })
    case "ComponentStopped":
      return closing === "clean" || closing === "failed" || closing === "abandoned"
        ? numbered({ _tag, ...common, closing })
        : undefined
    default:
      return undefined
  }
}

const text = new TextDecoder("utf-8", { ignoreBOM: true })
const newline = 10

/** What stands before a payload. Compared as text, so that a flipped bit cannot turn `a` into an equal `A`. */
const seal = (crc: number): string => `${crc.toString(16).padStart(8, "0")} `
