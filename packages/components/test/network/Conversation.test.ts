import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Queue } from "effect"
import * as Conversation from "../../src/network/Conversation.ts"
import type * as Frame from "../../src/network/Frame.ts"
import type { Link } from "../../src/network/Link.ts"
import { ConnectionLost, MessageTooLarge } from "../../src/network/Network.ts"

const peer = {
  principal: { name: "node-2", by: "mtls", roles: [] },
  fingerprint256: "",
  address: { host: "127.0.0.1", port: 1 }
} as const

/** A link whose frames are there already, and what is sent on it. */
const linkOf = Effect.fnUntraced(function* (frames: ReadonlyArray<Option.Option<Frame.Frame>>) {
  const inbox = yield* Queue.unbounded<Option.Option<Frame.Frame>>()
  yield* Queue.offerAll(inbox, frames)
  const sent: Array<string> = []
  const link: Link = {
    receive: Queue.take(inbox),
    send: (kind, payload) => Effect.sync(() => void sent.push(`${kind} ${Buffer.from(payload).toString()}`)),
    drain: Effect.void,
    draining: Effect.never,
    close: Effect.void
  }
  return { link, sent }
})

describe("a conversation", () => {
  it.effect("is messages both ways, with an end", () =>
    Effect.gen(function* () {
      const payload = Buffer.from("hello")
      const { link, sent } = yield* linkOf([Option.some({ kind: "Data", payload }), Option.none()])
      const { receive, send } = Conversation.numbered(10)(link, "test/a", peer)
      assert.deepStrictEqual(yield* receive, Option.some(payload))
      assert.deepStrictEqual(yield* receive, Option.none())
      yield* send(Buffer.from("0123456789"))
      const error = yield* Effect.flip(send(Buffer.from("0123456789a")))
      assert.instanceOf(error, MessageTooLarge)
      assert.include(error, { bytes: 11, maxBytes: 10 })
      assert.deepStrictEqual(sent, ["Data 0123456789"])
    })
  )

  it.effect("is lost when the other side refuses, with its words and no more than few of them", () =>
    Effect.gen(function* () {
      const { link } = yield* linkOf([Option.some({ kind: "Refused", payload: Buffer.alloc(10_000, "n") })])
      const error = yield* Effect.flip(Conversation.numbered(10)(link, "test/a", peer).receive)
      assert.instanceOf(error, ConnectionLost)
      assert.strictEqual(error.message, `The connection with node-2 is lost: it refuses: ${"n".repeat(256)}.`)
    })
  )

  it.effect("has a number of its own", () =>
    Effect.gen(function* () {
      const { link } = yield* linkOf([])
      const make = Conversation.numbered(10)
      assert.deepStrictEqual([make(link, "a", peer).id, make(link, "b", peer).id], [1, 2])
    })
  )
})
