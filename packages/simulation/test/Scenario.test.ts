import { assert, describe, it } from "@effect/vitest"
import { type BootEvent, Manifest, Progress } from "@novacron/boot/model"
import * as Odds from "../src/Odds.ts"
import * as Scenario from "../src/Scenario.ts"

const logOf = (scenario: Scenario.Scenario): ReadonlyArray<BootEvent.BootEvent> => {
  const events: Array<BootEvent.BootEvent> = []
  Scenario.run(scenario, events)
  return events
}

describe("Scenario", () => {
  it("is the same for the same seed, and so is its log, byte by byte", () => {
    for (let seed = 0; seed < 200; seed++) {
      const scenario = Scenario.make(seed)
      assert.deepStrictEqual(scenario, Scenario.make(seed))
      assert.strictEqual(JSON.stringify(logOf(scenario)), JSON.stringify(logOf(Scenario.make(seed))))
    }
  })

  it("keeps all promises for some seeds, in boots that end in every way", () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 1_000; seed++) {
      const run = Scenario.run(Scenario.make(seed, 20))
      assert.strictEqual(Scenario.complaint(run), "")
      outcomes.add(run.outcome)
    }
    assert.deepStrictEqual([...outcomes].sort(), ["cancelled", "degraded", "failed", "ready", "stopped"])
  })

  it("happens to each component as if the others were not there", () => {
    const three = ["a", "b", "c"].map((name) => Manifest.make({ name, severity: "warning", optional: true }))
    const scenario = (manifests: ReadonlyArray<Manifest.Manifest>): Scenario.Scenario => ({
      ...Scenario.make(1),
      manifests,
      limits: { ...Progress.defaultLimits, slots: 3 },
      odds: { ...Odds.none, error: 0.5, slow: 0.2 }
    })
    const of = (name: string, events: ReadonlyArray<BootEvent.BootEvent>) =>
      events.filter((event) => "component" in event && event.component === name)
    const all = logOf(scenario(three))
    for (const manifest of three) assert.isAbove(of(manifest.name, all).length, 2)
    for (const gone of three) {
      const rest = three.filter((manifest) => manifest !== gone)
      const less = logOf(scenario(rest))
      // Until the boot is ready: when that is, and what is restored then, they decide together.
      const early = (name: string, events: ReadonlyArray<BootEvent.BootEvent>) =>
        of(
          name,
          events.slice(
            0,
            events.findIndex(({ _tag }) => _tag === "BootReady")
          )
        ).slice(0, 2)
      for (const { name } of rest) assert.deepStrictEqual(early(name, less), early(name, all))
    }
  })

  it("shrinks to what it takes", () => {
    const scenario = Scenario.make(11, 40)
    assert.isAbove(scenario.manifests.length, 3)
    const hasFallback = ({ manifests }: Scenario.Scenario) => manifests.some(({ variants }) => variants.length > 1)
    assert.isTrue(hasFallback(scenario))
    const smallest = Scenario.shrink(scenario, hasFallback)
    assert.isTrue(hasFallback(smallest))
    assert.strictEqual(smallest.manifests.length, 1)
    const [left] = smallest.manifests
    assert.deepStrictEqual([left!.needs, left!.variants.length, left!.variants[0].attempts], [[], 2, 1])
    assert.deepStrictEqual(smallest.odds, Odds.none)
  })

  it("complains of the same thing in the same words, whoever it happens to", () => {
    const run = (message: string): Parameters<typeof Scenario.complaint>[0] => ({
      outcome: "failed",
      timeMs: 1,
      steps: 1,
      violation: { invariant: 3, title: "", message, atMs: 1 }
    })
    assert.strictEqual(
      Scenario.complaint(run("n07: Attempt 2 starts 1.5 ms late.")),
      "3 X: Attempt N starts N ms late."
    )
    assert.strictEqual(
      Scenario.complaint(run("n07: Attempt 2 starts 1.5 ms late.")),
      Scenario.complaint(run("n11-1: Attempt 3 starts 20 ms late.\n  at somewhere"))
    )
  })
})
