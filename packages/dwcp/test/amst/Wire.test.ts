import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { FrameRefused } from "../../src/amst/Failures.ts"
import * as Wire from "../../src/amst/Wire.ts"

describe("Wire", () => {
  it("divides a transfer into chunks that make up the whole, the last one the shortest", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 70_000 }), (size, chunk) => {
        const lengths = Array.from({ length: Math.min(2_000, Wire.chunksOf({ size, chunk })) }, (_, index) =>
          Wire.lengthOf({ size, chunk }, index)
        )
        assert.isTrue(lengths.every((length) => length <= chunk && (length > 0 || size === 0)))
        if (lengths.length < 2_000)
          assert.strictEqual(
            lengths.reduce((sum, length) => sum + length, 0),
            size
          )
      })
    )
  })

  it("reads lists of chunks as they were written, and none that is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xff_ff_ff_ff)), (list) => {
        assert.deepStrictEqual(Wire.readNumbers(Wire.numbers(list)), list)
      })
    )
    assert.throws(() => Wire.readNumbers(Buffer.alloc(5)), FrameRefused)
  })

  it("takes no announcement that is out of bounds", () => {
    const open: Wire.Open = {
      kind: "file",
      size: 5,
      chunk: 10,
      priority: "normal",
      name: "f",
      fingerprint: "",
      floor: 0
    }
    assert.deepStrictEqual(Wire.open(Wire.write(open)), open)
    const lies = [
      { size: -1 },
      { size: 1.5 },
      { chunk: 0 },
      { chunk: 1 << 21 },
      { name: "x".repeat(2_000) },
      { kind: "folder" }
    ]
    for (const lie of lies) {
      assert.throws(() => Wire.open(Buffer.from(JSON.stringify({ ...open, ...lie }))), FrameRefused)
    }
    assert.throws(() => Wire.open(Buffer.from("{")), FrameRefused)
  })
})
