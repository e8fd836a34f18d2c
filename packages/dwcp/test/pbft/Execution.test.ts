import { assert, describe, it } from "@effect/vitest"
import * as Execution from "../../src/pbft/Execution.ts"
import * as Real from "./fixtures/real.ts"
import * as Simulation from "./fixtures/Simulation.ts"

const make = () => Execution.make(Simulation.adder())

describe("Execution", () => {
  it("carries a request out once, and knows what came of it", () => {
    const one = make()
    const first = one.execute(Real.request(5, "a", "b"), 1)
    assert.lengthOf(first!.results, 2)
    assert.isUndefined(one.execute(Real.request(5, "a", "b"), 2))
    assert.deepStrictEqual(one.outcome(4, 5), first)
    assert.isTrue(one.done(4, 5))
    assert.isFalse(one.done(4, 6))
    // In no order of timestamps.
    assert.isDefined(one.execute(Real.request(3, "c"), 3))
  })

  it("counts as done what is older than all it remembers", () => {
    const one = make()
    for (let k = 1; k <= Execution.remembered + 10; k++) one.execute(Real.request(k * 2, "x"), k)
    assert.isTrue(one.done(4, 20))
    assert.isTrue(one.done(4, 1))
    assert.isUndefined(one.outcome(4, 20))
    assert.isDefined(one.outcome(4, 22))
    assert.isUndefined(one.execute(Real.request(7, "late"), 999))
  })

  it("goes on from a state as if it had been there, and takes no other bytes for one", () => {
    const [one, other] = [make(), make()]
    for (let k = 1; k <= 400; k++) one.execute(Real.request(k, `${k}`, "and"), k)
    assert.isTrue(other.restore(one.snapshot()))
    assert.deepStrictEqual(other.snapshot(), one.snapshot())
    assert.isTrue(other.done(4, 400))
    assert.deepStrictEqual(other.execute(Real.request(401, "x"), 401), one.execute(Real.request(401, "x"), 401))
    const before = other.snapshot()
    assert.isFalse(other.restore(one.snapshot().subarray(0, 50)))
    assert.isFalse(other.restore(new Uint8Array(0)))
    assert.deepStrictEqual(other.snapshot(), before)
  })
})
