import { assert, describe, it } from "@effect/vitest"
import { Plan } from "@novacron/boot"
import { Result } from "effect"
import * as Graphs from "../src/Graphs.ts"
import * as Random from "../src/Random.ts"
import * as StandIn from "../src/StandIn.ts"
import * as Trial from "../src/Trial.ts"

describe("StandIn", () => {
  it("takes the time it is told to: the reference graph is ready with its longest path", () => {
    const components = StandIn.make(Graphs.reference, { startMs: (name) => Graphs.referenceMs[name]! })
    const { events, outcome, violations } = Trial.run(Trial.make(components), {
      seed: 1,
      fuzz: false,
      components: Graphs.reference.map(({ name }) => name),
      faults: [],
      settings: { concurrency: 19 },
      stopAfterMs: 0,
      cancelAtMs: null
    })
    assert.deepStrictEqual({ outcome, violations }, { outcome: "ready", violations: [] })
    assert.strictEqual(events.find(({ _tag }) => _tag === "BootReady")?.atMs, 227)
  })

  it("declares what its manifest says", () => {
    for (let seed = 0; seed < 100; seed++) {
      const manifests = Graphs.random(Random.make(seed))
      const plan = (list: typeof manifests) => Result.getOrThrow(Plan.make(list, { environment: Graphs.environment }))
      const components = StandIn.make(manifests)
      const [theirs, ours] = [plan(manifests), plan(components.map(({ manifest }) => manifest))]
      assert.deepStrictEqual(ours.needs, theirs.needs)
      assert.deepStrictEqual(ours.late, theirs.late)
      assert.deepStrictEqual(ours.excluded, theirs.excluded)
      const facts = (p: typeof ours) =>
        p.components.map(({ phase, priority, severity, slowMs, stopMs, variants }) => ({
          phase,
          priority,
          severity,
          slowMs,
          stopMs,
          variants: variants.map((v) => ({ ...v, retryMs: Math.round(v.retryMs) }))
        }))
      assert.deepStrictEqual(facts(ours), facts(theirs))
    }
  })
})
