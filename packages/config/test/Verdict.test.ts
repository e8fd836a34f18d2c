import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Field } from "../src/index.ts"
import * as Gather from "../src/Gather.ts"
import * as Keys from "../src/Keys.ts"
import * as Verdict from "../src/Verdict.ts"

const judge = <A, E>(schema: Keys.SettingsSchema<A, E>, flags: { readonly [key: string]: string }) => {
  const keys = Keys.make(schema, "X")
  const gathered = Gather.gather({
    keys,
    prefix: "X",
    reserved: [],
    aliases: {},
    flags,
    written: {},
    environment: {},
    file: undefined,
    template: undefined,
    keyring: undefined
  })
  return Verdict.judge(schema, keys, gathered, undefined, undefined)
}

const order = Schema.Struct({ min: Field.withDefault(Field.count, 1), max: Field.withDefault(Field.count, 9) }).check(
  Schema.makeFilter(({ max, min }) => min <= max, { expected: "min to be at most max" })
)

describe("a verdict", () => {
  const schema = Schema.Struct({ a: Field.withDefault(Field.port, 1), b: Field.withDefault(Field.duration, "1s") })

  it("has settings when all is well", () => {
    const { problems, settings, winners } = judge(schema, { a: "2" })
    assert.deepStrictEqual(problems, [])
    assert.strictEqual(settings?.value.a, 2)
    assert.deepStrictEqual([...winners.keys()], ["a"])
  })

  it("tells what is wrong before and after a transformation together, and has settings without it", () => {
    const { problems, settings } = judge(schema, { a: "-1", b: "soon" })
    assert.deepStrictEqual(
      problems.map(({ allowed, key }) => [key, allowed]),
      [
        ["a", "a port from 0 to 65535"],
        ["b", "a span of time such as 30s, 250ms, 5m or 1h30m"]
      ]
    )
    assert.strictEqual(settings?.value.a, 1)
  })

  it("has none when something required is missing, once for each key", () => {
    const required = Schema.Struct({ s: Schema.Struct({ a: Field.port, b: Schema.String, c: Field.port }) })
    const { problems, settings } = judge(required, { "s.a": "none" })
    assert.isUndefined(settings)
    assert.deepStrictEqual(
      problems.map(({ code, key }) => `${code} ${key}`),
      ["NVC-1004 s.a", "NVC-1005 s.b", "NVC-1005 s.c"]
    )
    assert.deepInclude(problems[1], { environment: "X_S_B", allowed: "a text" })
  })

  it("repeats what the Schema says about several keys", () => {
    const { problems, settings } = judge(Schema.Struct({ pool: order }), { "pool.min": "10" })
    assert.isUndefined(settings)
    assert.deepStrictEqual(
      problems.map(({ allowed, key }) => [key, allowed]),
      [["pool", "min to be at most max"]]
    )
    assert.isDefined(judge(Schema.Struct({ pool: order }), { "pool.min": "9" }).settings)
  })

  it("says whether an optional section is there", () => {
    const optional = Schema.Struct({ tls: Schema.optionalKey(schema) })
    assert.deepStrictEqual(judge(optional, {}).settings?.value, {})
    assert.strictEqual(judge(optional, { "tls.a": "3" }).settings?.value.tls?.a, 3)
  })
})
