import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Features from "../../src/group/Features.ts"

const some = fc.subarray([...Features.all]).map((list): Features.Features => new Set(list))

describe("Features", () => {
  it("are bits there and back, and bits nobody has heard of are nothing", () => {
    fc.assert(
      fc.property(some, fc.nat(255), (features, unknown) => {
        const bits = Features.toBits(features)
        assert.deepStrictEqual([...Features.fromBits(bits)].toSorted(), [...features].toSorted())
        assert.strictEqual(Features.toBits(Features.fromBits(bits + unknown * 2 ** Features.all.length)), bits)
      })
    )
  })

  it("are agreed on by what both can, whoever asks", () => {
    fc.assert(
      fc.property(some, some, (mine, theirs) => {
        const agreed = Features.agreed(mine, theirs)
        assert.isTrue([...agreed].every((feature) => mine.has(feature) && theirs.has(feature)))
        assert.strictEqual(Features.toBits(agreed), Features.toBits(Features.agreed(theirs, mine)))
        assert.strictEqual(Features.toBits(agreed), Features.toBits(mine) & Features.toBits(theirs))
      })
    )
    assert.strictEqual(Features.agreed(new Set(Features.all), Features.none).size, 0)
  })
})
