import { X509Certificate } from "node:crypto"
import { execFileSync } from "node:child_process"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, FileSystem, Option } from "effect"
import { TestClock } from "effect/testing"
import * as CertificateAuthority from "../../src/security/CertificateAuthority.ts"
import * as Certificates from "../../src/security/Certificates.ts"
import * as PrivateFiles from "../../src/security/PrivateFiles.ts"
import { files, folder, platform, settings } from "./fixtures/place.ts"
import { stopping } from "./fixtures/stopping.ts"

const load = (files: PrivateFiles.PrivateFiles, tls: unknown = {}, nodeId = "node-1") =>
  Certificates.load({ settings: settings({ tls }).tls, nodeId, files })

const day = Duration.toMillis("1 day")

/** A CA and a certificate of it as an operator would bring them, in files of their own. */
const ownFiles = Effect.fnUntraced(function* (
  names: { readonly nodeId?: string; readonly validity?: CertificateAuthority.Validity } = {}
) {
  const fileSystem = yield* FileSystem.FileSystem
  const where = yield* folder
  const validity = names.validity ?? { notBefore: -day, notAfter: 90 * day }
  const authority = yield* CertificateAuthority.make("Own CA", { notBefore: -day, notAfter: 3650 * day })
  const pem = yield* CertificateAuthority.issue(authority, names.nodeId ?? "node-1", validity)
  const split = (text: string) => text.indexOf("-----BEGIN CERTIFICATE-----")
  const tls = { ca: `${where}/ca.crt`, cert: `${where}/node.crt`, key: `${where}/node.key` }
  yield* fileSystem.writeFileString(tls.ca, authority.slice(split(authority)))
  yield* fileSystem.writeFileString(tls.cert, pem.slice(split(pem)))
  yield* fileSystem.writeFileString(tls.key, pem.slice(0, split(pem)), { mode: 0o600 })
  return tls
})

describe("certificates that are made here", () => {
  it.effect("are those of one, when two who ask at the same time find none", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(new Date().getTime())
      const box = yield* files
      const [one, other] = yield* Effect.all([load(box), load(box)], { concurrency: 2 })
      assert.deepStrictEqual([one.isNew, other.isNew], [true, false])
      assert.deepStrictEqual([other.certificate, other.ca], [one.certificate, one.ca])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("name the node and this machine, and openssl finds nothing wrong with them", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(new Date().getTime())
      const box = yield* files
      const identity = yield* load(box)
      assert.isTrue(identity.isNew)
      const leaf = new X509Certificate(identity.certificate)
      assert.strictEqual(leaf.subject, "CN=node-1")
      assert.strictEqual(
        leaf.subjectAltName,
        "DNS:node-1, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1"
      )
      assert.isFalse(leaf.ca)
      const openssl = (...args: ReadonlyArray<string>) =>
        execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" })
      const said = openssl(
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        box.path("ca.pem"),
        box.path("node.pem")
      )
      assert.include(said, "OK")
      assert.include(openssl("ec", "-in", box.path("node.pem"), "-noout", "-text"), "prime256v1")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are the same after a restart", () =>
    Effect.gen(function* () {
      const box = yield* files
      const first = yield* load(box)
      const second = yield* load(box)
      assert.isFalse(second.isNew)
      assert.strictEqual(second.certificate, first.certificate)
      assert.strictEqual(second.ca, first.ca)
      assert.isTrue(second.key.equals(first.key))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are made again by the same CA when less than a third of their life is left, and not before", () =>
    Effect.gen(function* () {
      const box = yield* files
      const first = yield* load(box, { validityDays: 90 })
      yield* TestClock.adjust("59 days")
      assert.strictEqual((yield* load(box)).certificate, first.certificate)
      yield* TestClock.adjust("2 days")
      const renewed = yield* load(box)
      assert.notStrictEqual(renewed.certificate, first.certificate)
      assert.strictEqual(renewed.ca, first.ca)
      assert.strictEqual(renewed.validity.notAfter, (61 + 90) * day)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are made again when they have run out, when the node has another name, and when the file is damaged", () =>
    Effect.gen(function* () {
      const box = yield* files
      const first = yield* load(box)
      yield* TestClock.adjust("200 days")
      const second = yield* load(box)
      assert.isTrue(second.isNew)
      const renamed = yield* load(box, {}, "node-2")
      assert.strictEqual(new X509Certificate(renamed.certificate).subject, "CN=node-2")
      yield* box.write("node.pem", Buffer.from("PLANTED"))
      assert.isTrue((yield* load(box, {}, "node-2")).isNew)
      assert.strictEqual((yield* load(box, {}, "node-2")).ca, first.ca)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are not made when the CA has run out, or is damaged: nobody would know the next one", () =>
    Effect.gen(function* () {
      const box = yield* files
      yield* load(box)
      yield* TestClock.adjust("3651 days")
      const expired = yield* Effect.flip(load(box))
      assert.strictEqual(expired._tag, "CertificateExpired")
      assert.include(expired.message, box.path("ca.pem"))
      yield* box.write("ca.pem", Buffer.from("PLANTED"))
      const damaged = yield* Effect.flip(load(box))
      assert.strictEqual(damaged._tag, "KeyMaterialUnusable")
      assert.notInclude(inspect(damaged, { depth: 10 }), "PLANTED")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("outlive a clock that was ahead by a time zone when they were made, and is set right", () =>
    Effect.gen(function* () {
      const box = yield* files
      yield* TestClock.setTime(3 * day)
      const first = yield* load(box)
      yield* TestClock.setTime(3 * day - Duration.toMillis("14 hours"))
      const second = yield* load(box)
      assert.strictEqual(second.certificate, first.certificate)
      yield* Certificates.checkValidity(second)
      // Further back the CA is not valid yet, and nothing that it signs would be.
      yield* TestClock.setTime(day)
      const early = yield* Effect.flip(load(box))
      assert.strictEqual(early.code, "NVC-2008")
      assert.include(early.message, box.path("ca.pem"))
      assert.include(early.message, "it is valid from 1970-01-03T00:00:00.000Z, or the clock of this machine is wrong")
      assert.strictEqual((yield* Effect.flip(Certificates.checkValidity(second))).code, "NVC-2008")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are made again by the same CA when they are not valid yet, and it is", () =>
    Effect.gen(function* () {
      const box = yield* files
      yield* load(box)
      yield* TestClock.setTime(80 * day)
      const ahead = yield* load(box)
      yield* TestClock.setTime(10 * day)
      const now = yield* load(box)
      assert.notStrictEqual(now.certificate, ahead.certificate)
      assert.strictEqual(now.ca, ahead.ca)
      yield* Certificates.checkValidity(now)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are made again when the CA was exchanged for that of a cluster", () =>
    Effect.gen(function* () {
      const [box, other] = [yield* files, yield* files]
      yield* load(box)
      yield* load(other, {}, "node-0")
      yield* box.write("ca.pem", Option.getOrThrow(yield* other.read("ca.pem")))
      const { ca, certificate } = yield* load(box)
      assert.strictEqual(new X509Certificate(ca).subject, "CN=NovaCron development CA of node-0")
      assert.isTrue(new X509Certificate(certificate).verify(new X509Certificate(ca).publicKey))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are not made by another CA when theirs is gone", () =>
    Effect.gen(function* () {
      const box = yield* files
      yield* load(box)
      yield* box.remove("ca.pem")
      const error = yield* Effect.flip(load(box))
      assert.include(error.message, `${box.path("ca.pem")} cannot be used: it is gone`)
      assert.notInclude(yield* box.names, "ca.pem")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("do not outlive their CA", () =>
    Effect.gen(function* () {
      const box = yield* files
      yield* load(box)
      yield* TestClock.adjust("3600 days")
      const last = yield* load(box)
      assert.strictEqual(last.validity.notAfter, 3650 * day)
      yield* TestClock.adjust("49 days")
      assert.strictEqual((yield* load(box)).certificate, last.certificate)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("show nothing of their key when they are printed", () =>
    Effect.gen(function* () {
      const identity = yield* load(yield* files)
      const pem = identity.key.toString()
      assert.include(pem, "-----BEGIN PRIVATE KEY-----")
      const forms = [inspect(identity, { depth: 10, showHidden: true }), JSON.stringify(identity)]
      for (const form of forms) assert.include(form, "<redacted>")
      const shown = forms.join()
      assert.notInclude(shown, "PRIVATE KEY")
      assert.notInclude(shown, identity.key.toString("hex").slice(0, 20))
      assert.notInclude(shown, pem.slice(40, 60))
      assert.notInclude(shown, `${[...identity.key.subarray(0, 5)].join()}`)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("a process that is killed", () => {
  it.effect("at any step of the first boot, or of a renewal, leaves certificates that fit each other", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      for (const days of [0, 100]) {
        let killed = 0
        for (let changes = 0; ; changes++) {
          const where = yield* folder
          const loading = Effect.flatMap(PrivateFiles.open(where), (files) => load(files))
          if (days > 0) {
            yield* TestClock.setTime(0)
            yield* loading
            yield* TestClock.setTime(days * day)
          }
          const dying = Effect.provideService(loading, FileSystem.FileSystem, stopping(fileSystem, changes))
          const exit = yield* Effect.exit(dying)
          const { ca, certificate } = yield* loading
          assert.isTrue(new X509Certificate(certificate).verify(new X509Certificate(ca).publicKey))
          if (Exit.isSuccess(exit)) break
          killed++
        }
        assert.isAtLeast(killed, days === 0 ? 12 : 6)
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("certificates of the operator", () => {
  it.effect("are taken as they are, and none is made", () =>
    Effect.gen(function* () {
      const box = yield* files
      const identity = yield* load(box, yield* ownFiles())
      assert.isFalse(identity.isOurs)
      assert.strictEqual(new X509Certificate(identity.ca).subject, "CN=Own CA")
      assert.deepStrictEqual(yield* box.names, [])
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are refused when the key is open to others", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const tls = yield* ownFiles()
      yield* fileSystem.chmod(tls.key, 0o644)
      const error = yield* Effect.flip(load(yield* files, tls))
      assert.strictEqual(error.code, "NVC-2001")
      assert.include(error.message, `${tls.key} is open to other users (mode 0644)`)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are refused when they have run out, and when they are not valid yet", () =>
    Effect.gen(function* () {
      const box = yield* files
      const old = yield* Effect.flip(load(box, yield* ownFiles({ validity: { notBefore: -2 * day, notAfter: -day } })))
      assert.strictEqual(old.code, "NVC-2005")
      assert.include(old.message, "node.crt")
      const early = yield* Effect.flip(load(box, yield* ownFiles({ validity: { notBefore: day, notAfter: 2 * day } })))
      assert.include(early.message, "it is valid from 1970-01-02T00:00:00.000Z")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are refused when key, certificate, CA and node do not belong together", () =>
    Effect.gen(function* () {
      const box = yield* files
      const [one, two] = [yield* ownFiles(), yield* ownFiles()]
      const says = (tls: unknown) =>
        Effect.map(Effect.flip(load(box, tls)), ({ code, message }) => `${code} ${message}`)
      assert.include(yield* says({ ...one, key: two.key }), "NVC-2008")
      assert.include(yield* says({ ...one, key: two.key }), `does not belong to the key in ${two.key}`)
      assert.include(yield* says({ ...one, ca: two.ca }), `no CA in ${two.ca} has signed it`)
      assert.include(yield* says(yield* ownFiles({ nodeId: "node-9" })), "it does not name this node, node-1")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("are refused when a file is missing or something else, without showing it", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const box = yield* files
      const tls = yield* ownFiles()
      assert.isFalse((yield* load(box, tls)).isOurs)
      const planted = `${yield* folder}/planted`
      yield* fileSystem.writeFileString(planted, "PLANTED", { mode: 0o600 })
      for (const part of ["ca", "cert", "key"] as const) {
        for (const path of [planted, "/nowhere/at/all"]) {
          const error = yield* Effect.flip(load(box, { ...tls, [part]: path }))
          assert.include(error.message, path)
          assert.notInclude(inspect(error, { depth: 10 }), "PLANTED")
        }
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("may come with the intermediate certificates between them and the CA", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const where = yield* folder
      // By openssl: the CA made here signs no further CA.
      const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { cwd: where, stdio: "pipe" })
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
      openssl("req", "-x509", ...key, "-keyout", "root.key", "-out", "root.crt", "-subj", "/CN=root", "-days", "9")
      yield* fileSystem.writeFileString(`${where}/ca.ext`, "basicConstraints=critical,CA:true")
      yield* fileSystem.writeFileString(`${where}/node.ext`, "subjectAltName=DNS:node-1")
      for (const [name, by, extensions] of [
        ["between", "root", "ca.ext"],
        ["node", "between", "node.ext"]
      ] as const) {
        openssl("req", "-new", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`)
        const signer = ["-CA", `${by}.crt`, "-CAkey", `${by}.key`, "-CAcreateserial", "-extfile", extensions]
        openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.crt`, ...signer, "-days", "9")
      }
      // After they were made, however long that took.
      yield* TestClock.setTime(new Date().getTime() + 60_000)
      const read = (name: string) => fileSystem.readFileString(`${where}/${name}`)
      yield* fileSystem.chmod(`${where}/node.key`, 0o600)
      const tls = { ca: `${where}/root.crt`, cert: `${where}/node.crt`, key: `${where}/node.key` }
      assert.include((yield* Effect.flip(load(yield* files, tls))).message, "has signed it")
      yield* fileSystem.writeFileString(tls.cert, (yield* read("node.crt")) + (yield* read("between.crt")))
      assert.isFalse((yield* load(yield* files, tls)).isOurs)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("a validity", () => {
  it("is aging in its last third", () => {
    const validity = { notBefore: 0, notAfter: 300 }
    assert.deepStrictEqual(
      [0, 200, 201, 299, 400].map((nowMs) => Certificates.isAging(nowMs, validity)),
      [false, false, true, true, true]
    )
  })

  it.effect("that is over fails the check", () =>
    Effect.gen(function* () {
      const identity = yield* load(yield* files)
      yield* Certificates.checkValidity(identity)
      yield* TestClock.adjust("90 days")
      assert.strictEqual((yield* Effect.flip(Certificates.checkValidity(identity))).code, "NVC-2005")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})
