import { assert, describe, it } from "@effect/vitest"
import * as Locate from "../../src/hde/Locate.ts"
import * as Source from "../../src/hde/Source.ts"
import { noise } from "./fixtures/contents.ts"

const base = noise(12_000_000, 1)
const coarse = Locate.scan(Source.memory(base))
const limit = 2 ** 22

const covers = (regions: ReadonlyArray<Locate.Region>, from: number, length: number): boolean =>
  regions.some((region) => region.offset <= from && from + length <= region.offset + region.length)

describe("where a piece is in a large base", () => {
  it("is found, wherever it was moved from", () => {
    for (const from of [0, 5_000_001, 10_500_000]) {
      const { regions, shift } = Locate.locate(
        base.subarray(from, from + 1_000_000),
        7_000_000,
        coarse,
        base.length,
        limit
      )
      assert.strictEqual(shift, from - 7_000_000)
      assert.isTrue(covers(regions, from, 1_000_000))
    }
  })

  it("may be several places", () => {
    const piece = Buffer.concat([base.subarray(1_000_000, 1_500_000), base.subarray(9_000_000, 9_400_000)])
    const { regions } = Locate.locate(piece, 0, coarse, base.length, limit)
    assert.isTrue(covers(regions, 1_000_000, 500_000) && covers(regions, 9_000_000, 400_000))
  })

  it("never takes more than its limit, nor reaches over the end", () => {
    const { regions } = Locate.locate(base, 0, coarse, base.length, limit)
    let end = -1
    let sum = 0
    for (const { length, offset } of regions) {
      assert.isAbove(offset, end)
      end = offset + length
      sum += length
    }
    assert.isAtMost(sum, limit)
    assert.isAtMost(end, base.length)
    assert.isAbove(sum, 0)
  })

  it("is where it stands when nothing speaks for another place", () => {
    const { regions, shift } = Locate.locate(noise(1_000_000, 2), 3_000_000, coarse, base.length, limit)
    assert.strictEqual(shift, 0)
    assert.isTrue(covers(regions, 3_000_000, 1_000_000))
  })

  it("is not lost in a base that is empty or small", () => {
    const small = Source.memory(noise(100, 1))
    const { regions } = Locate.locate(noise(5000, 3), 0, Locate.scan(small), 100, limit)
    assert.deepStrictEqual(regions, [{ offset: 0, length: 100 }])
  })
})
