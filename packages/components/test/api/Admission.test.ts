import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, Ref } from "effect"
import { TestClock } from "effect/testing"
import * as Admission from "../../src/api/Admission.ts"
import type { Settings } from "../../src/api/Settings.ts"
import * as TokenStore from "../../src/api/TokenStore.ts"
import { allows } from "../../src/security/Roles.ts"
import { Forbidden, type Principal, type Security, Unauthenticated } from "../../src/security/Security.ts"

const table = { admin: ["*"], viewer: ["status.*"] }

/** As much of security as a door needs: one certificate, one token, and what was asked and written. */
const securityWith = (told: { audit: Array<string>; asked: number }) => {
  const known: Pick<Security["Service"], "audit" | "authenticate" | "authorize"> = {
    authenticate: (credential) =>
      Effect.suspend((): Effect.Effect<Principal, Unauthenticated> => {
        told.asked++
        if (credential._tag === "Certificate") {
          return Effect.succeed({ name: credential.commonName, by: "mtls", roles: ["viewer"] })
        }
        return credential._tag === "Bearer" && Redacted.value(credential.token) === "a token of the issuer"
          ? Effect.succeed({ name: "somebody", by: "oidc", roles: ["viewer"] })
          : Effect.fail(new Unauthenticated({ reason: "it is not known" }))
      }),
    authorize: ({ name, roles }, action) =>
      allows(table, roles, action) ? Effect.void : Effect.fail(new Forbidden({ principal: name, action })),
    audit: ({ action }) => Effect.sync(() => void told.audit.push(action))
  }
  // The door needs no more of it.
  return known as Security["Service"]
}

const rate: Settings["rate"] = { perMinute: 60_000, burst: 1_000, failures: 5 }

const doorWith = (options: { readonly store?: TokenStore.TokenStore; readonly rate?: Settings["rate"] } = {}) =>
  Effect.gen(function* () {
    const told = { audit: new Array<string>(), asked: 0 }
    const admission = yield* Admission.make({
      security: securityWith(told),
      rate: options.rate ?? rate,
      tokens: Effect.succeed(Option.fromUndefinedOr(options.store)),
      local: "nvc_local",
      retryAfterSeconds: 1
    })
    return { admission, told }
  })

const knock = (more: Partial<Admission.Knock>): Admission.Knock => ({
  bearer: undefined,
  certificate: undefined,
  address: "192.0.2.1",
  ...more
})

/** What is kept of a token that is good for two seconds. */
const keptOf = (secret: string): TokenStore.Kept => ({
  id: "1",
  name: "ci",
  hash: TokenStore.hashOf(secret),
  roles: ["viewer"],
  createdBy: "a test",
  createdAtMs: 0,
  expiresAtMs: 2_000
})

const storeWith = (find: TokenStore.TokenStore["find"]): TokenStore.TokenStore => ({
  add: () => Effect.void,
  find,
  list: Effect.succeed([]),
  remove: () => Effect.succeedNone
})

const certificate = knock({ certificate: { commonName: "operator-1", fingerprint256: "AB" } })

describe("Admission", () => {
  it.effect("asks security once in five seconds, and compares roles with each action", () =>
    Effect.gen(function* () {
      const { admission, told } = yield* doorWith()
      const guest = yield* admission.admit(certificate, "status.tasks")
      assert.containSubset(guest, { name: "operator-1", by: "mtls", roles: ["viewer"] })
      yield* admission.admit(certificate, "status.tasks")
      assert.strictEqual(admission.again(certificate, "status.tasks")?.name, "operator-1")
      assert.strictEqual(told.asked, 1)
      assert.isUndefined(admission.again(certificate, "tasks.submit"))
      const refused = yield* Effect.flip(admission.admit(certificate, "tasks.submit"))
      assert.containSubset(refused, { _tag: "NotAllowed", action: "tasks.submit" })
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(admission.again(certificate, "status.tasks"))
      yield* admission.admit(certificate, "status.tasks")
      assert.strictEqual(told.asked, 2)
    })
  )

  it.effect("prefers a token to a certificate, and a wrong one is not made good by it", () =>
    Effect.gen(function* () {
      const { admission } = yield* doorWith()
      const both = { ...certificate, bearer: "a token of the issuer" }
      assert.strictEqual((yield* admission.admit(both, "status.node")).name, "somebody")
      const wrong = yield* Effect.flip(admission.admit({ ...certificate, bearer: "wrong" }, "status.node"))
      assert.strictEqual(wrong._tag, "Unauthenticated")
      const empty = yield* Effect.flip(admission.admit({ ...certificate, bearer: "" }, "status.node"))
      assert.strictEqual(empty._tag, "Unauthenticated")
      const long = yield* Effect.flip(admission.admit(knock({ bearer: "x".repeat(20_000) }), "status.node"))
      assert.strictEqual(long._tag, "Unauthenticated")
    })
  )

  it.effect("knows a token of its own until it runs out or is forgotten, and the local one always", () =>
    Effect.gen(function* () {
      const secret = TokenStore.secret()
      const kept = keptOf(secret)
      const there = yield* Ref.make(Option.some(kept))
      const store = storeWith((hash) =>
        Effect.map(
          Ref.get(there),
          Option.filter((one) => one.hash === hash)
        )
      )
      const { admission, told } = yield* doorWith({ store })
      const mine = knock({ bearer: secret })
      assert.strictEqual((yield* admission.admit(mine, "status.node")).name, "ci")
      assert.strictEqual(told.asked, 0)
      yield* Ref.set(there, Option.none())
      // Remembered, but no longer than it is valid.
      assert.strictEqual((yield* admission.admit(mine, "status.node")).name, "ci")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Effect.flip(admission.admit(mine, "status.node")))._tag, "Unauthenticated")
      assert.include(told.audit, "auth.failed")
      yield* Ref.set(there, Option.some({ ...kept, expiresAtMs: 1_000_000 }))
      yield* admission.admit(mine, "status.node")
      yield* Ref.set(there, Option.none())
      admission.forget(kept.hash)
      assert.isUndefined(admission.again(mine, "status.node"))
      assert.strictEqual((yield* Effect.flip(admission.admit(mine, "status.node")))._tag, "Unauthenticated")
      const local = yield* admission.admit(knock({ bearer: "nvc_local" }), "anything.at-all")
      assert.containSubset(local, { name: "local", roles: ["admin"] })
    })
  )

  it.effect("ends what somebody goes on with whose token is no longer good, and nothing when nobody can be asked", () =>
    Effect.gen(function* () {
      const secret = TokenStore.secret()
      const kept = { ...keptOf(secret), expiresAtMs: 1_000_000 }
      const answer = yield* Ref.make<ReturnType<TokenStore.TokenStore["find"]>>(Effect.succeedSome(kept))
      const { admission, told } = yield* doorWith({
        store: storeWith(() => Effect.flatten(Ref.get(answer))),
        rate: { perMinute: 60, burst: 1, failures: 1 }
      })
      const mine = knock({ bearer: secret })
      yield* admission.admit(mine, "status.events")
      const listening = yield* Effect.forkChild(admission.lapse(mine, "status.events"))
      yield* TestClock.adjust("1 minute")
      yield* Ref.set(
        answer,
        Effect.fail(new TokenStore.TokensUnavailable({ place: "the database", cause: "it is away" }))
      )
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(listening.pollUnsafe())
      yield* Ref.set(answer, Effect.succeedNone)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Effect.flip(Fiber.join(listening)))._tag, "Unauthenticated")
      assert.deepStrictEqual(told.audit, ["auth.failed"])
      // It was no failure of whoever asks from there.
      yield* admission.admit(certificate, "status.events")
    })
  )

  it.effect("ends what somebody goes on with who was let in and may no longer do it", () =>
    Effect.gen(function* () {
      const secret = TokenStore.secret()
      const roles = yield* Ref.make(["viewer"])
      const find = () => Effect.map(Ref.get(roles), (roles) => Option.some({ ...keptOf(secret), roles }))
      const { admission } = yield* doorWith({ store: storeWith(find) })
      const mine = knock({ bearer: secret })
      yield* admission.admit(mine, "status.events")
      const listening = yield* Effect.forkChild(admission.lapse(mine, "status.events"))
      yield* Ref.set(roles, ["nobody"])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Effect.flip(Fiber.join(listening)))._tag, "NotAllowed")
    })
  )

  it.effect("lets an address wait that shows what nobody knows, before it is looked at", () =>
    Effect.gen(function* () {
      const { admission, told } = yield* doorWith()
      const wrong = (i: number) => admission.admit(knock({ bearer: `wrong-${i}` }), "status.node")
      for (let i = 0; i < 5; i++) assert.strictEqual((yield* Effect.flip(wrong(i)))._tag, "Unauthenticated")
      const asked = told.asked
      assert.strictEqual((yield* Effect.flip(wrong(6)))._tag, "TooManyRequests")
      assert.strictEqual(told.asked, asked)
      yield* admission.admit({ ...certificate, address: "192.0.2.2" }, "status.node")
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual((yield* Effect.flip(wrong(7)))._tag, "Unauthenticated")
    })
  )

  it.effect(
    "lets in whoever it knows and the local token from an address that has to wait, until they are good no more",
    () =>
      Effect.gen(function* () {
        const secret = TokenStore.secret()
        const there = yield* Ref.make(Option.some({ ...keptOf(secret), expiresAtMs: 1_000_000 }))
        const store = storeWith((hash) =>
          Effect.map(
            Ref.get(there),
            Option.filter((one) => one.hash === hash)
          )
        )
        const { admission } = yield* doorWith({ store })
        const mine = knock({ bearer: secret })
        const outcome = (bearer: string) =>
          Effect.match(admission.admit(knock({ bearer }), "status.node"), {
            onFailure: ({ _tag }) => _tag,
            onSuccess: ({ name }) => name
          })
        yield* admission.admit(mine, "status.node")
        // Past the time for which anybody is remembered.
        yield* TestClock.adjust("1 minute")
        for (let i = 0; i < 5; i++) assert.strictEqual(yield* outcome(`nvc_wrong-${i}`), "Unauthenticated")
        assert.strictEqual(yield* outcome("nvc_another"), "TooManyRequests")
        assert.strictEqual(yield* outcome("nvc_local"), "local")
        assert.strictEqual(yield* outcome(secret), "ci")
        yield* Ref.set(there, Option.none())
        admission.forget(keptOf(secret).hash)
        assert.strictEqual(yield* outcome(secret), "TooManyRequests")
      })
  )

  it.effect("looks once at what was good and is not, from an address that has to wait", () =>
    Effect.gen(function* () {
      const secret = TokenStore.secret()
      const there = yield* Ref.make(Option.some({ ...keptOf(secret), expiresAtMs: 1_000_000 }))
      const { admission } = yield* doorWith({ store: storeWith(() => Ref.get(there)) })
      const tag = Effect.map(Effect.flip(admission.admit(knock({ bearer: secret }), "status.node")), ({ _tag }) => _tag)
      yield* admission.admit(knock({ bearer: secret }), "status.node")
      yield* TestClock.adjust("1 minute")
      yield* Ref.set(there, Option.none())
      for (let i = 0; i < 5; i++) yield* Effect.flip(admission.admit(knock({ bearer: `nvc_${i}` }), "status.node"))
      assert.strictEqual(yield* tag, "Unauthenticated")
      assert.strictEqual(yield* tag, "TooManyRequests")
    })
  )

  it.effect("fills no audit log with wrong tokens, from however many addresses", () =>
    Effect.gen(function* () {
      const { admission, told } = yield* doorWith({ store: storeWith(() => Effect.succeedNone) })
      const wrong = (address: number) => ({ ...knock({ bearer: `nvc_${address}` }), address: `127.0.0.${address}` })
      for (let i = 0; i < 250; i++) yield* Effect.flip(admission.admit(wrong(i), "status.node"))
      assert.lengthOf(told.audit, 120)
      yield* TestClock.adjust("1 minute")
      yield* Effect.flip(admission.admit(wrong(251), "status.node"))
      assert.deepStrictEqual(told.audit.slice(120), ["audit.limited", "auth.failed"])
    })
  )

  it.effect("counts the requests of a caller, whichever connection they come by", () =>
    Effect.gen(function* () {
      const { admission, told } = yield* doorWith({ rate: { perMinute: 60, burst: 2, failures: 10 } })
      yield* admission.admit(certificate, "status.node")
      yield* admission.admit({ ...certificate }, "status.node")
      const many = yield* Effect.flip(admission.admit({ ...certificate, address: "192.0.2.9" }, "status.node"))
      assert.containSubset(many, { _tag: "TooManyRequests", retryAfterSeconds: 1 })
      // Who goes on asking is one line a minute, and not one each time.
      yield* Effect.flip(admission.admit(certificate, "status.node"))
      assert.deepStrictEqual(told.audit, ["access.limited"])
      yield* TestClock.adjust("1 seconds")
      yield* admission.admit(certificate, "status.node")
    })
  )
})
