import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import { Config, Field } from "../src/index.ts"
import * as Keys from "../src/Keys.ts"
import { load, shop, layer as world } from "./fixtures/shop.ts"

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

layer(world)("a key", (it) => {
  it.effect("can be set by its variable, whichever leaf or table it is", () =>
    Effect.gen(function* () {
      const samples: { readonly [key: string]: string } = {
        "database.url": "postgres://x",
        "database.password": "open sesame",
        "tls.cert_path": "/x",
        "tls.min_version": "1.3",
        flags: '{"beta":{"percentage":1}}'
      }
      const nodes = [...shop.keys.leaves, ...shop.keys.tables]
      assert.strictEqual(nodes.length, 19)
      for (const node of nodes) {
        const sample =
          samples[node.name] ?? textOf(Keys.toFile(Schema.Unknown.ast, node._tag === "Key" ? node.fallback : {}))
        const loaded = yield* load({
          environment: { SHOP_TLS_CERT_PATH: "/x", [node.environment ?? "?"]: sample },
          resources: "skip"
        })
        const [said] = loaded.explain(node.name)[0]?.sources ?? []
        assert.deepStrictEqual(said?.source, { _tag: "Environment", name: `${node.environment}` }, node.name)
      }
    })
  )

  it.effect("that is set by a text is what the Schema makes of it", () =>
    Effect.gen(function* () {
      const { settings } = yield* load({
        environment: {
          SHOP_SYSTEM_IS_STRICT: "false",
          SHOP_SYSTEM_RATIO: "1e-1",
          SHOP_SYSTEM_PEERS: "a, b",
          SHOP_SYSTEM_PORTS: "[1, 2]",
          SHOP_SYSTEM_STREAMS: "16",
          SHOP_SYSTEM_NODE_ID: "16",
          SHOP_SECURITY_RULES: '[{"rule_name":"all","is_allowed":true}]',
          SHOP_FLAGS: '{"beta":{"percentage":5}}'
        },
        flags: { "system.ports": "3,4" }
      })
      assert.isFalse(settings.system.isStrict)
      assert.strictEqual(settings.system.ratio, 0.1)
      assert.deepStrictEqual(settings.system.peers, ["a", "b"])
      assert.deepStrictEqual(settings.system.ports, [3, 4])
      assert.strictEqual(settings.system.streams, 16)
      assert.strictEqual(settings.system.nodeId, "16")
      assert.deepStrictEqual(settings.security.rules, [{ ruleName: "all", isAllowed: true }])
      assert.strictEqual(settings.flags["beta"]?.percentage, 5)
      const auto = yield* load({ environment: { SHOP_SYSTEM_STREAMS: "auto", SHOP_SYSTEM_PEERS: "" } })
      assert.strictEqual(auto.settings.system.streams, "auto")
      assert.deepStrictEqual(auto.settings.system.peers, [])
    })
  )

  it.effect("of a table may have any name, also one that objects are born with", () =>
    Effect.gen(function* () {
      const names = ["__proto__", "constructor", "toString", "maxPower", "a.b"]
      const text = `flags: { ${names.map((name) => `${name}: { percentage: 7 }`).join(", ")} }`
      const { masked, settings } = yield* load({ text })
      assert.deepInclude(masked()["flags"], { "a.b": { percentage: 7, except: [], killed: false } })
      assert.deepStrictEqual(Object.keys(settings.flags).toSorted(), names.toSorted())
      for (const name of names)
        assert.strictEqual(Object.getOwnPropertyDescriptor(settings.flags, name)?.value.percentage, 7)
      assert.isUndefined(Reflect.get({}, "percentage"))
    })
  )
})

describe("keys", () => {
  it("are snake_case in files and capitals in the environment", () => {
    assert.strictEqual(Keys.toSnake("maxConcurrency"), "max_concurrency")
    assert.strictEqual(Keys.toSnake("enableV3Transport"), "enable_v3_transport")
    assert.strictEqual(Keys.toSnake("nodeID"), "node_id")
    assert.strictEqual(Keys.toSnake("HTTPServer"), "http_server")
    assert.strictEqual(Keys.find(shop.keys, "system.max_concurrency")?._tag, "Key")
    assert.isUndefined(Keys.find(shop.keys, "system.maxConcurrency"))
    assert.strictEqual(shop.keys.byEnvironment.get("SHOP_DATABASE_POOL_MIN")?.name, "database.pool.min")
  })

  it("know what is a secret, be it in a list, a union, a default or a struct", () => {
    const secrets = {
      plain: Field.secret,
      list: Schema.Array(Field.secret),
      union: Schema.Union([Schema.Boolean, Field.secret]),
      defaulted: Field.withDefault(Field.secret, "x"),
      structs: Schema.Array(Schema.Struct({ name: Schema.String, password: Field.secret }))
    }
    const keys = Keys.make(Schema.Struct({ ...secrets, open: Schema.String }), "X")
    assert.deepStrictEqual(
      keys.leaves.filter(({ isSecret }) => isSecret).map(({ name }) => name),
      Object.keys(secrets)
    )
    assert.strictEqual(keys.leaves.length, 6)
  })

  it("say what is allowed, in words", () => {
    const short = Schema.NonEmptyString.check(Schema.isMaxLength(3, { expected: "three letters at the most" }))
    const keys = Keys.make(Schema.Struct({ any: Schema.String, some: Schema.NonEmptyString, short }), "X")
    assert.deepStrictEqual(
      keys.leaves.map(({ allowed }) => allowed),
      ["a text", "a text that is not empty", "a text that is not empty: three letters at the most"]
    )
  })

  it("say what is allowed in a mapping by the names in it, so that the members of a union can be told apart", () => {
    const door = Schema.Struct({ hostName: Schema.String, timeout: Schema.optionalKey(Schema.String) })
    const either = Schema.Union([door, Schema.Struct({ path: Field.withDefault(Schema.String, "/") })])
    const keys = Keys.make(Schema.Struct({ doors: Schema.Array(either), free: Schema.Array(Schema.Struct({})) }), "X")
    assert.deepStrictEqual(
      keys.leaves.map(({ allowed }) => allowed),
      ["a list, each { host_name, timeout? } | { path? }", "a list, each a mapping"]
    )
  })

  it("know their default, also from the section around them", () => {
    const pool = Schema.Struct({ min: Field.withDefault(Field.count, 1), max: Field.count })
    const keys = Keys.make(Schema.Struct({ pool: Field.withDefault(pool, { max: 9 }) }), "X")
    assert.deepStrictEqual(
      keys.leaves.map(({ fallback, isRequired, name }) => [name, fallback, isRequired]),
      [
        ["pool.min", 1, false],
        ["pool.max", 9, false]
      ]
    )
  })

  it("name themselves in files as in the Schema, and back", () => {
    const ast = Schema.Array(Schema.Struct({ isAllowed: Schema.Boolean, ruleName: Schema.String })).ast
    fc.assert(
      fc.property(fc.array(fc.record({ isAllowed: fc.boolean(), ruleName: fc.string() })), (rules) => {
        assert.deepStrictEqual(Keys.fromFile(ast, Keys.toFile(ast, rules)), rules)
      })
    )
    assert.deepStrictEqual(Keys.toFile(ast, [{ isAllowed: true }]), [{ is_allowed: true }])
  })

  it("follow a union to the member that fits", () => {
    const circle = Schema.Struct({ kind: Schema.Literal("circle"), outerRadius: Schema.Finite })
    const square = Schema.Struct({ kind: Schema.Literal("square"), sideLength: Schema.Finite })
    const { ast } = Schema.Array(Schema.Union([circle, square]))
    const shapes = [
      { kind: "square", sideLength: 1 },
      { kind: "circle", outerRadius: 2 }
    ]
    const written = [
      { kind: "square", side_length: 1 },
      { kind: "circle", outer_radius: 2 }
    ]
    assert.deepStrictEqual(Keys.toFile(ast, shapes), written)
    assert.deepStrictEqual(Keys.fromFile(ast, written), shapes)
  })

  it("are found in classes and in what may be undefined too", () => {
    class Pool extends Schema.Class<Pool>("Pool")({
      maxSize: Field.withDefault(Field.count, 9),
      password: Field.secret
    }) {}
    const schema = Schema.Struct({ pool: Pool, other: Schema.optional(Schema.Struct({ aB: Field.port })) })
    const keys = Keys.make(schema, "X")
    assert.deepStrictEqual(
      keys.leaves.map(({ fallback, isSecret, name }) => [name, isSecret, fallback]),
      [
        ["pool.max_size", false, 9],
        ["pool.password", true, undefined],
        ["other.a_b", false, undefined]
      ]
    )
  })

  it.effect("of a class become an instance of it", () =>
    Effect.gen(function* () {
      class Pool extends Schema.Class<Pool>("Pool")({ maxSize: Field.withDefault(Field.count, 9) }) {}
      const definition = Config.define({ name: "x", schema: Schema.Struct({ pool: Pool }) })
      const { masked, settings } = yield* Config.load(definition, { environment: { X_POOL_MAX_SIZE: "3" } })
      assert.instanceOf(settings.pool, Pool)
      assert.strictEqual(settings.pool.maxSize, 3)
      assert.deepStrictEqual(masked(), { pool: { max_size: 3 } })
    }).pipe(Effect.provide(world))
  )

  it("want a struct", () => {
    assert.throws(() => Config.define({ name: "x", schema: Schema.Array(Schema.String) }), /must be a Schema\.Struct/)
  })
})
