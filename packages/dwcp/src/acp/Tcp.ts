/**
 * What the kernel knows of a TCP connection, and what it lets us ask for: TCP_INFO, congestion control, pacing, buffers.
 *
 * **Details**
 *
 * Through koffi on the descriptor of a Node socket, into buffers that are reused: about a microsecond a call. Whoever asks
 * gets either a `Kernel`, or the reason why there is none, and whatever was asked for is read back from the kernel.
 *
 * **Gotchas**
 *
 * `_handle.fd` is not public. Where it is missing the descriptor is -1, and every call says so instead of succeeding.
 */
import { createRequire } from "node:module"
import { getSystemErrorName } from "node:util"

/** One look at a connection. Times in microseconds, rates in bytes per second, counts since the connection began. */
export interface Sample {
  readonly srttMicros: number
  readonly rttVarMicros: number
  /** The least round trip the kernel has seen lately; 0 before the first. */
  readonly minRttMicros: number
  readonly cwnd: number
  readonly mss: number
  readonly pacingRate: number
  /** What was delivered lately; while `appLimited`, no more than what was offered. */
  readonly deliveryRate: number
  readonly appLimited: boolean
  readonly bytesAcked: number
  /** Segments that arrived, in order or not: unlike `bytesAcked` it does not stand still while a hole is filled. */
  readonly delivered: number
  readonly bytesSent: number
  readonly bytesRetransmitted: number
  readonly retransmits: number
  readonly segmentsOut: number
  /** Segments that are on their way. */
  readonly unacked: number
  readonly ecn: Ecn
}

/** Whether both sides agreed on explicit congestion notification, and how many segments came back marked. */
export interface Ecn {
  readonly negotiated: boolean
  readonly seen: boolean
  readonly markedSegments: number
}

/** What came of a request to the kernel. */
export type Outcome = { readonly _tag: "Done" } | { readonly _tag: "Refused"; readonly reason: string }

/** The calls, by descriptor. */
export interface Kernel {
  readonly _tag: "Available"
  readonly info: (fd: number) => Sample | undefined
  readonly congestion: (fd: number) => string | undefined
  readonly setCongestion: (fd: number, name: string) => Outcome
  /** Bytes per second; `undefined` lifts the limit. */
  readonly setPacing: (fd: number, bytesPerSecond: number | undefined) => Outcome
  /**
   * Bytes the kernel may hold for a connection, past the limit of the system too. Without privileges it is refused: a
   * smaller fixed size would be worse than the kernel's own tuning.
   */
  readonly setSendBuffer: (fd: number, bytes: number) => Outcome
  /** How many bytes may wait unsent before the socket counts as full. */
  readonly setUnsentLimit: (fd: number, bytes: number) => Outcome
}

export type Tcp = Kernel | { readonly _tag: "Unavailable"; readonly reason: string }

/** The descriptor of a Node socket or server, net or TLS; -1 when it has none. */
export const descriptor = (socket: object): number => {
  const handle: unknown = Reflect.get(socket, "_handle")
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined
  return typeof fd === "number" ? fd : -1
}

/** The fields of the kernel's `tcp_info` that we read; `undefined` when the kernel is too old to have filled them. */
export const decode = (bytes: Buffer, length: number): Sample | undefined => {
  if (length < tcpInfoBytes) return undefined
  const options = bytes.readUInt8(5)
  return {
    srttMicros: bytes.readUInt32LE(68),
    rttVarMicros: bytes.readUInt32LE(72),
    // The kernel says "never measured" by all ones.
    minRttMicros: bytes.readUInt32LE(148) === 0xff_ff_ff_ff ? 0 : bytes.readUInt32LE(148),
    cwnd: bytes.readUInt32LE(80),
    mss: bytes.readUInt32LE(16),
    pacingRate: Number(bytes.readBigUInt64LE(104)),
    deliveryRate: Number(bytes.readBigUInt64LE(160)),
    appLimited: (bytes.readUInt8(7) & 1) !== 0,
    bytesAcked: Number(bytes.readBigUInt64LE(120)),
    delivered: bytes.readUInt32LE(192),
    bytesSent: Number(bytes.readBigUInt64LE(200)),
    bytesRetransmitted: Number(bytes.readBigUInt64LE(208)),
    retransmits: bytes.readUInt32LE(100),
    segmentsOut: bytes.readUInt32LE(136),
    unacked: bytes.readUInt32LE(24),
    ecn: {
      negotiated: (options & 8) !== 0,
      seen: (options & 16) !== 0,
      markedSegments: bytes.readUInt32LE(196)
    }
  }
}

/** The kernel, or why it cannot be asked. `load` gives the library of foreign calls. */
export const open = (load: () => Koffi = koffi): Tcp => {
  try {
    return bind(load())
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause)
    return { _tag: "Unavailable", reason: `TCP cannot be tuned per socket on this machine: ${reason}` }
  }
}

/** The part of koffi that is used. */
export interface Koffi {
  readonly load: (path: null) => { readonly func: (signature: string) => (...args: ReadonlyArray<unknown>) => unknown }
  readonly errno: () => number
}

// ------------------------------------------------------------------------------------------------------------- private

const koffi = (): Koffi => {
  // An optional addon: a missing one is an answer, not a crash while modules load.
  const loaded: Koffi = createRequire(import.meta.url)("koffi")
  return loaded
}

const tcpInfoBytes = 216
const level = { socket: 1, tcp: 6 }
const option = { info: 11, congestion: 13, unsent: 25, sendForce: 32, pacing: 47 }
const unlimited = 0xff_ff_ff_ff_ff_ff_ff_ffn

const bind = (library: Koffi): Kernel => {
  const c = library.load(null)
  const getsockopt = c.func("int getsockopt(int fd, int level, int name, void *value, void *length)")
  const setsockopt = c.func("int setsockopt(int fd, int level, int name, void *value, unsigned int length)")
  const value = Buffer.alloc(512)
  const length = Buffer.alloc(4)

  const get = (fd: number, at: number, name: number): number => {
    if (fd < 0) return -1
    length.writeUInt32LE(value.length)
    return getsockopt(fd, at, name, value, length) === 0 ? length.readUInt32LE() : -1
  }
  const set = (fd: number, at: number, name: number, bytes: Buffer): Outcome => {
    if (fd < 0) return { _tag: "Refused", reason: "the socket has no descriptor" }
    if (setsockopt(fd, at, name, bytes, bytes.length) === 0) return { _tag: "Done" }
    return { _tag: "Refused", reason: errorName(library.errno()) }
  }
  const congestion = (fd: number): string | undefined => {
    const got = get(fd, level.tcp, option.congestion)
    return got < 0 ? undefined : value.toString("latin1", 0, got).replace(/\0.*$/su, "")
  }
  const int = (n: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32LE(Math.min(n, 0x3f_ff_ff_ff))
    return bytes
  }
  return {
    _tag: "Available",
    info: (fd) => decode(value, get(fd, level.tcp, option.info)),
    congestion,
    setCongestion: (fd, name) => {
      const outcome = set(fd, level.tcp, option.congestion, Buffer.from(name, "latin1"))
      if (outcome._tag === "Refused") return outcome
      const effective = congestion(fd)
      return effective === name ? outcome : { _tag: "Refused", reason: `the kernel stayed with ${effective}` }
    },
    setPacing: (fd, rate) => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(rate === undefined ? unlimited : BigInt(Math.max(1, Math.round(rate))))
      return set(fd, level.socket, option.pacing, bytes)
    },
    setSendBuffer: (fd, bytes) => set(fd, level.socket, option.sendForce, int(bytes)),
    setUnsentLimit: (fd, bytes) => set(fd, level.tcp, option.unsent, int(bytes))
  }
}

const errorName = (errno: number): string => {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `errno ${errno}`
  }
}
