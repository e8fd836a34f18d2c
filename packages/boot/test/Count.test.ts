import { assert, describe, it } from "@effect/vitest"
import * as Count from "../src/Count.ts"

describe("a count", () => {
  it("is one of a thing, and any other number of things", () => {
    assert.deepStrictEqual(
      [0, 0.5, 1, 2, 1000].map((n) => Count.of(n, "core")),
      ["0 cores", "0.5 cores", "1 core", "2 cores", "1000 cores"]
    )
  })
})
