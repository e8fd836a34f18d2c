import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Option, Schema, Stream } from "effect"
import * as Typed from "../../src/ass/Typed.ts"
import { bytes, text } from "./fixtures/contract.ts"
import { node } from "./fixtures/gossip.ts"

const Seat = Schema.Struct({ row: Schema.Int, taken: Schema.DateTimeUtcFromString })
const seat = { row: 3, taken: DateTime.makeUnsafe("2026-11-22T21:00:00Z") }

describe("typed values", () => {
  it.live("are read as they were put, and stand in the store as JSON", () =>
    Effect.gen(function* () {
      const engine = yield* node()
      const seats = Typed.json(engine, Seat)
      const version = yield* seats.put("seat/1", seat)
      assert.deepStrictEqual(yield* seats.get("seat/1"), Option.some({ value: seat, version }))
      assert.strictEqual(text(yield* engine.get("seat/1")), `{"row":3,"taken":"2026-11-22T21:00:00.000Z"}`)
      assert.deepStrictEqual([...(yield* seats.list("seat/"))], [["seat/1", { value: seat, version }]])
      assert.isTrue(Option.isNone(yield* seats.get("seat/2")))
    }).pipe(Effect.scoped)
  )

  it.live("that are none end with an error that names the key, in lists and for subscribers too", () =>
    Effect.gen(function* () {
      const engine = yield* node()
      const seats = Typed.json(engine, Seat)
      for (const wrong of ["", "{", `{"row":"first"}`, "\u00ff"]) {
        yield* engine.put("seat/1", bytes(wrong))
        assert.deepInclude(yield* Effect.flip(seats.get("seat/1")), { _tag: "ValueMalformed", key: "seat/1" })
      }
      assert.strictEqual((yield* Effect.flip(seats.list("seat/")))._tag, "ValueMalformed")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(seats.subscribe("seat/1"))))._tag, "ValueMalformed")
    }).pipe(Effect.scoped)
  )

  it.live("come to subscribers as they change", () =>
    Effect.gen(function* () {
      const seats = Typed.json(yield* node(), Seat)
      yield* seats.put("seat/1", seat)
      const first = yield* Effect.forkScoped(Stream.runHead(seats.subscribe("seat/1")))
      const got = Option.flatten(yield* Fiber.join(first))
      assert.deepStrictEqual(
        Option.map(got, ({ value }) => value),
        Option.some(seat)
      )
    }).pipe(Effect.scoped)
  )
})
