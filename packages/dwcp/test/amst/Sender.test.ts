import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { createHash } from "node:crypto"
import { connect, createServer } from "node:net"
import { Amst } from "../../src/amst/index.ts"
import { dice } from "./fixtures/dice.ts"
import { amst, both, noise } from "./fixtures/worlds.ts"

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("Sender", () => {
  for (const seed of Array.from({ length: Number(process.env["SEEDS"] ?? 3) }, (_, k) => k + 1)) {
    it.live(`loses nothing and doubles nothing while streams die, seed ${seed}`, () =>
      Effect.gen(function* () {
        const roll = dice(seed)
        const { link, listener } = yield* both({}, { streams: 6 })
        const kills = Effect.gen(function* () {
          yield* Effect.sleep(1 + roll(8))
          for (let k = roll(4); k >= 0; k--) yield* link.sever(roll(6))
        }).pipe(Effect.forever)
        yield* Effect.forkScoped(kills)
        const sizes = Array.from({ length: 12 }, () => (roll(4) === 0 ? roll(100) : roll(9_000_000)))
        const sent = sizes.map((size) => noise(size))
        const taken = yield* Effect.forkScoped(Effect.forEach(sent, () => listener.take))
        const receipts = yield* Effect.forEach(sent, (bytes, k) => link.send(bytes, { name: String(k) }), {
          concurrency: 3
        })
        const messages = yield* Fiber.join(taken)
        assert.deepStrictEqual(
          messages.map(({ name }) => Number(name)).toSorted((a, b) => a - b),
          sent.map((_, k) => k)
        )
        for (const { bytes, name } of messages) assert.isTrue(sent[Number(name)]!.equals(bytes))
        assert.deepStrictEqual(
          receipts.map(({ hash }) => hash),
          sent.map(sha)
        )
        assert.isAbove((yield* link.status).died, 5) // they did die
        assert.strictEqual((yield* listener.counters).heldBytes, 0)
        assert.strictEqual(Option.isNone(yield* Effect.timeoutOption(listener.take, 100)), true)
      }).pipe(Effect.provide(amst()))
    )
  }

  it.live("arrives although a stream stands still at the end, and little of it goes twice", () =>
    Effect.gen(function* () {
      const amst = yield* Amst
      const listener = yield* amst.listen({ host: "127.0.0.1", port: 0 })
      // The second connection that is made carries a megabyte, and nothing after that.
      let [connections, passed] = [0, 0]
      const proxy = createServer((near) => {
        const far = connect(listener.port, "127.0.0.1")
        const isSlow = connections++ === 1
        near.on("data", (data: Buffer) => {
          far.write(data)
          if (isSlow && (passed += data.length) > 1_000_000) near.pause()
        })
        far.pipe(near)
        for (const [socket, other] of [
          [near, far],
          [far, near]
        ] as const) {
          socket.on("error", () => other.destroy())
          socket.on("close", () => other.destroy())
        }
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void proxy.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => void proxy.close())
      )
      const bound = proxy.address()
      const port = typeof bound === "object" && bound !== null ? bound.port : 0
      const link = yield* amst.connect({ host: "127.0.0.1", port }, { streams: 3 })
      const bytes = noise(30_000_000)
      yield* link.send(bytes)
      assert.isTrue(bytes.equals((yield* listener.take).bytes))
      const { died } = yield* link.status
      assert.deepStrictEqual({ died, connections, stuck: passed > 1_000_000 }, { died: 0, connections: 3, stuck: true })
      assert.isBelow((yield* listener.counters).duplicates * 262_144, 15_000_000)
    }).pipe(Effect.provide(amst({ stall: "60s" })))
  )

  it.live("keeps its streams for the next transfer", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both({}, { streams: 3 })
      for (let k = 0; k < 5; k++) yield* link.send(noise(2_000_000))
      const { died, most } = yield* link.status
      assert.deepStrictEqual(
        { died, most, streams: (yield* listener.counters).streams },
        { died: 0, most: 3, streams: 3 }
      )
    }).pipe(Effect.provide(amst()))
  )
})
