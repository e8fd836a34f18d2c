import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Reader, unzigzag, varints, zigzag } from "../../src/hde/Bytes.ts"
import { Refused } from "../../src/hde/Refused.ts"

describe("numbers in bytes", () => {
  it("come back as they were, up to the largest safe one", () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), (numbers) => {
        const reader = new Reader(varints(numbers))
        for (const number of numbers) assert.strictEqual(reader.varint(), number)
        assert.strictEqual(reader.left, 0)
      })
    )
  })

  it("take one byte when they are small", () => assert.strictEqual(varints([0, 1, 127]).length, 3))

  it("may be of either sign", () => {
    assert.deepStrictEqual([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3])
    fc.assert(fc.property(fc.integer(), (number) => unzigzag(zigzag(number)) === number))
  })

  it("are refused when they end too early or never", () => {
    assert.throws(() => new Reader(Buffer.from([0x80])).varint(), Refused)
    assert.throws(() => new Reader(Buffer.alloc(20, 0xff)).varint(), Refused)
    assert.throws(() => new Reader(Buffer.alloc(3)).take(4), Refused)
  })
})
