import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as CertificateAuthority from "../../src/security/CertificateAuthority.ts"
import * as ComponentIdentity from "../../src/security/ComponentIdentity.ts"
import { digestOf } from "../../src/security/Measurements.ts"
import { folder, platform } from "./fixtures/place.ts"

const nowMs = Date.parse("2026-11-23T00:00:00Z")
const day = 86_400_000
const validity = { notBefore: nowMs - day, notAfter: nowMs + 90 * day }
const nonce = Buffer.from("nonce of this boot")
const expected = { nodeId: "node-1", component: "database", digest: digestOf("database"), nonce, nowMs }

const setting = Effect.gen(function* () {
  const authority = yield* CertificateAuthority.make("components", validity)
  const identity = yield* ComponentIdentity.issue(authority, expected, validity)
  return { authority, identity }
})
const complaint = (
  identity: ComponentIdentity.Identity,
  authority: string,
  other: Partial<ComponentIdentity.Expected> = {},
  said: Uint8Array = nonce
) =>
  ComponentIdentity.complaint(Result.getOrThrow(ComponentIdentity.report(identity, said)), {
    ...expected,
    authority,
    ...other
  })

describe("the identity of a component", () => {
  it.live("is accepted for what it is", () =>
    Effect.gen(function* () {
      const { authority, identity } = yield* setting
      assert.isUndefined(complaint(identity, authority))
      assert.deepStrictEqual(ComponentIdentity.validity(identity), validity)
      const shown = Result.getOrThrow(ComponentIdentity.report(identity, nonce))
      assert.strictEqual(ComponentIdentity.measured(shown), expected.digest)
      assert.notInclude(shown.certificate, "PRIVATE KEY")
    })
  )

  it.live("is accepted by openssl too: signed by its CA, with its address", () =>
    Effect.gen(function* () {
      const { authority, identity } = yield* setting
      const at = yield* folder
      const certificate = (pem: string) => pem.slice(pem.indexOf("-----BEGIN CERTIFICATE"))
      writeFileSync(`${at}/ca.pem`, certificate(authority))
      writeFileSync(`${at}/leaf.pem`, certificate(identity.pem))
      const openssl = (...args: ReadonlyArray<string>) =>
        execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" })
      const attime = ["-attime", `${nowMs / 1000}`]
      assert.include(openssl("verify", ...attime, "-CAfile", `${at}/ca.pem`, `${at}/leaf.pem`), "OK")
      const text = openssl("x509", "-in", `${at}/leaf.pem`, "-noout", "-ext", "subjectAltName")
      assert.include(text, "URI:spiffe://novacron/node/node-1/component/database")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("is refused when it has run out, or is not valid yet", () =>
    Effect.gen(function* () {
      const { authority, identity } = yield* setting
      assert.match(complaint(identity, authority, { nowMs: validity.notAfter }) ?? "", /^it ran out on /)
      assert.match(complaint(identity, authority, { nowMs: validity.notBefore - 1_000 }) ?? "", /^it is valid from /)
    })
  )

  it.live("is refused when it is of another CA, also one of the same name", () =>
    Effect.gen(function* () {
      const { identity } = yield* setting
      const other = yield* setting
      assert.match(complaint(identity, other.authority) ?? "", /has not signed it/)
    })
  )

  it.live("is refused for another component, another node, or another program", () =>
    Effect.gen(function* () {
      const { authority, identity } = yield* setting
      assert.strictEqual(complaint(identity, authority, { component: "cache" }), "it is for something else")
      assert.strictEqual(complaint(identity, authority, { nodeId: "node-2" }), "it is for something else")
      assert.match(complaint(identity, authority, { digest: digestOf("evil") }) ?? "", /another program/)
    })
  )

  it.live("is refused when whoever shows it has no key, or answers an old nonce", () =>
    Effect.gen(function* () {
      const { authority, identity } = yield* setting
      assert.match(complaint(identity, authority, {}, Buffer.from("an old nonce")) ?? "", /does not have its key/)
      const thief = yield* ComponentIdentity.issue(authority, expected, validity)
      const stolen = `${thief.pem.slice(0, thief.pem.indexOf("-----BEGIN CERTIFICATE"))}${identity.pem.slice(
        identity.pem.indexOf("-----BEGIN CERTIFICATE")
      )}`
      assert.match(complaint({ component: "database", pem: stolen }, authority) ?? "", /does not have its key/)
    })
  )

  it("says nothing when it cannot be read", () => {
    const broken = { component: "database", pem: "-----BEGIN PRIVATE KEY-----\nnone" }
    assert.isTrue(Result.isFailure(ComponentIdentity.report(broken, nonce)))
    assert.isUndefined(ComponentIdentity.validity(broken))
  })
})
