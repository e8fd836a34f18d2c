/**
 * The exhaustive single-fault sweep: each component, each attempt, each kind of fault, each await; on the real driver.
 */
import { assert, describe, it } from "@effect/vitest"
import { Fault, Sweep } from "@novacron/simulation"
import { nodes } from "./Nodes.ts"

describe("every single fault", () => {
  for (const [name, components] of Object.entries(nodes)) {
    it(`leads the ${name} node to an outcome that is bounded, named and clean`, () => {
      const result = Sweep.sweep(components)
      console.info(`${name}: ${result.runs} single faults\n${Sweep.table(result)}`)
      const told = result.violations.map(({ fault, message, promise }) => `${Fault.describe(fault)}: ${promise}. ${message}`)
      assert.deepStrictEqual(told, [])
      assert.strictEqual(result.struck, result.runs, "each of them has struck")
      const attempts = components.reduce(
        (sum, { manifest }) => sum + manifest.variants.reduce((sum, variant) => sum + variant.attempts, 0), 0)
      assert.strictEqual(result.attempts, attempts, "each attempt was swept")
      assert.sameMembers(Object.keys(result.outcomes), [...Fault.kinds], "with each kind")
    })
  }

  it("fails a boot that has nothing to fall back to, and no other", () => {
    const kinds = ["Dies"] as const
    const { outcomes } = Sweep.sweep(nodes.plain, { kinds })
    assert.deepStrictEqual(Object.keys(outcomes.Dies ?? {}), ["failed"])
    // Only the last attempt of a component is final; before it, and where something else serves, a failure ends nothing.
    const degrading = Sweep.sweep(nodes.varied, { kinds: ["FailsAcquired"] }).outcomes.FailsAcquired ?? {}
    assert.isAbove(degrading.degraded ?? 0, 0)
    assert.isAbove(degrading.ready ?? 0, degrading.failed ?? 0)
  })
})
