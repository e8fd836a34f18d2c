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
import { Result, Schema } from "effect"
import { BootEvent, decode as decodeEvent } from "./BootEvent.ts"

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
 * good until the next batch. A few lines at a time become bytes, and their seals are written into those: one conversion
 * for each line would cost more, and so would one for all, whose text would live long enough to be moved about.
 */
export const encoder = () => {
  let bytes = new Uint8Array(1 << 15)
  let head = header
  let crc = headerCrc
  let n = 0
  const put = (lines: string, at: number): number => {
    const longest = at + 3 * lines.length
    if (longest > bytes.length) {
      const larger = new Uint8Array(2 * longest)
      larger.set(bytes.subarray(0, at))
      bytes = larger
    }
    return at + utf8.encodeInto(lines, bytes.subarray(at)).written
  }
  const sealAll = (from: number, to: number): void => {
    for (let at = from; at < to;) {
      const end = bytes.indexOf(newline, at)
      crc = crc32(bytes.subarray(at + sealLength, end), crc)
      for (let k = 0; k < 8; k++) bytes[at + k] = digits[(crc >>> (28 - 4 * k)) & 15]!
      at = end + 1
    }
  }
  return (batch: ReadonlyArray<Line>): { readonly bytes: Uint8Array; readonly unfit: number } => {
    let at = put(head, 0)
    let unfit = 0
    head = ""
    for (let from = 0; from < batch.length; from += linesAtOnce) {
      let lines = ""
      for (let k = from; k < batch.length && k < from + linesAtOnce; k++) {
        const item = batch[k]!
        const event = item._tag === "Hole" ? undefined : jsonOf(item)
        if (item._tag !== "Hole" && event === undefined) unfit++
        lines +=
          event === undefined
            ? `${unsealed}{"n":${++n},"dropped":${item._tag === "Hole" ? item.dropped : 1}}\n`
            : `${unsealed}{"n":${++n},"event":${event}}\n`
      }
      const end = put(lines, at)
      sealAll(at, end)
      at = end
    }
    return { bytes: bytes.subarray(0, at), unfit }
  }
}

const linesAtOnce = 32

/**
 * `JSON.stringify` of an event, or undefined when that loses something: NaN and Infinity become null, and such a line
 * would end what the next boot believes. The five events that every component has are put together by hand, which is
 * twice as fast.
 */
const jsonOf = (event: BootEvent): string | undefined => {
  const isPlain = event._tag === "ComponentReady" || (event._tag === "ComponentStopping" && event.byHand === undefined)
  if (isPlain || event._tag === "ComponentAcquired") {
    if (!Number.isFinite(event.atMs)) return undefined
    return `{"_tag":"${event._tag}","atMs":${event.atMs},"component":${quoted(event.component)}}`
  }
  if (event._tag === "ComponentStarted") {
    const { atMs, attempt, component, variant } = event
    if (!Number.isFinite(atMs) || !Number.isFinite(attempt) || !Number.isFinite(variant)) return undefined
    const name = quoted(component)
    return `{"_tag":"ComponentStarted","atMs":${atMs},"component":${name},"variant":${variant},"attempt":${attempt}}`
  }
  if (event._tag === "ComponentStopped") {
    const { atMs, closing, component } = event
    if (!Number.isFinite(atMs)) return undefined
    return `{"_tag":"ComponentStopped","atMs":${atMs},"component":${quoted(component)},"closing":"${closing}"}`
  }
  const json = JSON.stringify(event)
  return json.includes(":null") && Result.isFailure(decodeEvent(event)) ? undefined : json
}

/** Most names need no escapes, and are looked at faster than a quoted one is remembered. */
const quoted = (name: string): string => (plainName.test(name) ? `"${name}"` : JSON.stringify(name))

const plainName = /^[\w./@:-]*$/

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
    const record = decodeLine(line.slice(sealLength))
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

const decodeLine = Schema.decodeUnknownResult(
  Schema.fromJsonString(
    Schema.Union([
      Schema.Struct({ n: Schema.Int, event: BootEvent }),
      Schema.Struct({ n: Schema.Int, dropped: Schema.Int })
    ])
  )
)

const text = new TextDecoder("utf-8", { ignoreBOM: true })
const utf8 = new TextEncoder()
const newline = 10

/** What stands before a payload. Compared as text, so that a flipped bit cannot turn `a` into an equal `A`. */
const seal = (crc: number): string => `${crc.toString(16).padStart(8, "0")} `
const digits = utf8.encode("0123456789abcdef")
const unsealed = "-------- "
const sealLength = unsealed.length
