import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import * as Codec from "../../src/pbft/Codec.ts"
import * as Real from "./fixtures/real.ts"

describe("Codec", () => {
  it("reads what it wrote, of every kind", () => {
    for (const message of Real.messages) {
      const read = Codec.decode(Codec.encode(message))
      assert.isDefined(read)
      assert.deepStrictEqual(Codec.encode(read), Codec.encode(message))
      assert.strictEqual(JSON.stringify(read), JSON.stringify(message))
    }
    for (const fact of Real.facts) {
      assert.strictEqual(JSON.stringify(Codec.decodeFact(Codec.encodeFact(fact))), JSON.stringify(fact))
    }
  })

  it("reads no message that is cut, and none with something behind it", () => {
    for (const message of Real.messages) {
      const bytes = Codec.encode(message)
      assert.isDefined(Codec.decode(bytes))
      assert.isUndefined(Codec.decode(Buffer.concat([bytes, Buffer.alloc(1)])))
      for (let length = 0; length < bytes.length; length += 7)
        assert.isUndefined(Codec.decode(bytes.subarray(0, length)))
    }
  })

  it("reads bytes in one way only: what is read is written the same again, whatever was changed", () => {
    const changed = FastCheck.record({
      message: FastCheck.constantFrom(...Real.messages),
      at: FastCheck.nat(),
      to: FastCheck.nat(255)
    })
    FastCheck.assert(
      FastCheck.property(changed, ({ at, message, to }) => {
        const bytes = Buffer.from(Codec.encode(message))
        bytes[at % bytes.length] = to
        const read = Codec.decode(bytes)
        return read === undefined || Codec.encode(read).equals(bytes)
      }),
      { numRuns: 2_000 }
    )
  })

  it("takes any bytes without falling over, and believes no length of a list", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = Codec.decode(bytes)
        return read === undefined || Codec.encode(read).length === bytes.length
      })
    )
    assert.isUndefined(Codec.decode(Buffer.from([3, 255, 255])))
  })
})
