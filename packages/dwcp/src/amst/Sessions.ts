/** What a receiver knows of its peers: the streams of each session, and the transfers that come in on them. */
import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import type * as Budget from "./Budget.ts"
import type * as Frame from "./Frame.ts"
import type * as Sink from "./Sink.ts"
import * as Wire from "./Wire.ts"

export interface Stream {
  readonly socket: Socket
  /** Whether it is one of TLS. */
  readonly sealed: boolean
  readonly peer: string
  readonly acks: Map<number, Array<number>>
  readonly accepts: Map<number, boolean>
  session: Session | undefined
  /** The chunk that it brings just now to where it is to be. */
  bringing: { readonly transfer: Transfer; readonly index: number } | undefined
  /** What it brings goes elsewhere from now on. */
  detach: () => void
  bornMillis: number | undefined
  flushing: boolean
  paused: boolean
}

export interface Session extends Budget.Share {
  readonly id: string
  readonly streams: Set<Stream>
  readonly transfers: Map<number, Transfer>
  readonly finished: Map<number, Wire.Finished>
  floor: number
  idleSince: number | undefined
  /** When it last sent anything. */
  heardMillis: number
}

export interface Transfer {
  readonly id: number
  readonly session: Session
  readonly shape: Wire.Open
  /** A message over TLS: it ends with a tag, or with a hash. */
  readonly tagged: boolean
  readonly count: number
  /** Chunks of a message that arrive just now, and the stream that brings each to its place. */
  readonly arriving: Map<number, Stream>
  /** Chunks on their way to the disk, and the streams that brought them. */
  readonly writing: Map<number, Array<Stream>>
  /** Chunks that came while the file was being opened. */
  held: Array<readonly [Stream, Frame.Frame]>
  heldBytes: number
  /** Of a message that has begun. */
  room: Budget.Room | undefined
  sink: Sink.BytesSink | Sink.FileSink | undefined
  expected: Buffer | undefined
  /** Of a difference, where the file is that it is one to. */
  base: string | undefined
  /** Done when its file is open, or will not be. */
  opening: Promise<void>
  ending: boolean
  /** Done when nothing of it touches its file any more. */
  over: Promise<void>
  /** Whether chunks came before there was room for them, and are gone. */
  dropped: boolean
  last: Stream
}

export const stream = (socket: Socket): Stream => ({
  socket,
  sealed: socket instanceof TLSSocket,
  peer: `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`,
  acks: new Map(),
  accepts: new Map(),
  session: undefined,
  bringing: undefined,
  detach: () => undefined,
  bornMillis: undefined,
  flushing: false,
  paused: false
})

export const session = (id: string, nowMillis: number): Session => ({
  id,
  streams: new Set(),
  transfers: new Map(),
  finished: new Map(),
  floor: 0,
  reserved: 0,
  idleSince: undefined,
  heardMillis: nowMillis
})

/** As it was announced on a stream. */
export const transfer = (id: number, session: Session, shape: Wire.Open, stream: Stream): Transfer => ({
  id,
  session,
  shape,
  tagged: stream.sealed && shape.kind === "message",
  count: Wire.chunksOf(shape),
  arriving: new Map(),
  writing: new Map(),
  held: [],
  heldBytes: 0,
  room: undefined,
  sink: undefined,
  expected: undefined,
  base: undefined,
  opening: Promise.resolve(),
  ending: false,
  over: Promise.resolve(),
  dropped: false,
  last: stream
})

/** Puts a chunk of a message right to its place as it arrives, unless another stream is doing that. */
export const place = (stream: Stream, { id, index, length }: Frame.Announced): Buffer | undefined => {
  const transfer = stream.session?.transfers.get(id)
  if (transfer?.sink === undefined || !("place" in transfer.sink)) return undefined
  if (transfer.ending || transfer.arriving.has(index)) return undefined
  const place = transfer.sink.place(index, length)
  if (place === undefined) return undefined
  transfer.arriving.set(index, stream)
  stream.bringing = { transfer, index }
  return place
}

/** It is there, or will not come. */
export const brought = (stream: Stream): void => {
  stream.bringing?.transfer.arriving.delete(stream.bringing.index)
  stream.bringing = undefined
}
