import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bitmap from "../../src/amst/Bitmap.ts"

describe("Bitmap", () => {
  it("holds what was added and not removed, and counts each once", () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(99)), { maxLength: 300 })
    fc.assert(
      fc.property(steps, (given) => {
        const bitmap = Bitmap.make(100)
        const set = new Set<number>()
        for (const [add, index] of given) {
          if (add) {
            assert.strictEqual(Bitmap.add(bitmap, index), !set.has(index))
            set.add(index)
          } else {
            Bitmap.remove(bitmap, index)
            set.delete(index)
          }
        }
        assert.strictEqual(bitmap.held, set.size)
        const again = Bitmap.from(100, bitmap.bytes)
        assert.strictEqual(again?.held, set.size)
        for (let index = 0; index < 100; index++) assert.strictEqual(Bitmap.has(again!, index), set.has(index))
      })
    )
  })

  it("is not made of bytes of another length, nor of chunks that there are none of", () => {
    assert.isUndefined(Bitmap.from(9, Buffer.from([0xff])))
    assert.isUndefined(Bitmap.from(9, Buffer.from([0xff, 0x02])))
    assert.isTrue(Bitmap.complete(Bitmap.from(9, Buffer.from([0xff, 0x01]))!))
  })
})
