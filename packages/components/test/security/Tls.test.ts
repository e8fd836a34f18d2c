/** Real handshakes, on the loopback interface. */
import type { ConnectionOptions } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Option } from "effect"
import * as CertificateAuthority from "../../src/security/CertificateAuthority.ts"
import * as Certificates from "../../src/security/Certificates.ts"
import type { PrivateFiles } from "../../src/security/PrivateFiles.ts"
import * as Tls from "../../src/security/Tls.ts"
import { files, platform, settings } from "./fixtures/place.ts"
import { listen, meet, meetInTheClear } from "./fixtures/peers.ts"

const load = (files: PrivateFiles, nodeId: string) => Certificates.load({ settings: settings({}).tls, nodeId, files })

/** Two nodes of one CA: the second one has a copy of `ca.pem`. */
const twoNodes = Effect.gen(function* () {
  const first = yield* files
  const second = yield* files
  const one = yield* load(first, "node-1")
  yield* second.write("ca.pem", Option.getOrThrow(yield* first.read("ca.pem")))
  const authority = Buffer.from(Option.getOrThrow(yield* first.read("ca.pem"))).toString()
  return { one, two: yield* load(second, "node-2"), authority }
})

const pair = (pem: string): { readonly key: string; readonly cert: string } => {
  const at = pem.indexOf("-----BEGIN CERTIFICATE-----")
  return { key: pem.slice(0, at), cert: pem.slice(at) }
}

describe("a listener that asks for certificates", () => {
  it.live("lets in a node of its CA, knows its name, and speaks TLS 1.3", () =>
    Effect.gen(function* () {
      const { one, two } = yield* twoNodes
      const { port, seen } = yield* listen(Tls.server(one, "1.2", "required"))
      assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", "node-1")), "TLSv1.3")
      assert.deepStrictEqual(seen, ["node-2"])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("is found by its name, as localhost and by its address", () =>
    Effect.gen(function* () {
      const { one, two } = yield* twoNodes
      const { port } = yield* listen(Tls.server(one, "1.2", "required"))
      for (const name of ["node-1", "localhost", "127.0.0.1", "::1"]) {
        assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", name)), "TLSv1.3", name)
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("lets in nobody without a certificate", () =>
    Effect.gen(function* () {
      const { one, two } = yield* twoNodes
      const { port, seen } = yield* listen(Tls.server(one, "1.2", "required"))
      const { cert: _, key: __, ...bare } = Tls.client(two, "1.2", "node-1")
      assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", "node-1")), "TLSv1.3")
      assert.strictEqual(yield* meet(port, bare), "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")
      assert.deepStrictEqual(seen, ["node-2"])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("lets in nobody of another CA", () =>
    Effect.gen(function* () {
      const { one } = yield* twoNodes
      const stranger = yield* load(yield* files, "node-2")
      const { port, refused, seen } = yield* listen(Tls.server(one, "1.2", "required"))
      // The stranger would accept the listener.
      const options = { ...Tls.client(stranger, "1.2", "node-1"), ca: one.ca }
      assert.notInclude(yield* meet(port, options), "TLS")
      assert.deepStrictEqual(refused, ["UNABLE_TO_VERIFY_LEAF_SIGNATURE"])
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("lets in nobody whose certificate has run out, or is not valid yet", () =>
    Effect.gen(function* () {
      const { authority, one, two } = yield* twoNodes
      const nowMs = yield* Clock.currentTimeMillis
      const day = Duration.toMillis("1 day")
      const { port, refused, seen } = yield* listen(Tls.server(one, "1.2", "required"))
      const issued = (from: number, until: number) =>
        Effect.map(
          CertificateAuthority.issue(authority, "node-3", { notBefore: nowMs + from, notAfter: nowMs + until }),
          pair
        )
      const shows = ({ cert, key }: { readonly cert: string; readonly key: string }): ConnectionOptions => ({
        ...Tls.client(two, "1.2", "node-1"),
        cert,
        key
      })
      assert.strictEqual(yield* meet(port, shows(yield* issued(-day, day))), "TLSv1.3")
      assert.notInclude(yield* meet(port, shows(yield* issued(-2 * day, -day))), "TLS")
      assert.notInclude(yield* meet(port, shows(yield* issued(day, 2 * day))), "TLS")
      assert.deepStrictEqual(refused, ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"])
      assert.deepStrictEqual(seen, ["node-3"])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("does not speak TLS 1.1, and speaks 1.2 unless 1.3 is the least", () =>
    Effect.gen(function* () {
      const { one, two } = yield* twoNodes
      const older = (version: "TLSv1.1" | "TLSv1.2"): ConnectionOptions => ({
        ...Tls.client(two, "1.2", "node-1"),
        minVersion: version,
        maxVersion: version,
        // So that it is not the client's OpenSSL that refuses.
        ciphers: "DEFAULT:@SECLEVEL=0"
      })
      const lenient = yield* listen(Tls.server(one, "1.2", "required"))
      assert.strictEqual(yield* meet(lenient.port, older("TLSv1.2")), "TLSv1.2")
      assert.strictEqual(yield* meet(lenient.port, older("TLSv1.1")), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")
      const strict = yield* listen(Tls.server(one, "1.3", "required"))
      assert.strictEqual(yield* meet(strict.port, Tls.client(two, "1.2", "node-1")), "TLSv1.3")
      assert.strictEqual(yield* meet(strict.port, older("TLSv1.2")), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("says nothing to whoever does not speak TLS", () =>
    Effect.gen(function* () {
      const { one, two } = yield* twoNodes
      const { port, seen } = yield* listen(Tls.server(one, "1.2", "required"))
      assert.notInclude(yield* meetInTheClear(port), "hello")
      assert.deepStrictEqual(seen, [])
      assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", "node-1")), "TLSv1.3")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("a listener that only takes certificates", () => {
  it.live("knows who has shown one, and who has shown none or a stranger's", () =>
    Effect.gen(function* () {
      const { one, two } = yield* twoNodes
      const stranger = yield* load(yield* files, "node-2")
      const { port, seen } = yield* listen(Tls.server(one, "1.2", "requested"))
      const { cert: _, key: __, ...bare } = Tls.client(two, "1.2", "node-1")
      assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", "node-1")), "TLSv1.3")
      assert.strictEqual(yield* meet(port, bare), "TLSv1.3")
      assert.strictEqual(yield* meet(port, { ...Tls.client(stranger, "1.2", "node-1"), ca: one.ca }), "TLSv1.3")
      assert.deepStrictEqual(seen, ["node-2", undefined, undefined])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("a client", () => {
  it.live("does not talk to a node of another name", () =>
    Effect.gen(function* () {
      const { one, two } = yield* twoNodes
      const { port } = yield* listen(Tls.server(one, "1.2", "required"))
      assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", "node-1")), "TLSv1.3")
      assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", "node-7")), "ERR_TLS_CERT_ALTNAME_INVALID")
      assert.strictEqual(yield* meet(port, Tls.client(two, "1.2", "127.0.0.2")), "ERR_TLS_CERT_ALTNAME_INVALID")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("does not talk to a node of another CA, or one whose certificate has run out", () =>
    Effect.gen(function* () {
      const { authority, one, two } = yield* twoNodes
      const stranger = yield* load(yield* files, "node-1")
      const elsewhere = yield* listen(Tls.server(stranger, "1.2", "none"))
      const code = yield* meet(elsewhere.port, Tls.client(two, "1.2", "node-1"))
      assert.include(["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "SELF_SIGNED_CERT_IN_CHAIN"], code)
      const nowMs = yield* Clock.currentTimeMillis
      const day = Duration.toMillis("1 day")
      const validity = { notBefore: nowMs - 2 * day, notAfter: nowMs - day }
      const old = pair(yield* CertificateAuthority.issue(authority, "node-1", validity))
      const late = yield* listen({ ...Tls.server(one, "1.2", "none"), ...old })
      assert.strictEqual(yield* meet(late.port, Tls.client(two, "1.2", "node-1")), "CERT_HAS_EXPIRED")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
