/**
 * How bytes lie on a stream: frames of a 32-byte header and a payload.
 *
 * **Details**
 *
 * Big endian: magic u32, version u8, kind u8, flags u16, message id u64, chunk index u32, chunk count u32, length u32,
 * CRC-32 u32 of the 28 bytes before it and of the payload. Over TLS, which authenticates every byte, chunks are `sealed`: the
 * flag is set, and the CRC is of the header alone. A reader holds no more than one frame, and refuses a length before it has
 * held any of it. A payload is copied once, as it arrives, to where it is to be.
 */
import { crc32 } from "node:zlib"
import { FrameRefused } from "./Failures.ts"

export const headerBytes = 32
export const version = 3
/** A chunk is at most this long. */
export const maxChunkBytes = 1 << 20

export const kinds = {
  hello: 1,
  welcome: 2,
  open: 3,
  accept: 4,
  chunk: 5,
  ack: 6,
  done: 7,
  finished: 8,
  alive: 9,
  echo: 10,
  filler: 11,
  withdraw: 12
} as const

export type Kind = keyof typeof kinds

export interface Header {
  readonly kind: Kind
  /** The transfer; 0 for frames that belong to the stream. */
  readonly id: number
  readonly index: number
  readonly count: number
}

/** A header, and how many bytes follow it. */
export interface Announced extends Header {
  readonly length: number
}

export interface Frame extends Announced {
  readonly payload: Buffer
}

/** The header of a payload, to be written right before it. */
export const header = ({ count, id, index, kind }: Header, payload: Uint8Array, sealed = false): Buffer => {
  const bytes = Buffer.allocUnsafe(headerBytes)
  bytes.writeUInt32BE(magic, 0)
  bytes.writeUInt8(version, 4)
  bytes.writeUInt8(kinds[kind], 5)
  bytes.writeUInt16BE(sealed ? sealedFlag : 0, 6)
  bytes.writeUInt32BE(Math.floor(id / 0x1_00_00_00_00), 8)
  bytes.writeUInt32BE(id >>> 0, 12)
  bytes.writeUInt32BE(index, 16)
  bytes.writeUInt32BE(count, 20)
  bytes.writeUInt32BE(payload.length, 24)
  const crc = crc32(bytes.subarray(0, 28))
  bytes.writeUInt32BE(sealed ? crc : crc32(payload, crc), 28)
  return bytes
}

/** A small frame in one piece. */
export const encode = (of: Header, payload: Uint8Array = nothing): Buffer =>
  Buffer.concat([header(of, payload), payload])

/** What comes in on a stream. */
export interface Reader {
  /** Takes what arrived, however it was cut, and keeps none of its memory. Throws `FrameRefused`, and is useless then. */
  readonly read: (data: Buffer) => void
  /** What is still to come of the payload at hand goes elsewhere than into the room that it was given. */
  readonly detach: () => void
}

/** Hands on each whole frame. `room` gives the memory for a payload when its header is there, or refuses it. */
export const reader = (
  onFrame: (frame: Frame) => void,
  {
    encrypted = false,
    room = (header) => Buffer.allocUnsafe(header.length)
  }: { readonly encrypted?: boolean; readonly room?: (header: Announced) => Buffer } = {}
): Reader => {
  const head = Buffer.alloc(headerBytes)
  let held = 0
  let frame: Parsed | undefined
  let crc = 0
  let payload: Buffer = empty
  let filled = 0

  const begin = (): Parsed => {
    const parsed = parse(head)
    if (parsed.sealed && !encrypted) throw new FrameRefused({ reason: "it is sealed by TLS, and came without" })
    crc = crc32(head.subarray(0, 28))
    payload = parsed.length === 0 ? empty : room(parsed)
    filled = 0
    held = 0
    return parsed
  }
  const read = (data: Buffer) => {
    let at = 0
    while (at < data.length) {
      if (frame === undefined) {
        const taken = data.copy(head, held, at)
        at += taken
        held += taken
        if (held < headerBytes) return
        frame = begin()
      }
      if (filled < frame.length) {
        const piece = data.subarray(at, at + frame.length - filled)
        at += piece.length
        if (!frame.sealed) crc = crc32(piece, crc)
        payload.set(piece, filled)
        filled += piece.length
        if (filled < frame.length) return
      }
      if (crc !== frame.crc) throw new FrameRefused({ reason: `the checksum of a ${frame.kind} is wrong` })
      const { count, id, index, kind, length } = frame
      const whole = { kind, id, index, count, length, payload }
      frame = undefined
      payload = empty
      onFrame(whole)
    }
  }
  const detach = () => {
    if (frame === undefined || frame.length === 0) return
    const elsewhere = Buffer.allocUnsafeSlow(frame.length)
    payload.copy(elsewhere, 0, 0, filled)
    payload = elsewhere
  }
  return { read, detach }
}

// ------------------------------------------------------------------------------------------------------------- private

const sealedFlag = 1
const magic = 0x4e_41_4d_33
const nothing = new Uint8Array(0)
const empty = Buffer.alloc(0)

const kindOf = new Map<number, Kind>(Object.entries(kinds).map(([kind, byte]) => [byte, kind as Kind])) // entries forget it

/** Bytes of payload that each kind may have. A bitmap of an accept has a bit for each chunk of the largest file. */
const most: { readonly [K in Kind]: number } = {
  hello: 1024,
  welcome: 1024,
  open: 8192,
  accept: 1 << 20,
  chunk: maxChunkBytes,
  ack: 65_536,
  done: 32,
  finished: 2048,
  alive: 0,
  echo: 1024,
  filler: 65_536,
  withdraw: 0
}

interface Parsed extends Announced {
  readonly crc: number
  readonly sealed: boolean
}

const parse = (bytes: Buffer): Parsed => {
  if (bytes.readUInt32BE(0) !== magic) throw new FrameRefused({ reason: "it does not begin like a frame" })
  if (bytes.readUInt8(4) !== version) throw new FrameRefused({ reason: `it is of version ${bytes.readUInt8(4)}` })
  const kind = kindOf.get(bytes.readUInt8(5))
  if (kind === undefined) throw new FrameRefused({ reason: `there is no kind ${bytes.readUInt8(5)} of frame` })
  const length = bytes.readUInt32BE(24)
  if (length > most[kind]) throw new FrameRefused({ reason: `a ${kind} of ${length} bytes is too long` })
  const id = bytes.readUInt32BE(8) * 0x1_00_00_00_00 + bytes.readUInt32BE(12)
  if (!Number.isSafeInteger(id)) throw new FrameRefused({ reason: "its message id is out of range" })
  return {
    kind,
    id,
    length,
    sealed: (bytes.readUInt16BE(6) & sealedFlag) !== 0,
    index: bytes.readUInt32BE(16),
    count: bytes.readUInt32BE(20),
    crc: bytes.readUInt32BE(28)
  }
}
