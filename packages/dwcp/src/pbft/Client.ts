/**
 * Who asks: a request goes to all replicas, again until f+1 of them have given the same answer, of whom one is honest.
 * A pure machine like `Replica`.
 */
import { remembered } from "./Execution.ts"
import type { Keys, Message, Reply, Request, Signed } from "./Message.ts"
import { quorum } from "./Proof.ts"

export interface Options {
  readonly replicas: number
  readonly keys: Keys
  /** Above all timestamps that this client has ever used. */
  readonly firstTimestamp: number
}

/** What came of a request. */
export interface Answer {
  readonly timestamp: number
  readonly sequence: number
  readonly results: ReadonlyArray<Uint8Array>
}

export interface Client {
  /** To send to all replicas; `undefined` when too many are on their way. */
  readonly ask: (operations: ReadonlyArray<Uint8Array>) => Signed<Request> | undefined
  /** The answer, when this reply was the one that made it certain. */
  readonly receive: (reply: Message) => Answer | undefined
  /** What is to be sent again to all, the oldest first. */
  readonly tick: () => ReadonlyArray<Signed<Request>>
  readonly waiting: () => number
}

interface Asked {
  readonly request: Signed<Request>
  readonly replies: Map<number, Reply>
  /** Sent since the last tick: not yet late. */
  fresh: boolean
}

const none = new Uint8Array(0)

/** How many are sent again at once. */
const again = 32

export const make = ({ firstTimestamp, keys, replicas }: Options): Client => {
  const { faults } = quorum(replicas)
  const asked = new Map<number, Asked>()
  let timestamp = firstTimestamp

  const oldest = (): number => asked.keys().next().value ?? timestamp
  const ask = (operations: ReadonlyArray<Uint8Array>): Signed<Request> | undefined => {
    // A replica remembers so many results: with more on their way, an old request could count as done.
    if (timestamp - oldest() >= remembered / 2) return undefined
    const request = keys.sign({ _tag: "Request", timestamp: timestamp++, operations })
    asked.set(request.body.timestamp, { request, replies: new Map(), fresh: true })
    return request
  }

  const same = (a: Reply, b: Reply): boolean =>
    a.sequence === b.sequence &&
    a.results.length === b.results.length &&
    a.results.every((result, k) => Buffer.compare(result, b.results[k] ?? none) === 0)

  const receive = (message: Message): Answer | undefined => {
    if (message._tag !== "Signed" || message.body._tag !== "Reply" || message.from >= replicas) return undefined
    const { body: reply } = message
    const mine = asked.get(reply.timestamp)
    if (mine === undefined || mine.request.from !== reply.client || mine.replies.has(message.from)) return undefined
    if (!keys.verify(message)) return undefined
    mine.replies.set(message.from, reply)
    if ([...mine.replies.values()].filter((other) => same(other, reply)).length <= faults) return undefined
    asked.delete(reply.timestamp)
    return { timestamp: reply.timestamp, sequence: reply.sequence, results: reply.results }
  }

  const tick = (): ReadonlyArray<Signed<Request>> => {
    const late: Array<Signed<Request>> = []
    for (const one of asked.values()) {
      if (!one.fresh && late.length < again) late.push(one.request)
      one.fresh = false
    }
    return late
  }

  return { ask, receive, tick, waiting: () => asked.size }
}
