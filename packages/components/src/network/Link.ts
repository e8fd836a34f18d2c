/**
 * A secured socket as a sequence of frames, bounded both ways: it is not read from while what has arrived waits to be
 * received, and whoever sends waits while the other side does not read.
 *
 * **Details**
 *
 * `receive` waits for `idle` and no longer. What counts is a whole frame, or a good piece of a large one: a byte now and
 * then does not keep a connection.
 */
import type { Socket } from "node:net"
import { Data, type Duration, Effect, type Option, Semaphore } from "effect"
import * as Frame from "./Frame.ts"
import { ConnectionLost, type Refusal } from "./Network.ts"

export interface Options {
  /** Who is at the other end, for messages. */
  readonly peer: string
  readonly maxFrame: number
  readonly idle: Duration.Duration
  /** How long the other side may not read. */
  readonly stuck: Duration.Duration
  /** Ends it at once, so that the other side does not take it for an end in order. */
  readonly cut: () => void
  /** Hears of every frame that has arrived. */
  readonly onFrame?: () => void
  /** Hears why the other side was at fault. */
  readonly onRefusal?: (refusal: Refusal) => void
}

export interface Link {
  /** The next frame that is not `Drain`. None when there will be no more. */
  readonly receive: Effect.Effect<Option.Option<Frame.Frame>, ConnectionLost>
  readonly send: (kind: Frame.Kind, payload: Uint8Array) => Effect.Effect<void, ConnectionLost>
  /** Tells the other side to finish. `receive` ends with what has arrived. */
  readonly drain: Effect.Effect<void>
  /** Completes when one of both sides wants to finish, or there is nothing to finish. */
  readonly draining: Effect.Effect<void>
  /** Says goodbye, waits a moment for the other side to do the same, and is gone. */
  readonly close: Effect.Effect<void>
}

/** So many bytes of a frame that is not whole are a sign of life. */
const signOfLife = 16 * 1_024

/** What a waiting frame costs at least: many empty ones are not for free. */
const leastCost = 64

/** How long a goodbye may take. */
const goodbye = "1 second"

/** Takes over the socket. */
export const make = (socket: Socket, options: Options): Link => {
  const decoder = Frame.decoder(options.maxFrame)
  const sending = Semaphore.makeUnsafe(1)
  /** What has arrived, those before `next` received already. */
  let inbox: Array<Frame.Frame> = []
  let next = 0
  const waiting = new Set<() => void>()
  let inboxBytes = 0
  let receivedBytes = 0
  let isEnded = false
  let isClosing = false
  let drains = false
  let peerDrains = false
  let lost: ConnectionLost | undefined

  const changed = (): void => waiting.forEach((look) => look())

  /** Waits until something holds. It is looked at in the moment of waiting, so that no change is missed. */
  const until = (holds: () => boolean): Effect.Effect<void> =>
    Effect.callback((resume) => {
      if (holds()) return resume(Effect.void)
      const look = () => {
        if (holds()) resume(Effect.void)
      }
      waiting.add(look)
      return Effect.sync(() => waiting.delete(look))
    })

  const abandon = (reason: string, cause?: unknown): ConnectionLost => {
    lost ??= new ConnectionLost({ peer: options.peer, reason, ...(cause === undefined ? {} : { cause }) })
    options.cut()
    socket.destroy()
    changed()
    return lost
  }

  const fault = (refusal: Refusal, reason: string): ConnectionLost => {
    if (lost === undefined) options.onRefusal?.(refusal)
    return abandon(reason)
  }

  const accept = (frame: Frame.Frame): void => {
    if (frame.kind === "Drain") {
      peerDrains = true
      return
    }
    inbox.push(frame)
    inboxBytes += costOf(frame)
    options.onFrame?.()
  }

  const hear = (chunk: Uint8Array): void => {
    if (isClosing || lost !== undefined) return
    receivedBytes += chunk.length
    const { frames, problem } = decoder.push(chunk)
    frames.forEach(accept)
    if (inboxBytes >= options.maxFrame) socket.pause()
    if (problem?._tag === "TooLarge") fault("oversized", `it wanted to send ${problem.bytes} bytes at once`)
    if (problem?._tag === "Nonsense") fault("protocol", "what it sends makes no sense")
    if (frames.length > 0) changed()
  }

  socket.on("data", hear)
  socket.on("end", () => {
    isEnded = true
    if (decoder.pending() > 0 && !isClosing) abandon("it ended in the middle of a message")
    changed()
  })
  socket.on("error", (error) => void (isClosing || abandon(error.message, error)))
  socket.on("close", () => {
    if (!isEnded && !isClosing) abandon("the other side is gone")
    isEnded = true
    changed()
  })

  const take = (frame: Frame.Frame): Frame.Frame => {
    if (++next === inbox.length) {
      inbox = []
      next = 0
    }
    inboxBytes -= costOf(frame)
    if (socket.isPaused() && inboxBytes < options.maxFrame) socket.resume()
    return frame
  }

  /** Whether there is anything to say to somebody who wants to receive. */
  const isDecided = () => next < inbox.length || lost !== undefined || isEnded || drains

  const arrival: Effect.Effect<void, ConnectionLost> = Effect.suspend(() => {
    const before = receivedBytes
    const idle = Effect.suspend(() =>
      receivedBytes - before >= signOfLife ? arrival : Effect.fail(fault("idle", "it said nothing for too long"))
    )
    return Effect.timeoutOrElse(until(isDecided), { duration: options.idle, orElse: () => idle })
  })

  const receive: Link["receive"] = Effect.suspend(() => {
    const frame = inbox[next]
    if (frame !== undefined) return Effect.succeedSome(take(frame))
    if (lost !== undefined) return Effect.fail(lost)
    if (isEnded || drains) return Effect.succeedNone
    return Effect.andThen(arrival, receive)
  })

  const send: Link["send"] = (kind, payload) =>
    Effect.suspend(() => {
      if (lost !== undefined) return Effect.fail(lost)
      if (isEnded || !socket.writable)
        return Effect.fail(new ConnectionLost({ peer: options.peer, reason: "it has ended" }))
      socket.cork()
      socket.write(Frame.head(kind, payload.length))
      let isFull = !socket.write(payload)
      socket.uncork()
      if (!isFull) return Effect.void
      socket.once("drain", () => {
        isFull = false
        changed()
      })
      const written = until(() => !isFull || lost !== undefined)
      return Effect.andThen(
        Effect.timeoutOrElse(written, {
          duration: options.stuck,
          orElse: () => Effect.fail(abandon("it does not read what it is sent"))
        }),
        Effect.suspend(() => (lost === undefined ? Effect.void : Effect.fail(lost)))
      )
    }).pipe((write) => sending.withPermit(write))

  const close = Effect.suspend(() => {
    isClosing = true
    const gone = Effect.callback<void>((resume) => {
      if (socket.destroyed) return resume(Effect.void)
      socket.once("close", () => resume(Effect.void))
      socket.end()
      // What is not read keeps a socket open.
      socket.resume()
    })
    return Effect.timeoutOption(Effect.interruptible(gone), goodbye)
  }).pipe(Effect.ensuring(Effect.sync(() => socket.destroy())))

  return {
    receive,
    send,
    drain: Effect.sync(() => {
      // Before anybody hears of it, who would close what this is to be written to. It waits for no one: it is five bytes.
      if (socket.writable) socket.write(Frame.head("Drain", 0))
      drains = true
      changed()
    }),
    draining: until(() => drains || peerDrains || isEnded || lost !== undefined),
    close: Effect.asVoid(close)
  }
}

const costOf = ({ payload }: Frame.Frame): number => Math.max(payload.length, leastCost)

/** Why the other side was not let in, or not kept. */
export class TurnedAway extends Data.TaggedError("TurnedAway")<{ readonly refusal: Refusal; readonly words: string }> {
  override get message() {
    return this.words
  }
}
