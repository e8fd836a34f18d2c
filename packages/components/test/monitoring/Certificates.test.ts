import "reflect-metadata"
import { assert, describe, it } from "@effect/vitest"
import { X509CertificateGenerator } from "@peculiar/x509"
import { Effect } from "effect"
import * as Certificates from "../../src/monitoring/Certificates.ts"

describe("Certificates", () => {
  it.effect("say when the certificate of the node runs out, and nothing of one that cannot be read", () =>
    Effect.gen(function* () {
      const keys = yield* Effect.promise(() =>
        crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
      )
      const notAfter = new Date("2031-05-06T07:08:09Z")
      const certificate = yield* Effect.promise(() => X509CertificateGenerator.createSelfSigned({ keys, notAfter }))
      const of = (cert: string) => Certificates.figures({ serverTls: () => Effect.succeed({ cert }) })
      assert.deepStrictEqual(yield* of(certificate.toString("pem")), [
        {
          name: "novacron_certificate_expiry_timestamp_seconds",
          labels: { certificate: "node" },
          value: notAfter.getTime() / 1_000
        }
      ])
      assert.deepStrictEqual(yield* of("no certificate"), [])
    })
  )
})
