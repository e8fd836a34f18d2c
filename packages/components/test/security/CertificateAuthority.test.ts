import { createPrivateKey, X509Certificate } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as CertificateAuthority from "../../src/security/CertificateAuthority.ts"

const day = 24 * 3600 * 1000
const validity = { notBefore: 0, notAfter: 90 * day }

describe("a development CA", () => {
  it.effect("signs certificates of nodes, which sign nothing", () =>
    Effect.gen(function* () {
      const pem = yield* CertificateAuthority.make("CA", validity)
      const ca = new X509Certificate(pem.slice(pem.indexOf("-----BEGIN CERTIFICATE")))
      assert.isTrue(ca.ca)
      assert.isTrue(ca.verify(ca.publicKey))
      const issued = yield* CertificateAuthority.issue(pem, "node-1", validity)
      const leaf = new X509Certificate(issued.slice(issued.indexOf("-----BEGIN CERTIFICATE")))
      assert.isTrue(leaf.verify(ca.publicKey))
      assert.isTrue(leaf.checkIssued(ca))
      assert.isFalse(leaf.ca)
      assert.isTrue(leaf.checkPrivateKey(createPrivateKey(issued)))
      assert.isFalse(leaf.checkPrivateKey(createPrivateKey(pem)))
    })
  )

  it.effect("gives each certificate a number and a key of its own, and the time that it is told", () =>
    Effect.gen(function* () {
      const pem = yield* CertificateAuthority.make("CA", validity)
      const issue = Effect.map(
        CertificateAuthority.issue(pem, "node-1", { notBefore: day, notAfter: 2 * day }),
        (pem) => new X509Certificate(pem.slice(pem.indexOf("-----BEGIN CERTIFICATE")))
      )
      const [one, two] = [yield* issue, yield* issue]
      assert.notStrictEqual(one.serialNumber, two.serialNumber)
      assert.lengthOf(one.serialNumber, 32)
      assert.isFalse(one.publicKey.equals(two.publicKey))
      assert.deepStrictEqual([one.validFrom, one.validTo], ["Jan  2 00:00:00 1970 GMT", "Jan  3 00:00:00 1970 GMT"])
    })
  )
})
