import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Option, Ref, Schema } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, beforeAll } from "vitest"
import * as Ass from "../../src/ass/Ass.ts"
import * as Late from "../../src/ass/Late.ts"
import * as Local from "../../src/ass/Local.ts"
import { Settings } from "../../src/ass/Settings.ts"
import * as LocalState from "../../src/group/LocalState.ts"
import { eventually } from "../group/fixtures/nodes.ts"
import { bytes, contract, listening, text } from "./fixtures/contract.ts"
import { Postgres } from "./fixtures/postgres.ts"

const patience = 60_000

const made = <E>(build: Parameters<typeof Late.make<E>>[0]["build"]) =>
  Late.make({ engine: "alone", promises: Local.promises, store: Local.store, patience: Duration.seconds(5), build })

let postgres: Postgres
beforeAll(async () => {
  postgres = await Postgres.start()
}, patience)
afterAll(() => postgres.stop(), patience)
const client = Effect.suspend(() => postgres.client)

const there = Effect.gen(function* () {
  const sql = yield* Effect.orDie(client)
  const engine = yield* made(
    Local.make({ sql, namespace: "late", poll: Duration.seconds(1), lease: Duration.seconds(10) })
  )
  yield* engine.get("k")
  return engine
})
contract("an engine that is there", there, { compareAndSet: true, ephemeral: true })

describe("an engine whose store comes up beside it", () => {
  it.effect("lets those who ask wait a little, then refuses them as a store that is away would, and says why", () =>
    Effect.gen(function* () {
      const engine = yield* made(Effect.fail(new Error("it starts")))
      const asked = yield* Effect.forkChild(Effect.flip(engine.put("k", bytes("1"))))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(asked.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const refused = yield* Effect.flip(engine.check)
      assert.strictEqual(refused._tag, "StoreUnreachable")
      const looked = yield* Effect.forkChild(engine.status)
      yield* TestClock.adjust("1 second")
      assert.isUndefined(looked.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const status = yield* Fiber.join(looked)
      assert.isFalse(status.healthy)
      assert.include(status.detail, "the database of this node was not reached")
      assert.isDefined(asked.pollUnsafe())
    }).pipe(Effect.scoped)
  )

  it.effect("answers whoever waits as soon as it is there, and tells watchers from the beginning", () =>
    Effect.gen(function* () {
      const up = yield* Deferred.make<void>()
      const tries = yield* Ref.make(0)
      const engine = yield* made(
        Effect.gen(function* () {
          if ((yield* Ref.updateAndGet(tries, (n) => n + 1)) < 3) return yield* Effect.fail(new Error("it starts"))
          yield* Deferred.await(up)
          return yield* LocalState.make
        })
      )
      const heard = yield* listening(engine, "")
      const asked = yield* Effect.forkChild(engine.put("k", bytes("1")))
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(up, undefined)
      yield* Effect.yieldNow
      yield* TestClock.adjust("1 second")
      assert.isDefined(asked.pollUnsafe())
      assert.strictEqual(text(yield* engine.get("k")), "1")
      assert.isTrue((yield* engine.status).healthy)
      const said = [yield* heard.next]
      if (said[0] === "current") said.push(yield* heard.next)
      assert.include(said, "k=1")
    }).pipe(Effect.scoped)
  )

  it.live(
    "is a database that comes late, goes and comes back: typed errors meanwhile, and nothing acknowledged is lost",
    () =>
      Effect.gen(function* () {
        const database = yield* Ref.make<Option.Option<Effect.Success<typeof client>>>(Option.none())
        const settings = Schema.decodeUnknownSync(Settings)({})
        const engine = yield* Ass.makeAlone(settings, Ref.get(database))
        assert.strictEqual((yield* Effect.flip(engine.check))._tag, "StoreUnreachable")
        const asked = yield* Effect.forkChild(engine.put("early", bytes("1")))
        yield* Ref.set(database, Option.some(yield* client))
        yield* eventually(Effect.sync(() => assert.isDefined(asked.pollUnsafe())))
        yield* engine.put("k", bytes("1"))
        yield* Effect.promise(() => postgres.down())
        const refused = yield* Effect.flip(engine.put("k", bytes("2")))
        assert.include(["StoreUnreachable", "OutcomeUnknown"], refused._tag)
        assert.isFalse((yield* engine.status).healthy)
        yield* Effect.promise(() => postgres.up())
        yield* eventually(engine.check)
        assert.strictEqual(text(yield* engine.get("early")), "1")
        assert.strictEqual(text(yield* engine.get("k")), "1")
        yield* engine.put("k", bytes("3"))
        assert.strictEqual(text(yield* engine.get("k")), "3")
      }).pipe(Effect.scoped),
    patience
  )
})
