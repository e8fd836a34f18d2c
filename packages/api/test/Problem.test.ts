import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { assert, describe, it } from "vitest"
import { Problem } from "../src/index.ts"

const full = { detail: "a detail", retryAfterSeconds: 1, limitBytes: 1, allowed: ["GET"] }

/** What each of them looks like on the wire. */
const encoded = Problem.all.map((one) => {
  const schema: Schema.Codec<unknown, { readonly [key: string]: unknown }> = one
  const problem = Schema.decodeUnknownSync(schema)({ ...full, ...fixed(one) })
  return { problem, json: Schema.encodeSync(schema)(problem) }
})

function fixed(one: (typeof Problem.all)[number]) {
  const { code, type } = one.fields
  return { code: code.schema.literal, type: type.schema.literal }
}

describe("Problem", () => {
  it("says what a schema does not take on one line, with the place of each part", () => {
    const run = Schema.Struct({ driver: Schema.String })
    const decode = Schema.decodeUnknownEffect(Schema.Struct({ name: Schema.String, runs: Schema.Array(run) }))
    const said = (value: unknown) => Problem.inWords(Effect.runSync(Effect.flip(decode(value, { errors: "all" }))))
    assert.strictEqual(said({ name: 1, runs: [{}] }), "name: Expected string; runs.0.driver: Missing key")
    assert.match(said(1), /^Expected object/)
  })

  it("has a code, a type and a runbook of its own", () => {
    const codes = encoded.map(({ json }) => String(json["code"]))
    assert.strictEqual(new Set(codes).size, codes.length)
    for (const { json } of encoded) {
      const code = String(json["code"])
      assert.strictEqual(json["type"], `urn:novacron:problem:${code}`)
      assert.isTrue(existsSync(join(import.meta.dirname, `../../../docs/runbooks/${code}.md`)), code)
      assert.isAtLeast(Number(json["status"]), 400)
      assert.notProperty(json, "_tag")
    }
  })
})
