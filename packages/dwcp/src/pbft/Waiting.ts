/** Requests that a replica has seen and that are not carried out yet, those that have waited longest first. */
import { remembered } from "./Execution.ts"
import type { Request, Signed } from "./Message.ts"

export interface Waiting {
  /** False when it was there, or its client has too many. */
  readonly add: (request: Signed<Request>) => boolean
  readonly remove: (request: Signed<Request>) => void
  /** Whether this very request is there: its signature was looked at. */
  readonly knows: (request: Signed<Request>) => boolean
  readonly all: () => IterableIterator<Signed<Request>>
  readonly size: () => number
}

export const keyOf = ({ body, from }: Signed<Request>): string => `${from}:${body.timestamp}`

export const make = (): Waiting => {
  const requests = new Map<string, Signed<Request>>()
  const ofClient = new Map<number, number>()
  return {
    add: (request) => {
      const key = keyOf(request)
      const ofIt = ofClient.get(request.from) ?? 0
      if (requests.has(key) || ofIt >= remembered) return false
      requests.set(key, request)
      ofClient.set(request.from, ofIt + 1)
      return true
    },
    remove: (request) => {
      if (!requests.delete(keyOf(request))) return
      const left = (ofClient.get(request.from) ?? 1) - 1
      if (left === 0) ofClient.delete(request.from)
      else ofClient.set(request.from, left)
    },
    knows: (request) => {
      const known = requests.get(keyOf(request))
      return known !== undefined && identical(known, request)
    },
    all: () => requests.values(),
    size: () => requests.size
  }
}

const none = new Uint8Array(0)

const identical = (a: Signed<Request>, b: Signed<Request>): boolean =>
  a === b ||
  (Buffer.compare(a.signature, b.signature) === 0 &&
    a.body.operations.length === b.body.operations.length &&
    a.body.operations.every((operation, k) => Buffer.compare(operation, b.body.operations[k] ?? none) === 0))
