import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Chance from "../../src/itp/Chance.ts"
import * as Construct from "../../src/itp/Construct.ts"
import * as Workload from "../../src/itp/Workload.ts"
import * as packings from "./fixtures/packings.ts"

describe("Construct", () => {
  it("places every item and overfills no host, whatever the taste", () => {
    fc.assert(
      fc.property(packings.instances(40), fc.constantFrom(0, 0.5), fc.constantFrom(0, 0.2), (instance, norm, noise) => {
        const workload = Result.getOrThrow(Workload.make(instance))
        const host = new Int32Array(workload.n)
        const all = Int32Array.from(host.keys())
        const hosts = Construct.fill(workload, all, host, 0, { power: 1, norm, noise }, Chance.make(1))
        assert.deepStrictEqual(packings.faults(instance, hosts, host), [])
      })
    )
  })

  it("fills a host with what points in the direction of the rest", () => {
    const instance = {
      cap: [10, 10],
      items: [
        [9, 1],
        [9, 1],
        [1, 9],
        [1, 9]
      ]
    }
    const workload = Result.getOrThrow(Workload.make(instance))
    const host = new Int32Array(4)
    const all = Int32Array.from([0, 1, 2, 3])
    assert.strictEqual(Construct.fill(workload, all, host, 0, { power: 1, norm: 0, noise: 0 }, Chance.make(1)), 2)
  })
})
