import { assert, describe, it } from "vitest"
import { known, meanings } from "../src/Meanings.ts"

describe("the exit codes", () => {
  it("are those of the design", () => {
    const codes = Object.keys(meanings).map(Number)
    assert.deepStrictEqual(codes, [0, 1, 64, 65, 69, 70, 73, 75, 77, 78, 124, 130, 143])
  })

  it("are all that there are", () => {
    assert.strictEqual(known(143), 143)
    for (const code of [2, 3, -1, 255, NaN]) assert.strictEqual(known(code), 70)
  })
})
