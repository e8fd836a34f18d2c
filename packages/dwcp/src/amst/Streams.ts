/**
 * The streams of a link: dialled side by side, replaced when they die, watched through the kernel, as many as help.
 *
 * **Gotchas**
 *
 * Nothing here knows the time: `tick` brings it, and what happened between two ticks counts for the later one.
 */
import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import * as Preference from "../acp/Preference.ts"
import * as Prevention from "../acp/Prevention.ts"
import * as Tcp from "../acp/Tcp.ts"
import { FrameRefused, PeerLost, TlsRefused } from "./Failures.ts"
import * as Frame from "./Frame.ts"
import * as Growth from "./Growth.ts"
import * as Wire from "./Wire.ts"

export interface Options {
  /** Host and port, for errors. */
  readonly peer: string
  readonly session: string
  /** A new connection, and what it says when it can be written to. */
  readonly dial: () => { readonly socket: Socket; readonly ready: "connect" | "secureConnect" }
  readonly tcp: Tcp.Tcp
  /** Congestion controls, best first. */
  readonly congestion: ReadonlyArray<string>
  /** A fixed number, or as many as help, between `limits`. */
  readonly streams: number | "auto"
  readonly limits: Growth.Limits
  /** With how many `auto` begins. */
  readonly firstStreams: number
  /** Silence after which a stream that owes an answer is dead. */
  readonly stallMillis: number
  readonly dialMillis: number
  /** How long a peer may be out of reach: before it was first reached, and later. */
  readonly connectMillis: number
  readonly giveUpMillis: number
}

export interface Stream {
  readonly number: number
  readonly socket: Socket
  /** Whether TLS authenticates what it carries. */
  readonly sealed: boolean
  readonly dialledMillis: number
  ready: boolean
  /** Whether a frame of the peer has come: anybody can take a connection. */
  answered: boolean
  /** Gets no more chunks, and closes when it owes nothing. */
  retired: boolean
  heard: boolean
  heardMillis: number
  owesSinceMillis: number | undefined
  /** Bytes that may wait in this process. */
  queueBytes: number
  ackedBytes: number
  /** Bytes per second that it delivered lately. */
  rate: number
  congestion: Preference.Report | undefined
  tcp: Tcp.Sample | undefined
  unsentLimit: number
  sendBuffer: number
  pacing: number | undefined
  readonly wrote: () => void
}

export interface Status {
  readonly peer: string
  readonly carrier: "tcp"
  readonly ready: number
  readonly target: number
  /** The most that were ready at once. */
  readonly most: number
  readonly congestion: Preference.Report
  readonly srttMillis: number
  readonly minRttMillis: number
  readonly inflation: number
  /** Bytes per second that arrived lately, all streams together. */
  readonly deliveryRate: number
  readonly deliveredBytes: number
  readonly retransmittedBytes: number
  readonly retransmits: number
  readonly died: number
  readonly advice: Prevention.Advice
  readonly growth: Growth.Phase["_tag"]
  readonly reached: boolean
  /** Of the streams that are there, what the kernel knows. */
  readonly tcp: ReadonlyArray<Tcp.Sample>
}

export interface Events {
  readonly onFrame: (stream: Stream, frame: Frame.Frame) => void
  readonly onRoom: (stream: Stream) => void
  readonly onLost: (stream: Stream) => void
  readonly onGivenUp: (error: PeerLost | TlsRefused) => void
}

export interface Demand {
  readonly busy: boolean
  readonly waitsFor: (stream: Stream) => boolean
  readonly backlog: boolean
}

export const hasRoom = (stream: Stream): boolean =>
  stream.socket.writableLength < stream.queueBytes && stream.socket.writable

/** Writes a frame; a large payload is not copied. */
export const write = ({ sealed, socket, wrote }: Stream, header: Frame.Header, payload: Uint8Array): void => {
  if (!socket.writable) return
  socket.cork()
  socket.write(Frame.header(header, payload, sealed))
  socket.write(payload, wrote)
  socket.uncork()
}

/** How long to wait before dialling again, by the number of failures in a row. */
export const backoffMillis = (failures: number): number =>
  failures === 0 ? 0 : Math.min(1_000, 100 * 2 ** (failures - 1))

/** Whether TLS ended it: one side refuses the certificate of the other, or they speak no TLS that both know. */
export const refusesTls = (socket: Socket, error: Error): boolean => {
  const code = "code" in error ? String(error.code) : ""
  return socket instanceof TLSSocket && (code.startsWith("ERR_SSL_") || code === String(socket.authorizationError))
}

const strange =
  "It takes connections and does not answer them: something else listens there, or only one of the two speaks TLS."
const observeMillis = 100
/** How long a link that was full counts as such. */
const fullForMillis = 10_000
/** How long a link that lost at random counts as one that does. */
const lossyForMillis = 10_000
/** Round trips under which a link counts as local, where small queues only cost. */
const localMicros = 2_000

export const make = (options: Options, events: Events) => {
  const streams = new Set<Stream>()
  const fixed = options.streams
  let growth = Growth.initial(fixed === "auto" ? Math.min(options.firstStreams, options.limits.max) : fixed)
  let prevention: Prevention.State = Prevention.initial
  let advice: Prevention.Advice = { streams: undefined, pacing: undefined, reason: "free" }
  let last: Prevention.Observation = {
    srttMicros: 0,
    minRttMicros: 0,
    deliveryRate: 0,
    sent: 0,
    retransmitted: 0,
    streams: 0
  }
  const lately: Array<{
    readonly sent: number
    readonly retransmitted: number
    readonly delivered: number
    readonly millis: number
  }> = []
  const total = { delivered: 0, retransmitted: 0, retransmits: 0, died: 0, most: 0 }
  let congestion: Preference.Report | undefined
  let numbers = 0
  let failures = 0
  let dialAtMillis = 0
  let observedMillis = 0
  let fullMillis = Number.NEGATIVE_INFINITY
  let lossyMillis = Number.NEGATIVE_INFINITY
  let unreachedMillis: number | undefined
  let reached = false
  let measured = false
  let cause: unknown
  let refusal: unknown
  let now = 0
  let closed = false

  const dial = () => {
    const { ready, socket } = options.dial()
    const stream: Stream = {
      number: numbers++,
      socket,
      sealed: ready === "secureConnect",
      dialledMillis: now,
      ready: false,
      answered: false,
      retired: false,
      heard: true,
      heardMillis: now,
      owesSinceMillis: undefined,
      queueBytes: 131_072,
      ackedBytes: 0,
      rate: 0,
      congestion: undefined,
      tcp: undefined,
      unsentLimit: 0,
      sendBuffer: 0,
      pacing: undefined,
      wrote: () => {
        if (stream.ready) events.onRoom(stream)
      }
    }
    streams.add(stream)
    const take = (frame: Frame.Frame) => {
      events.onFrame(stream, frame)
      if (!stream.answered) answered(stream)
    }
    const { read } = Frame.reader(take, { encrypted: stream.sealed })
    socket.setNoDelay(true)
    socket.once("connect", () => measure(stream))
    socket.once(ready, () => begin(stream))
    socket.on("data", (data: Buffer) => {
      stream.heard = true
      if (socket.destroyed) return
      try {
        read(data)
      } catch (error) {
        cause = error instanceof FrameRefused ? error : new FrameRefused({ reason: String(error) })
        socket.destroy()
      }
    })
    socket.on("error", (error) => {
      cause = error
      if (!stream.answered && !reached && refusesTls(socket, error)) refusal = error
    })
    socket.on("end", () => socket.destroy())
    socket.once("close", () => leave(stream))
  }

  const begin = (stream: Stream) => {
    tune(stream)
    stream.ready = true
    stream.heard = true
    if (reached) failures = 0
    const hello: Wire.Hello = { session: options.session, stream: stream.number }
    write(stream, { kind: "hello", id: 0, index: 0, count: 0 }, Wire.write(hello))
    total.most = Math.max(total.most, ready().length)
    events.onRoom(stream)
  }

  const answered = (stream: Stream) => {
    stream.answered = true
    reached = true
    failures = 0
  }

  const leave = (stream: Stream) => {
    streams.delete(stream)
    if (stream.ready && !stream.answered && !(cause instanceof FrameRefused)) cause = new Error(strange, { cause })
    if (!stream.retired && !closed) {
      if (stream.ready) total.died++
      failures++
      dialAtMillis = now + backoffMillis(failures)
    }
    stream.ready = false
    events.onLost(stream)
  }

  const tune = (stream: Stream) => {
    const { tcp } = options
    const fd = Tcp.descriptor(stream.socket)
    stream.congestion = Preference.apply(tcp, fd, options.congestion)
    congestion = stream.congestion
    if (tcp._tag === "Unavailable") return
    const sample = tcp.info(fd)
    if (sample === undefined) return
    if (sample.minRttMicros < localMicros) stream.queueBytes = 1 << 20
    else limitUnsent(stream, tcp, 262_144)
    stream.tcp = sample
  }

  /** The round trip of the first connection says how many share the start; over TLS that is known before it is ready. */
  const measure = (stream: Stream) => {
    if (measured || fixed !== "auto" || options.tcp._tag === "Unavailable") return
    const sample = options.tcp.info(Tcp.descriptor(stream.socket))
    if (sample === undefined) return
    measured = true
    const first = Growth.firstStreams(options.firstStreams, sample.minRttMicros / 1_000)
    growth = Growth.initial(Math.min(first, options.limits.max))
    open(Math.max(0, target() - streams.size))
  }

  const limitUnsent = (stream: Stream, kernel: Tcp.Kernel, bytes: number) => {
    if (stream.unsentLimit > 0 && bytes < stream.unsentLimit * 2 && bytes > stream.unsentLimit / 2) return
    if (kernel.setUnsentLimit(Tcp.descriptor(stream.socket), bytes)._tag === "Done") stream.unsentLimit = bytes
  }

  const ready = (): Array<Stream> => [...streams].filter((stream) => stream.ready)

  // ------------------------------------------------------------------------------------------------------------ time

  const tick = (nowMillis: number, demand: Demand) => {
    now = nowMillis
    for (const stream of streams) judge(stream, demand)
    if (now - observedMillis >= observeMillis) observe(demand)
    const live = [...streams].filter(({ retired }) => !retired)
    const wanted = target()
    if (live.length > wanted) {
      for (const stream of live.slice(wanted)) stream.retired = true
    } else if (live.length < wanted && (demand.busy || !reached) && now >= dialAtMillis) open(wanted - live.length)
    if (!demand.busy || [...streams].some(({ answered, ready }) => answered && ready)) {
      unreachedMillis = undefined
      refusal = undefined
    } else if (refusal !== undefined) {
      events.onGivenUp(new TlsRefused({ peer: options.peer, cause: refusal }))
      refusal = undefined
    } else {
      unreachedMillis ??= now
      const patience = reached ? options.giveUpMillis : options.connectMillis
      if (now - unreachedMillis < patience) return
      unreachedMillis = undefined
      events.onGivenUp(new PeerLost({ peer: options.peer, seconds: Math.round(patience / 1_000), cause }))
    }
  }

  const lossy = (): boolean => now - lossyMillis < lossyForMillis

  /** Where losses are chance, fewer streams would not lose less. */
  const target = (): number => {
    if (fixed !== "auto") return fixed
    return lossy() ? growth.target : Math.max(1, Math.min(growth.target, advice.streams ?? growth.target))
  }

  /** Retired ones first: they are connected. While nobody answers, two dials find that out as well as fifty. */
  const open = (missing: number) => {
    let left = missing
    for (const stream of streams) {
      if (left === 0) return
      if (!stream.retired) continue
      stream.retired = false
      left--
    }
    const most = failures > 1 && ready().length === 0 ? 2 : left
    for (let k = 0; k < Math.min(left, most); k++) dial()
  }

  const judge = (stream: Stream, { waitsFor }: Demand) => {
    if (stream.heard) {
      stream.heard = false
      stream.heardMillis = now
    }
    if (!stream.ready) {
      if (now - stream.dialledMillis > (reached ? Math.min(3_000, options.dialMillis) : options.dialMillis)) {
        stream.socket.destroy()
      }
      return
    }
    if (!waitsFor(stream)) {
      stream.owesSinceMillis = undefined
      if (stream.retired) stream.socket.end()
      return
    }
    stream.owesSinceMillis ??= now
    if (now - Math.max(stream.heardMillis, stream.owesSinceMillis) > options.stallMillis) {
      cause = new Error(`A stream was silent for ${options.stallMillis} ms.`)
      stream.socket.destroy()
    }
  }

  const observe = (demand: Demand) => {
    const millis = now - observedMillis
    observedMillis = now
    const seen = look(millis)
    lately.push({ ...seen, millis })
    if (lately.length > 10) lately.shift()
    const sum = (of: (each: (typeof lately)[number]) => number) => lately.reduce((n, each) => n + of(each), 0)
    const span = lately.slice(-2)
    const rate =
      (span.reduce((n, each) => n + each.delivered, 0) / span.reduce((n, each) => n + each.millis, 0)) * 1_000
    const streamsReady = ready().length
    last = {
      srttMicros: seen.srttMicros,
      minRttMicros: seen.minRttMicros,
      deliveryRate: rate,
      sent: sum(({ sent }) => sent),
      retransmitted: sum(({ retransmitted }) => retransmitted),
      streams: streamsReady
    }
    const random = Prevention.losesAtRandom(last)
    if (random) lossyMillis = now
    if (demand.backlog) prevent()
    if (fixed === "auto") {
      const yields = Preference.yieldsToLoss(congestion?.effective ?? "unavailable")
      growth = Growth.step(
        growth,
        {
          nowMillis: now,
          delivered: total.delivered,
          ready: streamsReady,
          srttMillis: last.srttMicros / 1_000,
          inflation: Prevention.inflationOf(last),
          lossy: random,
          starved: yields && random,
          full: now - fullMillis < fullForMillis,
          backlog: demand.backlog
        },
        options.limits
      )
    }
    adjust(rate, streamsReady)
  }

  /** What happened on all streams since we last looked. Without the kernel's help, what the peer has acknowledged. */
  const look = (millis: number) => {
    const seen = {
      sent: 0,
      retransmitted: 0,
      delivered: 0,
      srttMicros: last.srttMicros,
      minRttMicros: last.minRttMicros
    }
    const srtts: Array<number> = []
    for (const stream of streams) {
      if (!stream.ready) continue
      const before = stream.tcp
      const sample = options.tcp._tag === "Available" ? options.tcp.info(Tcp.descriptor(stream.socket)) : undefined
      if (sample === undefined) {
        seen.delivered += stream.ackedBytes
        stream.ackedBytes = 0
        continue
      }
      stream.tcp = sample
      const delivered = (sample.delivered - (before?.delivered ?? 0)) * sample.mss
      stream.rate += 0.2 * ((delivered / Math.max(1, millis)) * 1_000 - stream.rate)
      seen.sent += sample.bytesSent - (before?.bytesSent ?? 0)
      seen.delivered += delivered
      seen.retransmitted += sample.bytesRetransmitted - (before?.bytesRetransmitted ?? 0)
      total.retransmits += sample.retransmits - (before?.retransmits ?? 0)
      if (sample.srttMicros > 0) srtts.push(sample.srttMicros)
      if (sample.minRttMicros > 0) {
        seen.minRttMicros =
          seen.minRttMicros === 0 ? sample.minRttMicros : Math.min(seen.minRttMicros, sample.minRttMicros)
      }
    }
    total.delivered += seen.delivered
    total.retransmitted += seen.retransmitted
    if (srtts.length > 0) seen.srttMicros = srtts.toSorted((a, b) => a - b)[srtts.length >> 1]!
    return seen
  }

  const prevent = () => {
    if (last.minRttMicros < localMicros) return // queues of a local link are its scheduling
    const [state, next] = Prevention.step(prevention, last)
    prevention = state
    advice = next
    if (advice.reason === "full" || advice.reason === "congested") fullMillis = now
  }

  /** Buffers by the bandwidth-delay product, pacing by advice. */
  const adjust = (rate: number, count: number) => {
    const { tcp } = options
    if (tcp._tag === "Unavailable" || count === 0) return
    const each = rate / count
    const here = ready()
    const paces =
      advice.pacing === undefined
        ? []
        : Growth.paces(
            advice.pacing,
            here.map((stream) => stream.rate),
            lossy()
          )
    for (const stream of streams) {
      if (!stream.ready || last.minRttMicros < localMicros) continue
      const fd = Tcp.descriptor(stream.socket)
      limitUnsent(stream, tcp, Math.min(1 << 20, Math.max(65_536, Math.round(each / 8))))
      const buffer = Growth.sendBufferBytes(each, last.srttMicros / 1_000)
      if (buffer !== undefined && buffer > stream.sendBuffer * 1.5) {
        tcp.setSendBuffer(fd, buffer)
        stream.sendBuffer = buffer // refused or not: asking again would not help
      }
      const pacing = paces[here.indexOf(stream)]
      const changes =
        pacing === undefined ? stream.pacing !== undefined : Math.abs(pacing - (stream.pacing ?? 0)) > pacing / 20
      if (changes && tcp.setPacing(fd, pacing)._tag === "Done") stream.pacing = pacing
    }
  }

  const status = (): Status => ({
    peer: options.peer,
    carrier: "tcp",
    ready: ready().length,
    target: target(),
    most: total.most,
    congestion: congestion ?? {
      requested: options.congestion[0] ?? "auto",
      effective: "unavailable",
      because: "not connected"
    },
    srttMillis: last.srttMicros / 1_000,
    minRttMillis: last.minRttMicros / 1_000,
    inflation: Prevention.inflationOf(last),
    deliveryRate: last.deliveryRate,
    deliveredBytes: total.delivered,
    retransmittedBytes: total.retransmitted,
    retransmits: total.retransmits,
    died: total.died,
    advice,
    growth: growth.phase._tag,
    reached,
    tcp: ready().flatMap(({ tcp }) => tcp ?? [])
  })

  return {
    all: (): Iterable<Stream> => streams,
    ready,
    tick,
    status,
    sever: (which: number) => {
      const alive = ready()
      alive[which % Math.max(1, alive.length)]?.socket.destroy()
    },
    close: () => {
      closed = true
      for (const { socket } of streams) socket.destroySoon()
    }
  }
}
