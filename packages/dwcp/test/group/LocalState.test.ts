import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import * as LocalState from "../../src/group/LocalState.ts"

const bytes = (text: string) => Buffer.from(text)
const texts = Option.map(({ value }: { readonly value: Uint8Array }) => Buffer.from(value).toString())

describe("state of a node alone", () => {
  it.effect("keeps what is put, with versions that grow", () =>
    Effect.gen(function* () {
      const state = yield* LocalState.make
      const first = yield* state.put("a/1", bytes("x"))
      const second = yield* state.put("a/2", bytes("y"))
      assert.isTrue(second > first)
      assert.deepStrictEqual(texts(yield* state.get("a/1")), Option.some("x"))
      assert.deepStrictEqual(
        (yield* state.list("a/")).map(({ key }) => key),
        ["a/1", "a/2"]
      )
      assert.isTrue(yield* state.delete("a/1"))
      assert.isFalse(yield* state.delete("a/1"))
      assert.isTrue(Option.isNone(yield* state.get("a/1")))
      yield* state.check
      assert.strictEqual((yield* state.status).engine, "alone")
    }).pipe(Effect.scoped)
  )

  it.effect("writes under a condition or not at all", () =>
    Effect.gen(function* () {
      const state = yield* LocalState.make
      const version = yield* state.compareAndSet("k", Option.none(), bytes("1"))
      assert.strictEqual((yield* Effect.flip(state.compareAndSet("k", Option.none(), bytes("2"))))._tag, "Conflict")
      yield* state.compareAndSet("k", Option.some(version), bytes("3"))
      const put = { _tag: "Put" as const, key: "l", value: bytes("!") }
      const when = [{ _tag: "Value" as const, key: "k", value: bytes("3") }]
      assert.isTrue((yield* state.transaction({ when, perform: [put] })).succeeded)
      const no = yield* state.transaction({
        when: [...when, { _tag: "Absent", key: "l" }],
        perform: [{ _tag: "Delete", key: "k" }],
        otherwise: [{ _tag: "Delete", key: "l" }]
      })
      assert.isFalse(no.succeeded)
      assert.deepStrictEqual(
        (yield* state.list("")).map(({ key }) => key),
        ["k"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("tells a watcher what is there, and then each change once, in order", () =>
    Effect.gen(function* () {
      const state = yield* LocalState.make
      yield* state.put("a/1", bytes("x"))
      const heard = yield* state
        .watch("a/")
        .pipe(Stream.take(4), Stream.runCollect, Effect.forkScoped({ startImmediately: true }))
      yield* Effect.yieldNow
      yield* state.put("b/1", bytes("not for it"))
      yield* state.put("a/2", bytes("y"))
      yield* state.delete("a/1")
      assert.deepStrictEqual(
        (yield* Fiber.join(heard)).map((change) => [
          change._tag,
          change._tag === "Put" ? change.entry.key : change._tag === "Deleted" ? change.key : ""
        ]),
        [
          ["Put", "a/1"],
          ["Current", ""],
          ["Put", "a/2"],
          ["Deleted", "a/1"]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("refuses keys that are none, and more than it has room for", () =>
    Effect.gen(function* () {
      const state = yield* LocalState.make
      assert.strictEqual((yield* Effect.flip(state.put("", bytes("x"))))._tag, "RequestRefused")
      assert.strictEqual((yield* Effect.flip(state.put("big", Buffer.alloc(65 << 20))))._tag, "StoreFull")
      assert.strictEqual((yield* state.list("")).length, 0)
    }).pipe(Effect.scoped)
  )
})
