import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Chunks from "../../src/hde/Chunks.ts"
import * as Source from "../../src/hde/Source.ts"
import { anyContent, inserted, noise } from "./fixtures/contents.ts"

describe("chunks", () => {
  it("are all of the content, in order, each within its sizes and under its hash", () => {
    fc.assert(
      fc.property(anyContent(900_000), (bytes) => {
        let at = 0
        const chunks = Chunks.cut(bytes)
        for (const [i, chunk] of chunks.entries()) {
          assert.strictEqual(chunk.at, at)
          assert.isAtMost(chunk.length, Chunks.sizes.most)
          if (i < chunks.length - 1) assert.isAtLeast(chunk.length, Chunks.sizes.least)
          const content = bytes.subarray(at, at + chunk.length)
          assert.strictEqual(chunk.hash, createHash("sha256").update(content).digest("hex"))
          at += chunk.length
        }
        assert.strictEqual(at, bytes.length)
      }),
      { numRuns: 25 }
    )
  })

  it("are the same of a source that is read in pieces", () => {
    const bytes = noise(5_000_001, 3)
    assert.deepStrictEqual(Chunks.cutSource(Source.memory(bytes)), Chunks.cut(bytes))
    assert.deepStrictEqual(Chunks.cutSource(Source.memory(Buffer.alloc(0))), [])
  })

  it("are 64 KiB most of the time", () => {
    const chunks = Chunks.cut(noise(1 << 24, 1))
    const mean = (1 << 24) / chunks.length
    assert.isAbove(mean, 48 * 1024)
    assert.isBelow(mean, 112 * 1024)
  })

  it("stay what they are but for those beside an insertion", () => {
    const before = noise(4_000_000, 1)
    const after = Chunks.cut(inserted(before, 1_234_567, noise(999, 2)))
    const known = new Set(Chunks.cut(before).map(({ hash }) => hash))
    const lacking = Chunks.lacking(after, (hash) => known.has(hash))
    assert.isAtLeast(lacking.length, 1)
    assert.isAtMost(lacking.length, 4)
  })

  it("are asked for once, however often they occur", () => {
    const part = noise(2_000_000, 1)
    const chunks = Chunks.cut(Buffer.concat([part, part, part]))
    const lacking = Chunks.lacking(chunks, () => false)
    assert.isBelow(
      lacking.reduce((sum, { length }) => sum + length, 0),
      2_700_000
    )
  })

  it("tell by a sketch how much two contents are alike", () => {
    const before = noise(6_000_000, 1)
    const sketch = (bytes: Buffer) => Chunks.sketch(Chunks.cut(bytes))
    assert.strictEqual(Chunks.likeness(sketch(before), sketch(before)), 1)
    assert.strictEqual(Chunks.likeness(sketch(before), sketch(noise(6_000_000, 2))), 0)
    assert.isAbove(Chunks.likeness(sketch(before), sketch(inserted(before, 3_000_000, noise(10_000, 3)))), 0.8)
    assert.strictEqual(Chunks.likeness([], sketch(before)), 0)
  })
})
