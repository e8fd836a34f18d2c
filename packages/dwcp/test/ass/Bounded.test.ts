import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import * as Bounded from "../../src/ass/Bounded.ts"
import { bytes } from "./fixtures/contract.ts"
import { node } from "./fixtures/gossip.ts"

describe("a bounded engine", () => {
  it.live("takes what every engine takes, and refuses the rest before any engine sees it", () =>
    Effect.gen(function* () {
      const inner = yield* node()
      const engine = Bounded.make(inner, { maxValue: 10 })
      yield* engine.put("k".repeat(1024), bytes("1234567890"))
      yield* engine.put("ключ/🔑", bytes("1"))
      assert.strictEqual((yield* engine.list("")).length, 2)
      const wrong: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        engine.put("", bytes("1")),
        engine.put("a\u0000b", bytes("1")),
        engine.put("\ud800", bytes("1")),
        engine.put("k".repeat(1025), bytes("1")),
        engine.put("ü".repeat(513), bytes("1")),
        engine.put("k", bytes("12345678901")),
        engine.get(""),
        engine.delete(""),
        engine.list("\u0000"),
        engine.compareAndSet("", Option.none(), bytes("1")),
        Stream.runDrain(engine.watch("\u0000")),
        Stream.runDrain(engine.subscribe(""))
      ]
      for (const one of wrong) assert.strictEqual((yield* Effect.flip(one))._tag, "RequestRefused")
      assert.strictEqual((yield* inner.list("")).length, 2)
    }).pipe(Effect.scoped)
  )

  it.live(
    "refuses transactions that are too long, write a key twice, or have something in them that is refused alone",
    () =>
      Effect.gen(function* () {
        const engine = Bounded.make(yield* node(), { maxValue: 10 })
        const put = (key: string, value = "1") => ({ _tag: "Put" as const, key, value: bytes(value) })
        const wrong = [
          { when: [], perform: [put("k"), put("k")] },
          { when: [], perform: [], otherwise: [put("k"), { _tag: "Delete" as const, key: "k" }] },
          { when: [], perform: Array.from({ length: 129 }, (_, i) => put(`k${i}`)) },
          { when: [{ _tag: "Absent" as const, key: "" }], perform: [] },
          { when: [], perform: [put("k", "too long for it")] }
        ]
        for (const transaction of wrong) {
          assert.strictEqual((yield* Effect.flip(engine.transaction(transaction)))._tag, "RequestRefused")
        }
        // This one came through, and the engine behind says what it thinks of it.
        assert.strictEqual(
          (yield* Effect.flip(engine.transaction({ when: [], perform: [put("k")] })))._tag,
          "NotPromised"
        )
      }).pipe(Effect.scoped)
  )
})
