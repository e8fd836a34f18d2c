import { assert, describe, it } from "@effect/vitest"
import * as Regression from "../../src/pba/Regression.ts"
import { chance } from "../../src/pba/Training.ts"

const prior = Float64Array.from([0.5, 0.5])

/** Follows `0.2 a + 0.9 b`, and now and then something absurd. */
const learned = (n: number, absurd: number) => {
  const random = chance(7)
  const regression = Regression.make(prior)
  for (let i = 0; i < n; i++) {
    const inputs = Float64Array.from([random(), random()])
    const truth = 0.2 * inputs[0]! + 0.9 * inputs[1]!
    regression.learn(inputs, random() < absurd ? 50 : truth, 1)
  }
  return [regression.predict(Float64Array.from([1, 0])), regression.predict(Float64Array.from([0, 1]))] as const
}

describe("the regression", () => {
  it("begins at its prior and comes to what the series follows", () => {
    assert.deepStrictEqual(learned(0, 0), [0.5, 0.5])
    const [a, b] = learned(2_000, 0)
    assert.closeTo(a, 0.2, 0.02)
    assert.closeTo(b, 0.9, 0.02)
  })

  it("is not bent by bursts, as least squares are", () => {
    const [a, b] = learned(2_000, 0.05)
    // The plain least squares answer lies above 1.5 for both.
    assert.closeTo(a, 0.2, 0.25)
    assert.closeTo(b, 0.9, 0.25)
  })

  it("learns nothing of what is no number", () => {
    const regression = Regression.make(prior)
    regression.learn(Float64Array.from([1, 1]), Number.NaN, 1)
    regression.learn(Float64Array.from([1, 1]), Number.POSITIVE_INFINITY, 1)
    regression.learn(Float64Array.from([1, 1]), 1, Number.NaN)
    assert.strictEqual(regression.predict(Float64Array.from([1, 1])), 1)
  })

  it("stays bounded when nothing new is ever seen", () => {
    const regression = Regression.make(prior)
    for (let i = 0; i < 100_000; i++) regression.learn(Float64Array.from([1, 1]), 1, 1)
    const answer = regression.predict(Float64Array.from([1, 0.5]))
    assert.isAbove(answer, 0)
    assert.isBelow(answer, 1.5)
  })
})
