import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { blame, load, layer as world } from "./fixtures/shop.ts"

layer(world)("a text in a file", (it) => {
  const id = (text: string, environment = {}) =>
    Effect.map(
      load({ text: `system: { node_id: ${JSON.stringify(text)} }`, environment }),
      ({ settings }) => settings.system.nodeId
    )

  it.effect("has variables, with or without a fallback", () =>
    Effect.gen(function* () {
      const environment = { NAME: "n1", EMPTY: "" }
      assert.strictEqual(yield* id("${NAME}", environment), "n1")
      assert.strictEqual(yield* id("a-${NAME}-${NAME:-x}-z", environment), "a-n1-n1-z")
      assert.strictEqual(yield* id("${NONE:-here}", environment), "here")
      assert.strictEqual(yield* id("${EMPTY:-here}", environment), "here")
      assert.strictEqual(yield* id("x${NONE:-}", environment), "x")
      assert.strictEqual(yield* id("x${EMPTY}", environment), "x")
    })
  )

  it.effect("can say that it means no variable", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* id("$${NAME}"), "${NAME}")
      assert.strictEqual(yield* id("$NAME and $1 {x}"), "$NAME and $1 {x}")
    })
  )

  it.effect("is what a variable is, a number too", () =>
    Effect.gen(function* () {
      const text = "system: { max_concurrency: '${N:-12}', peers: ['${P}', b], ports: ['${N}', 1], is_strict: '${S}' }"
      const { settings } = yield* load({ text, environment: { N: "7", P: "a", S: "false" } })
      assert.strictEqual(settings.system.maxConcurrency, 7)
      assert.deepStrictEqual(settings.system.peers, ["a", "b"])
      assert.deepStrictEqual(settings.system.ports, [7, 1])
      assert.isFalse(settings.system.isStrict)
    })
  )

  it.effect("with a variable that is not set is a problem, with its place", () =>
    Effect.gen(function* () {
      const text = "system:\n  node_id: '${NONE}'\n  peers: ['${1x}', '${ALSO_NONE}']"
      assert.deepStrictEqual(yield* blame(load({ text })), [
        "NVC-1008 system.node_id 2:12",
        "NVC-1008 system.peers 3:10",
        "NVC-1008 system.peers 3:10"
      ])
    })
  )

  it.effect("does not take for a variable what every object has", () =>
    Effect.gen(function* () {
      for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
        assert.strictEqual(yield* id(`\${${name}:-here}`), "here")
        assert.deepStrictEqual(yield* blame(load({ text: `system: { node_id: '\${${name}}' }` })), [
          "NVC-1008 system.node_id 1:20"
        ])
        assert.strictEqual(yield* id(`\${${name}}`, Object.fromEntries([[name, "set"]])), "set")
      }
    })
  )

  it.effect("is shown as it stands there where the variable could be a secret", () =>
    Effect.gen(function* () {
      const environment = { PASS: "open sesame", PORTS: "x" }
      const text = "system: { node_id: 'n-${PASS}', max_concurrency: '${N:-12}' }"
      const loaded = yield* load({ text, environment })
      assert.strictEqual(loaded.settings.system.nodeId, "n-open sesame")
      assert.deepInclude(loaded.masked()["system"], { node_id: "n-${PASS}", max_concurrency: 12 })
      const { message } = yield* Effect.flip(load({ text: "system: { max_concurrency: '${PASS}' }", environment }))
      assert.include(message, 'found "${PASS}"')
    })
  )
})

layer(world)("a variable", (it) => {
  it.effect("with the prefix must be a key, unless it belongs to somebody else", () =>
    Effect.gen(function* () {
      const environment = {
        SHOP_SYSTEM_NODEID: "x",
        SHOP_CONFIG: "x",
        SHOP_TEST_A: "x",
        SHOPPING: "x",
        SHOP_LOG_LEVEL: "warn"
      }
      const { problems } = yield* Effect.flip(load({ environment }))
      assert.strictEqual(problems.length, 1)
      assert.deepInclude(problems[0], { code: "NVC-1009", suggestion: "SHOP_SYSTEM_NODE_ID" })
      const { SHOP_SYSTEM_NODEID: _, ...others } = environment
      assert.strictEqual((yield* load({ environment: others })).settings.system.logLevel, "warn")
    })
  )

  it.effect("may be empty, which is a text like any other", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* blame(load({ environment: { SHOP_SYSTEM_RATIO: "" } })), [
        "NVC-1004 system.ratio Environment"
      ])
      const { settings } = yield* load({
        environment: { SHOP_TLS_MIN_VERSION: "", SHOP_TLS_CERT_PATH: "x" },
        resources: "skip"
      })
      assert.strictEqual(settings.tls?.minVersion, "")
    })
  )

  it.effect("of a table is JSON, and its parts win over those of the file", () =>
    Effect.gen(function* () {
      const text = "flags: { a: { percentage: 1, killed: true }, b: { percentage: 2 } }"
      const { settings } = yield* load({ text, environment: { SHOP_FLAGS: '{"a":{"percentage":9}}' } })
      assert.deepInclude(settings.flags["a"], { percentage: 9, killed: true })
      assert.deepInclude(settings.flags["b"], { percentage: 2 })
      assert.deepStrictEqual(yield* blame(load({ environment: { SHOP_FLAGS: "a=9" } })), ["NVC-1004 flags Environment"])
    })
  )

  it.effect("that is a secret is one from then on", () =>
    Effect.gen(function* () {
      const { explain, settings } = yield* load({ environment: { SHOP_SECURITY_TOKENS: "first one,second one" } })
      assert.deepStrictEqual(settings.security.tokens.map(Redacted.value), ["first one", "second one"])
      assert.notInclude(JSON.stringify(explain("")), " one")
    })
  )
})

layer(world)("what stands in the wrong place", (it) => {
  it.effect("is a problem of that place, and what it is stays unsaid", () =>
    Effect.gen(function* () {
      const { problems } = yield* Effect.flip(load({ text: "database: password open sesame\nsecurity: [a]\nflags: 1" }))
      assert.deepStrictEqual(
        problems.map(({ found, key }) => [key, found]),
        [
          ["database", "a text"],
          ["security", "a list"],
          ["flags", "a number"]
        ]
      )
      const odd = yield* Effect.flip(load({ text: "database: { password open sesame: }" }))
      assert.deepInclude(odd.problems[0], { key: "database", code: "NVC-1003" })
      assert.notInclude(odd.message, "sesame")
    })
  )

  it.effect("is found where it belongs", () =>
    Effect.gen(function* () {
      const { problems } = yield* Effect.flip(load({ text: "max_concurrency: 1" }))
      assert.strictEqual(problems[0].suggestion, "system.max_concurrency")
    })
  )

  it.effect("in the file as a whole is told at its first line", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* blame(load({ text: "just a text" })), ["NVC-1004 1:1"])
      assert.deepStrictEqual(yield* blame(load({ text: "system: { node_id: }" })), ["NVC-1004 system.node_id 1:11"])
    })
  )
})
