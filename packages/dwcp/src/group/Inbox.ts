/**
 * What has arrived and was not taken yet, by channel: once each, whatever it came over.
 *
 * **Details**
 *
 * Content is decoded when it is taken, and its room is given back then: a reader that is slow holds up those who send to it,
 * and a channel that is busy does not hold up another. A channel that nobody has ever taken from keeps a little and refuses
 * the rest.
 */
import { Effect, Exit, Option, Queue } from "effect"
import * as Envelope from "./Envelope.ts"

/** As it came. */
export interface Arrived {
  /** Who has sent it, by its certificate. */
  readonly from: string
  readonly version: "v1" | "v3"
  readonly envelope: Envelope.Envelope
  readonly bytes: Buffer
  /** Gives its room back; of `spent` bytes, which nobody looks at any more, the memory too. */
  readonly release: (spent: boolean) => void
}

/** As it is taken. */
export interface Incoming {
  readonly from: string
  readonly channel: string
  readonly version: "v1" | "v3"
  readonly bytes: Uint8Array
}

/** Bytes as they came into what was sent. */
export type Decode = (arrived: Arrived) => Effect.Effect<Uint8Array, unknown>

export interface Counters {
  readonly taken: number
  /** Came twice, and was let through once. */
  readonly again: number
  /** For channels nobody takes from. */
  readonly unclaimed: number
  readonly unreadable: number
  readonly waiting: number
}

export interface Inbox {
  /** Why it is refused; `undefined` when it is kept, or was there before. */
  readonly put: (arrived: Arrived) => string | undefined
  /** The next message of a channel that can be read. What cannot is told to `onUnreadable`, and is gone. */
  readonly take: (
    channel: string,
    decode: Decode,
    onUnreadable: (arrived: Arrived, cause: unknown) => Effect.Effect<void>
  ) => Effect.Effect<Incoming>
  /** Brings the time, for what nobody takes. */
  readonly tick: (nowMillis: number) => void
  readonly counters: () => Counters
}

export interface Limits {
  readonly channels: number
  /** How long something waits on a channel that nobody has ever taken from. */
  readonly unclaimedMillis: number
}

const limits: Limits = { channels: 1_024, unclaimedMillis: 60_000 }

interface Channel {
  readonly queue: Queue.Queue<Arrived>
  /** When each of them came, in order. */
  readonly since: Array<number>
  claimed: boolean
}

export const make = (given: Limits = limits): Inbox => {
  const channels = new Map<string, Channel>()
  const seen = Envelope.seen()
  let now = 0
  const count = { taken: 0, again: 0, unclaimed: 0, unreadable: 0 }

  const channelOf = (name: string): Channel | undefined => {
    const known = channels.get(name)
    if (known !== undefined) return known
    if (channels.size >= given.channels) return undefined
    // Unbounded in name only: what is in it has taken its room from the budget of its sender.
    const made: Channel = { queue: Effect.runSync(Queue.unbounded<Arrived>()), since: [], claimed: false }
    channels.set(name, made)
    return made
  }

  const put = (arrived: Arrived): string | undefined => {
    const { envelope, from, release } = arrived
    const channel = channelOf(envelope.channel)
    if (channel === undefined) {
      count.unclaimed++
      release(true)
      return `there are ${given.channels} channels, and ${envelope.channel} is none of them`
    }
    // One peer must not say what another one has sent.
    if (!seen.first({ ...envelope, sender: `${from} ${envelope.sender}` })) {
      count.again++
      release(true)
      return undefined
    }
    channel.since.push(now)
    Queue.offerUnsafe(channel.queue, arrived)
    return undefined
  }

  const take: Inbox["take"] = (name, decode, onUnreadable) =>
    Effect.suspend(() => {
      const channel = channelOf(name)
      if (channel === undefined) return Effect.never
      channel.claimed = true
      // What was taken out of the queue is handed over or told of, and not lost in between.
      const next: Effect.Effect<Option.Option<Incoming>> = Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const arrived = yield* restore(Queue.take(channel.queue))
          channel.since.shift()
          const read = yield* Effect.exit(decode(arrived))
          // What was decoded may be a view of what came.
          arrived.release(Exit.isSuccess(read) && read.value.buffer !== arrived.bytes.buffer)
          if (Exit.isSuccess(read)) {
            count.taken++
            const { from, version } = arrived
            return Option.some({ from, channel: name, version, bytes: read.value })
          }
          count.unreadable++
          yield* onUnreadable(arrived, read.cause)
          return Option.none()
        })
      )
      const found: Effect.Effect<Incoming> = Effect.flatMap(next, (one) =>
        Option.isSome(one) ? Effect.succeed(one.value) : found
      )
      return found
    })

  const tick = (nowMillis: number) => {
    now = nowMillis
    for (const [name, channel] of channels) {
      if (channel.claimed) continue
      while (channel.since.length > 0 && now - channel.since[0]! > given.unclaimedMillis) {
        channel.since.shift()
        const oldest = Queue.takeUnsafe(channel.queue)
        if (oldest !== undefined && Exit.isSuccess(oldest)) oldest.value.release(true)
        count.unclaimed++
      }
      if (channel.since.length === 0) channels.delete(name)
    }
  }

  return {
    put,
    take,
    tick,
    counters: () => ({
      ...count,
      waiting: [...channels.values()].reduce((sum, { since }) => sum + since.length, 0)
    })
  }
}
