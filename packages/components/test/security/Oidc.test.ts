/** Against a real issuer, `oidc-provider`, over real HTTP. Tokens that it would never give are signed with its own key. */
import { createHmac, createPrivateKey, createPublicKey } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Redacted, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { generateKeyPair, importJWK, SignJWT } from "jose"
import * as Oidc from "../../src/security/Oidc.ts"
import { type Issuer, start } from "./fixtures/issuer.ts"
import { platform } from "./fixtures/place.ts"

const testing = <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(platform))

const verifierOf = (issuer: Issuer) => Oidc.verifier({ issuer: issuer.url, audience: "novacron", rolesClaim: "roles" })

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** What is `undefined` is left out. */
interface Claims {
  readonly [claim: string]: unknown
}

/** A token with any claims, signed by the issuer's key unless told otherwise. */
const signed = (issuer: Issuer, claims: Claims, key = issuer.key) =>
  Effect.gen(function* () {
    const nowS = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const good = { iss: issuer.url, aud: "novacron", sub: "job", iat: nowS, exp: nowS + 60 }
    return yield* Effect.promise(async () =>
      new SignJWT({ ...good, ...claims })
        .setProtectedHeader({ alg: "RS256", kid: `${issuer.key.kid}` })
        .sign(await importJWK(key, "RS256"))
    )
  })

describe("a token of the issuer", () => {
  it.live("is good: it was asked for by client credentials, and names its subject and roles", () =>
    testing(
      Effect.gen(function* () {
        const issuer = yield* start
        const verify = yield* verifierOf(issuer)
        assert.deepStrictEqual(yield* verify(Redacted.make(yield* issuer.token())), {
          subject: "job",
          roles: ["operator"]
        })
      })
    )
  )

  it.live("is good for as long as it says, and five seconds more", () =>
    testing(
      Effect.gen(function* () {
        const issuer = yield* start
        const verify = yield* verifierOf(issuer)
        const token = Redacted.make(yield* issuer.token({ seconds: 60 }))
        const nowMs = yield* Clock.currentTimeMillis
        const after = (seconds: number) =>
          Effect.gen(function* () {
            yield* TestClock.setTime(nowMs + seconds * 1000)
            return yield* verify(token)
          }).pipe(Effect.provide(TestClock.layer()))
        assert.strictEqual((yield* after(58)).subject, "job")
        assert.strictEqual((yield* after(63)).subject, "job")
        assert.strictEqual((yield* Effect.flip(after(67))).reason, "the token has run out")
      })
    )
  )

  it.live("is not good for another audience", () =>
    testing(
      Effect.gen(function* () {
        const issuer = yield* start
        const verify = yield* verifierOf(issuer)
        const error = yield* Effect.flip(verify(Redacted.make(yield* issuer.token({ audience: "somebody-else" }))))
        assert.strictEqual(error.reason, "the token has the wrong aud")
      })
    )
  )

  it.live("is not good when another issuer gave it", () =>
    testing(
      Effect.gen(function* () {
        const [issuer, other] = [yield* start, yield* start]
        const verify = yield* verifierOf(issuer)
        assert.strictEqual((yield* verify(Redacted.make(yield* issuer.token()))).subject, "job")
        assert.strictEqual((yield* Effect.flip(verify(Redacted.make(yield* other.token()))))._tag, "Unauthenticated")
      })
    )
  )
})

describe("a token that the issuer did not give", () => {
  it.live("is good only with all claims that it needs", () =>
    testing(
      Effect.gen(function* () {
        const issuer = yield* start
        const verify = yield* verifierOf(issuer)
        const claim = (claims: Claims) =>
          Effect.flatMap(signed(issuer, claims), (token) => Effect.result(verify(Redacted.make(token))))
        assert.deepStrictEqual((yield* claim({ roles: "admin  viewer" }))._tag, "Success")
        const nowS = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const wrong: ReadonlyArray<Claims> = [
          { exp: nowS - 60 },
          { exp: undefined },
          { nbf: nowS + 60 },
          { sub: undefined },
          { aud: "somebody-else" },
          { aud: undefined },
          { iss: "http://127.0.0.1:1" },
          { iss: `${issuer.url}/` }
        ]
        for (const claims of wrong) assert.strictEqual((yield* claim(claims))._tag, "Failure", inspect(claims))
      })
    )
  )

  it.live("is not good without a signature, with a forged one, with a changed claim, or by a shared secret", () =>
    testing(
      Effect.gen(function* () {
        const issuer = yield* start
        const verify = yield* verifierOf(issuer)
        const good = yield* signed(issuer, { roles: ["PLANTED-role"] })
        assert.strictEqual((yield* verify(Redacted.make(good))).subject, "job")
        const [head = "", body = "", signature = ""] = good.split(".")
        const claims: Claims = JSON.parse(Buffer.from(body, "base64url").toString())

        const { privateKey } = yield* Effect.promise(() => generateKeyPair("RS256"))
        const forged = yield* Effect.promise(() =>
          new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: `${issuer.key.kid}` }).sign(privateKey)
        )
        // The public key as the secret of a MAC: what everybody has would sign.
        const published = createPublicKey(createPrivateKey({ key: issuer.key, format: "jwk" }))
        const publicKey = published.export({ type: "spki", format: "pem" })
        const confused = `${encoded({ alg: "HS256", kid: issuer.key.kid })}.${body}`
        const wrong = [
          `${encoded({ alg: "none" })}.${body}.`,
          `${encoded({ alg: "none", kid: issuer.key.kid })}.${body}.${signature}`,
          `${head}.${body}.`,
          `${head}.${encoded({ ...claims, roles: ["admin"] })}.${signature}`,
          `${confused}.${createHmac("sha256", publicKey).update(confused).digest("base64url")}`,
          forged,
          "PLANTED",
          ""
        ]
        for (const token of wrong) {
          const error = yield* Effect.flip(verify(Redacted.make(token)))
          assert.strictEqual(error._tag, "Unauthenticated", token)
          const said = `${error.message} ${inspect(error, { depth: 10, showHidden: true })}`
          assert.notInclude(said, "PLANTED")
          if (token !== "") assert.notInclude(said, token)
        }
      })
    )
  )
})

describe("the keys of the issuer", () => {
  it.live("are asked for again when a token names another one, but not each time", () =>
    testing(
      Effect.gen(function* () {
        const issuer = yield* start
        const verify = yield* verifierOf(issuer)
        const asked = issuer.timesAsked()
        yield* issuer.exchangeKeys
        const token = Redacted.make(yield* issuer.token())
        const nowMs = yield* Clock.currentTimeMillis
        yield* Effect.flip(verify(token))
        assert.strictEqual(issuer.timesAsked(), asked)
        const later = Effect.gen(function* () {
          yield* TestClock.setTime(nowMs + 31_000)
          const claims = yield* verify(token)
          yield* Effect.flip(verify(Redacted.make(`${encoded({ alg: "RS256", kid: "unknown" })}.e30.e30`)))
          return claims
        }).pipe(Effect.provide(TestClock.layer()))
        assert.strictEqual((yield* later).subject, "job")
        assert.strictEqual(issuer.timesAsked(), asked + 1)
      })
    )
  )

  it.live("that cannot be had, or are somebody else's, end the start", () =>
    testing(
      Effect.gen(function* () {
        const { url } = yield* Effect.scoped(start)
        const options = { issuer: url, audience: "novacron", rolesClaim: "roles" }
        const error = yield* Effect.flip(Oidc.verifier(options))
        assert.strictEqual(error.code, "NVC-2009")
        assert.include(error.message, url)

        const liar = createServer((_, response) => {
          response.writeHead(200, { "content-type": "application/json" })
          response.end(JSON.stringify({ issuer: "https://id.example", jwks_uri: "http://127.0.0.1:1/jwks" }))
        })
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => void liar.listen(0, "127.0.0.1", () => resume(Effect.void))),
          () => Effect.sync(() => liar.close())
        )
        const { port } = liar.address() as AddressInfo // it listens on a port, not on a path
        const lie = yield* Effect.flip(Oidc.verifier({ ...options, issuer: `http://127.0.0.1:${port}` }))
        assert.include(inspect(lie.cause), "It calls itself https://id.example.")
      })
    )
  )
})
