import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { Config, Signature } from "../src/index.ts"
import { afterAll } from "vitest"
import { blame, shop, layer as world } from "./fixtures/shop.ts"

const directory = mkdtempSync(join(tmpdir(), "signature-"))
afterAll(() => rmSync(directory, { recursive: true }))
const at = (name: string) => join(directory, name)
const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] })

/** A key pair of each kind, made by openssl, and how openssl signs and verifies with it. */
const kinds = {
  rsa: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  ec: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
  ed25519: ["-algorithm", "ED25519"]
} as const
type Kind = keyof typeof kinds
const each: ReadonlyArray<Kind> = ["rsa", "ec", "ed25519"]

const keys = (name: string, options: ReadonlyArray<string>) => {
  openssl("genpkey", ...options, "-out", at(`${name}.pem`))
  openssl("pkey", "-in", at(`${name}.pem`), "-pubout", "-out", at(`${name}.pub`))
}
each.forEach((kind) => keys(kind, kinds[kind]))
keys("other", kinds.ed25519)
keys("weak", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"])

const signed = (kind: Kind | "other" | "weak", file: string) => {
  const key = at(`${kind}.pem`)
  if (kind === "ed25519" || kind === "other")
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file, "-out", `${file}.sig`)
  else openssl("dgst", "-sha256", "-sign", key, "-out", `${file}.sig`, file)
}
const verified = (kind: Kind, file: string, signature: string): string => {
  const key = ["-inkey", at(`${kind}.pub`), "-pubin"]
  return kind === "ed25519"
    ? openssl("pkeyutl", "-verify", "-rawin", ...key, "-in", file, "-sigfile", signature).toString()
    : openssl("dgst", "-sha256", "-verify", at(`${kind}.pub`), "-signature", signature, file).toString()
}

const file = (name: string, text = "system: { ratio: 0.125 }\n") => {
  writeFileSync(at(name), text, { mode: 0o600 })
  return at(name)
}
const required = (kind: Kind, policy: Signature.Policy = "require") => ({ policy, publicKeys: [at(`${kind}.pub`)] })

layer(world)("a signature", (it) => {
  for (const kind of each) {
    it.effect(`made by openssl with ${kind} is accepted`, () =>
      Effect.gen(function* () {
        const path = file(`${kind}.yaml`)
        signed(kind, path)
        const loaded = yield* Config.load(shop, { file: path, signature: required(kind) })
        assert.strictEqual(loaded.settings.system.ratio, 0.125)
        assert.deepStrictEqual(loaded.warnings, [])
      })
    )

    it.effect(`made by us with ${kind} is accepted by openssl and by us`, () =>
      Effect.gen(function* () {
        const path = file(`ours-${kind}.yaml`)
        const key = Redacted.make(readFileSync(at(`${kind}.pem`), "utf8"))
        writeFileSync(`${path}.sig`, Result.getOrThrow(Signature.sign(readFileSync(path), key)))
        assert.match(verified(kind, path, `${path}.sig`), /Verified OK|Verified Successfully/)
        assert.isDefined(yield* Config.load(shop, { file: path, signature: required(kind) }))
      })
    )

    it.effect(`of ${kind} is not accepted for other bytes, from another key, or cut off`, () =>
      Effect.gen(function* () {
        const path = file(`changed-${kind}.yaml`)
        signed(kind, path)
        const load = blame(Config.load(shop, { file: path, signature: required(kind) }))
        assert.isDefined(yield* Config.load(shop, { file: path, signature: required(kind) }))
        file(`changed-${kind}.yaml`, "system: { ratio: 0.126 }\n")
        assert.deepStrictEqual(yield* load, ["NVC-1012"])
        file(`changed-${kind}.yaml`)
        signed("other", path)
        assert.deepStrictEqual(yield* load, ["NVC-1012"])
        signed(kind, path)
        writeFileSync(`${path}.sig`, readFileSync(`${path}.sig`).subarray(1))
        assert.deepStrictEqual(yield* load, ["NVC-1012"])
        writeFileSync(`${path}.sig`, "")
        assert.deepStrictEqual(yield* load, ["NVC-1012"])
        rmSync(`${path}.sig`)
        assert.deepStrictEqual(yield* load, ["NVC-1012"])
      })
    )
  }

  it.effect("is checked before anything is parsed, and a bad one ends with 65", () =>
    Effect.gen(function* () {
      const path = file("broken.yaml", "{{{{ not YAML")
      signed("ec", path)
      const parsed = yield* blame(Config.load(shop, { file: path, signature: required("ec") }))
      assert.isTrue(parsed.length > 0 && parsed.every((it) => it.startsWith("NVC-1002")))
      signed("other", path)
      const error = yield* Effect.flip(Config.load(shop, { file: path, signature: required("ec") }))
      assert.strictEqual(error.code, "NVC-1012")
      assert.strictEqual(error.exitCode, 65)
      assert.strictEqual(error.problems.length, 1)
    })
  )

  it.effect("that is bad only warns under `warn`, and is not looked at under `off`", () =>
    Effect.gen(function* () {
      const path = file("tolerated.yaml")
      signed("other", path)
      const warned = yield* Config.load(shop, { file: path, signature: required("rsa", "warn") })
      assert.deepStrictEqual(
        warned.warnings.map(({ code }) => code),
        ["NVC-1012"]
      )
      const off = yield* Config.load(shop, { file: path, signature: required("rsa", "off") })
      assert.deepStrictEqual(off.warnings, [])
    })
  )

  it.effect("may be of one of two keys, and stand elsewhere", () =>
    Effect.gen(function* () {
      const path = file("moved.yaml")
      signed("ec", path)
      writeFileSync(at("elsewhere"), readFileSync(`${path}.sig`))
      rmSync(`${path}.sig`)
      const both = { policy: "require", publicKeys: [at("rsa.pub"), at("ec.pub")], file: at("elsewhere") } as const
      assert.isDefined(yield* Config.load(shop, { file: path, signature: both }))
      const none = { ...both, publicKeys: [] }
      assert.deepStrictEqual(yield* blame(Config.load(shop, { file: path, signature: none })), ["NVC-1012"])
      const missing = { ...both, publicKeys: [at("none.pub")] }
      assert.deepStrictEqual(yield* blame(Config.load(shop, { file: path, signature: missing })), ["NVC-1012"])
    })
  )

  it.effect("with a key that is too weak, or none at all, is not accepted and not made", () =>
    Effect.gen(function* () {
      const path = file("weak.yaml")
      signed("weak", path)
      const weak = { policy: "require", publicKeys: [at("weak.pub")] } as const
      const { message } = yield* Effect.flip(Config.load(shop, { file: path, signature: weak }))
      assert.include(message, "2048")
      const key = (name: string) => Redacted.make(readFileSync(at(name), "utf8"))
      assert.isTrue(Result.isFailure(Signature.sign(Buffer.from("x"), key("weak.pem"))))
      assert.isTrue(Result.isFailure(Signature.sign(Buffer.from("x"), Redacted.make("no PEM"))))
      assert.isTrue(Result.isSuccess(Signature.sign(Buffer.from("x"), key("ec.pem"))))
    })
  )
})
