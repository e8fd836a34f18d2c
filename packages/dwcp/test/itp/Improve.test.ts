import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Chance from "../../src/itp/Chance.ts"
import { improve } from "../../src/itp/Improve.ts"
import * as Workload from "../../src/itp/Workload.ts"
import * as packings from "./fixtures/packings.ts"

describe("improve", () => {
  it("never returns a worse packing than it was given, nor one that is not feasible", () => {
    fc.assert(
      fc.property(packings.instances(25), fc.integer({ min: 1, max: 300 }), (instance, budget) => {
        const workload = Result.getOrThrow(Workload.make(instance))
        const start = { hosts: workload.n, host: Int32Array.from({ length: workload.n }, (_, i) => i) }
        const clock = packings.steps()
        const steps: Array<number> = []
        const found = improve(
          workload,
          start,
          Chance.make(3),
          () => clock() > budget,
          ({ hosts }) => steps.push(hosts)
        )
        assert.isAtMost(found.hosts, start.hosts)
        assert.deepStrictEqual(packings.faults(instance, found.hosts, found.host), [])
        assert.deepStrictEqual(
          steps,
          Array.from(steps, (_, i) => start.hosts - 1 - i)
        )
      })
    )
  })

  it("exchanges items where none can simply be added", () => {
    const instance = { cap: [10], items: [[5], [4], [5], [3], [3]] }
    const workload = Result.getOrThrow(Workload.make(instance))
    const start = { hosts: 3, host: Int32Array.from([0, 0, 1, 1, 2]) }
    const clock = packings.steps()
    const found = improve(
      workload,
      start,
      Chance.make(1),
      () => clock() > 500,
      () => undefined
    )
    assert.strictEqual(found.hosts, 2)
  })
})
