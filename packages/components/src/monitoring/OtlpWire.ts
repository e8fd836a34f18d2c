/**
 * OTLP's protobuf as it comes over the wire: the requests for traces, and what is answered to them. Requests are read into
 * the form that OTLP's JSON has, so that whoever reads JSON reads both.
 *
 * **Details**
 *
 * Numbers of fields are those of opentelemetry-proto 1.x; what is not named here is skipped, as protobuf wants it. Whoever
 * sends may be anybody: a message that does not hold together, is nested too deeply, or has too many parts is none.
 *
 * **Gotchas**
 *
 * A field that is given twice counts the last time, except for lists. 64-bit integers are text, as in JSON.
 */

/** What the value of a field is. */
type Kind = "text" | "hex" | "base64" | "fixed64" | "fixed32" | "int64" | "uint32" | "double" | "bool"

interface Message {
  readonly [field: number]: readonly [name: string, kind: Kind | (() => Message), isList?: "list"]
}

const anyValue: Message = {
  1: ["stringValue", "text"],
  2: ["boolValue", "bool"],
  3: ["intValue", "int64"],
  4: ["doubleValue", "double"],
  5: ["arrayValue", () => ({ 1: ["values", () => anyValue, "list"] })],
  6: ["kvlistValue", () => ({ 1: ["values", () => keyValue, "list"] })],
  7: ["bytesValue", "base64"]
}
const keyValue: Message = { 1: ["key", "text"], 2: ["value", () => anyValue] }
const event: Message = {
  1: ["timeUnixNano", "fixed64"],
  2: ["name", "text"],
  3: ["attributes", () => keyValue, "list"],
  4: ["droppedAttributesCount", "uint32"]
}
const link: Message = {
  1: ["traceId", "hex"],
  2: ["spanId", "hex"],
  3: ["traceState", "text"],
  4: ["attributes", () => keyValue, "list"],
  5: ["droppedAttributesCount", "uint32"],
  6: ["flags", "fixed32"]
}
const status: Message = { 2: ["message", "text"], 3: ["code", "uint32"] }
const span: Message = {
  1: ["traceId", "hex"],
  2: ["spanId", "hex"],
  3: ["traceState", "text"],
  4: ["parentSpanId", "hex"],
  5: ["name", "text"],
  6: ["kind", "uint32"],
  7: ["startTimeUnixNano", "fixed64"],
  8: ["endTimeUnixNano", "fixed64"],
  9: ["attributes", () => keyValue, "list"],
  10: ["droppedAttributesCount", "uint32"],
  11: ["events", () => event, "list"],
  12: ["droppedEventsCount", "uint32"],
  13: ["links", () => link, "list"],
  14: ["droppedLinksCount", "uint32"],
  15: ["status", () => status],
  16: ["flags", "fixed32"]
}
const scope: Message = {
  1: ["name", "text"],
  2: ["version", "text"],
  3: ["attributes", () => keyValue, "list"],
  4: ["droppedAttributesCount", "uint32"]
}
const resource: Message = { 1: ["attributes", () => keyValue, "list"], 2: ["droppedAttributesCount", "uint32"] }
const scopeSpans: Message = { 1: ["scope", () => scope], 2: ["spans", () => span, "list"], 3: ["schemaUrl", "text"] }
const resourceSpans: Message = {
  1: ["resource", () => resource],
  2: ["scopeSpans", () => scopeSpans, "list"],
  3: ["schemaUrl", "text"]
}
const exportRequest: Message = { 1: ["resourceSpans", () => resourceSpans, "list"] }
const exportResponse: Message = {
  1: ["partialSuccess", () => ({ 1: ["rejectedSpans", "int64"], 2: ["errorMessage", "text"] })]
}

/** `google.rpc.Status`, with what it says about when to come again. */
const rpcStatus: Message = {
  1: ["code", "uint32"],
  2: ["message", "text"],
  3: ["details", () => ({ 1: ["typeUrl", "text"], 2: ["value", "base64"] }), "list"]
}
const retryInfo: Message = { 1: ["retryDelay", () => ({ 1: ["seconds", "int64"], 2: ["nanos", "uint32"] })] }

/** A message that was read: its fields by their names in JSON. */
interface Read {
  [name: string]: unknown
}

/** An `ExportTraceServiceRequest` in the form of OTLP's JSON; undefined when the bytes are none. */
export const readRequest = (bytes: Uint8Array): object | undefined => read(bytes, exportRequest)

/** How many spans were not taken, and why, of an `ExportTraceServiceResponse`; undefined when it is none. */
export const readResponse = (
  bytes: Uint8Array
): { readonly rejectedSpans: number; readonly errorMessage: string } | undefined => {
  const response = read(bytes, exportResponse)
  if (response === undefined) return undefined
  const partial = { rejectedSpans: "0", errorMessage: "", ...recordIn(response, "partialSuccess") }
  return { rejectedSpans: Number(partial.rejectedSpans), errorMessage: `${partial.errorMessage}` }
}

/** How long to wait, in milliseconds, if a `google.rpc.Status` says so. */
export const readRetryDelayMs = (bytes: Uint8Array): number | undefined => {
  const details = read(bytes, rpcStatus)?.["details"]
  for (const one of Array.isArray(details) ? details : []) {
    const { typeUrl, value }: { readonly typeUrl?: unknown; readonly value?: unknown } = one
    if (typeof typeUrl !== "string" || !typeUrl.endsWith("/google.rpc.RetryInfo")) continue
    const info = read(Buffer.from(typeof value === "string" ? value : "", "base64"), retryInfo)
    const delay = { seconds: "0", nanos: 0, ...recordIn(info ?? {}, "retryDelay") }
    const ms = Number(delay.seconds) * 1_000 + Number(delay.nanos) / 1e6
    return Number.isFinite(ms) && ms >= 0 ? ms : undefined
  }
  return undefined
}

const recordIn = (message: Read, name: string): Read => {
  const value = message[name]
  return typeof value === "object" && value !== null ? { ...value } : {}
}

/** An `ExportTraceServiceResponse`. */
export const writeResponse = (rejectedSpans: number, errorMessage: string): Buffer =>
  rejectedSpans === 0 && errorMessage === ""
    ? Buffer.alloc(0)
    : delimited(1, Buffer.concat([number(1, rejectedSpans), delimited(2, Buffer.from(errorMessage))]))

/** A `google.rpc.Status`: what a request is refused with. */
export const writeStatus = (code: number, message: string): Buffer =>
  Buffer.concat([number(1, code), delimited(2, Buffer.from(message))])

const delimited = (field: number, bytes: Buffer): Buffer =>
  Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes])

const number = (field: number, value: number): Buffer => Buffer.concat([varint(field << 3), varint(value)])

const varint = (value: number): Buffer => {
  const bytes: Array<number> = []
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 127n) | 128)
  }
}

// ------------------------------------------------------------------------------------------------------------ reading

/** How deep messages may be inside of each other, and how many there may be. */
const limits = { depth: 64, messages: 2_000_000 } as const

/** Where the reading is; shared by a message and those inside of it. */
interface Cursor {
  readonly bytes: Buffer
  at: number
  messages: number
}

const read = (bytes: Uint8Array, message: Message): Read | undefined => {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    return readMessage({ bytes: whole, at: 0, messages: 0 }, message, whole.length, 0)
  } catch (error) {
    // Whatever is beyond the end, and what is no protobuf.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const readMessage = (cursor: Cursor, message: Message, end: number, depth: number): Read => {
  if (depth > limits.depth || ++cursor.messages > limits.messages)
    throw new RangeError("more than one message may have")
  const found: Read = {}
  while (cursor.at < end) {
    const key = readSmall(cursor)
    const field = message[key >>> 3]
    const wire = key & 7
    if (field === undefined) {
      skip(cursor, wire)
      continue
    }
    const [name, kind, isList] = field
    const value = readValue(cursor, kind, wire, depth)
    if (isList === undefined) found[name] = value
    else {
      const list = found[name]
      if (Array.isArray(list)) list.push(value)
      else found[name] = [value]
    }
  }
  if (cursor.at !== end) throw new RangeError("a field is longer than its message")
  return found
}

const readValue = (cursor: Cursor, kind: Kind | (() => Message), wire: number, depth: number): unknown => {
  if (typeof kind === "function") {
    const end = endOf(cursor, wire)
    return readMessage(cursor, kind(), end, depth + 1)
  }
  switch (kind) {
    case "text":
      return readBytes(cursor, wire).toString("utf8")
    case "hex":
      return readBytes(cursor, wire).toString("hex")
    case "base64":
      return readBytes(cursor, wire).toString("base64")
    case "fixed64":
      expect(wire, 1)
      return `${cursor.bytes.readBigUInt64LE((cursor.at += 8) - 8)}`
    case "fixed32":
      expect(wire, 5)
      return cursor.bytes.readUInt32LE((cursor.at += 4) - 4)
    case "double":
      expect(wire, 1)
      return cursor.bytes.readDoubleLE((cursor.at += 8) - 8)
    case "int64":
      expect(wire, 0)
      return `${BigInt.asIntN(64, readVarint(cursor))}`
    case "uint32":
      expect(wire, 0)
      return Number(BigInt.asUintN(32, readVarint(cursor)))
    case "bool":
      expect(wire, 0)
      return readVarint(cursor) !== 0n
  }
}

const expect = (wire: number, wanted: number): void => {
  if (wire !== wanted) throw new RangeError("a field is of another type")
}

const readBytes = (cursor: Cursor, wire: number): Buffer => {
  const end = endOf(cursor, wire)
  const bytes = cursor.bytes.subarray(cursor.at, end)
  cursor.at = end
  return bytes
}

/** Where what has a length ends: inside of all that it is in, for that is checked when the message around it ends. */
const endOf = (cursor: Cursor, wire: number): number => {
  expect(wire, 2)
  const end = readSmall(cursor) + cursor.at
  if (end > cursor.bytes.length) throw new RangeError("a field is longer than what was sent")
  return end
}

const skip = (cursor: Cursor, wire: number): void => {
  if (wire === 0) readVarint(cursor)
  else if (wire === 1) cursor.at += 8
  else if (wire === 2) cursor.at = endOf(cursor, wire)
  else if (wire === 5) cursor.at += 4
  else throw new RangeError("there is no such wire type")
  if (cursor.at > cursor.bytes.length) throw new RangeError("a field is longer than what was sent")
}

/** A key or a length: up to 32 bits. */
const readSmall = (cursor: Cursor): number => {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = cursor.bytes.readUInt8(cursor.at++)
    value += (byte & 127) * 2 ** shift
    if (byte < 128) return value
  }
  throw new RangeError("a number is too long")
}

const readVarint = (cursor: Cursor): bigint => {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.bytes.readUInt8(cursor.at++)
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return value
  }
  throw new RangeError("a number is too long")
}
