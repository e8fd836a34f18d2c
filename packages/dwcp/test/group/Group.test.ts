import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { pair, platform } from "./fixtures/nodes.ts"

describe("Group", () => {
  it.live(
    "carries messages between two nodes of v3, compressed, and says that all six are up",
    () =>
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        const text = Buffer.from("novacron ".repeat(40_000))
        const delivery = yield* a.dwcp.send(b.peer, text, { channel: "words" })
        const message = yield* b.dwcp.take("words")
        assert.strictEqual(message.from, "a")
        assert.isTrue(text.equals(message.bytes))
        assert.strictEqual(delivery.version, "v3")
        assert.isBelow(delivery.wireBytes, text.length / 20)
        for (const size of [0, 1, 100_000, 3_000_000]) {
          const bytes = randomBytes(size)
          yield* a.dwcp.send(b.peer, bytes)
          assert.isTrue(bytes.equals((yield* b.dwcp.take("messages")).bytes))
        }
        const status = yield* a.dwcp.status
        assert.strictEqual(status.state, "up")
        assert.deepStrictEqual(
          status.subsystems.map(({ name, state }) => [name, state]),
          ["amst", "hde", "pba", "ass", "acp", "itp"].map((name) => [name, "up"])
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    60_000
  )
})
