import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Gates from "../../src/rollout/Gates.ts"
import * as Rollout from "../../src/rollout/Rollout.ts"

const course: Rollout.Course = { steps: [1, 10, 50, 100], holdMs: 60_000, limits: Gates.usual }
const well = Gates.count(Gates.nothing, 100, 0)
const bad = Gates.count(Gates.nothing, 100, 50)

describe("a rollout", () => {
  it("goes from step to step when each has held, and is done after the last", () => {
    const percents: Array<number> = []
    let place: Rollout.Place = { step: 0, sinceMs: 0 }
    for (let nowMs = 0; nowMs < 1_000_000; nowMs += 1_000) {
      const decision = Rollout.decide(course, place, nowMs, well, well)
      if (decision._tag === "Done") {
        assert.deepStrictEqual(percents, [10, 50, 100])
        return assert.strictEqual(nowMs, 4 * course.holdMs)
      }
      if (decision._tag !== "Go") continue
      percents.push(decision.percent)
      place = { step: decision.step, sinceMs: nowMs }
    }
    throw new Error("never done")
  })

  it("stays as long as too little was seen, however long that takes", () => {
    const place = { step: 0, sinceMs: 0 }
    assert.strictEqual(Rollout.decide(course, place, 1e9, Gates.nothing, well)._tag, "Stay")
  })

  it("goes back at any step, at once, when a gate closes", () => {
    for (const step of course.steps.keys()) {
      assert.strictEqual(Rollout.decide(course, { step, sinceMs: 0 }, 0, bad, well)._tag, "Back")
    }
  })

  it("takes steps that ascend to 100, and nothing else", () => {
    for (const steps of [[100], [1, 10, 50, 100]]) assert.isUndefined(Rollout.problemOf(steps))
    for (const steps of [[], [50], [0, 100], [10, 10, 100], [50, 10, 100], [101], [1.5, 100], [NaN, 100]]) {
      assert.isString(Rollout.problemOf(steps), steps.join())
    }
  })

  it("shares what is left among the old ones as they had it, and never more than all", () => {
    const sharer = fc.record({ name: fc.constantFrom("a", "b", "c"), weight: fc.integer({ min: 1, max: 100 }) })
    const before = fc.uniqueArray(sharer, { minLength: 1, maxLength: 3, selector: ({ name }) => name })
    const holds = fc.property(before, fc.integer({ min: 1, max: 100 }), (old, percent) => {
      const shared = Rollout.weights(old, "new", percent)
      assert.strictEqual(shared.get("new"), percent)
      const sum = [...shared.values()].reduce((sum, one) => sum + one, 0)
      assert.closeTo(sum, 100, 1e-9)
      const [first, second] = old
      if (first === undefined || second === undefined || percent === 100) return
      const ratio = (shared.get(first.name) ?? 0) / (shared.get(second.name) ?? 1)
      assert.closeTo(ratio, first.weight / second.weight, 1e-9)
    })
    fc.assert(holds)
  })
})
