import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { createHash } from "node:crypto"
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
          yield* Effect.sleep(5 + roll(40))
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
