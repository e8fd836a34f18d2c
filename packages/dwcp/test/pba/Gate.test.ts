import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Gate from "../../src/pba/Gate.ts"
import { chance } from "../../src/pba/Training.ts"

const point = (prior: ReadonlyArray<number>) => Gate.make({ prior, steps: 1 })

/** Runs a gate over values and what experts say before each; gives its mean error and those of the experts. */
const errors = (gate: Gate.Gate, n: number, say: (i: number) => { values: ReadonlyArray<number>; truth: number }) => {
  const experts = say(0).values.map(() => 0)
  let ours = 0
  for (let i = 0; i < n; i++) {
    const { truth, values } = say(i)
    ours += Math.abs(gate.combine(Float64Array.from(values)) - truth) / n
    for (const [k, value] of values.entries()) experts[k]! += Math.abs(value - truth) / n
    gate.settle(truth)
  }
  return { ours, experts }
}

describe("the gate", () => {
  it("begins with the shares it was given", () => {
    const gate = point([0.75, 0.25])
    assert.closeTo(gate.combine(Float64Array.from([4, 8])), 5, 1e-12)
  })

  it("turns to the expert who is right, however little it was trusted", () => {
    const random = chance(1)
    const { experts, ours } = errors(point([0.97, 0.03]), 2_000, () => {
      const truth = 10 + random()
      return { truth, values: [14 + random(), truth + 0.2 * (random() - 0.5)] }
    })
    assert.isAbove(experts[0]!, 3)
    assert.isBelow(ours, 0.25)
  })

  it("soon trusts an expert who is only a little better, but always, and was trusted least", () => {
    const gate = point([0.9, 0.1])
    let level = 100
    for (let i = 0; i < 150; i++) {
      // A staircase: the second is right but for the moments when nobody is; the first is a hundredth of a step off.
      const before = level
      if (i % 10 === 0) level = level === 100 ? 50 : 100
      gate.combine(Float64Array.from([before + 0.5, before]))
      gate.settle(level)
    }
    assert.isAbove(gate.weights()[1]!, 0.5)
  })

  it("is better than every expert where their errors are of opposite sign", () => {
    const random = chance(2)
    const { experts, ours } = errors(point([0.9, 0.1]), 3_000, () => {
      const truth = 10 + random()
      return { truth, values: [truth + 1 + 0.1 * random(), truth - 1 + 0.1 * random()] }
    })
    assert.isBelow(ours, 0.5 * Math.min(...experts))
  })

  it("turns again when another becomes the better one", () => {
    const gate = point([0.5, 0.5])
    const random = chance(3)
    const say = (good: number) => () => {
      const truth = 10 + random()
      return { truth, values: [0, 1].map((k) => truth + (k === good ? 0 : 3)) }
    }
    assert.isBelow(errors(gate, 1_000, say(0)).ours, 0.1)
    errors(gate, 300, say(1))
    assert.isBelow(errors(gate, 500, say(1)).ours, 0.1)
  })

  it("is never much worse than the best of its experts, whatever they say", () => {
    const law = fc.property(fc.integer(), fc.double({ min: 0.05, max: 3, noNaN: true }), (seed, noise) => {
      const random = chance(seed)
      let level = 50
      const { experts, ours } = errors(point([0.9, 0.05, 0.05]), 600, () => {
        const before = level
        level = Math.max(1, level + noise * (random() - 0.5) * 10)
        return { truth: level, values: [before + 5 * noise * random(), before, 50] }
      })
      assert.isAtMost(ours, 1.1 * Math.min(...experts) + 0.01)
    })
    fc.assert(law, { numRuns: 50 })
  })

  it("does without experts that have nothing to say", () => {
    const gate = point([0.9, 0.1])
    assert.strictEqual(gate.combine(Float64Array.from([Number.NaN, 7])), 7)
    gate.settle(7)
    assert.isAbove(gate.combine(Float64Array.from([9, 7])), 8)
  })

  it("judges nobody by a value that is missing", () => {
    const gate = point([0.6, 0.4])
    gate.combine(Float64Array.from([1, 9]))
    const before = [...gate.weights()]
    gate.settle(Number.NaN)
    gate.combine(Float64Array.from([1, 9]))
    assert.deepStrictEqual([...gate.weights()], before)
    gate.settle(9)
    gate.combine(Float64Array.from([1, 9]))
    assert.isAbove(gate.weights()[1]!, before[1]!)
  })

  it("lets a tenth of the values fall below a quantile, also when all experts are wrong about it", () => {
    for (const wrong of [0, 30, 100, 180]) {
      const gate = Gate.make({ prior: [0.5, 0.5], steps: 1, below: 0.1 })
      const random = chance(4)
      let below = 0
      for (let i = 0; i < 6_000; i++) {
        const answer = gate.combine(Float64Array.from([wrong, wrong + 5]))
        const value = 80 + 40 * random()
        if (i >= 1_000 && value < answer) below++
        gate.settle(value)
      }
      assert.closeTo(below / 5_000, 0.1, 0.02)
    }
  })

  it("judges a forecast by the value it was for", () => {
    const gate = Gate.make({ prior: [0.5, 0.5], steps: 5 })
    // The first expert is right about five ahead, the second about the present.
    for (let i = 0; i < 400; i++) {
      gate.settle(100 + (i % 10))
      gate.combine(Float64Array.from([100 + ((i + 5) % 10), 100 + (i % 10)]))
    }
    assert.isAbove(gate.weights()[0]!, 0.95)
  })
})
