/**
 * Against a server written from Vault's published API, over real HTTP. No real Vault was exercised: none can be had here.
 */
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Fiber, Redacted, type Scope, Tracer } from "effect"
import type { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import * as Vault from "../../src/security/Vault.ts"
import { platform, settings } from "./fixtures/place.ts"
import { start } from "./fixtures/vault.ts"

const given = (written: object) => settings({ secrets: { provider: "vault", vault: written } }).secrets.vault

/** A Vault with one secret and one good token. */
const withToken = Effect.gen(function* () {
  const vault = yield* start
  vault.tokens.set("hvs.PLANTED-token", { ttl: 3600, renewable: true, policy: "all" })
  vault.secrets.set("secret/data/novacron/database", { value: "PLANTED-value", other: "PLANTED-other" })
  return { vault, settings: { address: vault.address, token: "hvs.PLANTED-token" } }
})

const withRole = Effect.gen(function* () {
  const { vault } = yield* withToken
  vault.roles.set("node", "PLANTED-secret-id")
  return { vault, settings: { address: vault.address, roleId: "node", secretId: "PLANTED-secret-id" } }
})

/** Lets time pass until something is so, a little at a time: real answers take real time. */
const until = (isSo: () => boolean, step: Duration.Input) =>
  Effect.gen(function* () {
    while (!isSo()) {
      yield* settled
      yield* TestClock.adjust(step)
    }
  })

/** Lets all pauses between tries pass. */
const patiently = <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient | Scope.Scope>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkScoped(effect)
    yield* until(() => fiber.pollUnsafe() !== undefined, "100 millis")
    return yield* Fiber.join(fiber)
  })

const testing = <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(platform))

describe("Vault", () => {
  it.effect("gives a secret to a token", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withToken
        const provider = yield* Vault.make(given(settings))
        assert.strictEqual(Redacted.value(yield* provider.read("database")), "PLANTED-value")
        yield* provider.check
        const lookUp = "GET auth/token/lookup-self"
        assert.deepStrictEqual(vault.asked, [lookUp, "GET secret/data/novacron/database", lookUp])
      })
    )
  )

  it.effect("gives a secret to an AppRole, from the mount, folder and field that it is told", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withRole
        vault.secrets.set("kv/data/team/a/database", { password: "PLANTED-password" })
        const provider = yield* Vault.make(given({ ...settings, mount: "kv", path: "team/a", field: "password" }))
        assert.strictEqual(Redacted.value(yield* provider.read("database")), "PLANTED-password")
        assert.deepStrictEqual(vault.asked, ["POST auth/approle/login", "GET kv/data/team/a/database"])
      })
    )
  )

  it.effect("is asked within a namespace, and refuses without it", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withToken
        vault.namespace = "team-a"
        const provider = yield* Vault.make(given({ ...settings, namespace: "team-a" }))
        assert.strictEqual(Redacted.value(yield* provider.read("database")), "PLANTED-value")
        assert.strictEqual((yield* Effect.flip(Vault.make(given(settings))))._tag, "VaultRefused")
      })
    )
  )

  it.effect("that refuses a token, or a role, is not asked again", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withToken
        const error = yield* Effect.flip(Vault.make(given({ ...settings, token: "hvs.PLANTED-wrong" })))
        assert.strictEqual(error.code, "NVC-2006")
        assert.strictEqual(error.status, 403)
        assert.lengthOf(vault.asked, 1)
        const role = { address: vault.address, roleId: "node", secretId: "PLANTED-wrong" }
        const refused = yield* Effect.flip(Vault.make(given(role)))
        assert.strictEqual(refused.status, 400)
        assert.lengthOf(vault.asked, 2)
        for (const one of [error, refused])
          assert.notInclude(`${one.message} ${inspect(one, { depth: 10 })}`, "PLANTED")
      })
    )
  )

  it.effect("whose policy forbids a secret makes it unavailable, and says why", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withToken
        const provider = yield* Vault.make(given(settings))
        vault.tokens.set("hvs.PLANTED-token", { ttl: 3600, renewable: true, policy: "none" })
        const error = yield* Effect.flip(provider.read("database"))
        assert.strictEqual(error.code, "NVC-2003")
        assert.include(`${(error.cause as Error).message}`, `refuses "read secret/data/novacron/database" (status 403)`)
      })
    )
  )

  it.effect("does not have a secret that was never written, was deleted, or has no such field", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withToken
        vault.secrets.set("secret/data/novacron/deleted", null)
        vault.secrets.set("secret/data/novacron/number", { value: 7 })
        vault.secrets.set("secret/data/novacron/fields", { other: "PLANTED-other" })
        const provider = yield* Vault.make(given(settings))
        for (const name of ["unknown", "deleted", "number", "fields", "../../sys/raw", ""]) {
          const error = yield* Effect.flip(provider.read(name))
          assert.strictEqual(error.provider, "vault")
          assert.notInclude(inspect(error, { depth: 10 }), "PLANTED")
        }
        assert.isFalse(vault.asked.some((request) => request.includes("sys")))
      })
    )
  )

  for (const trouble of [500, 502, 503, 429, 473, "hang up", "nonsense"] as const) {
    it.effect(`is asked again when it fails with ${trouble}`, () =>
      testing(
        Effect.gen(function* () {
          const { settings, vault } = yield* withToken
          const provider = yield* Vault.make(given(settings))
          vault.troubles.push(trouble, trouble)
          const secret = yield* patiently(provider.read("database"))
          assert.strictEqual(Redacted.value(secret), "PLANTED-value")
          assert.lengthOf(vault.asked, 4, "one look at the token, two failures, one answer")
        })
      )
    )
  }

  it.effect("that goes on failing is given up after four tries", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withToken
        vault.troubles.push(...Array.from({ length: 10 }, () => 503))
        const error = yield* Effect.flip(patiently(Vault.make(given(settings))))
        assert.strictEqual(error.code, "NVC-2007")
        assert.include(error.message, "status 503")
        assert.lengthOf(vault.asked, 4)
      })
    )
  )

  it.live("that is not there is unreachable, and the cause is kept", () =>
    testing(
      Effect.gen(function* () {
        // A port that was somebody's a moment ago.
        const { address } = yield* Effect.scoped(start)
        const error = yield* Effect.flip(Vault.make(given({ address, token: "hvs.PLANTED-token" })))
        assert.strictEqual(error._tag, "VaultUnreachable")
        assert.include(error.message, `Vault at ${address} does not answer`)
        assert.include(inspect(error.cause, { depth: 10 }), "ECONNREFUSED")
        assert.notInclude(inspect(error, { depth: 10, showHidden: true }), "PLANTED")
        // Nor is there a request with its headers anywhere beneath, which prints itself politely.
        assert.isFalse([...textsIn(error)].some((text) => text.includes("PLANTED")))
        assert.isTrue([...textsIn(error)].some((text) => text.includes(address)))
      })
    )
  )
})

describe("a login to Vault", () => {
  it.effect("is renewed when two thirds of its lease are over, again and again", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withRole
        vault.lease = 300
        yield* Vault.make(given(settings))
        const renew = "POST auth/token/renew-self"
        yield* settled
        yield* TestClock.adjust("199 seconds")
        assert.notInclude(vault.asked, renew)
        yield* TestClock.adjust("1 second")
        yield* Effect.promise(() => vault.until(renew, 1))
        yield* until(() => vault.asked.length === 3, "10 seconds")
        assert.deepStrictEqual(vault.asked, ["POST auth/approle/login", renew, renew])
      })
    )
  )

  it.effect("is renewed as soon as Vault is back, when it was away", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withRole
        vault.lease = 3000
        yield* Vault.make(given(settings))
        vault.troubles.push(503, 503, 503, 503)
        yield* settled
        yield* TestClock.adjust("2000 seconds")
        // Four tries in a row, and the next one soon after: long before the lease is over.
        yield* until(() => vault.asked.length === 6, "100 millis")
        assert.isBelow(yield* Clock.currentTimeMillis, 2_030_000)
        assert.lengthOf(vault.asked, 6)
      })
    )
  )

  it.effect("that cannot be renewed any more is replaced by a new one", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withRole
        vault.lease = 300
        const provider = yield* Vault.make(given(settings))
        // The longest life of the token is near: what is renewed lasts a minute.
        for (const token of vault.tokens.values()) token.ttl = 60
        yield* settled
        yield* TestClock.adjust("200 seconds")
        yield* Effect.promise(() => vault.until("POST auth/approle/login", 2))
        for (let turn = 0; turn < 5; turn++) yield* settled
        vault.tokens.delete([...vault.tokens.keys()].filter((token) => token !== "hvs.PLANTED-token")[0] ?? "")
        assert.strictEqual(Redacted.value(yield* provider.read("database")), "PLANTED-value")
        assert.lengthOf(vault.asked, 4)
      })
    )
  )

  it.effect("by AppRole that was revoked is replaced when it is refused, once for all who ask", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withRole
        const provider = yield* Vault.make(given(settings))
        vault.tokens.clear()
        const secrets = yield* Effect.all([provider.read("database"), provider.read("database"), provider.check], {
          concurrency: 3
        })
        assert.strictEqual(Redacted.value(secrets[0]), "PLANTED-value")
        assert.lengthOf(
          vault.asked.filter((request) => request.includes("login")),
          2
        )
      })
    )
  )

  it.effect("by a token without an end is never renewed", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withToken
        vault.tokens.set("hvs.PLANTED-token", { ttl: 0, renewable: false, policy: "all" })
        const provider = yield* Vault.make(given(settings))
        yield* TestClock.adjust("30 days")
        assert.strictEqual(Redacted.value(yield* provider.read("database")), "PLANTED-value")
        assert.lengthOf(vault.asked, 2)
      })
    )
  )

  it.effect("leaves nothing in a trace", () =>
    testing(
      Effect.gen(function* () {
        const { settings, vault } = yield* withRole
        const spans: Array<Tracer.Span> = []
        const native = yield* Effect.tracer
        const tracer = Tracer.make({
          span: (options) => {
            const span = native.span(options)
            spans.push(span)
            return span
          }
        })
        vault.troubles.push(503)
        yield* Effect.gen(function* () {
          const provider = yield* Vault.make(given(settings))
          yield* provider.read("database")
        }).pipe(patiently, Effect.provideService(Tracer.Tracer, tracer))
        assert.include(
          spans.map(({ name }) => name),
          "Vault.make"
        )
        assert.notInclude(inspect(spans, { depth: 12, showHidden: true }), "PLANTED")
      })
    )
  )
})

/** What is real gets its turn. */
const settled = Effect.promise(() => new Promise((done) => setTimeout(done, 20)))

/** All texts that somebody can reach who holds a value. */
function* textsIn(value: unknown, seen = new Set<unknown>()): Generator<string> {
  if (typeof value === "string") yield value
  if (typeof value !== "object" || value === null || seen.has(value)) return
  seen.add(value)
  for (const key of Reflect.ownKeys(value)) yield* textsIn(Reflect.get(value, key), seen)
}
