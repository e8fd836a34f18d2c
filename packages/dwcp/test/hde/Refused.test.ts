import { assert, describe, it } from "@effect/vitest"
import { corrupt, Refused, tooLarge } from "../../src/hde/Refused.ts"

describe("what is refused", () => {
  it("is data of the failure that it becomes, so that it can leave a thread", () => {
    const cause = new Error("a cause")
    for (const refused of [
      corrupt("it ends too early"),
      corrupt("it ends too early", cause),
      tooLarge("A block", 10, 5)
    ]) {
      assert.instanceOf(refused, Refused)
      assert.deepStrictEqual(new Refused(structuredClone(refused.is)).is, refused.is)
    }
  })

  it("says why", () => {
    assert.strictEqual(corrupt("it ends too early").message, "it ends too early")
    assert.strictEqual(tooLarge("A block", 10, 5).message, "A block of 10 bytes")
  })
})
