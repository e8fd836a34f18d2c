import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Redacted, Schema } from "effect"
import { Settings } from "../../src/security/Settings.ts"

const decode = Schema.decodeUnknownSync(Settings)
const complaint = (written: unknown): string => {
  const exit = Schema.decodeUnknownExit(Settings)(written)
  return Exit.isFailure(exit) ? inspect(exit.cause, { depth: 20 }) : "nothing"
}

describe("the settings of security", () => {
  it("boot a bare machine when nothing is written", () => {
    const settings = decode({})
    assert.strictEqual(settings.secrets.provider, "file")
    assert.strictEqual(settings.tls.minVersion, "1.2")
    assert.strictEqual(settings.authentication.method, "mtls")
    assert.isTrue(lasts(settings.keys.rotation, "90 days"))
    assert.isUndefined(settings.tls.ca)
  })

  it("take what is written, and show no secret of it", () => {
    const settings = decode({
      secrets: { provider: "vault", vault: { address: "https://vault.example:8200", token: "PLANTED-vault" } },
      authentication: { method: "token", tokens: { alice: { token: "PLANTED-token-of-alice" } } },
      keys: { rotation: "24h" }
    })
    assert.strictEqual(Redacted.value(settings.secrets.vault.token ?? Redacted.make("")), "PLANTED-vault")
    assert.isTrue(lasts(settings.keys.rotation, "1 day"))
    assert.notInclude(`${inspect(settings, { depth: 20, showHidden: true })} ${JSON.stringify(settings)}`, "PLANTED")
  })

  it("ask for one way into Vault, and for not more than one", () => {
    const vault = (vault: object) => complaint({ secrets: { provider: "vault", vault } })
    assert.strictEqual(vault({ token: "t" }), "nothing")
    assert.strictEqual(vault({ roleId: "r", secretId: "s" }), "nothing")
    for (const wrong of [{}, { roleId: "r" }, { secretId: "s" }, { token: "t", roleId: "r", secretId: "s" }]) {
      assert.include(vault(wrong), "Vault needs a token, or a role_id with its secret_id, and not both")
    }
    assert.strictEqual(complaint({ secrets: { provider: "file" } }), "nothing")
  })

  it("send secrets in the clear within this machine only", () => {
    const at = (address: string) => complaint({ secrets: { provider: "vault", vault: { address, token: "t" } } })
    for (const fine of [
      "https://vault.example",
      "http://127.0.0.1:8200",
      "http://localhost:8200",
      "http://[::1]:8200"
    ]) {
      assert.strictEqual(at(fine), "nothing", fine)
    }
    for (const wrong of ["http://vault.example", "http://127.0.0.1.example", "ftp://localhost", "vault", ""]) {
      assert.include(at(wrong), "https:// address", wrong)
    }
  })

  it("want ca, cert and key together", () => {
    assert.strictEqual(complaint({ tls: { ca: "a", cert: "b", key: "c" } }), "nothing")
    for (const part of [{ ca: "a" }, { cert: "b", key: "c" }, { ca: "a", cert: "b" }]) {
      assert.include(complaint({ tls: part }), "ca, cert and key belong together")
    }
  })

  it("want an issuer for oidc", () => {
    assert.strictEqual(
      complaint({ authentication: { method: "oidc", oidc: { issuer: "https://id.example" } } }),
      "nothing"
    )
    assert.include(complaint({ authentication: { method: "oidc" } }), "The method oidc needs an issuer")
  })

  it("refuse a token that is short, and do not repeat it", () => {
    const said = complaint({ authentication: { tokens: { alice: { token: "PLANTED" } } } })
    assert.notStrictEqual(said, "nothing")
    assert.notInclude(said, "PLANTED")
  })

  it("know no TLS before 1.2, and no other method", () => {
    for (const minVersion of ["1.1", "1.0", "SSLv3", ""])
      assert.notStrictEqual(complaint({ tls: { minVersion } }), "nothing")
    assert.notStrictEqual(complaint({ authentication: { method: "basic" } }), "nothing")
  })
})

const lasts = (duration: Duration.Duration, expected: Duration.Input): boolean =>
  Duration.toMillis(duration) === Duration.toMillis(expected)
