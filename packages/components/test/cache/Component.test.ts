import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Boot, type BootEvent, Policy, Severity } from "@novacron/boot"
import { Cause, Context, Effect, Exit, Layer, Option, Stream } from "effect"
import { vi } from "vitest"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import { Cache, CacheMisconfigured, CacheRefused, CacheUntrusted } from "../../src/cache/Cache.ts"
import { component, patience } from "../../src/cache/Component.ts"
import type { Settings } from "../../src/cache/Settings.ts"
import { Security } from "../../src/security/Security.ts"
import { authority, layerSecurity, securityOf } from "../network/fixtures/authority.ts"
import { becomes, settingsOf } from "./fixtures/caches.ts"
import * as RedisServer from "./fixtures/redisServer.ts"

const soon = (settings: Settings) =>
  Policy.perError(
    Policy.make({ name: "soon", attempts: settings.retries, delay: "20 millis" }),
    patience(settings).perError
  )
const again = Policy.make({ name: "again", attempts: Infinity, delay: "50 millis", cap: "100 millis" })

/** Boots a node that is a cache and nothing else. */
const boot = (settings: Settings, options: Boot.RunOptions = {}) =>
  Effect.gen(function* () {
    const events: Array<BootEvent.BootEvent> = []
    const running = yield* Boot.make([component(settings, { retry: soon(settings) })], {
      restoration: again,
      drain: "1 second",
      checked: true,
      observe: (event) => void events.push(event),
      ...options
    })
    const cache = Context.get(running.services, Cache)
    const state = Effect.map(running.report, ({ components }) => components.find(({ name }) => name === "cache")?.state)
    const { check } = running.health
    return { ...running, check, cache, events, state, tier: Effect.map(cache.stats, ({ tier }) => tier) }
  })

const count = (events: ReadonlyArray<BootEvent.BootEvent>, tag: BootEvent.BootEvent["_tag"]) =>
  events.filter(({ _tag }) => _tag === tag).length

/** What keeps this process from ending. */
const sockets = Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length)

/** The error behind a boot that failed. */
const fatal = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert.isTrue(Exit.isFailure(exit), "the boot has to fail")
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
  assert.instanceOf(reason?.error, Severity.Critical)
  return reason?.error instanceof Severity.Critical ? reason.error.cause : undefined
}

describe("a cache without a url", () => {
  it.live("is memory alone, and ready: nothing has failed", () =>
    Effect.gen(function* () {
      const { cache, report, state } = yield* boot(settingsOf())
      yield* cache.set("a", "1")
      assert.deepStrictEqual(yield* cache.get("a"), Option.some("1"))
      assert.strictEqual(yield* state, "ready")
      assert.strictEqual((yield* report).outcome, "ready")
      assert.include((yield* cache.check).detail, "no Redis is configured")
      assert.deepInclude(yield* cache.stats, { tier: "memory", hits: 1, owed: 0 })
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )
})

describe.skipIf(RedisServer.lacking !== undefined)("a cache with Redis", () => {
  it.live("serves from a Redis that is there, and says how it goes", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const { cache, check, report, state } = yield* boot(settingsOf({ url: server.url }))
      assert.strictEqual(yield* state, "ready")
      assert.strictEqual((yield* report).outcome, "ready")
      yield* cache.set("greeting", "hello, wörld")
      assert.deepStrictEqual(yield* cache.get("greeting"), Option.some("hello, wörld"))
      assert.deepStrictEqual(yield* cache.get("nothing"), Option.none())
      yield* cache.delete("greeting")
      assert.deepStrictEqual(yield* cache.get("greeting"), Option.none())
      assert.deepInclude(yield* cache.stats, { tier: "redis", hits: 1, misses: 2, errors: 0, owed: 0 })
      const health = yield* check("cache")
      assert.strictEqual(health.status, "healthy")
      assert.isAbove(health.latencyMs ?? -1, -1)
      assert.isAbove(health.throughput ?? 0, 0)
      assert.strictEqual(health.errorRate, 0)
      assert.deepStrictEqual(health.dependencies, {})
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live("is degraded, on memory, when Redis is not there after three attempts; and is back when Redis is", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const { cache, events, report, state, tier } = yield* boot(settingsOf({ url: `redis://localhost:${port}` }))
      assert.strictEqual(count(events, "AttemptFailed"), 3)
      assert.strictEqual((yield* report).outcome, "degraded")
      assert.strictEqual(yield* state, "degraded")
      yield* cache.set("a", "in memory")
      assert.deepStrictEqual(yield* cache.get("a"), Option.some("in memory"))
      assert.strictEqual(yield* tier, "memory")

      yield* RedisServer.start({ port })
      yield* becomes(state, "ready")
      assert.strictEqual(yield* tier, "redis")
      yield* cache.set("b", "in Redis")
      assert.deepStrictEqual(yield* cache.get("b"), Option.some("in Redis"))
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live("gives way to memory when Redis dies while the node runs, and goes back to it when it returns", () =>
    Effect.gen(function* () {
      const first = yield* RedisServer.start()
      const { cache, state, tier } = yield* boot(settingsOf({ url: first.url }), { monitor: "100 millis" })
      yield* cache.set("a", "1")
      assert.strictEqual(yield* tier, "redis")

      yield* first.kill
      // Between its death and the exchange nothing fails either: what cannot be had is not there.
      assert.isTrue(Option.isOption(yield* cache.get("a")))
      yield* becomes(state, "degraded")
      assert.strictEqual(yield* tier, "memory")
      yield* cache.set("a", "2")
      assert.deepStrictEqual(yield* cache.get("a"), Option.some("2"))

      yield* RedisServer.start({ port: first.port })
      yield* becomes(state, "ready")
      assert.strictEqual(yield* tier, "redis")
      yield* cache.set("a", "3")
      assert.deepStrictEqual(yield* cache.get("a"), Option.some("3"))
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live("does not serve from Redis what was changed while Redis could not be reached", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const settings = settingsOf({ url: server.url, commandTimeout: "100ms" })
      const { cache, state, tier } = yield* boot(settings, { monitor: "100 millis" })
      const other = yield* boot(settingsOf({ url: server.url }))
      yield* cache.set("changed", "old")
      yield* cache.set("deleted", "old")
      yield* cache.set("untouched", "same")
      assert.deepStrictEqual(yield* other.cache.get("changed"), Option.some("old"))

      // It is there, holds the values and does not answer.
      yield* server.freeze
      yield* becomes(state, "degraded")
      assert.strictEqual(yield* tier, "memory")
      yield* cache.set("changed", "new")
      yield* cache.delete("deleted")
      assert.isAtLeast((yield* cache.stats).owed, 2)

      yield* server.thaw
      yield* becomes(state, "ready")
      assert.strictEqual(yield* tier, "redis")
      assert.deepStrictEqual(yield* cache.get("changed"), Option.none())
      assert.deepStrictEqual(yield* cache.get("deleted"), Option.none())
      assert.deepStrictEqual(yield* cache.get("untouched"), Option.some("same"))
      assert.strictEqual((yield* cache.stats).owed, 0)
      yield* becomes(other.cache.get("changed"), Option.none())
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live("tells those who listen of changes by others, also after it was away", () =>
    Effect.gen(function* () {
      const first = yield* RedisServer.start()
      const settings = settingsOf({ url: first.url })
      const { cache, state } = yield* boot(settings, { monitor: "100 millis" })
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(cache.invalidations, (it) =>
          Effect.sync(() => heard.push(it._tag === "Changed" ? it.key : "anything"))
        )
      )
      yield* Effect.sleep("50 millis")
      const other = yield* boot(settings)
      yield* cache.set("own", "1")
      yield* other.cache.set("theirs", "1")
      yield* becomes(
        Effect.sync(() => heard.join()),
        "theirs"
      )
      yield* first.kill
      yield* becomes(state, "degraded")
      assert.strictEqual(heard.join(), "theirs,anything")
      yield* RedisServer.start({ port: first.port })
      yield* becomes(state, "ready")
      yield* becomes(other.tier, "redis")
      yield* becomes(
        Effect.andThen(
          other.cache.set("again", "2"),
          Effect.sync(() => heard.includes("again"))
        ),
        true
      )
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live("halts the boot after one attempt when Redis refuses the password, and does not tell it", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start({ password: "correct" })
      const events: Array<BootEvent.BootEvent> = []
      const url = `redis://:canary-4711@localhost:${server.port}`
      const exit = yield* Effect.exit(boot(settingsOf({ url }), { observe: (event) => void events.push(event) }))
      const error = fatal(exit)
      assert.instanceOf(error, CacheRefused)
      assert.include(error, { code: "NVC-2202" })
      assert.include(Severity.messageOf(error), "WRONGPASS")
      assert.strictEqual(count(events, "AttemptFailed"), 1)
      assert.strictEqual(count(events, "FallbackChosen"), 0)
      const everything = `${inspect(exit, { depth: 20, showHidden: true })}${JSON.stringify(events)}`
      assert.notInclude(everything, "canary-4711")
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live(
    "halts the boot when no password is given, or the database is not there, and starts nothing for a bad url",
    () =>
      Effect.gen(function* () {
        const closed = yield* RedisServer.start({ password: "correct" })
        const open = yield* RedisServer.start()
        for (const url of [`redis://localhost:${closed.port}`, `${open.url}/9`]) {
          const events: Array<BootEvent.BootEvent> = []
          const exit = yield* Effect.exit(boot(settingsOf({ url }), { observe: (event) => void events.push(event) }))
          assert.instanceOf(fatal(exit), CacheRefused, url)
          assert.strictEqual(count(events, "AttemptFailed"), 1)
        }
        const events: Array<BootEvent.BootEvent> = []
        const url = "http://:canary-4711@localhost"
        const exit = yield* Effect.exit(boot(settingsOf({ url }), { observe: (event) => void events.push(event) }))
        const error = fatal(exit)
        assert.instanceOf(error, CacheMisconfigured)
        assert.strictEqual(count(events, "ComponentStarted"), 0)
        assert.notInclude(Severity.messageOf(error), "canary-4711")
      }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live("stays on memory when Redis comes back with another password, and does not ask again and again", () =>
    Effect.gen(function* () {
      const first = yield* RedisServer.start({ password: "one" })
      const { cache, events, tier } = yield* boot(settingsOf({ url: first.url }), { monitor: "100 millis" })
      assert.strictEqual(yield* tier, "redis")
      yield* first.kill
      yield* RedisServer.start({ port: first.port, password: "two" })
      yield* becomes(tier, "memory")
      yield* becomes(
        Effect.sync(() => events.flatMap((event) => (event._tag === "SwapFailed" ? [event.retryInMs] : [])).at(-1)),
        null
      )
      yield* cache.set("a", "1")
      assert.deepStrictEqual(yield* cache.get("a"), Option.some("1"))
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )

  it.live("speaks TLS with a Redis of its authority, and to no other", () =>
    Effect.gen(function* () {
      const ours = yield* authority("ours")
      const security = Layer.succeed(Security, securityOf(yield* ours.issue("node-1")))
      const server = yield* RedisServer.start({ identity: yield* ours.issue("redis") })
      const { cache } = yield* Effect.provide(boot(settingsOf({ url: server.url })), security)
      yield* cache.set("a", "1")
      assert.deepStrictEqual(yield* cache.get("a"), Option.some("1"))

      const theirs = yield* authority("theirs")
      const stranger = yield* RedisServer.start({ identity: yield* theirs.issue("redis") })
      const misnamed = yield* RedisServer.start({ identity: yield* ours.issue("redis", ["elsewhere"]) })
      for (const url of [stranger.url, misnamed.url]) {
        const error = fatal(yield* Effect.exit(Effect.provide(boot(settingsOf({ url })), security)))
        assert.instanceOf(error, CacheUntrusted, `${url} ${Severity.messageOf(error)}`)
      }
    }).pipe(Effect.scoped)
  )

  it.live("stops in time beside a Redis that is frozen, prints nothing, and leaves no connection", () =>
    Effect.gen(function* () {
      const printed: Array<unknown> = []
      const spies = (["log", "warn", "error"] as const).map((name) =>
        vi.spyOn(console, name).mockImplementation((...args) => void printed.push(args))
      )
      const before = yield* sockets
      const server = yield* RedisServer.start()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { cache } = yield* boot(settingsOf({ url: server.url, commandTimeout: "100ms" }))
          yield* cache.set("a", "1")
          yield* server.freeze
          yield* cache.delete("a")
          assert.strictEqual((yield* cache.stats).errors, 1)
        })
      )
      yield* becomes(sockets, before)
      yield* server.thaw
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { cache } = yield* boot(settingsOf({ url: server.url }))
          yield* server.kill
          yield* cache.get("a")
          // It is about to try again when it is stopped.
          yield* Effect.sleep("100 millis")
        })
      )
      yield* becomes(sockets, before)
      for (const spy of spies) spy.mockRestore()
      assert.deepStrictEqual(printed, [])
    }).pipe(Effect.scoped, Effect.provide(layerSecurity))
  )
})

describe("the patience of the cache", () => {
  it("is three attempts, after one and two seconds, and one for what cannot become right", () => {
    const policy = patience(settingsOf())
    assert.strictEqual(Policy.describe(policy), "3 attempts, after 1 s, 2 s")
    for (const tag of ["CacheMisconfigured", "CacheRefused", "CacheUntrusted"]) {
      assert.strictEqual(Policy.forError(policy, { _tag: tag }).attempts, 1)
    }
  })
})
