import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Live from "../src/Live.ts"

interface Cache {
  readonly kind: string
  readonly ping: Effect.Effect<string>
  readonly get: (key: string) => Effect.Effect<string>
  readonly size: () => number
}

const cache = (kind: string, takesMs = 0): Cache => ({
  kind,
  ping: Effect.succeed(`pong from ${kind}`),
  get: (key) => Effect.as(Effect.sleep(takesMs), `${kind}:${key}`),
  size: () => kind.length
})

/** The face has the type of what is behind it. */
const faced = (service: Cache) => {
  const live = Live.make(service)
  return { live, face: live.face as Cache }
}

describe("Live", () => {
  it.effect("follows an exchange, with members that are effects and with functions that return one", () =>
    Effect.gen(function* () {
      const { face, live } = faced(cache("memory"))
      const { get, ping } = face
      assert.strictEqual(yield* ping, "pong from memory")
      Live.exchange(live, cache("redis"))
      assert.strictEqual(yield* ping, "pong from redis")
      assert.strictEqual(yield* get("a"), "redis:a")
      assert.strictEqual(face.kind, "redis")
      assert.strictEqual(face.size(), 5)
    })
  )

  it.effect("runs an effect that was made before an exchange on what is there when it runs", () =>
    Effect.gen(function* () {
      const { face, live } = faced(cache("memory"))
      const made = face.get("a")
      Live.exchange(live, cache("redis"))
      assert.strictEqual(yield* made, "redis:a")
    })
  )

  it.effect("lets calls in flight end where they began, and is drained when they have", () =>
    Effect.gen(function* () {
      const { face, live } = faced(cache("memory", 100))
      const call = yield* Effect.forkChild(face.get("a"), { startImmediately: true })
      const before = Live.exchange(live, cache("redis"))
      const drained = yield* Effect.forkChild(Live.drained(before), { startImmediately: true })
      yield* TestClock.adjust(99)
      assert.isUndefined(drained.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(call), "memory:a")
      yield* Fiber.join(drained)
      assert.strictEqual(before.users, 0)
    })
  )

  it.effect("counts a call that fails or is interrupted as over", () =>
    Effect.gen(function* () {
      const never = yield* Deferred.make<string>()
      const { face, live } = faced({ ...cache("memory"), get: () => Deferred.await(never), ping: Effect.die("bug") })
      const call = yield* Effect.forkChild(face.get("a"), { startImmediately: true })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(face.ping)))
      const before = Live.exchange(live, cache("redis"))
      assert.strictEqual(before.users, 1)
      yield* Fiber.interrupt(call)
      assert.strictEqual(before.users, 0)
      yield* Live.drained(before)
    })
  )

  it.effect("keeps the `this` of an instance with private fields, and its class", () =>
    Effect.gen(function* () {
      class Counter {
        #count = 0
        next(): Effect.Effect<number> {
          return Effect.sync(() => ++this.#count)
        }
      }
      const live = Live.make(new Counter())
      assert.instanceOf(live.face, Counter)
      assert.strictEqual(yield* live.face.next(), 1)
      Live.exchange(live, new Counter())
      assert.strictEqual(yield* live.face.next(), 1)
      assert.isTrue("next" in live.face)
    })
  )

  it.effect("follows an exchange of services that are frozen", () =>
    Effect.gen(function* () {
      const live = Live.make(Object.freeze(cache("memory")))
      const face = live.face as Cache
      assert.strictEqual(face.kind, "memory")
      Live.exchange(live, Object.freeze(cache("redis")))
      assert.strictEqual(face.kind, "redis")
      assert.strictEqual(yield* face.get("a"), "redis:a")
    })
  )

  it.effect("follows an exchange of services that are functions with members, as SQL clients are", () =>
    Effect.gen(function* () {
      const client = (name: string) =>
        Object.assign((query: string) => Effect.succeed(`${name}: ${query}`), {
          close: Effect.succeed(`${name} closed`)
        })
      const live = Live.make(client("memory"))
      const sql = live.face as ReturnType<typeof client>
      const made = sql("select 1")
      assert.strictEqual(yield* made, "memory: select 1")
      const before = Live.exchange(live, client("postgres"))
      assert.deepStrictEqual(
        [yield* made, yield* sql("select 2"), yield* sql.close, typeof sql],
        ["postgres: select 1", "postgres: select 2", "postgres closed", "function"]
      )
      assert.strictEqual(before.users, 0)
    })
  )

  it.effect("can be listed, spread and written to like what is behind it", () =>
    Effect.gen(function* () {
      const { face, live } = faced(cache("memory"))
      const { get, kind } = { ...face }
      assert.deepStrictEqual(Object.keys(face), ["kind", "ping", "get", "size"])
      Live.exchange(live, { ...cache("redis"), kind: "other" })
      assert.deepStrictEqual([kind, yield* get("a")], ["memory", "redis:a"])
      const writable = live.face as { kind: string }
      writable.kind = "mine"
      assert.strictEqual(face.kind, "mine")
    })
  )

  it.effect("does not wait for a call that threw before there was an effect", () =>
    Effect.gen(function* () {
      const { face, live } = faced(cache("memory"))
      const made = face.get("a")
      const throws = (): Effect.Effect<string> => {
        throw new TypeError("a bug")
      }
      Live.exchange(live, { ...cache("redis"), get: throws })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(made)))
      const before = Live.exchange(live, cache("memory"))
      assert.strictEqual(before.users, 0)
    })
  )

  it("has no face for what is not an object", () => {
    assert.isFalse(Live.canFace("text"))
    assert.isFalse(Live.canFace(null))
    assert.isTrue(Live.canFace({}))
    assert.isTrue(Live.canFace(() => 1))
  })
})
