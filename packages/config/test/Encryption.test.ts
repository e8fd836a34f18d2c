import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted, Result, Schema } from "effect"
import * as fc from "fast-check"
import { parse } from "yaml"
import { Config, Encryption, Field } from "../src/index.ts"
import { blame, load, shop, write, layer as world } from "./fixtures/shop.ts"

const ring = (...keys: ReadonlyArray<string>) =>
  Result.getOrThrow(Encryption.parseKeyring(Redacted.make(keys.join("\n"))))
const first = Encryption.newKey("k1")
const second = Encryption.newKey("k2")
const bare = Encryption.newKey()
const key = "database.password"
const seal = (keyring: Encryption.Keyring, text = "open sesame", at = key) =>
  Encryption.encrypt(keyring, at, Redacted.make(text))
const open = (keyring: Encryption.Keyring | undefined, text: string, at = key): string =>
  Result.match(Encryption.decrypt(keyring, at, text), { onSuccess: Redacted.value, onFailure: ({ code }) => code })

describe("an encrypted value", () => {
  it("opens again, whatever it was and wherever it stood", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), fc.constantFrom(first, bare), (text, at, id) => {
        const sealed = seal(ring(id), text, at)
        assert.isTrue(Encryption.isEncrypted(sealed))
        assert.strictEqual(open(ring(id), sealed, at), Buffer.from(text).toString())
      })
    )
  })

  it("is version 1, a nonce of 12 bytes, the text, and a tag of 16 bytes", () => {
    const sealed = seal(ring(bare), "12345")
    assert.match(sealed, /^enc:AES256:[A-Za-z0-9+/=]+$/)
    const bytes = Buffer.from(sealed.slice("enc:AES256:".length), "base64")
    assert.strictEqual(bytes.length, 1 + 12 + 5 + 16)
    assert.strictEqual(bytes[0], 1)
    assert.match(seal(ring(first)), /^enc:AES256:k1:[A-Za-z0-9+/=]+$/)
  })

  it("is another one each time", () => {
    const sealed = Array.from({ length: 100 }, () => seal(ring(bare)))
    assert.strictEqual(new Set(sealed).size, 100)
  })

  it("does not open at another key", () => {
    const sealed = seal(ring(bare))
    assert.strictEqual(open(ring(bare), sealed), "open sesame")
    for (const at of ["database.url", "database.Password", "database.password.x", "", "security.tokens"]) {
      assert.strictEqual(open(ring(bare), sealed, at), "NVC-1010", at)
    }
  })

  it("does not open with another encryption key, or when one of its bits is different", () => {
    const sealed = seal(ring(bare))
    assert.strictEqual(open(ring(Encryption.newKey()), sealed), "NVC-1010")
    assert.strictEqual(open(undefined, sealed), "NVC-1011")
    const bytes = Buffer.from(sealed.slice("enc:AES256:".length), "base64")
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.strictEqual(open(ring(bare), `enc:AES256:${flipped.toString("base64")}`), "NVC-1010", `bit ${bit}`)
    }
    for (let length = 0; length < sealed.length; length++) {
      assert.match(open(ring(bare), sealed.slice(0, length)), /^NVC-101[01]$/)
    }
  })

  it("says which encryption key it wants, and finds it among others", () => {
    const sealed = seal(ring(first))
    assert.strictEqual(open(ring(second, first), sealed), "open sesame")
    assert.strictEqual(open(ring(second), sealed), "NVC-1011")
    assert.strictEqual(open(ring(second, first, bare), seal(ring(bare))), "open sesame")
    assert.strictEqual(open(ring(second, first), seal(ring(first)).replace(":k1", "")), "open sesame")
  })
})

describe("a keyring", () => {
  it("encrypts with its first key", () => {
    assert.strictEqual(ring(second, first).current, "k2")
    assert.strictEqual(ring("# a comment", "", `  ${bare}  `).current, "")
  })

  it("is refused without a word of what stands in it", () => {
    for (const text of [
      "",
      "# none",
      "not-a-key",
      "k1:c2hvcnQ=",
      `${first}\n${first}`,
      `${bare.slice(1)}`,
      `k 1:${bare}`
    ]) {
      const read = Encryption.parseKeyring(Redacted.make(text))
      assert.isTrue(Result.isFailure(read), text)
      if (Result.isFailure(read)) assert.match(read.failure, /^(Key \d of it|It holds no key)/)
    }
  })
})

layer(world)("encrypted settings", (it) => {
  const sealed = (at: string, text: string) => seal(ring(first), text, at)

  it.effect("are read with a keyring from a file, a variable or a provider", () =>
    Effect.gen(function* () {
      const text = `database: { password: "${sealed(key, "open sesame")}" }`
      const path = yield* write("keys", `${second}\n${first}\n`)
      const keyrings: ReadonlyArray<Encryption.KeyringSource> = [
        { _tag: "File", path },
        { _tag: "Environment", name: "KEYS" },
        { _tag: "Provider", name: "vault", get: Effect.succeed(Redacted.make(first)) }
      ]
      for (const keyring of keyrings) {
        const { settings } = yield* load({ text, keyring, environment: { KEYS: `${second},${first}` }, mode: 0o644 })
        assert.strictEqual(settings.database.password && Redacted.value(settings.database.password), "open sesame")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("are read wherever they stand, and are secrets there", () =>
    Effect.gen(function* () {
      const keyring = { _tag: "Environment", name: "KEYS" } as const
      const text = [
        `system:\n  node_id: "${sealed("system.node_id", "hidden node")}"`,
        `  max_concurrency: "${sealed("system.max_concurrency", "4711")}"`,
        `security: { tokens: ["${sealed("security.tokens", "token one")}"] }`
      ].join("\n")
      const environment = { KEYS: first, SHOP_DATABASE_PASSWORD: sealed(key, "open sesame") }
      const loaded = yield* load({ text, keyring, environment })
      assert.strictEqual(loaded.settings.system.nodeId, "hidden node")
      assert.strictEqual(loaded.settings.system.maxConcurrency, 4711)
      assert.deepStrictEqual(loaded.settings.security.tokens.map(Redacted.value), ["token one"])
      const shown = JSON.stringify([loaded.masked(), loaded.explain("")])
      for (const secret of ["hidden node", "4711", "token one", "open sesame"]) assert.notInclude(shown, secret)
    })
  )

  it.effect("that cannot be opened name the place and not the value", () =>
    Effect.gen(function* () {
      const elsewhere = sealed("database.url", "open sesame")
      const text = `database:\n  password: "${elsewhere}"`
      const environment = { KEYS: first, OTHER: second }
      const problems = (name: string | undefined) =>
        blame(
          load({
            text,
            environment,
            ...(name === undefined ? {} : { keyring: { _tag: "Environment", name } as const })
          })
        )
      assert.deepStrictEqual(yield* problems("KEYS"), ["NVC-1010 database.password 2:13"])
      assert.deepStrictEqual(yield* problems("OTHER"), ["NVC-1011 database.password 2:13"])
      assert.deepStrictEqual(yield* problems(undefined), ["NVC-1011 database.password 2:13"])
      assert.deepStrictEqual(yield* problems("NONE"), ["NVC-1011"])
      const { message } = yield* Effect.flip(load({ text, environment }))
      assert.notInclude(message, elsewhere.slice(12, 40))
    })
  )

  it.effect("are not read with a keyring that others may read, or that is not there", () =>
    Effect.gen(function* () {
      for (const mode of [0o640, 0o604, 0o660]) {
        const path = yield* write("keys", first, mode)
        assert.deepStrictEqual(yield* blame(load({ keyring: { _tag: "File", path } })), ["NVC-1011"])
      }
      assert.deepStrictEqual(yield* blame(load({ keyring: { _tag: "File", path: "/no/such/keys" } })), ["NVC-1011"])
      const get = Effect.fail(new Error("open sesame"))
      const failed = yield* Effect.flip(load({ keyring: { _tag: "Provider", name: "vault", get } }))
      assert.include(failed.message, "vault")
      assert.notInclude(JSON.stringify(failed) + failed.message, "sesame")
    }).pipe(Effect.scoped)
  )
})

layer(world)("a whole file", (it) => {
  const plain = `# the shop
database:
  password: open sesame # change it
  url: 'postgres://db/shop'

security:
  # tokens
  tokens: [ "token one", '\${TOKEN}' ]
  "other": |
    many
    lines
`
  const isWanted = (at: string) => Config.isSecret(shop, at) || at === "security.other"

  it.effect("is encrypted in place, rekeyed and opened, and every other byte of it stays", () =>
    Effect.gen(function* () {
      const encrypted = Result.getOrThrow(Encryption.encryptIn(plain, ring(first), isWanted))
      assert.deepStrictEqual(encrypted.changed, ["database.password", "security.tokens", "security.other"])
      assert.notInclude(encrypted.text, "sesame")
      const sealed = /"enc:AES256:k[12]:[^"]*"/g
      const rest = (text: string) => text.replaceAll(sealed, "_")
      assert.strictEqual(
        rest(encrypted.text),
        plain.replace("open sesame", "_").replace('"token one"', "_").replace("|\n    many\n    lines\n", "_\n")
      )
      const rekeyed = Result.getOrThrow(Encryption.rekey(encrypted.text, ring(second, first)))
      assert.strictEqual(rest(rekeyed.text), rest(encrypted.text))
      assert.strictEqual(rekeyed.text.match(/AES256:k2:/g)?.length, 3)
      const opened = Result.getOrThrow(Encryption.decryptIn(rekeyed.text, ring(second)))
      assert.include(opened.text, `password: "open sesame" # change it`)
      assert.include(opened.text, `"many\\nlines\\n"`)
      assert.deepStrictEqual(Result.getOrThrow(Encryption.encryptIn(encrypted.text, ring(first), isWanted)).changed, [])
    })
  )

  it.effect("that was rekeyed is read with the new key alone, as the same settings", () =>
    Effect.gen(function* () {
      const text = "database: { password: open sesame }\nsecurity:\n  tokens:\n    - token one\n    - token two\n"
      const encrypted = Result.getOrThrow(Encryption.encryptIn(text, ring(first), (at) => Config.isSecret(shop, at)))
      assert.deepStrictEqual(encrypted.changed, [key, "security.tokens", "security.tokens"])
      const { text: rekeyed } = Result.getOrThrow(Encryption.rekey(encrypted.text, ring(second, first)))
      const keyring = { _tag: "Environment", name: "KEYS" } as const
      const before = yield* load({ text })
      const after = yield* load({ text: rekeyed, keyring, environment: { KEYS: second } })
      assert.deepStrictEqual(after.values, before.values)
    })
  )

  it.effect("is encrypted below names with dots too, whatever else they are called", () =>
    Effect.gen(function* () {
      const site = Schema.Struct({ key: Field.secret, label: Schema.String })
      const sites = Config.define({
        name: "shop",
        schema: Schema.Struct({ sites: Schema.Record(Schema.String, site) })
      })
      const names = ["shop.example.com", "__proto__", "m\u00fcnchen", "a b"]
      const tree = Object.fromEntries(names.map((name) => [name, { key: `sesame ${name}`, label: "seen" }]))
      const sealed = Result.getOrThrow(
        Encryption.encryptIn(JSON.stringify({ sites: tree }), ring(first), (_, path) => Config.isSecret(sites, path))
      )
      assert.deepStrictEqual(
        sealed.changed,
        names.map((name) => `sites.${name}.key`)
      )
      assert.notInclude(sealed.text, "sesame")
      const file = yield* write("shop.json", sealed.text)
      const keyring = { _tag: "Environment", name: "KEYS" } as const
      const { settings } = yield* Config.load(sites, { file, keyring, environment: { KEYS: first } })
      assert.strictEqual(Redacted.value(settings.sites["shop.example.com"]!.key), "sesame shop.example.com")
    }).pipe(Effect.scoped)
  )

  it.effect("is encrypted where an alias stands too, for the key that it stands at", () =>
    Effect.gen(function* () {
      const text = [
        "database: { password: &one open sesame }",
        "system: { log_file: &two seen } # plain",
        "security:",
        "  tokens: [ *one, *two, last ]",
        "more: &three { password: open sesame, port: 1 }",
        "again: *three",
        "twice: [ *two ]",
        ""
      ].join("\n")
      const wanted = ["database.password", "security.tokens", "again.password"]
      const sealed = Result.getOrThrow(Encryption.encryptIn(text, ring(first), (at) => wanted.includes(at)))
      const tokens = ["security.tokens", "security.tokens", "security.tokens"]
      assert.deepStrictEqual(sealed.changed, ["database.password", ...tokens, "again.password"])
      const box = '"enc:AES256:k1:_"'
      assert.strictEqual(
        sealed.text.replaceAll(/k1:[^"]*/g, "k1:_"),
        [
          `database: { password: &one ${box} }`,
          "system: { log_file: &two seen } # plain",
          "security:",
          `  tokens: [ ${box}, ${box}, ${box} ]`,
          "more: &three { password: open sesame, port: 1 }",
          `again: {"password":${box},"port":1}`,
          "twice: [ *two ]",
          ""
        ].join("\n")
      )
      const opened = Result.getOrThrow(Encryption.decryptIn(sealed.text, ring(first)))
      assert.deepStrictEqual(parse(opened.text), parse(text))
    })
  )

  it.effect("leaves no alias to a value that is encrypted for another key", () =>
    Effect.gen(function* () {
      const text = "database: { password: &one open sesame }\nname: *one\nall: [ *one ]\n"
      const sealed = Result.getOrThrow(Encryption.encryptIn(text, ring(first), (at) => at === "database.password"))
      assert.deepStrictEqual(sealed.changed, ["database.password", "name", "all"])
      assert.match(sealed.text, /\nname: "open sesame"\nall: \[ "open sesame" \]\n$/)
    })
  )

  it.effect("that is no file of settings is not written at all, since what was missed would stay in plain text", () =>
    Effect.gen(function* () {
      for (const [text, where] of [
        ["database: { password: open sesame\nmore: 1", "2:1"],
        ["database: &a { password: open sesame, again: *a }", "1:14"],
        ["a: 1\na: 2\n", "2:1"]
      ] as const) {
        const failed = Encryption.encryptIn(text, ring(first), () => true)
        assert.isTrue(Result.isFailure(failed), text)
        if (Result.isFailure(failed)) {
          assert.strictEqual(failed.failure.where, where, text)
          assert.notInclude(failed.failure.message, "sesame")
        }
      }
    })
  )

  it.effect("is left as it is when one value does not open", () =>
    Effect.gen(function* () {
      const { text } = Result.getOrThrow(Encryption.encryptIn(plain, ring(first), isWanted))
      const failed = Encryption.rekey(text, ring(second))
      assert.isTrue(Result.isFailure(failed))
      if (Result.isFailure(failed)) assert.deepInclude(failed.failure, { code: "NVC-1011", where: "security.other" })
    })
  )
})
