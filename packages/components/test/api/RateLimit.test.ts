import { assert, describe, it } from "vitest"
import * as fc from "fast-check"
import * as RateLimit from "../../src/api/RateLimit.ts"

/** A limit with a clock of its own. */
const limited = (perMinute: number, burst: number, maxCallers = 100) => {
  let nowMs = 0
  const limit = RateLimit.make({ perMinute, burst, maxCallers, now: () => nowMs })
  return { ...limit, wait: (ms: number) => void (nowMs += ms) }
}

describe("RateLimit", () => {
  it("lets a burst through, then one at a time at its rate", () => {
    const it = limited(60, 3)
    assert.deepStrictEqual(
      [1, 2, 3].map(() => it.take("a")),
      [0, 0, 0]
    )
    assert.strictEqual(it.take("a"), 1_000)
    it.wait(999)
    assert.isAbove(it.take("a"), 0)
    it.wait(1)
    assert.strictEqual(it.take("a"), 0)
    assert.isAbove(it.take("a"), 0)
    assert.strictEqual(it.take("b"), 0)
  })

  it("never lets more through than the burst and what has come in since", () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat(2_000), tries: fc.integer({ min: 1, max: 20 }) }), {
      maxLength: 30
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 20 }), steps, (perMinute, burst, all) => {
        const it = limited(perMinute, burst)
        let passed = 0
        let elapsedMs = 0
        for (const { tries, waitMs } of all) {
          it.wait(waitMs)
          elapsedMs += waitMs
          for (let i = 0; i < tries; i++) if (it.take("a") === 0) passed++
          assert.isAtMost(passed, burst + (elapsedMs * perMinute) / 60_000 + 1e-6)
        }
        // Whoever waits as long as it says is let in.
        it.wait(it.look("a"))
        assert.strictEqual(it.take("a"), 0)
      })
    )
  })

  it("forgets whoever has waited long enough, and remembers no more callers than it may", () => {
    const it = limited(60, 2, 10)
    for (let i = 0; i < 1_000; i++) it.take(`caller-${i}`)
    assert.isAtMost(it.size(), 10)
    it.wait(60_000)
    it.take("another")
    assert.strictEqual(it.size(), 1)
  })
})
