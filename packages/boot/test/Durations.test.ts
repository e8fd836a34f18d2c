import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Durations from "../src/Durations.ts"
import * as Plan from "../src/Plan.ts"
import * as Timeline from "../src/Timeline.ts"
import { logOf, nodeWorld, redisDown, refused, type World, worlds } from "./fixtures/worlds.ts"

const timelineOf = (world: World) => Timeline.fromEvents(logOf(world))
const takes = (ms: { readonly [name: string]: number }): World => ({
  ...nodeWorld({}),
  attempt: (name) => ({ afterMs: ms[name] ?? 10 })
})

/** The boot at a moment: everything that had happened until then, looked at then. */
const at = (world: World, nowMs: number): Timeline.Timeline => {
  const fold = Timeline.make()
  for (const event of logOf(world)) if (event.atMs <= nowMs) Timeline.step(fold, event)
  return Timeline.read(fold, nowMs)
}

const usual = Durations.learn([90, 95, 100, 105, 110].map((database) => timelineOf(takes({ database }))))

describe("Durations", () => {
  it("learns what each component takes as a rule", () => {
    assert.deepInclude(usual.get("database"), { samples: 5, p50Ms: 100, p95Ms: 109, meanMs: 100 })
    assert.closeTo(usual.get("database")!.deviationMs, Math.sqrt(50), 1e-9)
    assert.deepInclude(usual.get("api"), { p50Ms: 10, p95Ms: 10, deviationMs: 0 })
  })

  it("counts attempts, backoff and fallbacks, and learns nothing from who did not come up", () => {
    const bad = timelineOf(nodeWorld({ cache: redisDown, index: { ends: { ...refused, severity: "warning" } } }))
    const learned = Durations.learn([bad])
    assert.strictEqual(learned.get("cache")?.p50Ms, 21)
    assert.isUndefined(learned.get("index"))
  })

  it("lies between the fastest and the slowest, in any order of the boots", () => {
    let known = 0
    fc.assert(
      fc.property(fc.array(worlds, { minLength: 1, maxLength: 4 }), (all) => {
        const timelines = all.map(timelineOf)
        const learned = Durations.learn(timelines)
        assert.deepStrictEqual(Durations.learn(timelines.toReversed()).get("c0"), learned.get("c0"))
        for (const [name, one] of learned) {
          known++
          const times = timelines.flatMap(({ lanes }) =>
            lanes.filter((lane) => lane.name === name).map(({ workMs }) => workMs)
          )
          assert.isAtLeast(one.p50Ms, Math.min(...times))
          assert.isAtMost(one.p95Ms, Math.max(...times))
          assert.isAtMost(one.p50Ms, one.p95Ms)
        }
      }),
      { numRuns: 40 }
    )
    assert.isAbove(known, 20)
  })

  it("is not misled by names that objects have of their own", () => {
    const world = takes({})
    const log = logOf(world).map((event) =>
      JSON.parse(JSON.stringify(event).replaceAll('"cache"', '"__proto__"').replaceAll('"index"', '"constructor"'))
    )
    const learned = Durations.learn([Timeline.fromEvents(log)])
    assert.strictEqual(learned.get("__proto__")?.p50Ms, 10)
    assert.strictEqual(learned.get("constructor")?.p50Ms, 10)
  })

  it("predicts a boot from its plan", () => {
    const plan = Result.getOrThrow(Plan.make(takes({}).manifests))
    const { expectedMs, lateMs, path, unknown } = Durations.predict(plan, usual, 16)
    assert.strictEqual(expectedMs, timelineOf(takes({ database: 100 })).report.durationMs)
    assert.closeTo(lateMs, 159, 1e-9)
    assert.deepStrictEqual(path, ["config", "security", "database", "orchestration", "api", "ready"])
    assert.deepStrictEqual(unknown, [])
    const nothing = Durations.predict(plan, new Map(), 16)
    assert.strictEqual(nothing.unknown.length, plan.components.length)
  })

  it("says at any moment when the boot will be up", () => {
    const world = takes({ database: 100 })
    for (const nowMs of [0, 5, 30, 119, 121, 149]) {
      assert.strictEqual(Durations.eta(at(world, nowMs), usual)?.expectedMs, 150, `${nowMs} ms`)
    }
    assert.isUndefined(Durations.eta(timelineOf(world), usual))
  })

  it("moves the end away while somebody is late", () => {
    const world = takes({ database: 500 })
    const end = Durations.eta(at(world, 122), usual)
    assert.strictEqual(end?.expectedMs, 122 + 7 + 30, "what the slow boots took")
    assert.strictEqual(Durations.eta(at(world, 300), usual)?.expectedMs, 330)
    assert.deepStrictEqual(Durations.eta(at(world, 300), new Map())?.unknown, [
      "api",
      "database",
      "orchestration",
      "ready"
    ])
  })

  it("flags who is three deviations late while still running", () => {
    const world = takes({ database: 500 })
    assert.deepStrictEqual(Durations.late(at(world, 20 + 125), usual), [])
    const [late, ...others] = Durations.late(at(world, 20 + 131), usual)
    assert.deepStrictEqual(others, [])
    assert.deepInclude(late, { component: "database", workMs: 131, meanMs: 100 })
    assert.isAtLeast(late!.deviations, 3)
    // It is up: whatever it took, it is not late any more.
    assert.deepStrictEqual(Durations.late(at(world, 521), usual), [])
    assert.deepStrictEqual(
      Durations.late(at(world, 300), Durations.learn([timelineOf(world)])),
      [],
      "one boot is no rule"
    )
  })
})
