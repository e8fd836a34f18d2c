/**
 * Requests carried out in the order that was decided, each once, and the state that comes of it as bytes.
 *
 * **Details**
 *
 * Of each client the latest results are part of the state, so that a request that comes again is answered and not carried
 * out again, by a replica that was just restored too. Whatever is older than those counts as done.
 */
import type { Request, Signed } from "./Message.ts"

/** What decisions are applied to. Deterministic, or replicas that are honest will differ. */
export interface Application {
  /** The result, which the client gets. */
  readonly apply: (operation: Uint8Array, at: At) => Uint8Array
  readonly snapshot: () => Uint8Array
  readonly restore: (bytes: Uint8Array) => void
}
export interface At {
  readonly client: number
  readonly sequence: number
}

export interface Outcome {
  readonly sequence: number
  readonly results: ReadonlyArray<Uint8Array>
}

/** How many requests of a client may be on their way: so many results of it are remembered. */
export const remembered = 256

export interface Execution {
  /** What came of it; `undefined` when it was carried out before. */
  readonly execute: (request: Signed<Request>, sequence: number) => Outcome | undefined
  /** What came of it when it was carried out, as far as that is remembered. */
  readonly outcome: (client: number, timestamp: number) => Outcome | undefined
  /** Whether it was carried out, or is too old ever to be. */
  readonly done: (client: number, timestamp: number) => boolean
  readonly snapshot: () => Uint8Array
  /** False, and nothing has changed, when the bytes are no state. */
  readonly restore: (bytes: Uint8Array) => boolean
}

interface Client {
  /** Up to here everything is done. */
  low: number
  readonly outcomes: Map<number, Outcome>
}

export const make = (application: Application): Execution => {
  let clients = new Map<number, Client>()

  const done = (client: number, timestamp: number): boolean => {
    const known = clients.get(client)
    return known !== undefined && (timestamp <= known.low || known.outcomes.has(timestamp))
  }

  const execute = ({ body, from }: Signed<Request>, sequence: number): Outcome | undefined => {
    if (done(from, body.timestamp)) return undefined
    let known = clients.get(from)
    if (known === undefined) clients.set(from, (known = { low: -1, outcomes: new Map() }))
    const at = { client: from, sequence }
    const outcome = { sequence, results: body.operations.map((operation) => application.apply(operation, at)) }
    known.outcomes.set(body.timestamp, outcome)
    if (known.outcomes.size > remembered) {
      known.low = Math.min(...known.outcomes.keys())
      known.outcomes.delete(known.low)
    }
    return outcome
  }

  const snapshot = (): Uint8Array => {
    const parts: Array<Buffer> = []
    const numbers = (...list: ReadonlyArray<number>): void => {
      const bytes = Buffer.allocUnsafe(list.length * 8)
      list.forEach((n, k) => bytes.writeDoubleBE(n, k * 8))
      parts.push(bytes)
    }
    numbers(clients.size)
    for (const [id, { low, outcomes }] of [...clients].toSorted(([a], [b]) => a - b)) {
      numbers(id, low, outcomes.size)
      for (const [timestamp, { results, sequence }] of [...outcomes].toSorted(([a], [b]) => a - b)) {
        numbers(timestamp, sequence, results.length, ...results.map(({ length }) => length))
        parts.push(...results.map((result) => Buffer.from(result.buffer, result.byteOffset, result.length)))
      }
    }
    parts.push(Buffer.from(application.snapshot()))
    return Buffer.concat(parts)
  }

  const restore = (bytes: Uint8Array): boolean => {
    const from = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const read = new Map<number, Client>()
    let at = 0
    const number = (): number => {
      at += 8
      return from.readDoubleBE(at - 8)
    }
    try {
      for (let left = number(); left > 0; left--) {
        const [id, low, size] = [number(), number(), number()]
        const outcomes = new Map<number, Outcome>()
        for (let k = 0; k < size; k++) {
          const [timestamp, sequence, count] = [number(), number(), number()]
          const lengths = Array.from({ length: count }, number)
          const results = lengths.map((length) => from.subarray(at, (at += length)))
          outcomes.set(timestamp, { sequence, results })
        }
        read.set(id, { low, outcomes })
      }
      application.restore(from.subarray(at))
    } catch {
      return false
    }
    clients = read
    return true
  }

  return {
    execute,
    outcome: (client, timestamp) => clients.get(client)?.outcomes.get(timestamp),
    done,
    snapshot,
    restore
  }
}
