/**
 * What messages to one peer go over at a time: a link of AMST, or one stream of v1. Another takes its place when the mode,
 * the features or AMST change.
 */
import { Deferred, type Duration, Effect, Exit, Scope } from "effect"
import type { TLSSocket } from "node:tls"
import type * as Amst from "../amst/Amst.ts"
import type { Priority } from "../amst/Lanes.ts"
import type { Mode } from "../mode/Detector.ts"
import type { Coded } from "./Coding.ts"
import * as Envelope from "./Envelope.ts"
import { type MessageRefused, PeerUnreachable } from "./Failures.ts"
import * as V1 from "./V1.ts"

/** What was sent for a message. */
export interface Carried {
  readonly wireBytes: number
  readonly codec: string
}

export type CarryError = PeerUnreachable | MessageRefused | Amst.TransferError

export interface Carrier {
  readonly version: "v1" | "v3"
  readonly peer: string
  readonly mode: Mode
  readonly send: (
    envelope: Envelope.Envelope,
    content: Uint8Array,
    priority: Priority
  ) => Effect.Effect<Carried, CarryError>
  readonly link: Amst.Link | undefined
  readonly socket: TLSSocket | undefined
  readonly isOpen: () => boolean
  readonly scope: Scope.Closeable
  /** Fails when it is closed under what is on its way. */
  readonly cut: Deferred.Deferred<never, PeerUnreachable>
  users: number
  idle: (() => void) | undefined
  closed: boolean
}

type Fixed = Pick<Carrier, "peer" | "scope" | "mode">

export const ofV1 = (socket: TLSSocket, fixed: Fixed): Carrier => {
  const stream = V1.stream(socket, fixed.peer)
  return {
    ...fixed,
    ...fresh(),
    version: "v1",
    link: undefined,
    socket,
    isOpen: stream.isOpen,
    send: (envelope, content) =>
      Effect.map(stream.send(envelope, content), (wireBytes): Carried => ({ wireBytes, codec: "zstd-3" }))
  }
}

/** A link closes itself when it is told to and not before: while its peer is away it waits for it. */
export const ofAmst = (
  link: Amst.Link,
  encode: (content: Uint8Array) => Effect.Effect<Coded>,
  fixed: Fixed
): Carrier => ({
  ...fixed,
  ...fresh(),
  version: "v3",
  link,
  socket: undefined,
  isOpen: () => true,
  send: Effect.fnUntraced(function* (envelope, content, priority) {
    const { bytes, codec, encoding } = yield* encode(content)
    yield* link.send(bytes, { name: Envelope.write({ ...envelope, encoding }), priority })
    return { wireBytes: bytes.length, codec }
  })
})

const fresh = () => ({
  cut: Deferred.makeUnsafe<never, PeerUnreachable>(),
  users: 0,
  idle: undefined,
  closed: false
})

/** Counts as use of it, and ends when it is closed. */
export const using = <A, E, R>(
  carrier: Carrier,
  go: (carrier: Carrier) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | PeerUnreachable, R> =>
  Effect.suspend(() => {
    carrier.users++
    return Effect.raceFirst(go(carrier), Deferred.await(carrier.cut)).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          carrier.users--
          if (carrier.users === 0) carrier.idle?.()
        })
      )
    )
  })

const unused = (carrier: Carrier) =>
  Effect.callback<void>((resume) => {
    if (carrier.users === 0) return resume(Effect.void)
    carrier.idle = () => resume(Effect.void)
  })

/** Closes it when nothing is on its way any more, or after that time. */
export const drain = (carrier: Carrier, within: Duration.Duration): Effect.Effect<void> =>
  Effect.andThen(Effect.timeoutOption(unused(carrier), within), close(carrier))

/** What is on its way is taken back first, or its room at the receiver would wait for the rest of it. */
export const close = (carrier: Carrier): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { cut, peer, scope } = carrier
    carrier.closed = true
    yield* Deferred.fail(cut, new PeerUnreachable({ peer, cause: new Error("The link was closed under it.") }))
    yield* Effect.timeoutOption(unused(carrier), "1 second")
    yield* Scope.close(scope, Exit.void)
  })
