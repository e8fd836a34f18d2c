import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { type Change, latest } from "../../src/ass/StateSync.ts"

const put = (key: string, value: number): Change => ({
  _tag: "Put",
  entry: { key, value: Uint8Array.of(value), version: BigInt(value) }
})
const deleted = (key: string, version: number): Change => ({ _tag: "Deleted", key, version: BigInt(version) })

const states = (changes: ReadonlyArray<Change>) =>
  Stream.fromIterable(changes).pipe(
    // One after the other, each only when the one before was taken.
    (stream) =>
      latest(
        Stream.mapEffect(stream, (change) => Effect.as(Effect.sleep("1 millis"), change)),
        "k"
      ),
    Stream.map((entry) => Option.getOrUndefined(Option.map(entry, ({ value }) => value[0]))),
    Stream.runCollect
  )

describe("the states of one key", () => {
  it.live("begin with what it is, are told only when that is known, and leave other keys out", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual([...(yield* states([put("k", 1), put("k2", 9), { _tag: "Current" }]))], [1])
      assert.deepStrictEqual([...(yield* states([put("k", 1), put("k", 2)]))], [])
      assert.deepStrictEqual([...(yield* states([{ _tag: "Current" }, put("kk", 1)]))], [undefined])
    })
  )

  it.live("follow each change that there is time for, and end with the last", () =>
    Effect.gen(function* () {
      const all = yield* states([{ _tag: "Current" }, put("k", 1), deleted("k", 2), put("k", 3)])
      assert.strictEqual(all.at(-1), 3)
      const flood = Array.from({ length: 500 }, (_, i) => put("k", i % 250))
      const slow = yield* latest(Stream.fromIterable<Change>([{ _tag: "Current" }, ...flood]), "k").pipe(
        Stream.tap(() => Effect.sleep("2 millis")),
        Stream.runCollect
      )
      assert.isBelow(slow.length, 500)
      assert.deepStrictEqual(
        Option.map(slow.at(-1) ?? Option.none(), ({ value }) => value[0]),
        Option.some(249)
      )
    })
  )
})
