import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Spare from "../../src/amst/Spare.ts"

const MiB = 1 << 20

describe("Spare", () => {
  it("gives the memory that came back to the next one of that size", () => {
    const spare = Spare.make(64 * MiB)
    const first = spare.take(5 * MiB)
    spare.bring(first)
    assert.strictEqual(spare.bytes(), 5 * MiB)
    const next = spare.take(4 * MiB + 1)
    assert.strictEqual(next.buffer, first.buffer)
    assert.strictEqual(next.length, 4 * MiB + 1)
    assert.strictEqual(spare.bytes(), 0)
    // Not to one that is far smaller, which would hold all of it.
    spare.bring(next)
    assert.notStrictEqual(spare.take(MiB).buffer, first.buffer)
  })

  it("never gives the same memory to two, and never keeps more than its limit", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(3 * MiB)), { maxLength: 60 }), (steps) => {
        const spare = Spare.make(4 * MiB)
        const out: Array<Buffer> = []
        for (const [isBack, number] of steps) {
          if (isBack && out.length > 0) spare.bring(out.splice(number % out.length, 1)[0]!)
          else {
            const taken = spare.take(number)
            assert.strictEqual(taken.length, number)
            if (number >= MiB) assert.isFalse(out.some(({ buffer }) => buffer === taken.buffer))
            out.push(taken)
          }
          assert.isAtMost(spare.bytes(), 4 * MiB)
        }
      }),
      { numRuns: 50 }
    )
  })

  it("lets go of what nobody asks for", () => {
    const spare = Spare.make(64 * MiB)
    spare.tick(1_000)
    spare.bring(spare.take(2 * MiB))
    spare.tick(4_000)
    assert.strictEqual(spare.bytes(), 2 * MiB)
    spare.tick(7_000)
    assert.strictEqual(spare.bytes(), 0)
  })
})
