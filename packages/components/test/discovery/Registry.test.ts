import { afterAll, assert, beforeAll, describe } from "vitest"
import { it } from "@effect/vitest"
import { Effect, Exit, Option, Schema, Scope } from "effect"
import * as Etcd from "./Etcd.ts"
import * as Discovery from "../../src/discovery/Component.ts"
import * as Registry from "../../src/discovery/Registry.ts"
import { Settings } from "../../src/discovery/Settings.ts"

const peer = (id: string, incarnation = id): Registry.Peer => ({
  id,
  incarnation,
  addresses: { api: `https://${id}:8443` },
  version: "0.1.0",
  environment: "hybrid",
  startedAt: 1_700_000_000_000
})

/** A shared state in memory, which can be away. */
const memory = () => {
  const kept = new Map<string, Uint8Array>()
  const it = { isAway: false, kept }
  const unless = <A>(what: () => A) => Effect.suspend(() => (it.isAway ? Effect.fail("away") : Effect.succeed(what())))
  const state: Registry.SharedState = {
    put: (key, value) => unless(() => kept.set(key, value)),
    get: (key) => unless(() => Option.map(Option.fromUndefinedOr(kept.get(key)), (value) => ({ value }))),
    list: (prefix) => unless(() => [...kept].filter(([key]) => key.startsWith(prefix)).map(([, value]) => ({ value }))),
    delete: (key) => unless(() => kept.delete(key))
  }
  return { ...it, state, set: (isAway: boolean) => (it.isAway = isAway) }
}

describe("a registry in a shared state", () => {
  it.effect("has who was entered, until that one takes its own entry away", () =>
    Effect.gen(function* () {
      const { kept, state } = memory()
      const registry = Registry.shared("memory", state)
      assert.strictEqual(yield* registry.keep(peer("a")), "Kept")
      assert.strictEqual(yield* registry.keep(peer("b")), "Kept")
      assert.deepStrictEqual(yield* registry.list, [peer("a"), peer("b")])
      const moved = { ...peer("b"), addresses: { api: "https://b:4711" } }
      assert.strictEqual(yield* registry.keep(moved), "Kept")
      assert.deepStrictEqual(yield* registry.list, [peer("a"), moved])
      yield* registry.keep(peer("b"))
      yield* registry.remove(peer("a", "another process"))
      assert.strictEqual(kept.size, 2)
      yield* registry.remove(peer("a"))
      assert.deepStrictEqual(yield* registry.list, [peer("b")])
    })
  )

  it.effect("goes to who came last, and enters who was forgotten again", () =>
    Effect.gen(function* () {
      const { kept, state } = memory()
      const registry = Registry.shared("memory", state)
      yield* registry.keep(peer("a", "first"))
      assert.strictEqual(yield* registry.keep(peer("a", "second")), "Kept")
      assert.strictEqual(yield* registry.keep(peer("a", "first")), "Replaced")
      assert.deepStrictEqual(yield* registry.list, [peer("a", "second")])
      kept.clear()
      assert.strictEqual(yield* registry.keep(peer("a", "second")), "Kept")
      assert.strictEqual(kept.size, 1)
    })
  )

  it.effect("passes over what is no entry", () =>
    Effect.gen(function* () {
      const { kept, state } = memory()
      const registry = Registry.shared("memory", state)
      yield* registry.keep(peer("a"))
      const [key = ""] = [...kept.keys()]
      for (const [k, text] of ["", "{", "[]", '{"id":"","incarnation":1}', "\u0000"].entries()) {
        kept.set(`${key}${k}`, Buffer.from(text))
      }
      assert.deepStrictEqual(yield* registry.list, [peer("a")])
    })
  )

  it.effect("is opened when it is asked first, and tried again when that fails", () =>
    Effect.gen(function* () {
      const { state } = memory()
      let tries = 0
      const open = Effect.suspend(() => (++tries < 3 ? Effect.fail("not yet") : Effect.succeed(state)))
      const registry = Registry.shared("memory", yield* Registry.opening(open))
      assert.strictEqual(tries, 0)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(registry.list)))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(registry.keep(peer("a")))))
      assert.strictEqual(yield* registry.keep(peer("a")), "Kept")
      assert.deepStrictEqual(yield* registry.list, [peer("a")])
      assert.strictEqual(tries, 3)
    }).pipe(Effect.scoped)
  )
})

describe("a registry in a real etcd", () => {
  let server: Etcd.Etcd
  beforeAll(async () => {
    server = await Etcd.start()
  }, 60_000)
  afterAll(() => server.stop())

  const settings = () =>
    Schema.decodeUnknownSync(Settings)({
      lease: "2s",
      interval: "50ms",
      etcd: { endpoints: [server.endpoint], insecure: true }
    })

  const node = (id: string) =>
    Effect.gen(function* () {
      const registry = yield* Discovery.etcd(settings())
      return yield* Discovery.make(settings(), { id, version: "0.1.0", addresses: () => ({}) }, [registry])
    })

  const until = <A, E, R>(ask: Effect.Effect<A, E, R>, isSo: (value: A) => boolean) =>
    Effect.repeat(Effect.delay(ask, "20 millis"), { until: isSo }).pipe(
      Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die(new Error("it did not come to that")) })
    )

  it.live(
    "lets nodes find each other, and forgets who stops at once",
    () =>
      Effect.gen(function* () {
        const a = yield* node("a")
        const scope = yield* Scope.make()
        yield* Scope.provide(node("b"), scope)
        yield* until(a.peers, (peers) => peers.map(({ id }) => id).join() === "b")
        yield* a.check
        yield* Scope.close(scope, Exit.void)
        yield* until(a.peers, (peers) => peers.length === 0)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "says that nobody finds the node while etcd is not to be used",
    () =>
      Effect.gen(function* () {
        const bad = Schema.decodeUnknownSync(Settings)({ lease: "100ms", etcd: { endpoints: ["http://127.0.0.1:1"] } })
        const registry = yield* Discovery.etcd(bad)
        const it = yield* Discovery.make(bad, { id: "n", version: "1", addresses: () => ({}) }, [registry])
        const exit = yield* until(Effect.exit(it.check), Exit.isFailure)
        assert.include(String(exit), "could not be entered in etcd")
      }).pipe(Effect.scoped),
    60_000
  )
})
