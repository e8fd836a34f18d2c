/**
 * The exhaustive single-fault sweep: each component, each attempt, each kind of fault, each await; on the real driver.
 */
import { assert, describe, it } from "@effect/vitest"
import { Fault, Stops, Sweep } from "@novacron/simulation"
import { nodes } from "./Nodes.ts"

describe("every single fault", () => {
  for (const [name, components] of Object.entries(nodes)) {
    it(`leads the ${name} node to an outcome that is bounded, named and clean`, () => {
      const result = Sweep.sweep(components)
      console.info(`${name}: ${result.runs} single faults\n${Sweep.table(result)}`)
      const told = result.violations.map(
        ({ fault, message, promise }) =>
          `${fault === undefined ? "no fault" : Fault.describe(fault)}: ${promise}. ${message}`
      )
      assert.deepStrictEqual(told, [])
      assert.strictEqual(result.struck, result.runs, "each of them has struck")
      const attempts = components.reduce(
        (sum, { manifest }) => sum + manifest.variants.reduce((sum, variant) => sum + variant.attempts, 0),
        0
      )
      assert.strictEqual(result.attempts, attempts, "each attempt was swept")
      assert.sameMembers(Object.keys(result.outcomes), [...Fault.kinds], "with each kind")
    })
  }

  it("fails a boot that has nothing to fall back to, and no other", () => {
    const kinds = ["Dies"] as const
    const { outcomes } = Sweep.sweep(nodes.plain, { kinds })
    assert.deepStrictEqual(Object.keys(outcomes.Dies ?? {}), ["failed"])
    // Only the last attempt is final; before it, and where something else serves, a failure ends nothing.
    const degrading = Sweep.sweep(nodes.varied, { kinds: ["FailsAcquired"] }).outcomes.FailsAcquired ?? {}
    assert.isAbove(degrading.degraded ?? 0, 0)
    assert.isAbove(degrading.ready ?? 0, degrading.failed ?? 0)
  })
})

describe("every moment", () => {
  const of =
    (component: string, variant = 0) =>
    (kind: Fault.Kind, attempt = 1, details = {}) =>
      Fault.make(kind, { component, variant, attempt }, details)
  const [cache, memory, ml] = [of("cache"), of("cache", 1), of("ml")]
  const down = [cache("Fails", 1), cache("Fails", 2), cache("Fails", 3)]
  const lives: ReadonlyArray<readonly [string, ReadonlyArray<Fault.Fault>]> = [
    ["nothing happens", []],
    ["the cache falls back and is restored", down],
    ["the fallback cannot be closed", [...down, memory("FinalizerHangs")]],
    ["the fallback fails to close", [...down, memory("FinalizerFails")]],
    ["the restoration is slow", [...down, cache("Slow", 4, { await: 1, factor: 100 })]],
    ["the restoration hangs", [...down, cache("Hangs", 4, { await: 1 })]],
    ["the restoration hangs where nobody can interrupt it", [...down, cache("Hangs", 4, { await: 2 })]],
    ["the restoration fails and cannot be closed", [...down, cache("FailsAcquired", 4), cache("FinalizerHangs", 4)]],
    ["the restoration fails and fails to close", [...down, cache("FailsAcquired", 4), cache("FinalizerFails", 4)]],
    ["the restored cache is not healthy", [...down, cache("ProbeFails", 4, { times: 2 })]],
    ["an optional component is absent and comes back", [ml("Fails", 1), ml("Fails", 2), ml("Fails", 3)]],
    ["health turns", [cache("Flaps", 1, { period: 4 })]]
  ]
  it.each(lives)("is a good one to stop: %s", (_, faults) => {
    const options = faults.some(({ _tag }) => _tag === "Flaps") ? { monitor: "1 second" as const } : {}
    const { runs, violations } = Stops.everywhere(nodes.varied, { faults, options })
    assert.isAbove(runs, 80)
    const told = violations.map(({ message, promise, replay: { case: it } }) => {
      const moment =
        it.cancelAtMs === null ? `stopped ${it.stopAfterMs} ms after it is ready` : `at ${it.cancelAtMs} ms`
      return `${moment}: ${promise}. ${message}`
    })
    assert.deepStrictEqual([told.length, ...told.slice(0, 10)], [0])
  })
})
