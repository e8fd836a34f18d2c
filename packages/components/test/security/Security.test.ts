import { assert, describe, it } from "@effect/vitest"
import { PlatformError } from "effect"
import * as Security from "../../src/security/index.ts"

const path = "/data/security/node.pem"

/** One of each, as somebody on call meets them. */
const errors = [
  new Security.KeyMaterialExposed({ path, mode: 0o644 }),
  new Security.KeyMaterialUnusable({ path, reason: "it is gone" }),
  new Security.KeyMaterialUnavailable({
    path,
    reason: "it cannot be read",
    cause: PlatformError.systemError({ _tag: "Unknown", module: "FileSystem", method: "open" })
  }),
  new Security.SecretUnavailable({ name: "database", provider: "vault", cause: undefined }),
  new Security.CannotOpen({ context: "database.password" }),
  new Security.CertificateExpired({ subject: "node-1", notAfter: new Date(0) }),
  new Security.VaultRefused({ request: "login by AppRole", status: 400 }),
  new Security.VaultUnreachable({ address: "https://vault:8200" }),
  new Security.CertificateUnusable({ path, reason: "it does not name this node, node-1" }),
  new Security.IssuerUnreachable({ issuer: "https://id.example" }),
  new Security.AuditLogBroken({ path, reason: "line 3 is not what was written there" })
]

describe("an error of security", () => {
  for (const error of errors) {
    it(`${error.code} says in whole sentences, on one line, what is wrong and what to do`, () => {
      assert.match(error.code, /^NVC-20[0-4]\d$/)
      assert.match(error.message, /^[A-Z/].*[.?]$/)
      assert.notInclude(error.message, "\n")
      assert.notInclude(error.message, "undefined")
      assert.notMatch(error.message, / {2}/)
    })
  }

  it("has a code of its own", () => {
    assert.strictEqual(new Set(errors.map(({ code }) => code)).size, errors.length)
  })

  it("of somebody who is not let in says who may not do what", () => {
    assert.strictEqual(
      new Security.Forbidden({ principal: "alice", action: "config.write" }).message,
      "alice may not config.write."
    )
    assert.include(new Security.Unauthenticated({ reason: "the token has run out" }).message, "the token has run out")
  })
})
