import { spawnSync } from "node:child_process"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { parse } from "yaml"
import { Config, Field, JsonSchema, Template } from "../src/index.ts"
import * as Keys from "../src/Keys.ts"
import { complaints } from "./fixtures/draft2020.ts"
import { load, shop, layer as world } from "./fixtures/shop.ts"

const schema = JsonSchema.make(shop)

/** The validator of Python, by other people, for drafts of JSON Schema; Debian has it as python3-jsonschema. */
const hasValidator =
  spawnSync("python3", ["-W", "ignore", "-c", "from jsonschema import Draft202012Validator"]).status === 0
const at = (...path: ReadonlyArray<string>) =>
  Keys.at(
    schema,
    path.flatMap((part) => ["properties", part])
  )

describe("the JSON Schema", () => {
  it("says what a file may say: names as in a file, descriptions, defaults, and nothing else", () => {
    assert.deepInclude(schema, {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      additionalProperties: false
    })
    assert.deepInclude(at("system"), { additionalProperties: false, type: ["object", "null"] })
    assert.deepInclude(at("system", "log_level"), { default: "info", description: "What is logged" })
    assert.deepInclude(at("system", "min_memory"), { default: "8 GB" })
    assert.deepInclude(at("config_version"), { minimum: 1, maximum: 2 })
    assert.deepInclude(at("database", "password"), { writeOnly: true, description: "Its password" })
  })

  it("has every key of the settings", () => {
    assert.isAbove(shop.keys.leaves.length, 15)
    for (const { name } of shop.keys.leaves) assert.isDefined(at(...name.split(".")), name)
  })

  it("keeps a default that is secret to itself", () => {
    const settings = Schema.Struct({
      key: Field.withDefault(Field.secret, "open sesame"),
      open: Field.withDefault(Field.port, 1)
    })
    const text = JSON.stringify(JsonSchema.make(Config.define({ name: "x", schema: settings })))
    assert.include(text, '"default":1')
    assert.notInclude(text, "sesame")
  })
})

layer(world)("the JSON Schema", (it) => {
  const good = [
    "",
    "config_version: 2",
    "system: { log_level: warn, max_concurrency: 7, shutdown_timeout: 1h30m, min_memory: 4GB, streams: auto, ports: [1] }",
    "system: { streams: 16, peers: [a], is_strict: false, ratio: 0.5 }\ndatabase:\n",
    "system: { max_concurrency: '${N:-7}', is_strict: '${S:-true}', log_level: '${L:-warn}' }",
    "security: { rules: [{ rule_name: all, is_allowed: true }], tokens: [abc] }",
    "flags: { beta: { percentage: 10, only: [a] }, gamma: {} }",
    "tls: { cert_path: /dev/null/x }",
    ...[undefined, ...Object.keys(shop.templates ?? {})].map((name) => Template.init(shop, name))
  ]
  const bad = [
    "system: { log_level: loud }",
    "system: { max_concurrency: 0 }",
    "system: { max_concurrency: 1.5 }",
    "system: { shutdown_timeout: soon }",
    "system: { shutdown_timeout: 30 }",
    "system: { min_memory: 4 }",
    "system: { is_strict: 'yes' }",
    "system: { ports: [70000] }",
    "system: { peers: a }",
    "system: { streams: some }",
    "system: { logLevel: info }",
    "security: { rules: [{ rule_nam: all }] }",
    "security: { rules: [{ is_allowed: true }] }",
    "flags: { beta: { percentage: 101 } }",
    "flags: { beta: { percent: 1 } }",
    "other: 1",
    "config_version: 3",
    "system: 1"
  ]

  it.effect("allows what loads", () =>
    Effect.gen(function* () {
      for (const text of good) {
        assert.deepStrictEqual(complaints(schema, parse(text) ?? {}), [], text)
        assert.isDefined(yield* load({ text, resources: "skip" }), text)
      }
    })
  )

  it.effect.skipIf(!hasValidator)("is understood by another implementation, which allows the same", () =>
    Effect.sync(() => {
      const program = `
import json, sys
from jsonschema import Draft202012Validator
asked = json.load(sys.stdin)
Draft202012Validator.check_schema(asked["schema"])
validator = Draft202012Validator(asked["schema"])
print(json.dumps([validator.is_valid(one) for one in asked["files"]]))
`
      const files = [...good, ...bad].map((text) => parse(text) ?? {})
      const { status, stderr, stdout } = spawnSync("python3", ["-W", "ignore", "-c", program], {
        input: JSON.stringify({ schema, files }),
        encoding: "utf8"
      })
      assert.strictEqual(status, 0, stderr)
      assert.deepStrictEqual(JSON.parse(stdout), [...good.map(() => true), ...bad.map(() => false)])
    })
  )

  it.effect("does not allow what does not load", () =>
    Effect.gen(function* () {
      for (const text of bad) {
        assert.isAbove(complaints(schema, parse(text)).length, 0, text)
        assert.strictEqual((yield* Effect.flip(load({ text, resources: "skip" })))._tag, "ConfigInvalid", text)
      }
    })
  )
})
