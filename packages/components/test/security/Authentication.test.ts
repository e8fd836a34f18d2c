import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Authentication from "../../src/security/Authentication.ts"
import type { Credential } from "../../src/security/Security.ts"
import { platform, settings } from "./fixtures/place.ts"

const given = (written: object) =>
  Authentication.make(settings({ authentication: written }).authentication).pipe(Effect.provide(platform))

const certificate = (commonName: string, fingerprint256 = "AB:CD"): Credential => ({
  _tag: "Certificate",
  commonName,
  fingerprint256
})
const bearer = (token: string): Credential => ({ _tag: "Bearer", token: Redacted.make(token) })
const nothing: Credential = { _tag: "Anonymous" }

const tokens = {
  alice: { token: "PLANTED-token-of-alice", roles: ["admin"] },
  bob: { token: "PLANTED-token-of-bob-1" }
}

describe("by certificate", () => {
  it.effect("somebody is who the certificate names, with the roles that the settings give", () =>
    Effect.gen(function* () {
      const authenticate = yield* given({ principals: { "node-2": ["operator"] } })
      assert.deepStrictEqual(yield* authenticate(certificate("node-2")), {
        name: "node-2",
        by: "mtls",
        roles: ["operator"]
      })
      assert.deepStrictEqual(yield* authenticate(certificate("node-3")), {
        name: "node-3",
        by: "mtls",
        roles: ["peer"]
      })
      // Names that every object of JavaScript knows.
      assert.deepStrictEqual((yield* authenticate(certificate("constructor"))).roles, ["peer"])
    })
  )

  it.effect("nobody is let in whose certificate was revoked, however its fingerprint is written", () =>
    Effect.gen(function* () {
      const authenticate = yield* given({ revoked: ["AB:CD", "ef01"] })
      assert.strictEqual((yield* authenticate(certificate("node-2", "AB:CE"))).name, "node-2")
      for (const fingerprint of ["AB:CD", "ab:cd", "ABCD", "EF:01"]) {
        const error = yield* Effect.flip(authenticate(certificate("node-2", fingerprint)))
        assert.strictEqual(error.reason, "the certificate was revoked")
      }
    })
  )

  it.effect("peers are known whatever the method of clients is", () =>
    Effect.gen(function* () {
      for (const method of ["mtls", "token", "none"]) {
        const authenticate = yield* given({ method })
        assert.strictEqual((yield* authenticate(certificate("node-2"))).by, "mtls")
      }
    })
  )

  it.effect("neither a token nor nothing is enough, and a name is needed", () =>
    Effect.gen(function* () {
      const authenticate = yield* given({ tokens })
      assert.strictEqual((yield* authenticate(certificate("node-2"))).name, "node-2")
      for (const credential of [bearer("PLANTED-token-of-alice"), nothing, certificate("")]) {
        assert.strictEqual((yield* Effect.flip(authenticate(credential)))._tag, "Unauthenticated")
      }
    })
  )
})

describe("by token", () => {
  it.effect("somebody is whose token he shows", () =>
    Effect.gen(function* () {
      const authenticate = yield* given({ method: "token", tokens })
      const alice = yield* authenticate(bearer("PLANTED-token-of-alice"))
      assert.deepStrictEqual(alice, { name: "alice", by: "token", roles: ["admin"] })
      const bob = yield* authenticate(bearer("PLANTED-token-of-bob-1"))
      assert.deepStrictEqual(bob, { name: "bob", by: "token", roles: [] })
    })
  )

  it.effect("nobody is let in by another one, by a part of one, by none, or by one that never ends", () =>
    Effect.gen(function* () {
      const authenticate = yield* given({ method: "token", tokens })
      assert.strictEqual((yield* authenticate(bearer("PLANTED-token-of-alice"))).name, "alice")
      const wrong = [
        "PLANTED-token-of-alic",
        "PLANTED-token-of-alice ",
        "",
        "x".repeat(20_000),
        "PLANTED-token-of-carol"
      ]
      for (const credential of [...wrong.map(bearer), nothing]) {
        const error = yield* Effect.flip(authenticate(credential))
        assert.notInclude(`${error.message} ${inspect(error, { depth: 10, showHidden: true })}`, "PLANTED")
      }
    })
  )
})

describe("without authentication", () => {
  it.effect("anybody is anonymous, and tokens mean nothing", () =>
    Effect.gen(function* () {
      const authenticate = yield* given({ method: "none", tokens })
      assert.deepStrictEqual(yield* authenticate(nothing), { name: "anonymous", by: "none", roles: ["anonymous"] })
      assert.strictEqual((yield* Effect.flip(authenticate(bearer("PLANTED-token-of-alice"))))._tag, "Unauthenticated")
    })
  )
})
