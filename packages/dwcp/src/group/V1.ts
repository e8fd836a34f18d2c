/**
 * DWCP v1, which every node speaks: one TLS stream to a peer, each message compressed with zstd-3, and an answer to each.
 *
 * **Details**
 *
 * Records ({@link Records}) of kind 1 carry a message: its number on the stream (u32), the size of its content (u32), the
 * length of the envelope (u16), the envelope, and the content as zstd wrote it. Kind 2 says that it is there, kind 3 that it
 * was refused, with the number and, for a refusal, a few words. ALPN is `dwcp/1`; a peer that knows no ALPN is a v1 one.
 */
import { Effect, Option } from "effect"
import type { Socket } from "node:net"
import * as Codec from "../hde/Codec.ts"
import * as Envelope from "./Envelope.ts"
import { MessageRefused, PeerUnreachable } from "./Failures.ts"
import * as Records from "./Records.ts"

export const protocol = "dwcp/1"

const kinds = { message: 1, there: 2, refused: 3 } as const

/** What v1 compresses with, always. */
const codec: Codec.Choice = { algorithm: "zstd", level: 3 }

/** Zstandard makes nothing larger than this. */
const mostGrown = (bytes: number): number => bytes + (bytes >> 8) + 1_024

const mostBytes = (maxMessage: number): number => 15 + Envelope.mostBytes + mostGrown(maxMessage)

// ------------------------------------------------------------------------------------------------------------ sending

export interface Stream {
  /** Done when the peer has it. Answers with the bytes that went over the link. */
  readonly send: (
    envelope: Envelope.Envelope,
    content: Uint8Array
  ) => Effect.Effect<number, PeerUnreachable | MessageRefused>
  readonly isOpen: () => boolean
  readonly close: () => void
}

/** A stream over a connected socket. */
export const stream = (socket: Socket, peer: string): Stream => {
  const pending = new Map<number, (answer: "there" | { readonly refused: string } | "gone") => void>()
  let numbers = 0
  let open = true
  const end = () => {
    open = false
    for (const answer of pending.values()) answer("gone")
    pending.clear()
  }
  Records.listen(socket, 1_024, ({ body, kind }) => {
    if (body.length < 4) return void socket.destroy()
    const number = body.readUInt32BE(0)
    const answer = pending.get(number)
    pending.delete(number)
    answer?.(kind === kinds.there ? "there" : { refused: body.toString("utf8", 4, 260) })
  })
  socket.once("close", end)
  return {
    isOpen: () => open && socket.writable,
    close: () => {
      open = false
      socket.destroySoon()
    },
    send: Effect.fnUntraced(function* (envelope, content) {
      const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
      const packed = yield* Effect.promise(() => Codec.compress(bytes, codec))
      return yield* Effect.callback<number, PeerUnreachable | MessageRefused>((resume) => {
        const gone = new PeerUnreachable({ peer, cause: new Error("Its stream was closed.") })
        if (!open || !socket.writable) return resume(Effect.fail(gone))
        const number = (numbers = (numbers + 1) >>> 0)
        const header = Buffer.from(Envelope.write({ ...envelope, encoding: "plain" }))
        const fixed = Buffer.allocUnsafe(10)
        fixed.writeUInt32BE(number, 0)
        fixed.writeUInt32BE(content.length, 4)
        fixed.writeUInt16BE(header.length, 8)
        const record = Records.write(kinds.message, fixed, header, packed)
        pending.set(number, (answer) => {
          if (answer === "there") return resume(Effect.succeed(record.length))
          resume(Effect.fail(answer === "gone" ? gone : new MessageRefused({ peer, reason: answer.refused })))
        })
        socket.write(record)
        return Effect.sync(() => void pending.delete(number))
      })
    })
  }
}

// ---------------------------------------------------------------------------------------------------------- receiving

/** What a message needs before it is taken: room for it, given back when it is read. `undefined` when there is none. */
export interface Intake {
  readonly maxMessage: number
  /** Refuses with words, or takes. */
  readonly take: (envelope: Envelope.Envelope, content: Buffer) => string | undefined
  /** Whether more should come now; when not, `onRoom` is called once there is room again. */
  readonly hasRoom: () => boolean
  readonly onRoom: (again: () => void) => void
}

/** Answers a peer of v1 until its stream ends. */
export const serve = (socket: Socket, intake: Intake): void => {
  // In order, as they came: the pool of zstd would overtake.
  let last: Promise<void> = Promise.resolve()
  const holdBack = () => {
    if (intake.hasRoom() || socket.destroyed) return
    socket.pause()
    intake.onRoom(() => socket.resume())
  }
  Records.listen(socket, mostBytes(intake.maxMessage), ({ body, kind }) => {
    const read = kind === kinds.message ? parse(body, intake.maxMessage) : undefined
    if (read === undefined) return void socket.destroy()
    last = last.then(async () => {
      const answer = (kind: number, words = "") => {
        const number = Buffer.allocUnsafe(4)
        number.writeUInt32BE(read.number, 0)
        if (socket.writable) socket.write(Records.write(kind, number, Buffer.from(words)))
      }
      if (typeof read.message === "string") return answer(kinds.refused, read.message)
      const { envelope, packed, size } = read.message
      try {
        const content = await Codec.expand(packed, "zstd", size)
        const refused = intake.take(envelope, content)
        if (refused === undefined) answer(kinds.there)
        else answer(kinds.refused, refused)
      } catch {
        answer(kinds.refused, "it does not decompress to what it says it is")
      }
      holdBack()
    })
  })
}

interface Parsed {
  readonly number: number
  readonly message: string | { readonly envelope: Envelope.Envelope; readonly size: number; readonly packed: Buffer }
}

const parse = (body: Buffer, maxMessage: number): Parsed | undefined => {
  if (body.length < 10) return undefined
  const number = body.readUInt32BE(0)
  const size = body.readUInt32BE(4)
  const end = 10 + body.readUInt16BE(8)
  if (end > body.length) return undefined
  if (size > maxMessage) return { number, message: `messages have up to ${maxMessage} bytes` }
  const envelope = Envelope.read(body.toString("utf8", 10, end))
  if (Option.isNone(envelope)) return { number, message: "its envelope says nothing that makes sense" }
  return { number, message: { envelope: envelope.value, size, packed: body.subarray(end) } }
}
