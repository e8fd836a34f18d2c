import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Random from "../src/Random.ts"

const numbers = (random: Random.Random, count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, () => Random.next(random))

describe("Random", () => {
  it("gives the same numbers for the same seed, for ever", () => {
    assert.deepStrictEqual(numbers(Random.make(42), 3), [0.3567369857337326, 0.7152006919495761, 0.9738251762464643])
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (seed) => {
        assert.deepStrictEqual(numbers(Random.make(seed), 20), numbers(Random.make(seed), 20))
      })
    )
  })

  it("gives other numbers for another seed, whichever bit differs", () => {
    const first = numbers(Random.make(0), 4).join()
    for (let bit = 0; bit < 53; bit++) assert.notStrictEqual(numbers(Random.make(2 ** bit), 4).join(), first)
  })

  it("spreads its numbers evenly", () => {
    const random = Random.make(7)
    const boxes = Array.from({ length: 16 }, () => 0)
    const bits = Array.from({ length: 16 }, () => 0)
    for (let k = 0; k < 160_000; k++) {
      const box = Random.int(random, 16)
      boxes[box]!++
      const low = Math.floor(Random.next(random) * 2 ** 32) & 15
      bits[low]!++
    }
    // 10,000 each are expected, with a standard deviation of 97.
    for (const count of [...boxes, ...bits]) assert.closeTo(count, 10_000, 500)
  })

  it("stays within bounds", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: -50, max: 50 }), (seed, n, min) => {
        const random = Random.make(seed)
        for (let k = 0; k < 20; k++) {
          const below = Random.int(random, n)
          assert.isTrue(Number.isInteger(below) && below >= 0 && below < n)
          const between = Random.between(random, min, min + n)
          assert.isTrue(Number.isInteger(between) && between >= min && between <= min + n)
        }
        assert.isFalse(Random.chance(random, 0))
        assert.isTrue(Random.chance(random, 1))
      })
    )
  })

  it("picks each item, and nothing from nothing", () => {
    const random = Random.make(1)
    const picked = new Set(Array.from({ length: 200 }, () => Random.pick(random, ["a", "b", "c"])))
    assert.deepStrictEqual([...picked].sort(), ["a", "b", "c"])
    assert.throws(() => Random.pick(random, []), RangeError)
  })

  it("shuffles without loss, into every order", () => {
    const random = Random.make(1)
    const orders = new Set(Array.from({ length: 600 }, () => Random.shuffle(random, [1, 2, 3]).join()))
    assert.strictEqual(orders.size, 6)
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.nat(), (items, seed) => {
        const sorted = (list: ReadonlyArray<number>) => list.toSorted((a, b) => a - b)
        assert.deepStrictEqual(sorted(Random.shuffle(Random.make(seed), items)), sorted(items))
      })
    )
  })

  it("forks by seed and label, whatever was drawn before", () => {
    const [fresh, used] = [Random.make(5), Random.make(5)]
    numbers(used, 100)
    const firstOf = (random: Random.Random, label: string) => Random.next(Random.fork(random, label))
    assert.strictEqual(firstOf(used, "graph"), firstOf(fresh, "graph"))
    const seen = new Set(
      ["graph", "limits", "odds"].flatMap((label) => [firstOf(fresh, label), firstOf(Random.make(6), label)])
    )
    assert.strictEqual(seen.size, 6)
  })

  it("hashes texts, and mixes every bit into every other", () => {
    assert.strictEqual(Random.hash("api"), Random.hash("api"))
    assert.notStrictEqual(Random.hash("api"), Random.hash("apj"))
    for (let bit = 0; bit < 32; bit++) {
      let turned = 0
      for (let n = 0; n < 200; n++) {
        for (let word = Random.mix(n) ^ Random.mix(n ^ (1 << bit)); word !== 0; word &= word - 1) turned++
      }
      // 16 of 32 bits are expected to turn.
      assert.closeTo(turned / 200, 16, 1.5)
    }
  })
})
