import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Inbox from "../../src/group/Inbox.ts"

const decode: Inbox.Decode = ({ bytes }) =>
  bytes.toString() === "bad" ? Effect.fail(new Error("it is bad")) : Effect.succeed(bytes)

const world = (limits?: Inbox.Limits) => {
  const inbox = Inbox.make(limits)
  const released: Array<string> = []
  const unreadable: Array<string> = []
  let number = 0
  const put = (text: string, channel = "c", at = number++, from = "a") =>
    inbox.put({
      from,
      version: "v3",
      envelope: { sender: "0".repeat(32), number: at, floor: 0, channel, encoding: "plain" },
      bytes: Buffer.from(text),
      release: () => void released.push(text)
    })
  const take = (channel = "c") =>
    Effect.map(
      inbox.take(channel, decode, ({ bytes }) => Effect.sync(() => void unreadable.push(bytes.toString()))),
      ({ bytes }) => Buffer.from(bytes).toString()
    )
  return { inbox, released, unreadable, put, take }
}

describe("Inbox", () => {
  it.effect("gives messages of a channel in order, and their room back with them", () =>
    Effect.gen(function* () {
      const { put, released, take } = world()
      put("1")
      put("2", "other")
      put("3")
      assert.deepStrictEqual([yield* take(), yield* take()], ["1", "3"])
      assert.deepStrictEqual(released, ["1", "3"])
      const waiting = yield* Effect.forkChild(take())
      yield* Effect.yieldNow
      put("4")
      assert.strictEqual(yield* Fiber.join(waiting), "4")
    })
  )

  it.effect("lets through once what comes twice, but not what another peer sends under the same number", () =>
    Effect.gen(function* () {
      const { inbox, put, released, take } = world()
      put("1", "c", 7)
      put("1 again", "c", 7)
      put("2", "c", 7, "b")
      assert.deepStrictEqual([yield* take(), yield* take()], ["1", "2"])
      assert.deepStrictEqual(inbox.counters(), { taken: 2, again: 1, unclaimed: 0, unreadable: 0, waiting: 0 })
      assert.include(released, "1 again")
    })
  )

  it.effect("passes over what cannot be read, tells of it, and loses nothing to whoever stops waiting", () =>
    Effect.gen(function* () {
      const { inbox, put, take, unreadable } = world()
      const gone = yield* Effect.forkChild(take())
      yield* Effect.yieldNow
      yield* Fiber.interrupt(gone)
      put("bad")
      put("good")
      assert.strictEqual(yield* take(), "good")
      assert.deepStrictEqual(unreadable, ["bad"])
      assert.strictEqual(inbox.counters().unreadable, 1)
    })
  )

  it.effect("gives up after a minute what is on a channel nobody has ever taken from, and keeps the rest", () =>
    Effect.gen(function* () {
      const { inbox, put, released, take } = world({ channels: 2, unclaimedMillis: 60_000 })
      put("old")
      inbox.tick(50_000)
      put("new")
      inbox.tick(70_000)
      assert.deepStrictEqual(released, ["old"])
      assert.strictEqual(yield* take(), "new")
      put("kept")
      inbox.tick(1_000_000)
      assert.strictEqual(yield* take(), "kept")
      put("x", "second")
      assert.include(put("y", "third"), "none of them")
      assert.deepStrictEqual(inbox.counters(), { taken: 2, again: 0, unclaimed: 2, unreadable: 0, waiting: 1 })
    })
  )
})
