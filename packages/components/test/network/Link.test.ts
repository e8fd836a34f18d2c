import { connect, createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option } from "effect"
import * as Frame from "../../src/network/Frame.ts"
import * as Link from "../../src/network/Link.ts"
import type { Refusal } from "../../src/network/Network.ts"
import { eventually } from "./fixtures/listeners.ts"

/** Both ends of a real socket; this one as a link, the other one as it is. */
const linked = (options: Partial<Link.Options> = {}) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
    const address = server.address()
    const port = typeof address === "object" ? (address?.port ?? 0) : 0
    const [there, here] = yield* Effect.acquireRelease(
      Effect.callback<[Socket, Socket]>((resume) => {
        const there = connect(port, "127.0.0.1")
        server.once("connection", (here) => resume(Effect.succeed([there, here])))
      }),
      (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
    )
    there.on("error", () => undefined)
    const refusals: Array<Refusal> = []
    const link = Link.make(here, {
      peer: "node-2",
      maxFrame: 100_000,
      idle: Duration.millis(200),
      stuck: Duration.millis(200),
      cut: () => here.resetAndDestroy(),
      onRefusal: (refusal) => void refusals.push(refusal),
      ...options
    })
    const say = (kind: Frame.Kind, text: string) =>
      Effect.sync(() => void there.write(Buffer.concat([Frame.head(kind, text.length), Buffer.from(text)])))
    return { here, link, refusals, say, there }
  })

const textOf = (frame: Option.Option<Frame.Frame>) =>
  Option.match(frame, {
    onNone: () => "none",
    onSome: ({ kind, payload }) => `${kind} ${Buffer.from(payload).toString()}`
  })

describe("a link", () => {
  it.live("receives what was sent before the other side ended, and then none", () =>
    Effect.gen(function* () {
      const { link, say, there } = yield* linked()
      yield* say("Hello", "a")
      yield* say("Data", "b")
      there.end()
      assert.strictEqual(textOf(yield* link.receive), "Hello a")
      assert.strictEqual(textOf(yield* link.receive), "Data b")
      assert.strictEqual(textOf(yield* link.receive), "none")
      yield* link.draining
      assert.include((yield* Effect.flip(link.send("Data", new Uint8Array(1)))).reason, "ended")
    }).pipe(Effect.scoped)
  )

  it.live("is lost when the other side ends in the middle of a message, or is cut off", () =>
    Effect.gen(function* () {
      const torn = yield* linked()
      torn.there.end(Buffer.from([0, 0, 0, 9, 1]))
      assert.include((yield* Effect.flip(torn.link.receive)).message, "in the middle of a message")
      const gone = yield* linked()
      gone.there.resetAndDestroy()
      const error = yield* Effect.flip(gone.link.receive)
      assert.include(error.message, "node-2")
      assert.include(error.reason, "ECONNRESET")
    }).pipe(Effect.scoped)
  )

  it.live("takes a good piece of a large message for a sign of life, and a small one not", () =>
    Effect.gen(function* () {
      const { link, there } = yield* linked()
      const message = Buffer.concat([Frame.head("Data", 90_000), Buffer.alloc(90_000, "x")])
      const receiving = yield* Effect.forkChild(link.receive)
      for (let at = 0; at < message.length; at += 20_000) {
        there.write(message.subarray(at, at + 20_000))
        yield* Effect.sleep("120 millis")
      }
      assert.strictEqual(textOf(yield* Fiber.join(receiving)).length, "Data ".length + 90_000)

      const slow = yield* linked()
      const errors: Array<string> = []
      slow.there.on("error", ({ message }) => void errors.push(message))
      slow.there.resume()
      const waiting = yield* Effect.forkChild(Effect.flip(slow.link.receive))
      slow.there.write(message.subarray(0, 1_000))
      const drip = Effect.sync(() => void (slow.there.writable && slow.there.write(Buffer.alloc(100))))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("40 millis"), drip)))
      assert.include((yield* Fiber.join(waiting)).reason, "said nothing for too long")
      assert.deepStrictEqual(slow.refusals, ["idle"])
      // It must not take this for an end in order.
      yield* eventually(() => assert.match(errors.join(), /ECONNRESET/))
    }).pipe(Effect.scoped)
  )

  it.live("does not call anybody idle while nobody waits for him", () =>
    Effect.gen(function* () {
      const { link, refusals, say } = yield* linked()
      yield* Effect.sleep("400 millis")
      yield* say("Data", "late")
      assert.strictEqual(textOf(yield* link.receive), "Data late")
      assert.deepStrictEqual(refusals, [])
    }).pipe(Effect.scoped)
  )

  it.live("stops reading when messages wait, empty ones too, and goes on when they are received", () =>
    Effect.gen(function* () {
      const { here, link, there } = yield* linked({ maxFrame: 1_024 })
      const empty = Buffer.from(Frame.head("Data", 0))
      const count = 100_000
      there.write(Buffer.alloc(count * empty.length, empty))
      yield* eventually(() => assert.isTrue(here.isPaused()))
      yield* Effect.sleep("100 millis")
      assert.isBelow(here.bytesRead, 150_000)
      for (let received = 0; received < count; received++) assert.isTrue(Option.isSome(yield* link.receive))
      assert.strictEqual(here.bytesRead, count * empty.length)
    }).pipe(Effect.scoped)
  )

  it.live("that drains gives out what has arrived and then none, and has told the other side", () =>
    Effect.gen(function* () {
      const { link, say, there } = yield* linked()
      const heard: Array<Frame.Frame> = []
      const decoder = Frame.decoder(100)
      there.on("data", (chunk) => void heard.push(...decoder.push(chunk).frames))
      yield* say("Data", "a")
      assert.strictEqual(textOf(yield* link.receive), "Data a")
      const waiting = yield* Effect.forkChild(link.receive)
      yield* Effect.sleep("20 millis")
      yield* link.drain
      assert.strictEqual(textOf(yield* Fiber.join(waiting)), "none")
      yield* link.draining
      yield* link.send("Data", Buffer.from("the last word"))
      yield* link.close
      yield* eventually(() =>
        assert.deepStrictEqual(
          heard.map(({ kind }) => kind),
          ["Drain", "Data"]
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("says that the other side wants to finish, and still receives from it", () =>
    Effect.gen(function* () {
      const { link, say } = yield* linked()
      yield* say("Drain", "")
      yield* link.draining
      yield* say("Data", "an answer")
      assert.strictEqual(textOf(yield* link.receive), "Data an answer")
    }).pipe(Effect.scoped)
  )

  it.live("sends messages whole, also when many send at once and the other side is slow", () =>
    Effect.gen(function* () {
      const { link, there } = yield* linked({ stuck: Duration.seconds(5) })
      there.pause()
      const sending = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 100 }, (_, i) => i),
          (i) => link.send("Data", Buffer.alloc(90_000, String.fromCharCode(65 + (i % 26)))),
          { concurrency: "unbounded", discard: true }
        )
      )
      yield* Effect.sleep("100 millis")
      const decoder = Frame.decoder(100_000)
      const heard: Array<string> = []
      there.on("data", (chunk) => {
        for (const { payload } of decoder.push(chunk).frames) heard.push(Buffer.from(payload).toString())
      })
      there.resume()
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(sending)))
      yield* eventually(() => assert.lengthOf(heard, 100))
      assert.isTrue(heard.every((text) => text.length === 90_000 && new Set(text).size === 1))
    }).pipe(Effect.scoped)
  )

  it.live("closes within a moment although the other side does not, and twice is as good as once", () =>
    Effect.gen(function* () {
      const { here, link, there } = yield* linked()
      there.pause()
      yield* link.send("Data", Buffer.from("never read"))
      yield* link.close
      assert.isTrue(here.destroyed)
      yield* link.close
    }).pipe(Effect.scoped)
  )
})
