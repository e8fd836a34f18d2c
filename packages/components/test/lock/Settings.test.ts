import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Settings } from "../../src/lock/Settings.ts"

describe("the settings of the lock", () => {
  it("have a value without a file", () => {
    assert.deepStrictEqual(Schema.decodeUnknownSync(Settings)({}), { file: "novacron.lock" })
  })
})
