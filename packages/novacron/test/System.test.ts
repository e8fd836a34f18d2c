import { Schema } from "effect"
import { assert, describe, it } from "vitest"
import { Settings } from "../src/System.ts"

const read = Schema.decodeUnknownSync(Settings)

describe("the section system", () => {
  it("needs nothing to be said", () => {
    const { maxConcurrency, nodeId } = read({})
    assert.strictEqual(maxConcurrency, 1_000)
    assert.isUndefined(nodeId)
  })

  it("takes no name that a certificate could not bear, and no numbers that could not be", () => {
    for (const wrong of [{ nodeId: "" }, { nodeId: "-a" }, { nodeId: "a b" }, { nodeId: "a".repeat(65) }]) {
      assert.throws(() => read(wrong))
    }
    for (const maxConcurrency of [0, -1, 1.5]) assert.throws(() => read({ maxConcurrency }))
    assert.strictEqual(read({ nodeId: "db-7.example" }).nodeId, "db-7.example")
  })
})
