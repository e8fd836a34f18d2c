import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { inspect } from "node:util"
import * as Address from "../../src/cache/Address.ts"
import { CacheRefused, CacheUnavailable, CacheUntrusted } from "../../src/cache/Cache.ts"
import * as Redis from "../../src/cache/Redis.ts"
import { becomes } from "./fixtures/caches.ts"
import * as RedisServer from "./fixtures/redisServer.ts"

const addressOf = (url: string) => Result.getOrThrow(Address.parse(Redacted.make(url)))

describe("an error", () => {
  const address = addressOf("redis://localhost")
  const withCode = (code: string, message = code) => Object.assign(new Error(message), { code })

  it("is critical when Redis refuses, or cannot prove who it is; otherwise Redis is unavailable", () => {
    const refused = [
      "WRONGPASS invalid username-password pair or user is disabled.",
      "NOAUTH HELLO must be called with the client already authenticated",
      "NOPERM this user has no permissions to run the 'set' command",
      "ERR DB index is out of range",
      "ERR invalid password"
    ]
    const untrusted = ["DEPTH_ZERO_SELF_SIGNED_CERT", "ERR_TLS_CERT_ALTNAME_INVALID", "CERT_HAS_EXPIRED", "EPROTO"]
    const unavailable = ["ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "ENOTFOUND"]
    for (const text of refused) assert.instanceOf(Redis.judge(address, new Error(text)), CacheRefused, text)
    for (const code of untrusted) assert.instanceOf(Redis.judge(address, withCode(code)), CacheUntrusted, code)
    for (const code of unavailable) assert.instanceOf(Redis.judge(address, withCode(code)), CacheUnavailable, code)
    const named = withCode("ENOTFOUND", "getaddrinfo ENOTFOUND cert.example")
    assert.instanceOf(Redis.judge(address, named), CacheUnavailable)
    const busy = ["LOADING Redis is loading the dataset in memory", "MISCONF Redis is configured to save RDB", "OOM no"]
    for (const text of busy) assert.instanceOf(Redis.judge(address, new Error(text)), CacheUnavailable, text)
    assert.instanceOf(Redis.judge(address, "nothing anybody expected"), CacheUnavailable)
  })

  it("says what one of several addresses said, and nothing of the command", () => {
    const several = Redis.judge(address, new AggregateError([withCode("ECONNREFUSED", "connect ECONNREFUSED ::1")]))
    assert.include(inspect(several.cause), "ECONNREFUSED ::1")
    const failed = Object.assign(new Error("WRONGPASS no"), { command: { name: "hello", args: ["3", "canary-4711"] } })
    assert.notInclude(inspect(Redis.judge(address, failed), { depth: 9 }), "canary-4711")
  })
})

describe.skipIf(RedisServer.lacking !== undefined)("a connection", () => {
  const options = { name: "test", commandTimeoutMs: 100, tls: undefined }

  it.live("comes back by itself after a short interruption, and fails at once meanwhile", () =>
    Effect.gen(function* () {
      const first = yield* RedisServer.start()
      const client = yield* Redis.connect(addressOf(first.url), options)
      const ping = client.run((redis) => redis.ping())
      const heard: Array<string> = []
      client.listen({
        connected: () => void heard.push("connected"),
        lost: () => void heard.push("lost"),
        message: () => undefined
      })
      assert.strictEqual(yield* ping, "PONG")
      yield* first.kill
      yield* becomes(Effect.sync(client.isConnected), false)
      assert.instanceOf(yield* Effect.flip(ping), CacheUnavailable)
      yield* RedisServer.start({ port: first.port })
      yield* becomes(
        Effect.orElseSucceed(ping, () => "no"),
        "PONG"
      )
      assert.strictEqual(heard[0], "lost")
      assert.strictEqual(heard.at(-1), "connected")
    }).pipe(Effect.scoped)
  )

  it.live("waits for a command only so long", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const client = yield* Redis.connect(addressOf(server.url), options)
      yield* server.freeze
      const error = yield* Effect.flip(client.run((redis) => redis.get("a")))
      assert.instanceOf(error, CacheUnavailable)
      assert.include(inspect(error.cause), "timed out")
    }).pipe(Effect.scoped)
  )

  it.live("is named, is in the database it was made for, and is gone when its scope closes", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const watcher = yield* Redis.connect(addressOf(server.url), { ...options, name: "watcher" })
      const clients = Effect.map(
        watcher.run((redis) => redis.client("LIST")),
        (list) => [...String(list).matchAll(/ name=(\S*).* db=(\d)/g)].map(([, name, db]) => `${name} ${db}`).toSorted()
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Redis.connect(addressOf(`${server.url}/2`), options)
          yield* becomes(clients, ["test 2", "watcher 0"])
        })
      )
      yield* becomes(clients, ["watcher 0"])
    }).pipe(Effect.scoped)
  )
})
