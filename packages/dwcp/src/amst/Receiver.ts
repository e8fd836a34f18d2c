/**
 * The side that receives: streams of many peers, grouped by session, and the transfers that come in on them.
 *
 * **Details**
 *
 * Streams are read always, as answers to them are how a sender sees that we live; what is held is bounded instead. A
 * message takes its size from a budget before a byte of it is accepted, and waits when there is none. Chunks of files are
 * acknowledged once they are written; streams pause while more than a window of them waits for the disk.
 *
 * **Gotchas**
 *
 * Nothing here knows the time: `tick` brings it. Callbacks of sockets only note that something happened.
 */
import type { Socket } from "node:net"
import { dirname, join } from "node:path"
import * as Bitmap from "./Bitmap.ts"
import * as Budget from "./Budget.ts"
import type * as Difference from "./Difference.ts"
import * as Digest from "./Digest.ts"
import { FrameRefused, type RefusalReason } from "./Failures.ts"
import * as Frame from "./Frame.ts"
import * as Incoming from "./Incoming.ts"
import type { Priority } from "./Lanes.ts"
import type { Session, Stream, Transfer } from "./Sessions.ts"
import * as Sessions from "./Sessions.ts"
import * as Sink from "./Sink.ts"
import * as Wire from "./Wire.ts"

export interface Message {
  readonly session: string
  readonly name: string
  readonly priority: Priority
  readonly bytes: Buffer
  /** Gives the budget back; of `spent` bytes, which nobody looks at any more, the memory too. */
  readonly release: (spent: boolean) => void
}

export interface File {
  readonly session: string
  readonly name: string
  readonly path: string
  readonly size: number
  /** SHA-256 in hex. */
  readonly hash: string
}

export interface Options {
  /** Changes with each process, so that a sender sees that we remember nothing. */
  readonly epoch: string
  /** Where files go; without one there are none. */
  readonly directory: string | undefined
  /** Who makes files of differences; without one those are refused. */
  readonly differences: Difference.Taker | undefined
  /** Bytes that may wait for the disk, and that a sender may leave unacknowledged. */
  readonly windowBytes: number
  readonly maxMessageBytes: number
  /** Bytes of all messages that are not taken yet. */
  readonly budgetBytes: number
  readonly maxFileBytes: number
  readonly maxTransfers: number
  readonly maxStreams: number
  readonly maxSessions: number
  readonly helloMillis: number
  /** How long a session without streams is remembered. */
  readonly idleMillis: number
  readonly onMessage: (message: Message) => void
  readonly onFile: (file: File) => void
  readonly onRefused: (refused: FrameRefused, peer: string) => void
}

export interface Counters {
  readonly streams: number
  readonly sessions: number
  readonly transfers: number
  readonly bytes: number
  /** Chunks that came twice, and were let through once. */
  readonly duplicates: number
  readonly refused: number
  readonly heldBytes: number
}

export interface Receiver {
  readonly accept: (socket: Socket) => void
  readonly tick: (nowMillis: number) => void
  readonly counters: () => Counters
  readonly close: () => Promise<void>
}

const maxChunks = 8_388_608
const heldWhileOpening = 4 << 20
const readBytes = 1 << 18
const checkpointMillis = 2_000
const aliveMillis = 1_000

export const make = (options: Options): Receiver => {
  const sessions = new Map<string, Session>()
  const streams = new Set<Stream>()
  const names = new Map<string, Transfer>()
  const count = { bytes: 0, duplicates: 0, refused: 0 }
  const memory = Buffer.allocUnsafeSlow(readBytes)
  const budget = Budget.make(options.budgetBytes, options.maxMessageBytes)
  let pending = 0 // bytes on their way to the disk
  let now = 0
  let aliveAt = 0
  let checkpointAt = 0
  let closed = false

  // ------------------------------------------------------------------------------------------------------- streams

  const accept = (socket: Socket) => {
    const stream = Sessions.stream(socket)
    if (closed || streams.size >= options.maxStreams * options.maxSessions) return void socket.destroy()
    streams.add(stream)
    const { detach, read } = Frame.reader((frame) => receive(stream, frame), {
      encrypted: stream.sealed,
      room: (header) => room(stream, header)
    })
    stream.detach = detach
    socket.setNoDelay(true)
    const hear = (data: Buffer) => {
      if (socket.destroyed) return
      if (stream.session !== undefined) stream.session.heardMillis = now
      try {
        read(data)
      } catch (error) {
        socket.destroy()
        count.refused++
        // A bug of ours that a peer found costs it its stream, and not all others theirs.
        const bug = () => new FrameRefused({ reason: `reading it failed: ${words(error)}` })
        options.onRefused(error instanceof FrameRefused ? error : bug(), stream.peer)
        return
      }
      holdBack(stream)
    }
    socket.on("drain", () => {
      if (stream.accepts.size > 0) flush(stream)
      holdBack(stream)
    })
    // Its chunks come again on another stream; there is nothing else to do about it.
    socket.on("error", () => socket.destroy())
    socket.on("end", () => socket.end())
    socket.on("close", () => {
      streams.delete(stream)
      stream.session?.streams.delete(stream)
      Sessions.brought(stream)
    })
    Incoming.hear(socket, memory, hear)
  }

  /** Where a payload goes: of a message right to its place. */
  const room = (stream: Stream, header: Frame.Announced): Buffer => {
    const { kind, length } = header
    if (stream.session === undefined && kind !== "hello") {
      throw new FrameRefused({ reason: `it begins with a ${kind}` })
    }
    if (kind !== "chunk") return Buffer.allocUnsafe(length)
    return Sessions.place(stream, header) ?? Buffer.allocUnsafeSlow(length)
  }

  /** A peer that does not read its answers, or is faster than the disk, waits. */
  const holdBack = (stream: Stream) => {
    const full = pending > options.windowBytes || stream.socket.writableLength > 262_144
    if (full === stream.paused) return
    stream.paused = full
    if (full) stream.socket.pause()
    else stream.socket.resume()
  }

  const send = (stream: Stream, of: Frame.Header, payload?: Uint8Array) => {
    if (stream.socket.writable) stream.socket.write(Frame.encode(of, payload))
  }

  /** Answers are gathered until the data at hand has been read. */
  const flushSoon = (stream: Stream) => {
    if (stream.flushing) return
    stream.flushing = true
    setImmediate(() => {
      stream.flushing = false
      flush(stream)
    })
  }

  const flush = (stream: Stream) => {
    for (const [id, chunks] of stream.acks) {
      for (let at = 0; at < chunks.length; at += 8_192) {
        send(stream, { kind: "ack", id, index: 0, count: 0 }, Wire.numbers(chunks.slice(at, at + 8_192)))
      }
    }
    stream.acks.clear()
    for (const [id, dropped] of stream.accepts) {
      // Bitmaps can be large; a peer that does not read does not make us hold many.
      if (stream.socket.writableLength > 1 << 20) return
      stream.accepts.delete(id)
      const sink = stream.session?.transfers.get(id)?.sink
      if (sink !== undefined) send(stream, { kind: "accept", id, index: dropped ? 1 : 0, count: 0 }, sink.bitmap.bytes)
    }
  }

  // -------------------------------------------------------------------------------------------------------- frames

  const receive = (stream: Stream, frame: Frame.Frame) => {
    if (stream.socket.destroyed) return
    Sessions.brought(stream)
    if (stream.session === undefined) return greet(stream, frame)
    switch (frame.kind) {
      case "chunk":
        return chunk(stream, stream.session, frame)
      case "open":
        return open(stream, stream.session, frame)
      case "done": {
        const transfer = stream.session.transfers.get(frame.id)
        if (transfer === undefined) return settled(stream, stream.session, frame)
        const tagged = frame.length === Digest.tagBytes && transfer.tagged
        if (frame.length !== Digest.hashBytes && !tagged) throw new FrameRefused({ reason: "a done without a hash" })
        transfer.last = stream
        transfer.expected = frame.payload
        return endIfWhole(transfer)
      }
      case "withdraw": {
        const finished: Wire.Finished = { ok: false, reason: "withdrawn", detail: "by its sender" }
        const transfer = stream.session.transfers.get(frame.id)
        if (transfer !== undefined) return void end(transfer, finished)
        // What opens it may still be on its way, on another stream: then that comes too late.
        if (!settled(stream, stream.session, frame)) answer(stream.session, frame.id, stream, finished)
        return forget(stream.session, 0)
      }
      case "echo":
        return send(stream, { kind: "echo", id: 0, index: frame.index, count: 0 }, frame.payload)
      case "filler":
      case "alive":
        return
      case "hello":
      case "welcome":
      case "accept":
      case "ack":
      case "finished":
        throw new FrameRefused({ reason: `a ${frame.kind} has no place there` })
    }
  }

  const greet = (stream: Stream, frame: Frame.Frame) => {
    if (frame.kind !== "hello") throw new FrameRefused({ reason: `it begins with a ${frame.kind}` })
    const { session: id } = Wire.hello(frame.payload)
    const session = sessions.get(id) ?? Sessions.session(id, now)
    if (!sessions.has(id) && sessions.size >= options.maxSessions)
      throw new FrameRefused({ reason: "too many sessions" })
    if (session.streams.size >= options.maxStreams) throw new FrameRefused({ reason: "too many streams in a session" })
    sessions.set(id, session)
    session.streams.add(stream)
    session.idleSince = undefined
    stream.session = session
    const welcome = { epoch: options.epoch, window: options.windowBytes, ...(stream.sealed ? { tags: true } : {}) }
    send(stream, { kind: "welcome", id: 0, index: 0, count: 0 }, Wire.write(welcome))
  }

  const open = (stream: Stream, session: Session, frame: Frame.Frame) => {
    const { id } = frame
    const shape = Wire.open(frame.payload)
    const known = session.transfers.get(id)
    if (known !== undefined) {
      const same =
        known.shape.size === shape.size && known.shape.chunk === shape.chunk && known.shape.name === shape.name
      if (!same) throw new FrameRefused({ reason: "it opens a transfer again as another one" })
      known.last = stream
      return askFor(known, stream)
    }
    forget(session, Math.min(shape.floor, id))
    if (settled(stream, session, frame)) return
    const chunks = Wire.chunksOf(shape)
    const refuse = (reason: RefusalReason, detail: string) => answer(session, id, stream, { ok: false, reason, detail })
    if (chunks > maxChunks || chunks !== frame.count)
      return refuse("size", `${shape.size} bytes in ${frame.count} chunks`)
    if (session.transfers.size >= options.maxTransfers) return refuse("busy", "too many transfers at once")
    const transfer = Sessions.transfer(id, session, shape, stream)
    if (shape.kind === "message") {
      const most = Math.min(options.maxMessageBytes, options.budgetBytes)
      if (shape.size > most) return refuse("size", `messages have up to ${most} bytes`)
      session.transfers.set(id, transfer)
      return budget.ask({
        share: session,
        size: shape.size,
        isOver: () => transfer.ending,
        onRoom: (room) => begin(transfer, room)
      })
    }
    if (options.directory === undefined) return refuse("name", "files are not taken here")
    const name = Wire.nameOf(shape)
    if (!Sink.isSafeName(name)) return refuse("name", "a plain name without folders is")
    if (Math.max(shape.size, shape.difference?.content.size ?? 0) > options.maxFileBytes) {
      return refuse("size", `files have up to ${options.maxFileBytes} bytes`)
    }
    if (shape.difference !== undefined && options.differences === undefined) {
      return refuse("base", "differences are not taken here")
    }
    const other = names.get(name)
    if (other !== undefined && !givesWay(other, transfer)) {
      return refuse("busy", `${other.last.peer}; try again when it is done`)
    }
    session.transfers.set(id, transfer)
    names.set(name, transfer)
    const before =
      other === undefined
        ? Promise.resolve()
        : end(other, { ok: false, reason: "superseded", detail: `from ${stream.peer}` })
    transfer.opening = before.then(() => openFile(transfer, options.directory!))
  }

  /** Whether a file leaves its name to a later one: it ends just now, or its sender was started again, is gone, or still. */
  const givesWay = ({ ending, session, shape }: Transfer, later: Transfer): boolean =>
    ending ||
    (session !== later.session &&
      (shape.fingerprint === later.shape.fingerprint || session.streams.size === 0 || isStill(session)))

  /** Its streams are there and it says nothing, though we read: it was stopped, or a network lost it without a word. */
  const isStill = ({ heardMillis, streams: its }: Session): boolean =>
    now - heardMillis >= options.idleMillis && ![...its].some(({ paused }) => paused)

  const openFile = async (transfer: Transfer, directory: string) => {
    try {
      const { difference } = transfer.shape
      if (difference !== undefined) {
        transfer.base = await options.differences?.find(difference.base)
        if (transfer.base === undefined) {
          return void end(transfer, { ok: false, reason: "base", detail: difference.base.hash.slice(0, 16) })
        }
      }
      // Not by the name that it will have: what is there by that name may be what it is a difference to.
      const name = difference === undefined ? transfer.shape.name : `.${difference.name}.hde`
      const sink = await Sink.toFile({ ...transfer.shape, name }, transfer.count, directory)
      if (transfer.ending) return await sink.suspend()
      transfer.sink = sink
    } catch (cause) {
      return void end(transfer, { ok: false, reason: "disk", detail: words(cause) })
    }
    askFor(transfer, transfer.last)
    const { held } = transfer
    transfer.held = []
    pending -= transfer.heldBytes
    transfer.heldBytes = 0
    for (const [stream, frame] of held) take(stream, transfer, frame)
    endIfWhole(transfer)
  }

  /** Tells the sender what is here, and so what is still wanted. */
  const askFor = (transfer: Transfer, stream: Stream) => {
    if (transfer.sink === undefined) return
    stream.accepts.set(transfer.id, transfer.dropped)
    transfer.dropped = false
    flushSoon(stream)
  }

  /** A message, now that there is room for it. */
  const begin = (transfer: Transfer, room: Budget.Room) => {
    const { count, id, session, shape, tagged } = transfer
    transfer.room = room
    transfer.sink = Sink.toBytes(shape, count, tagged ? Digest.tag(session.id, id) : undefined, room.bytes)
    askFor(transfer, transfer.last)
  }

  const chunk = (stream: Stream, session: Session, frame: Frame.Frame) => {
    const transfer = session.transfers.get(frame.id)
    if (transfer === undefined) return void settled(stream, session, frame)
    if (transfer.ending) return
    const { index } = frame
    if (
      index >= transfer.count ||
      frame.count !== transfer.count ||
      frame.length !== Wire.lengthOf(transfer.shape, index)
    ) {
      void end(transfer, { ok: false, reason: "size", detail: `chunk ${index} of ${frame.length} bytes` })
      throw new FrameRefused({ reason: "a chunk is not where its transfer has one" })
    }
    if (transfer.sink !== undefined) return take(stream, transfer, frame)
    if (transfer.shape.kind === "file" && transfer.heldBytes + frame.length <= heldWhileOpening) {
      transfer.held.push([stream, frame])
      transfer.heldBytes += frame.length
      pending += frame.length
    } else transfer.dropped = true
  }

  const take = (stream: Stream, transfer: Transfer, frame: Frame.Frame) => {
    const { sink } = transfer
    const { index, length } = frame
    if (sink === undefined) return
    const onItsWay = transfer.writing.get(index)
    if (onItsWay !== undefined || Bitmap.has(sink.bitmap, index)) {
      count.duplicates++
      if (onItsWay === undefined) acknowledge(stream, transfer, index)
      else onItsWay.push(stream)
      return
    }
    // Another stream is still at it: what it brings is not wanted any more, and must not come later.
    transfer.arriving.get(index)?.detach()
    const bringing = [stream]
    transfer.writing.set(index, bringing)
    pending += length
    sink.write(index, frame.payload, (failed) => {
      pending -= length
      transfer.writing.delete(index)
      if (pending <= options.windowBytes / 2) for (const each of streams) if (each.paused) holdBack(each)
      if (failed !== undefined) return void end(transfer, { ok: false, reason: "disk", detail: words(failed) })
      count.bytes += length
      for (const each of bringing) acknowledge(each, transfer, index)
      endIfWhole(transfer)
    })
  }

  const acknowledge = (stream: Stream, { id }: Transfer, index: number) => {
    const list = stream.acks.get(id)
    if (list === undefined) stream.acks.set(id, [index])
    else list.push(index)
    flushSoon(stream)
  }

  // --------------------------------------------------------------------------------------------------------- endings

  const endIfWhole = (transfer: Transfer) => {
    const { expected, sink } = transfer
    if (sink === undefined || expected === undefined || transfer.ending || !Bitmap.complete(sink.bitmap)) return
    transfer.ending = true
    transfer.over = verify(transfer, sink, expected)
  }

  const verify = async (transfer: Transfer, sink: Sink.BytesSink | Sink.FileSink, expected: Buffer) => {
    try {
      const digest = await sink.digest(expected.length === Digest.tagBytes)
      if (!digest.equals(expected)) {
        await sink.discard()
        return leave(transfer, { ok: false, reason: "hash", detail: "nothing of it was kept" })
      }
      const { name, priority, size } = transfer.shape
      const session = transfer.session.id
      if ("commit" in sink) {
        const path = await sink.commit()
        if (transfer.shape.difference !== undefined) return await unpack(transfer, path, transfer.shape.difference)
        leave(transfer, { ok: true })
        options.onFile({ session, name, path, size, hash: digest.toString("hex") })
        return
      }
      leave(transfer, { ok: true })
      options.onMessage({
        session,
        name,
        priority,
        bytes: sink.bytes,
        release: (spent) => transfer.room?.release(spent)
      })
    } catch (cause) {
      await sink.suspend().catch(() => undefined)
      leave(transfer, { ok: false, reason: "disk", detail: words(cause) })
    }
  }

  const unpack = async (transfer: Transfer, frame: string, { content, name }: Wire.Difference) => {
    const path = join(dirname(frame), name)
    const refusal = await options.differences?.unpack(frame, path, transfer.base ?? "", content)
    if (refusal !== undefined) {
      return leave(transfer, { ok: false, reason: refusal.reason, detail: refusal.detail })
    }
    leave(transfer, { ok: true, hash: content.hash })
    const { hash, size } = content
    options.onFile({ session: transfer.session.id, name, path, size, hash })
  }

  /** Ends a transfer that is not whole. What a file has stays for another time. */
  const end = (transfer: Transfer, finished: Wire.Finished): Promise<void> => {
    if (transfer.ending) return transfer.over
    transfer.ending = true
    pending -= transfer.heldBytes
    transfer.heldBytes = 0
    transfer.held = []
    transfer.over = transfer.opening.then(() => transfer.sink?.suspend()).then(() => leave(transfer, finished))
    return transfer.over
  }

  const leave = (transfer: Transfer, finished: Wire.Finished) => {
    const { id, session, shape } = transfer
    session.transfers.delete(id)
    if (names.get(Wire.nameOf(shape)) === transfer) names.delete(Wire.nameOf(shape))
    if (!finished.ok) transfer.room?.release(false)
    answer(session, id, transfer.last, finished)
    budget.admit()
  }

  const answer = (session: Session, id: number, stream: Stream, finished: Wire.Finished) => {
    session.finished.set(id, finished)
    const spoken = stream.socket.writable ? stream : [...session.streams].find(({ socket }) => socket.writable)
    if (spoken !== undefined) send(spoken, { kind: "finished", id, index: 0, count: 0 }, Wire.write(finished))
  }

  /** Whether it has ended before. Then whoever asks is told again how. */
  const settled = (stream: Stream, session: Session, { id, kind }: Frame.Frame): boolean => {
    const before = session.finished.get(id)
    const replayed: Wire.Finished = { ok: false, reason: "replayed", detail: `number ${id}` }
    const finished = before ?? (id < session.floor ? replayed : undefined)
    if (finished === undefined) {
      if (kind === "open" || kind === "withdraw") return false
      throw new FrameRefused({ reason: `a ${kind} of a transfer that was not opened` })
    }
    if (kind !== "chunk") send(stream, { kind: "finished", id, index: 0, count: 0 }, Wire.write(finished))
    return true
  }

  /** How transfers ended is remembered as long as the sender may ask, and within bounds. */
  const forget = (session: Session, below: number) => {
    if (below > session.floor) {
      for (const id of session.finished.keys()) if (id < below) session.finished.delete(id)
      session.floor = below
    }
    for (const id of session.finished.keys()) {
      if (session.finished.size <= 4 * options.maxTransfers) break
      session.finished.delete(id)
      session.floor = Math.max(session.floor, id + 1)
    }
  }

  // ------------------------------------------------------------------------------------------------------------ time

  const tick = (nowMillis: number) => {
    now = nowMillis
    budget.tick(now)
    for (const stream of streams) {
      stream.bornMillis ??= now
      if (stream.session === undefined && now - stream.bornMillis > options.helloMillis) stream.socket.destroy()
    }
    if (now - aliveAt >= aliveMillis) {
      aliveAt = now
      for (const { streams, transfers } of sessions.values()) {
        if (transfers.size === 0) continue
        for (const stream of streams) {
          if (stream.socket.writableLength === 0) send(stream, { kind: "alive", id: 0, index: 0, count: 0 })
        }
      }
    }
    for (const session of sessions.values()) retire(session)
    if (now - checkpointAt < checkpointMillis) return
    checkpointAt = now
    for (const { transfers } of sessions.values()) {
      for (const transfer of transfers.values()) {
        // If it cannot be written, neither can chunks, and their failure is the one to tell.
        if (!transfer.ending) void transfer.sink?.checkpoint().catch(() => undefined)
      }
    }
  }

  const retire = (session: Session) => {
    if (session.streams.size > 0) return
    session.idleSince ??= now
    // A part without a sender is on the disk soon, so that nothing is lost when this process goes as well.
    if (now - session.idleSince < options.idleMillis) return
    sessions.delete(session.id)
    for (const transfer of session.transfers.values()) {
      void end(transfer, { ok: false, reason: "withdrawn", detail: "its sender is gone" })
    }
  }

  return {
    accept,
    tick,
    counters: () => ({
      ...count,
      streams: streams.size,
      sessions: sessions.size,
      transfers: [...sessions.values()].reduce((n, { transfers }) => n + transfers.size, 0),
      heldBytes: budget.reserved() + pending
    }),
    close: async () => {
      closed = true
      for (const { socket } of streams) socket.destroy()
      const open = [...sessions.values()].flatMap(({ transfers }) => [...transfers.values()])
      await Promise.all(open.map((each) => end(each, { ok: false, reason: "withdrawn", detail: "the receiver stops" })))
    }
  }
}

const words = (cause: unknown): string => (cause instanceof Error ? cause.message.slice(0, 400) : "it did not say why")
