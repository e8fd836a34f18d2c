/** What of a transfer is where: not sent, on its way on one stream or two, arrived. Each chunk counts once. */
import * as Bitmap from "./Bitmap.ts"
import type { Chunk } from "./Source.ts"

/** A chunk on its way. */
export interface Flight<Stream> extends Chunk {
  readonly streams: Array<Stream>
  readonly sentMillis: number
}

export interface Ledger<Stream> {
  readonly arrived: Bitmap.Bitmap
  readonly flights: Map<number, Flight<Stream>>
  /** Chunks whose stream died: first to go. */
  readonly again: Array<Chunk>
  flightBytes: number
}

export const make = <Stream>(count: number): Ledger<Stream> => ({
  arrived: Bitmap.make(count),
  flights: new Map(),
  again: [],
  flightBytes: 0
})

export const sent = <Stream>(ledger: Ledger<Stream>, chunk: Chunk, stream: Stream, nowMillis: number): void => {
  const flight = ledger.flights.get(chunk.index)
  if (flight !== undefined) return void flight.streams.push(stream)
  ledger.flights.set(chunk.index, { ...chunk, streams: [stream], sentMillis: nowMillis })
  ledger.flightBytes += chunk.bytes.length
}

/** The flight that has landed, if it was one; a chunk that is acknowledged twice has landed once. */
export const landed = <Stream>(ledger: Ledger<Stream>, index: number): Flight<Stream> | undefined => {
  if (index >= ledger.arrived.count) return undefined
  Bitmap.add(ledger.arrived, index)
  const flight = ledger.flights.get(index)
  if (flight === undefined) return undefined
  ledger.flights.delete(index)
  ledger.flightBytes -= flight.bytes.length
  return flight
}

/** A stream is gone: what was on no other one goes again. */
export const lost = <Stream>(ledger: Ledger<Stream>, stream: Stream): void => {
  for (const [index, flight] of ledger.flights) {
    const at = flight.streams.indexOf(stream)
    if (at < 0) continue
    flight.streams.splice(at, 1)
    if (flight.streams.length > 0) continue
    ledger.flights.delete(index)
    ledger.flightBytes -= flight.bytes.length
    ledger.again.push({ index, bytes: flight.bytes })
  }
}

/** The next chunk that goes again; what arrived meanwhile does not. */
export const nextAgain = <Stream>(ledger: Ledger<Stream>): Chunk | undefined => {
  for (let chunk = ledger.again.shift(); chunk !== undefined; chunk = ledger.again.shift()) {
    if (!Bitmap.has(ledger.arrived, chunk.index)) return chunk
  }
  return undefined
}

/** The chunks on their way for longest, of those on one stream only. */
export const late = <Stream>(
  ledger: Ledger<Stream>,
  beforeMillis: number,
  most: number
): ReadonlyArray<Flight<Stream>> => {
  const found: Array<Flight<Stream>> = []
  for (const flight of ledger.flights.values()) {
    if (found.length === most) break
    if (flight.streams.length === 1 && flight.sentMillis < beforeMillis) found.push(flight)
  }
  return found
}
