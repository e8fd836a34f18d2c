import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Match from "../../src/hde/Match.ts"
import { anyPair, inserted, later, memory, noise } from "./fixtures/contents.ts"

/** Every copy says what is there, and none reaches into the next. */
const assertTrue = (target: Buffer, base: Buffer, copies: ReadonlyArray<Match.Copy>): void => {
  let end = 0
  for (const { at, from, length } of copies) {
    assert.isAtLeast(at, end)
    assert.isTrue(target.subarray(at, at + length).equals(base.subarray(from, from + length)))
    assert.isAbove(length, 0)
    end = at + length
  }
  assert.isAtMost(end, target.length)
}

describe("what a target has in common with its base", () => {
  it("is true, whatever was edited, along any diagonal", () => {
    fc.assert(
      fc.property(anyPair(60_000), fc.integer({ min: -9000, max: 9000 }), ([base, target], shift) => {
        const straight = Match.aligned(target, base, shift)
        assertTrue(target, base, straight)
        assertTrue(target, base, Match.anchored(target, base, Match.index(base), straight))
      }),
      { numRuns: 150 }
    )
  })

  it("is all but the pages that changed, on the diagonal", () => {
    const base = memory(1 << 20, 1)
    const target = later(base, 50, 2)
    const changed = Array.from({ length: 256 }, (_, i) => i * 4096).filter(
      (at) => base.compare(target, at, at + 4096, at, at + 4096) !== 0
    ).length
    assert.isAbove(changed, 0)
    assert.isAtMost(Match.missing(Match.aligned(target, base, 0), target.length), changed * 4096)
  })

  it("is found again behind an insertion of any length", () => {
    const base = noise(1 << 20, 3)
    for (const length of [1, 100, 4096, 50_001]) {
      const target = inserted(base, 300_000, noise(length, 4))
      const copies = Match.anchored(target, base, Match.index(base), Match.aligned(target, base, 0))
      assert.isAtMost(Match.missing(copies, target.length), length + 64)
    }
  })

  it("is found where a page moved to", () => {
    const base = noise(1 << 18, 5)
    const target = Buffer.from(base)
    base.copy(target, 8192, 100_000, 104_096)
    const copies = Match.anchored(target, base, Match.index(base), Match.aligned(target, base, 0))
    assert.isBelow(Match.missing(copies, target.length), 1024)
  })

  it("is nothing for noise", () => {
    const copies = Match.anchored(noise(1 << 18, 1), noise(1 << 18, 2), Match.index(noise(1 << 18, 2)), [])
    assert.deepStrictEqual(copies, [])
  })
})
