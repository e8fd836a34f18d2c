import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { amst, both } from "./fixtures/worlds.ts"

describe("Probe", () => {
  it.live("measures the way to a peer, and leaves no session behind", () =>
    Effect.gen(function* () {
      const { amst, listener } = yield* both()
      const { bytes, echoMillis, sample } = yield* amst.probe({ host: "127.0.0.1", port: listener.port })
      assert.strictEqual(echoMillis.length, 10)
      assert.isAtMost(bytes, 1_100_000)
      assert.isAbove(sample.throughput ?? 0, 0)
      assert.isBelow(sample.rttMillis ?? Infinity, 1_000)
      const lost = yield* Effect.flip(amst.probe({ host: "127.0.0.1", port: 1 }))
      assert.strictEqual(lost._tag, "PeerLost")
    }).pipe(Effect.provide(amst()))
  )
})
