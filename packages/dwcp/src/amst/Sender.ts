/**
 * The side that sends: some streams to one peer, and the transfers that share them.
 *
 * **Details**
 *
 * Chunks go to whichever stream has room, so a slow one carries less and holds nobody up. What was on a stream that died
 * goes on the others; the receiver lets each chunk through once. At the end of a transfer, what is late goes a second time
 * on streams that have nothing to do. Streams stay open between transfers.
 *
 * **Gotchas**
 *
 * Nothing here knows the time: `tick` brings it. Callbacks of sockets only note that something happened.
 */
import * as Bitmap from "./Bitmap.ts"
import * as Digest from "./Digest.ts"
import { FrameRefused, LinkClosed, type PeerLost, type TlsRefused, TransferRefused } from "./Failures.ts"
import * as Frame from "./Frame.ts"
import * as Lanes from "./Lanes.ts"
import * as Ledger from "./Ledger.ts"
import type { Source } from "./Source.ts"
import * as Streams from "./Streams.ts"
import * as Wire from "./Wire.ts"

export interface Options extends Streams.Options {
  readonly session: string
  /** Whether its streams are those of TLS. */
  readonly sealed: boolean
  /** Bytes that may be on their way. */
  readonly windowBytes: number
}

/** What a transfer is, and who hears of it. */
export interface Sending {
  readonly kind: "message" | "file"
  readonly name: string
  readonly size: number
  readonly chunk: number
  readonly priority: Lanes.Priority
  readonly fingerprint: string
  readonly difference: Wire.Difference | undefined
  readonly source: (given: {
    readonly skip: (index: number) => boolean
    /** For a message over TLS. */
    readonly tag: Digest.Digest | undefined
    readonly onReady: () => void
    readonly onFailed: (cause: unknown) => void
  }) => Source
  readonly onProgress: (arrivedBytes: number) => void
  readonly onEnd: (ended: Ended) => void
}

export type Ended =
  | { readonly _tag: "Arrived"; readonly digest: Buffer; readonly resumedBytes: number }
  | {
      readonly _tag: "Failed"
      readonly error: TransferRefused | PeerLost | TlsRefused | LinkClosed
      readonly resumedBytes: number
    }
  | { readonly _tag: "Unreadable"; readonly cause: unknown }

export interface Sender {
  /** Begins a transfer. Answers with how to take it back. */
  readonly send: (sending: Sending) => () => void
  readonly tick: (nowMillis: number) => void
  readonly status: () => Streams.Status
  /** Ends a stream as a broken network would. For drills. */
  readonly sever: (which: number) => void
  readonly close: () => void
}

interface Transfer {
  readonly id: number
  readonly sending: Sending
  readonly count: number
  readonly source: Source
  readonly ledger: Ledger.Ledger<Streams.Stream>
  /** Whether the receiver has said what it wants. Before that only a little is sent. */
  accepted: boolean
  resumedBytes: number
  arrivedBytes: number
  doneOn: Streams.Stream | undefined
  over: boolean
}

/** Sent before the receiver has said that it wants it: it may have it already. */
const eagerBytes = 1 << 20
const mostTakenBack = 64

export const make = (options: Options): Sender => {
  const transfers = new Map<number, Transfer>()
  const announced = new WeakMap<Streams.Stream, Set<number>>()
  /** Ended here, and maybe not there: its name is not free until the receiver knows. */
  const takenBack = new Set<number>()
  let lanes = Lanes.initial
  let lastId = 0
  let turn = 0
  let epoch: string | undefined
  let takesTags = false
  let window = options.windowBytes
  let now = 0
  let full = false // of what may be on its way

  const streams = Streams.make(options, {
    onFrame: (stream, frame) => receive(stream, frame),
    onRoom: (stream) => pump(stream),
    onLost: (stream) => {
      for (const transfer of transfers.values()) {
        Ledger.lost(transfer.ledger, stream)
        if (transfer.doneOn === stream) transfer.doneOn = undefined
      }
      pumpAll()
    },
    onGivenUp: (error) => {
      for (const transfer of transfers.values()) fail(transfer, error)
    }
  })

  // --------------------------------------------------------------------------------------------------------- sending

  const send = (sending: Sending): (() => void) => {
    const count = Wire.chunksOf(sending)
    const ledger = Ledger.make<Streams.Stream>(count)
    const id = ++lastId
    const transfer: Transfer = {
      id,
      sending,
      count,
      ledger,
      source: sending.source({
        skip: (index) => Bitmap.has(ledger.arrived, index) || ledger.flights.has(index),
        tag: options.sealed && sending.kind === "message" ? Digest.tag(options.session, id) : undefined,
        onReady: pumpAll,
        onFailed: (cause) => end(transfer, { _tag: "Unreadable", cause }, true)
      }),
      accepted: false,
      resumedBytes: 0,
      arrivedBytes: 0,
      doneOn: undefined,
      over: false
    }
    transfers.set(id, transfer)
    pumpAll()
    return () => end(transfer, { _tag: "Failed", error: withdrawn(), resumedBytes: 0 }, true)
  }

  const pumpAll = () => {
    const ready = streams.ready()
    // Another one begins each time, or the first would always be the fullest.
    turn++
    for (let k = 0; k < ready.length; k++) pump(ready[(turn + k) % ready.length]!)
  }

  const pump = (stream: Streams.Stream) => {
    if (!stream.ready || stream.retired) return
    stream.socket.cork()
    while (Streams.hasRoom(stream)) {
      const transfer = next()
      if (transfer === undefined) break
      const chunk = Ledger.nextAgain(transfer.ledger) ?? transfer.source.next()
      if (chunk === undefined) break
      lanes = Lanes.charge(lanes, transfer.sending.priority, chunk.bytes.length + Frame.headerBytes)
      put(stream, transfer, chunk)
    }
    for (const transfer of transfers.values()) conclude(transfer, stream)
    stream.socket.uncork()
  }

  /** The transfer whose turn it is: by priority, and among equals one after the other. */
  const next = (): Transfer | undefined => {
    let flying = 0
    for (const { ledger } of transfers.values()) flying += ledger.flightBytes
    full = flying >= window
    if (full) return undefined
    const waiting: { [P in Lanes.Priority]?: Transfer } = {}
    for (const transfer of transfers.values()) {
      if (wants(transfer)) waiting[transfer.sending.priority] ??= transfer
    }
    const [after, priority] = Lanes.next(lanes, (each) => waiting[each] !== undefined)
    lanes = after
    const first = priority === undefined ? undefined : waiting[priority]
    if (first !== undefined && transfers.size > 1) {
      transfers.delete(first.id) // to the end of the line
      transfers.set(first.id, first)
    }
    return first
  }

  const wants = ({ accepted, ledger, source }: Transfer): boolean =>
    (accepted || ledger.flightBytes < eagerBytes) && (ledger.again.length > 0 || source.ready())

  const put = (
    stream: Streams.Stream,
    transfer: Transfer,
    chunk: { readonly index: number; readonly bytes: Buffer }
  ) => {
    const { count, id, ledger } = transfer
    announce(stream, transfer)
    Ledger.sent(ledger, chunk, stream, now)
    Streams.write(stream, { kind: "chunk", id, index: chunk.index, count }, chunk.bytes)
  }

  /** Until it is accepted, a transfer is announced on each stream that carries some of it. */
  const announce = (stream: Streams.Stream, transfer: Transfer) => {
    const told = announced.get(stream) ?? new Set<number>()
    announced.set(stream, told)
    if (transfer.accepted || told.has(transfer.id)) return
    told.add(transfer.id)
    takeBack(stream)
    const { chunk, difference, fingerprint, kind, name, priority, size } = transfer.sending
    const floor = Math.min(...transfers.keys())
    const shape: Wire.Open = { kind, size, chunk, priority, name, fingerprint, floor }
    const open = difference === undefined ? shape : { ...shape, difference }
    Streams.write(stream, { kind: "open", id: transfer.id, index: 0, count: transfer.count }, Wire.write(open))
  }

  /** On each stream again: the one that it was said on first may have died, or be slower than this one. */
  const takeBack = (stream: Streams.Stream) => {
    for (const id of takenBack) {
      Streams.write(stream, { kind: "withdraw", id, index: 0, count: 0 }, new Uint8Array(0))
    }
  }

  /** Says what the whole must hash to, once it is known and all has been sent. */
  const conclude = (transfer: Transfer, stream: Streams.Stream) => {
    if (transfer.doneOn !== undefined || transfer.over || !stream.ready) return
    const digest = transfer.source.digest(takesTags)
    if (digest === undefined || transfer.source.waiting() || transfer.ledger.again.length > 0) return
    announce(stream, transfer)
    transfer.doneOn = stream
    Streams.write(stream, { kind: "done", id: transfer.id, index: 0, count: 0 }, digest)
  }

  // ------------------------------------------------------------------------------------------------------- receiving

  const receive = (stream: Streams.Stream, frame: Frame.Frame) => {
    switch (frame.kind) {
      case "welcome": {
        const { epoch: theirs, tags, window: bytes } = Wire.welcome(frame.payload)
        takesTags = tags === true
        window = Math.min(options.windowBytes, Math.max(bytes, 2 * Frame.maxChunkBytes))
        if (epoch !== undefined && epoch !== theirs) {
          for (const transfer of transfers.values()) transfer.accepted = false
        }
        epoch = theirs
        takeBack(stream)
        return pump(stream)
      }
      case "ack":
        return ack(frame)
      case "accept":
        return accepted(frame)
      case "finished": {
        const transfer = transfers.get(frame.id)
        const finished = Wire.finished(frame.payload)
        takenBack.delete(frame.id)
        if (transfer === undefined) return
        const { resumedBytes } = transfer
        const made = transfer.sending.difference?.content.hash
        if (finished.ok && finished.hash !== made) {
          const error = new TransferRefused({ reason: "base", detail: "it knows nothing of differences" })
          return end(transfer, { _tag: "Failed", error, resumedBytes }, false)
        }
        if (finished.ok) {
          // What it was compared with is known, or there was nothing to compare.
          const digest = transfer.source.digest(takesTags) ?? Buffer.alloc(0)
          transfer.sending.onProgress(transfer.sending.size)
          return end(transfer, { _tag: "Arrived", digest, resumedBytes }, false)
        }
        const error = new TransferRefused({ reason: finished.reason, detail: finished.detail })
        return end(transfer, { _tag: "Failed", error, resumedBytes }, false)
      }
      case "alive":
      case "echo":
        return
      case "hello":
      case "open":
      case "chunk":
      case "done":
      case "filler":
      case "withdraw":
        throw new FrameRefused({ reason: `a receiver does not send a ${frame.kind}` })
    }
  }

  const ack = (frame: Frame.Frame) => {
    const transfer = transfers.get(frame.id)
    if (transfer === undefined) return
    let bytes = 0
    for (const index of Wire.readNumbers(frame.payload)) {
      const flight = Ledger.landed(transfer.ledger, index)
      if (flight === undefined) continue
      bytes += flight.bytes.length
      if (flight.streams[0] !== undefined) flight.streams[0].ackedBytes += flight.bytes.length
    }
    transfer.arrivedBytes += bytes
    if (bytes > 0) transfer.sending.onProgress(transfer.arrivedBytes)
    if (full || !transfer.accepted) pumpAll()
  }

  const accepted = (frame: Frame.Frame) => {
    const transfer = transfers.get(frame.id)
    if (transfer === undefined) return
    const theirs = Bitmap.from(transfer.count, frame.payload)
    if (theirs === undefined) throw new FrameRefused({ reason: "an accept of another number of chunks" })
    const { ledger, sending, source } = transfer
    const first = !transfer.accepted
    transfer.accepted = true
    for (let index = 0; index < transfer.count && theirs.held > 0; index++) {
      if (!Bitmap.has(theirs, index) || Bitmap.has(ledger.arrived, index)) continue
      const bytes = Wire.lengthOf(sending, index)
      if (Ledger.landed(ledger, index) === undefined) transfer.resumedBytes += bytes
      transfer.arrivedBytes += bytes
    }
    // It had no room for what came early.
    if (frame.index === 1) {
      for (const stream of streams.all()) Ledger.lost(ledger, stream)
    }
    if (first) void forgotten(transfer, theirs, source)
    sending.onProgress(transfer.arrivedBytes)
    pumpAll()
  }

  /** A receiver that was started again has lost what it had acknowledged: that is read and sent once more. */
  const forgotten = async ({ ledger, sending, ...transfer }: Transfer, theirs: Bitmap.Bitmap, source: Source) => {
    for (let index = 0; index < transfer.count; index++) {
      if (!Bitmap.has(ledger.arrived, index) || Bitmap.has(theirs, index)) continue
      Bitmap.remove(ledger.arrived, index)
      try {
        ledger.again.push({ index, bytes: await source.read(index) })
      } catch (cause) {
        const now = transfers.get(transfer.id)
        if (now !== undefined) end(now, { _tag: "Unreadable", cause }, true)
        return
      }
      const now = transfers.get(transfer.id)
      if (now === undefined) return
      now.arrivedBytes -= Wire.lengthOf(sending, index)
      now.doneOn = undefined
      pumpAll()
    }
  }

  // ------------------------------------------------------------------------------------------------------------- end

  const end = (transfer: Transfer, ended: Ended, tell: boolean) => {
    if (transfer.over) return
    transfer.over = true
    transfers.delete(transfer.id)
    if (tell) {
      takenBack.add(transfer.id)
      // An older receiver does not say that it knows; what it was told long ago it was told often.
      if (takenBack.size > mostTakenBack) takenBack.delete(Math.min(...takenBack))
      const stream = streams.ready()[0]
      if (stream !== undefined) takeBack(stream)
    }
    transfer.sending.onEnd(ended)
    pumpAll()
  }

  const fail = (transfer: Transfer, error: PeerLost | TlsRefused | LinkClosed) =>
    end(transfer, { _tag: "Failed", error, resumedBytes: transfer.resumedBytes }, true)

  const tick = (nowMillis: number) => {
    now = nowMillis
    const list = [...transfers.values()]
    const owing = new Set<Streams.Stream | undefined>(list.map(({ doneOn }) => doneOn))
    for (const { ledger } of list) {
      for (const flight of ledger.flights.values()) for (const stream of flight.streams) owing.add(stream)
    }
    streams.tick(now, {
      busy: list.length > 0,
      waitsFor: (stream) => owing.has(stream),
      backlog: list.some(({ ledger, source }) => source.waiting() || ledger.again.length > 0)
    })
    hedge(list, owing)
    pumpAll()
  }

  /**
   * What is late at the end of a transfer goes a second time, on streams that owe nothing any more: on others it would only
   * stand in line behind what the link still has to carry once, and keep that from arriving.
   */
  const hedge = (list: ReadonlyArray<Transfer>, owing: ReadonlySet<Streams.Stream | undefined>) => {
    if (list.some(({ ledger, source }) => ledger.again.length > 0 || source.waiting())) return
    const patience = Math.max(100, 1.25 * streams.status().srttMillis)
    for (const transfer of list) {
      const idle = streams.ready().filter((stream) => !stream.retired && !owing.has(stream))
      const late = Ledger.late(transfer.ledger, now - patience, idle.length)
      late.forEach((flight, k) => {
        const stream = idle[k]
        if (stream !== undefined && !flight.streams.includes(stream)) put(stream, transfer, flight)
      })
    }
  }

  return {
    send,
    tick,
    status: () => streams.status(),
    sever: (which) => streams.sever(which),
    close: () => {
      for (const transfer of transfers.values()) fail(transfer, new LinkClosed({ peer: options.peer }))
      streams.close()
    }
  }
}

const withdrawn = () => new TransferRefused({ reason: "withdrawn", detail: "here" })
