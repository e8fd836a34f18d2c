import { assert, describe, it } from "@effect/vitest"
import { varints } from "../../src/hde/Bytes.ts"
import * as Block from "../../src/hde/Block.ts"
import { Refused } from "../../src/hde/Refused.ts"
import * as Locate from "../../src/hde/Locate.ts"
import * as Source from "../../src/hde/Source.ts"
import { inserted, later, memory, noise } from "./fixtures/contents.ts"

const choice = { algorithm: "zstd", level: 1 } as const
const baseLimit = Block.shareBytes

const encoded = (task: Block.Task): Block.Encoded => {
  const answer = Block.encode(task)
  assert(answer._tag === "Encoded")
  return answer
}

describe("a block", () => {
  const before = memory(40_000_000, 1)
  const base = Source.memory(before)
  const after = later(inserted(before, 9_000_000, noise(3_000_001, 2)), 100, 3)
  const target = Source.memory(after)
  const length = Block.pieceBytes

  it("is read without the others, wherever in the base it came from", () => {
    const coarse = Locate.scan(base)
    for (const at of [0, length, 3 * length, after.length - 1000]) {
      const size = Math.min(length, after.length - at)
      const block = encoded({ target, at, length: size, choice, against: { base, shift: 0, coarse } })
      assert.strictEqual(block.kind, "delta")
      assert.isTrue(Block.decode({ ...block, size, base, baseLimit }).equals(after.subarray(at, at + size)))
      if (at === 3 * length) {
        assert.strictEqual(block.shift, -3_000_001)
        assert.isBelow(block.stored.length * 30, size)
      }
    }
  })

  it("asks for the index of the base only when it is not where it is expected", () => {
    const ask = (at: number, shift: number) =>
      Block.encode({ target, at, length, choice, against: { base, shift, coarse: undefined } })._tag
    assert.strictEqual(ask(0, 0), "Encoded")
    assert.strictEqual(ask(2 * length, 0), "NeedsCoarse")
    assert.strictEqual(ask(2 * length, -3_000_001), "Encoded")
  })

  it("that does not shrink is kept as it is", () => {
    const bytes = noise(100_000, 9)
    const task = { target: Source.memory(bytes), at: 0, length: bytes.length, choice }
    for (const against of [undefined, { base: Source.memory(noise(100_000, 8)), shift: 0, coarse: undefined }]) {
      const block = encoded({ ...task, against })
      assert.strictEqual(block.kind, "none")
      assert.strictEqual(block.stored.length, bytes.length)
    }
  })

  it("that points outside of its base, or to too much of it, is refused", () => {
    const hostile =
      (...numbers: ReadonlyArray<number>) =>
      () =>
        Block.decode({ kind: "delta", size: 100, stored: varints(numbers), base, baseLimit })
    assert.throws(hostile(1, before.length - 10, 11), Refused, /outside/)
    assert.throws(hostile(1, 2 ** 52, 2 ** 52), Refused, /outside/)
    assert.throws(hostile(2, 0, 2 ** 24, 0, 2 ** 24 + 1), Refused, /of \d+ bytes/)
    assert.throws(hostile(2 ** 40), Refused)
    assert.throws(() => Block.decode({ kind: "delta", size: 1, stored: varints([0]), base: undefined, baseLimit }))
  })
})
