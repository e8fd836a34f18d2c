import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, Option, Redacted, Result } from "effect"
import * as Address from "../../src/cache/Address.ts"
import type { Invalidation } from "../../src/cache/Cache.ts"
import * as Ledger from "../../src/cache/Ledger.ts"
import * as Redis from "../../src/cache/Redis.ts"
import * as Shared from "../../src/cache/Shared.ts"
import { becomes, settingsOf } from "./fixtures/caches.ts"
import * as RedisServer from "./fixtures/redisServer.ts"

/** One of several nodes on a Redis. */
const node = (url: string, id: string, fields = {}, late: Duration.Input = 0) =>
  Effect.gen(function* () {
    const ledger = Ledger.make()
    const heard: Array<Invalidation> = []
    const tell = (it: Invalidation) => {
      heard.push(it)
      ledger.tell(it)
    }
    const address = Result.getOrThrow(Address.parse(Redacted.make(url)))
    const options = { commandTimeoutMs: 200, tls: undefined }
    const direct = yield* Redis.connect(address, { ...options, name: `commands-${id}` })
    const commands: Redis.Client = { ...direct, run: (command) => Effect.tap(direct.run(command), Effect.sleep(late)) }
    const news = yield* Redis.connect(address, { ...options, name: `news-${id}` })
    const cache = yield* Shared.make(settingsOf({ url, ...fields }), { ...ledger, tell }, { commands, news, id })
    const copies = Effect.map(cache.stats, ({ entries }) => entries)
    return { cache, commands, copies, heard, ledger, news }
  })

/** What Redis has counted. */
const published = (commands: Redis.Client) =>
  Effect.map(
    commands.run((redis) => redis.info("commandstats")),
    (text) => Number(/cmdstat_publish:calls=(\d+)/.exec(text)?.[1] ?? 0)
  )

describe.skipIf(RedisServer.lacking !== undefined)("two nodes with one Redis", () => {
  it.live("see each other's values, and keep copies of them", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const a = yield* node(url, "a")
      const b = yield* node(url, "b")
      yield* a.cache.set("key", "value", "1 minute")
      assert.deepStrictEqual(yield* b.cache.get("key"), Option.some("value"))
      assert.deepStrictEqual([yield* a.copies, yield* b.copies], [1, 1])
      const leftMs = yield* b.commands.run((redis) => redis.pttl("novacron:value:key"))
      assert.isTrue(leftMs > 50_000 && leftMs <= 60_000, `${leftMs}`)
      // From the copy: it is there although Redis no longer has it.
      yield* a.commands.run((redis) => redis.del("novacron:value:key"))
      assert.deepStrictEqual(yield* b.cache.get("key"), Option.some("value"))
    }).pipe(Effect.scoped)
  )

  it.live("drop their copy when the other one writes or deletes, and not when they do themselves", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const a = yield* node(url, "a")
      const b = yield* node(url, "b")
      yield* a.cache.set("written", "old")
      yield* a.cache.set("deleted", "old")
      for (const key of ["written", "deleted"]) yield* b.cache.get(key)
      yield* becomes(b.copies, 2)
      b.heard.length = 0

      yield* a.cache.set("written", "new")
      yield* a.cache.delete("deleted")
      yield* becomes(b.copies, 0)
      assert.deepStrictEqual(yield* b.cache.get("written"), Option.some("new"))
      assert.deepStrictEqual(yield* b.cache.get("deleted"), Option.none())
      assert.deepStrictEqual(b.heard, [
        { _tag: "Changed", key: "written" },
        { _tag: "Changed", key: "deleted" }
      ])
      assert.deepStrictEqual(a.heard, [])
      assert.strictEqual(yield* a.copies, 1)
    }).pipe(Effect.scoped)
  )

  it.live("send one piece of news for each change, and none because of news", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const a = yield* node(url, "a")
      const b = yield* node(url, "b")
      for (let i = 0; i < 20; i++) {
        yield* a.cache.set(`${i % 3}`, `${i}`)
        yield* b.cache.get(`${i % 3}`)
        yield* b.cache.set(`${i % 3}`, `${i}`)
      }
      yield* becomes(
        Effect.sync(() => a.heard.length + b.heard.length),
        40
      )
      assert.strictEqual(yield* published(a.commands), 40)
    }).pipe(Effect.scoped)
  )

  it.live("make no copy of a value about which there was news while it was on its way", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const a = yield* node(url, "a")
      const b = yield* node(url, "b", {}, "100 millis")
      yield* a.cache.set("read", "old")
      // What b gets, it gets late: news of the change overtake it.
      const reading = yield* Effect.forkChild(b.cache.get("read"))
      const writing = yield* Effect.forkChild(b.cache.set("written", "b"))
      yield* Effect.sleep("50 millis")
      yield* a.cache.set("read", "new")
      yield* a.cache.set("written", "a")
      assert.deepStrictEqual(yield* Fiber.join(reading), Option.some("old"))
      yield* Fiber.join(writing)
      assert.strictEqual(yield* b.copies, 0)
      assert.deepStrictEqual(yield* b.cache.get("read"), Option.some("new"))
      assert.deepStrictEqual(yield* b.cache.get("written"), Option.some("a"))
      assert.strictEqual(yield* b.copies, 2)
    }).pipe(Effect.scoped)
  )

  it.live("drop all copies when the connection for news is lost, and make some again when it is back", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const a = yield* node(url, "a")
      const b = yield* node(url, "b")
      yield* a.cache.set("key", "1")
      yield* b.cache.get("key")
      assert.strictEqual(yield* b.copies, 1)
      b.heard.length = 0
      yield* a.commands.run((redis) => redis.call("CLIENT", "KILL", "TYPE", "pubsub"))
      yield* becomes(b.copies, 0)
      assert.deepStrictEqual(b.heard, [{ _tag: "Anything" }])
      yield* becomes(Effect.andThen(b.cache.get("key"), b.copies), 1)
      yield* a.cache.delete("key")
      yield* becomes(b.copies, 0)
    }).pipe(Effect.scoped)
  )

  it.live("do not hear of another database, or of a message that makes no sense", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const a = yield* node(url, "a")
      const elsewhere = yield* node(`${url}/1`, "b")
      yield* elsewhere.cache.set("key", "1")
      assert.deepStrictEqual(yield* a.cache.get("key"), Option.none())
      for (const text of ["", "{", "{}", '{"by":1,"key":"a"}', "null"]) {
        yield* a.commands.run((redis) => redis.publish("novacron:news:0", text))
      }
      yield* a.commands.run((redis) => redis.publish("novacron:news:0", '{"by":"c","key":"real"}'))
      yield* becomes(
        Effect.sync(() => a.heard.length),
        1
      )
      assert.deepStrictEqual(a.heard, [{ _tag: "Changed", key: "real" }])
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(RedisServer.lacking !== undefined)("a node whose Redis does not answer", () => {
  it.live("finds nothing, owes what it changed, and soon stops asking", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const { cache, heard } = yield* node(server.url, "a")
      yield* cache.set("a", "1")
      yield* server.freeze
      yield* cache.set("a", "2")
      yield* cache.delete("b")
      assert.deepStrictEqual(yield* cache.get("c"), Option.none())
      const startedAt = performance.now()
      for (let i = 0; i < 50; i++) yield* cache.get(`${i}`)
      // One that is asked would take 200 ms.
      assert.isBelow(performance.now() - startedAt, 1_000)
      assert.deepInclude(yield* cache.stats, { owed: 2, misses: 51, errors: 53 })
      assert.strictEqual((yield* Effect.flip(cache.check))._tag, "CacheUnavailable")
      yield* server.thaw
      yield* becomes(Effect.match(cache.check, { onSuccess: () => "well", onFailure: () => "ill" }), "well")
      assert.strictEqual((yield* cache.stats).owed, 0)
      assert.isAtMost(heard.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("is not well when Redis answers and cannot write", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start({ lines: ["maxmemory 1", "maxmemory-policy noeviction"] })
      const error = yield* Effect.flip(Effect.flatMap(node(server.url, "a"), ({ cache }) => cache.check))
      assert.include(String((error.cause as Error).message), "OOM")
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(RedisServer.lacking !== undefined)("what is owed", () => {
  it.live("is everything when nobody knows any more, and then everything of ours goes, and nothing else", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const a = yield* node(url, "a", { prefix: "a*:" })
      const b = yield* node(url, "b", { prefix: "a*:" })
      for (let i = 0; i < 1_200; i++) yield* a.cache.set(`${i}`, "1")
      yield* a.commands.run((redis) => redis.set("axe:value:foreign", "stays"))
      yield* b.cache.get("7")
      a.ledger.owed.add({ _tag: "Everything" })
      assert.deepStrictEqual(yield* a.cache.get("8"), Option.none())
      yield* a.cache.check
      assert.deepInclude(yield* a.cache.stats, { owed: 0 })
      assert.strictEqual(yield* a.commands.run((redis) => redis.exists("a*:value:7", "a*:value:1199")), 0)
      assert.strictEqual(yield* a.commands.run((redis) => redis.get("axe:value:foreign")), "stays")
      yield* becomes(b.copies, 0)
      assert.deepStrictEqual(b.heard.at(-1), { _tag: "Anything" })
    }).pipe(Effect.scoped)
  )

  it.live("is not served, even to whoever asked before it was owed", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const { cache, ledger } = yield* node(url, "a", {}, "100 millis")
      const other = yield* node(url, "b")
      yield* other.cache.set("a", "old")
      const reading = yield* Effect.forkChild(cache.get("a"))
      yield* Effect.sleep("30 millis")
      ledger.owed.add("a")
      assert.deepStrictEqual(yield* Fiber.join(reading), Option.none())
      assert.deepStrictEqual(yield* cache.get("a"), Option.none())
      assert.strictEqual((yield* cache.stats).owed, 0)
    }).pipe(Effect.scoped)
  )

  it.live("does not outlive a value that is written anew, and a value too large is forgotten everywhere", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.start()
      const { cache, commands, ledger } = yield* node(url, "a", { maxMemory: "1 KiB" })
      ledger.owed.add("a")
      yield* cache.set("a", "1")
      assert.strictEqual((yield* cache.stats).owed, 0)
      assert.deepStrictEqual(yield* cache.get("a"), Option.some("1"))
      yield* cache.set("a", "x".repeat(2_000))
      assert.deepStrictEqual(yield* cache.get("a"), Option.none())
      assert.strictEqual(yield* commands.run((redis) => redis.exists("novacron:value:a")), 0)
    }).pipe(Effect.scoped)
  )
})
