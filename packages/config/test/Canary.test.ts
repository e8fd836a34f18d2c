/** A secret that is planted wherever one can stand, and looked for in everything that this package says. */
import { inspect } from "node:util"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, FileSystem, Redacted, Result, Schema } from "effect"
import * as fc from "fast-check"
import { Audit, Config, Difference, Encryption, Field, History, JsonSchema, Reload, Template } from "../src/index.ts"
import { load, shop, write, layer as world } from "./fixtures/shop.ts"

const canary = "CANARY-tweet-4711"
const keyring = Encryption.newKey("k1")
const ring = Result.getOrThrow(Encryption.parseKeyring(Redacted.make(keyring)))
const environment = { KEYS: keyring, BIRD: canary }
const sealed = Encryption.encrypt(ring, "database.password", Redacted.make(canary))

/** All that can be seen of anything: as a text, as JSON, and as a debugger shows it. */
const seen = (...things: ReadonlyArray<unknown>): string =>
  things
    .map((thing) =>
      [
        String(thing),
        JSON.stringify(thing, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
        inspect(thing, { depth: 20, showHidden: true, maxStringLength: null })
      ].join("\n")
    )
    .join("\n")

const assertSilent = (text: string) => {
  assert.isAbove(text.length, 10)
  for (const secret of [canary, "tweet", keyring.slice(3), Buffer.from(canary).toString("base64")])
    assert.notInclude(text, secret)
}

type Options = Parameters<typeof load>[0]
const options = (more: Options): Options => ({
  keyring: { _tag: "Environment", name: "KEYS" },
  resources: "skip",
  ...more,
  environment: { ...environment, ...more.environment }
})

const planted: ReadonlyArray<Options> = [
  { text: `database: { password: ${canary} }` },
  { text: `database: { password: "${sealed}" }` },
  { text: "database: { password: '${BIRD}' }" },
  { text: "database: { password: 'x${BIRD}x' }" },
  { text: `security: { tokens: [one, ${canary}] }` },
  { text: `{"database": {"password": "${canary}"}}`, name: "shop.json" },
  { environment: { SHOP_DATABASE_PASSWORD: canary } },
  { environment: { SHOP_DATABASE_PASSWORD: sealed } },
  { environment: { SHOP_SECURITY_TOKENS: JSON.stringify([canary]) } },
  { flags: { "database.password": canary } },
  { text: "system: { node_id: 'n-${BIRD}', peers: ['${BIRD}'] }" },
  { text: `database: { url: "postgres://me:${canary}@db/x" }` },
  { text: `system: { node_id: "${Encryption.encrypt(ring, "system.node_id", Redacted.make(canary))}" }` }
]

const broken: ReadonlyArray<Options> = [
  { text: `database: { password: ${canary}` },
  { text: `database:\n  password: "${canary}\n  url: x` },
  { text: `database:\n  password: ${canary}: x\n` },
  { text: `database:\n\tpassword: ${canary}\n` },
  { text: `database:\n  password: ${canary}\n  password: ${canary}\n` },
  { text: `database:\n  password: &${canary} x\n  url: *${canary}x\n` },
  { text: `database: password ${canary}` },
  { text: `database: [${canary}]` },
  { text: `database: { "password ${canary}": }` },
  { text: `database: { pasword: ${canary} }` },
  { text: `database: { password: { nested: ${canary} } }` },
  { text: `database: { password: [${canary}] }` },
  { text: `security: { tokens: ${canary} }` },
  { text: `${canary} is the password` },
  { text: `database: { password: ${canary} }\nsystem: { log_level: ${canary}, ratio: x${canary} }` },
  { text: "system: { log_level: '${BIRD}', max_concurrency: '${BIRD}', ports: ['${BIRD}'] }" },
  { text: `database: { password: "enc:AES256:${canary}" }` },
  { text: `database: { url: "${sealed}" }` },
  { text: `database: { url: "mysql://me:${canary}@db/x" }` },
  { text: `config_version: 9\ndatabase: { password: ${canary} }` },
  { text: `database: { password: ${canary} }`, mode: 0o644 },
  { environment: { SHOP_DATABASE_PASWORD: canary } },
  { environment: { SHOP_DATABASE: canary } },
  { environment: { SHOP_DATABASE_PASSWORD: canary, SHOP_SYSTEM_RATIO: canary, SHOP_FLAGS: canary } },
  { environment: { SHOP_SECURITY_TOKENS: `["${canary}"`, SHOP_SYSTEM_RATIO: "x" } },
  { environment: { KEYS: `${keyring}\n${canary}` } },
  { text: `database: { password: ${canary} }\nsystem: { ratio: "${"x".repeat(105)}${canary}" }` },
  { flags: { "database.pasword": canary } },
  { flags: { database: canary } },
  { flags: { "database.password": canary, "system.log_level": canary } }
]

layer(world)("a secret", (it) => {
  it.effect("is there, and is not shown by anything that is said of good settings", () =>
    Effect.gen(function* () {
      for (const more of planted) {
        const loaded = yield* load(options(more))
        const plain = yield* load({ resources: "skip" })
        const { settings: _, ...rest } = loaded
        assertSilent(
          seen(
            rest,
            loaded.masked(),
            loaded.explain(""),
            Difference.between(plain, loaded),
            Difference.between(loaded, plain)
          )
        )
        assert.isAbove(Difference.between(plain, loaded).length, 0)
      }
      const [first = {}] = planted
      const { settings } = yield* load(options(first))
      assert.strictEqual(settings.database.password && Redacted.value(settings.database.password), canary)
      assertSilent(seen(settings))
    })
  )

  it.effect("is not shown by any problem, whatever is wrong and wherever", () =>
    Effect.gen(function* () {
      for (const more of broken) {
        const exit = yield* Effect.exit(load(options(more)))
        assert.isTrue(Exit.isFailure(exit), JSON.stringify(more))
        if (Exit.isFailure(exit))
          assertSilent(
            seen(exit, ...exit.cause.reasons, ...exit.cause.reasons.map((it) => it._tag === "Fail" && it.error))
          )
      }
    })
  )

  it.effect("is not shown by a file that somebody broke a little", () =>
    Effect.gen(function* () {
      const whole = [
        "system:\n  node_id: n1\n  peers: [a]",
        `database:\n  url: postgres://db/x\n  password: "${canary}"`,
        `security:\n  tokens:\n    - ${canary}\n`
      ].join("\n")
      const positions = fc.sample(
        fc.tuple(
          fc.nat(whole.length),
          fc.constantFrom("", "", ":", " ", "\n", '"', "[", "}", "-", "#", "\t", "&", "*", "|")
        ),
        { numRuns: 400, seed: 1 }
      )
      let failures = 0
      for (const [at, letter] of positions) {
        const text = whole.slice(0, at) + letter + whole.slice(letter === "" ? at + 1 : at)
        const exit = yield* Effect.exit(load(options({ text })))
        if (Exit.isFailure(exit)) assertSilent(seen(...exit.cause.reasons))
        else assertSilent(seen(exit.value.masked(), exit.value.explain("")))
        if (Exit.isFailure(exit)) failures++
      }
      assert.isAbove(failures, 100)
    })
  )

  it.effect("is not shown by a JSON Schema, a first file, a definition", () =>
    Effect.gen(function* () {
      yield* load(options(planted[0] ?? {}))
      const schema = Schema.Struct({ key: Field.withDefault(Field.secret, canary) })
      const definition = Config.define({ name: "x", schema })
      const loaded = yield* Config.load(definition, {})
      assertSilent(
        seen(shop, JsonSchema.make(definition), Template.init(definition), loaded.masked(), loaded.explain(""))
      )
    })
  )

  it.effect("is not written into the audit log, nor into the index of the history", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const file = yield* write("shop.yaml", `database: { password: ${canary} }`)
      const before = yield* load({})
      const loaded = yield* Config.load(shop, { file })
      const audit = yield* Audit.make(`${file}.audit`)
      const changedKeys = Difference.between(before, loaded).map(({ key }) => key)
      assert.deepStrictEqual(changedKeys, ["database.password"])
      yield* audit.append({ user: "root", action: "load", source: "file", success: true, changedKeys })
      const directory = `${file}.history`
      yield* History.record({ directory, user: "root" }, file)
      assertSilent(yield* files.readFileString(`${file}.audit`))
      assertSilent(yield* files.readFileString(`${directory}/index`))
      assertSilent(seen(yield* History.list(directory)))
    }).pipe(Effect.scoped)
  )

  it.effect("is not shown by a reload, rejected or not", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const file = yield* write("shop.yaml", "")
      const loaded = yield* Config.load(shop, { file })
      const { reload } = yield* Reload.make(shop, loaded, { file })
      for (const text of [
        `database: { password: ${canary} }`,
        `database: { password: ${canary}`,
        `database: { pasword: ${canary} }`
      ]) {
        yield* files.writeFileString(file, text)
        const rejected = yield* Effect.flip(reload)
        assertSilent(seen(rejected, rejected.reason, rejected.message))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("is not shown by what cannot be rekeyed or opened", () =>
    Effect.gen(function* () {
      const text = `a: "${sealed}"`
      const other = Result.getOrThrow(Encryption.parseKeyring(Redacted.make(Encryption.newKey("k1"))))
      assertSilent(seen(Encryption.rekey(text, other), Encryption.decryptIn(text, ring), ring, other))
      assertSilent(seen(yield* Effect.exit(Encryption.loadKeyring({ _tag: "Environment", name: "BIRD" }, environment))))
    })
  )
})
