import { assert, describe, it } from "@effect/vitest"
import { type BootEvent, Manifest, Plan, Progress } from "@novacron/boot/model"
import { Result } from "effect"
import * as Graphs from "../src/Graphs.ts"
import * as Odds from "../src/Odds.ts"
import * as World from "../src/World.ts"

const planOf = (...manifests: ReadonlyArray<Manifest.Manifest>): Plan.Plan => Result.getOrThrow(Plan.make(manifests))
const reference = Result.getOrThrow(Plan.make(Graphs.reference, { durationsMs: Graphs.referenceMs }))
const limits = { ...Progress.defaultLimits, slots: 8 }
const tags = (events: ReadonlyArray<BootEvent.BootEvent>): ReadonlyArray<string> => events.map(({ _tag }) => _tag)

describe("World", () => {
  it("boots everything when nothing goes wrong", () => {
    const { events, outcome, violation } = World.run(reference, limits, { seed: 1, odds: Odds.none })
    assert.isUndefined(violation)
    assert.strictEqual(outcome, "ready")
    assert.strictEqual(tags(events).filter((tag) => tag === "ComponentReady").length, 19)
    assert.notInclude(tags(events), "AttemptFailed")
  })

  it("keeps all promises under all faults at once, and every kind of end is seen", () => {
    const world = World.make(reference, limits)
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 2_000; seed++) {
      const { outcome, violation } = World.boot(world, seed)
      assert.isUndefined(violation)
      outcomes.add(outcome)
    }
    assert.deepStrictEqual([...outcomes].sort(), ["cancelled", "degraded", "failed", "ready", "stopped"])
  })

  it("begins anew with each boot: what came before changes nothing", () => {
    const world = World.make(reference, limits)
    const after: Array<BootEvent.BootEvent> = []
    for (let seed = 0; seed < 50; seed++) World.boot(world, seed)
    World.boot(world, 77, after)
    assert.deepStrictEqual(after, World.run(reference, limits, { seed: 77 }).events)
    assert.isAbove(after.length, 10)
  })

  it("tells seeds apart, also those that are larger than 32 bits", () => {
    const logs = [1, 2, 2 ** 32 + 1, 2 ** 40 + 1].map((seed) =>
      JSON.stringify(World.run(reference, limits, { seed }).events)
    )
    assert.strictEqual(new Set(logs).size, 4)
  })

  it("does nothing to whom is spared", () => {
    const odds = { ...Odds.none, error: 0.9 }
    const spared = new Set(reference.components.map(({ name }) => name))
    assert.strictEqual(World.run(reference, limits, { seed: 1, odds }).outcome, "failed")
    assert.strictEqual(World.run(reference, limits, { seed: 1, odds, spared }).outcome, "ready")
  })

  it("stops its faults in the end, so that everything with a restoration to come is up again", () => {
    const plan = planOf(Manifest.make({ name: "a", severity: "warning", optional: true }), Manifest.make({ name: "b" }))
    const odds = { ...Odds.none, error: 0.999 }
    const { events, outcome, timeMs, violation } = World.run(plan, limits, { seed: 1, odds, spared: new Set(["b"]) })
    assert.isUndefined(violation)
    assert.strictEqual(outcome, "ready")
    assert.isAbove(timeMs, 60_000)
    assert.isAbove(tags(events).filter((tag) => tag === "ComponentAbsent").length, 10)
  })

  it("notices a machine that throws", () => {
    const broken = { ...reference, dependents: [] }
    const { violation } = World.run(broken, limits, { seed: 1, odds: Odds.none })
    assert.include(violation?.message ?? "", "Progress throws")
  })

  it("notices a boot that waits for nothing", () => {
    const dependents = reference.dependents.map(() => [])
    const never = { targetMs: Infinity, maxMs: Infinity }
    const patient = { ...limits, bootMs: Infinity, phases: { pre: never, core: never, service: never, post: never } }
    const { violation } = World.run({ ...reference, dependents }, patient, { seed: 1, odds: Odds.none })
    assert.strictEqual(violation?.message, "The boot is booting, and waits for nothing.")
  })
})
