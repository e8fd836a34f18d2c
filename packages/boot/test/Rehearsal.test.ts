import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Manifest from "../src/Manifest.ts"
import * as Rehearsal from "../src/Rehearsal.ts"
import * as Timeline from "../src/Timeline.ts"
import { logOf, nodeWorld, redisDown, refused, type World, worlds } from "./fixtures/worlds.ts"

const timelineOf = (world: World) => Timeline.fromEvents(logOf(world))
const whatIf = (timeline: Timeline.Timeline, factors: { readonly [name: string]: number }) =>
  Rehearsal.whatIf(timeline, new Map(Object.entries(factors)))

/** A boot in which each takes what is said, milliseconds, and everything else 10. */
const takes = (ms: { readonly [name: string]: number }, world: Partial<World> = {}) =>
  timelineOf({ ...nodeWorld({}), attempt: (name) => ({ afterMs: ms[name] ?? 10 }), ...world })

describe("Rehearsal", () => {
  it("changes nothing when everything takes as long as it took", () => {
    let ready = 0
    fc.assert(
      fc.property(worlds, (world) => {
        const timeline = timelineOf(world)
        const all = Object.fromEntries(timeline.lanes.map(({ name }) => [name, 1]))
        for (const factors of [{}, all]) {
          const { expectedMs, measuredMs, pathAfter, pathBefore, wonMs } = whatIf(timeline, factors)
          assert.strictEqual(wonMs, 0)
          assert.strictEqual(expectedMs, measuredMs)
          assert.deepStrictEqual(pathAfter, pathBefore)
        }
        if (timeline.report.readyAtMs !== null) ready++
      }),
      { numRuns: 150 }
    )
    assert.isAbove(ready, 30)
  })

  it("is the boot as it was, to the millisecond, for every boot that came up", () => {
    let ready = 0
    fc.assert(
      fc.property(worlds, (world) => {
        const timeline = timelineOf(world)
        const { measuredMs, pathBefore, rehearsedMs } = whatIf(timeline, {})
        if (timeline.report.readyAtMs === null) return
        ready++
        assert.closeTo(rehearsedMs, measuredMs, 1e-6 * Math.max(1, measuredMs))
        if (timeline.report.concurrency < 100) return
        assert.strictEqual(pathBefore.at(-1), timeline.report.criticalPath.at(-1))
      }),
      { numRuns: 200 }
    )
    assert.isAbove(ready, 40)
  })

  it("never wins more than all of the work of what is made faster, with slots for everyone", () => {
    let won = 0
    fc.assert(
      fc.property(worlds, fc.double({ min: 0, max: 1, noNaN: true }), (world, factor) => {
        const timeline = timelineOf({ ...world, limits: { ...world.limits, slots: 100 } })
        for (const { name, workMs } of timeline.lanes) {
          const { wonMs } = whatIf(timeline, { [name]: factor })
          assert.isAtLeast(wonMs, -1e-6)
          assert.isAtMost(wonMs, workMs * (1 - factor) + 1e-6)
          if (wonMs > 0) won++
        }
      }),
      { numRuns: 60 }
    )
    assert.isAbove(won, 20)
  })

  it("says what a faster component would have won, and where the critical path would have gone", () => {
    const timeline = takes({ database: 100, cache: 60 })
    const half = whatIf(timeline, { database: 0.5 })
    assert.deepInclude(half, { measuredMs: 150, expectedMs: 100, wonMs: 50, rehearsedMs: 150, unknown: [] })
    assert.deepStrictEqual(half.pathAfter, ["config", "security", "database", "orchestration", "api", "ready"])
    const none = whatIf(timeline, { database: 0, orchestration: 0, api: 0 })
    assert.strictEqual(none.wonMs, 70, "the cache takes until 80 ms")
    assert.strictEqual(whatIf(timeline, { cache: 0 }).wonMs, 0)
    assert.strictEqual(whatIf(timeline, { database: 2 }).wonMs, -100)
  })

  it("halves attempts and backoff alike", () => {
    const timeline = timelineOf(nodeWorld({ database: (_, attempt) => (attempt < 3 ? { ends: refused } : {}) }))
    assert.strictEqual(timeline.lanes.find(({ name }) => name === "database")?.workMs, 42)
    assert.strictEqual(whatIf(timeline, { database: 0.5 }).wonMs, 21)
  })

  it("keeps to the slots: with one of them everything that is saved is won", () => {
    const timeline = takes({ database: 100, cache: 60 }, { limits: { slots: 1 } })
    assert.strictEqual(whatIf(timeline, { cache: 0.5 }).wonMs, 30)
  })

  it("names what it does not know, and takes no factor that is none", () => {
    const strange = whatIf(takes({}), { databse: 0.5, security: -1, cache: NaN })
    assert.deepStrictEqual(strange.unknown, ["databse"])
    assert.strictEqual(strange.wonMs, 0)
  })

  it("rehearses the inside of a group", () => {
    const member = (name: string, needs: ReadonlyArray<string>) => ({
      name,
      phase: "core" as const,
      severity: "critical" as const,
      needs,
      fallbacks: []
    })
    const [opening] = logOf({ manifests: [Manifest.make({ name: "dwcp" })], attempt: () => ({}) })
    const components = [
      member("dwcp", []),
      member("dwcp/amst", []),
      member("dwcp/hde", ["dwcp/amst"]),
      member("dwcp/itp", [])
    ]
    const starts = (atMs: number, component: string): BootEvent => ({
      _tag: "ComponentStarted",
      atMs,
      component,
      variant: 0,
      attempt: 1
    })
    const ready = (atMs: number, component: string): BootEvent => ({ _tag: "ComponentReady", atMs, component })
    const timeline = Timeline.fromEvents([
      { ...opening, components } as BootEvent,
      starts(5, "dwcp"),
      starts(5, "dwcp/amst"),
      starts(5, "dwcp/itp"),
      ready(45, "dwcp/amst"),
      starts(45, "dwcp/hde"),
      ready(85, "dwcp/itp"),
      ready(105, "dwcp/hde"),
      ready(107, "dwcp"),
      { _tag: "BootReady", atMs: 107, outcome: "ready" }
    ])
    assert.strictEqual(whatIf(timeline, { "dwcp/hde": 0.5 }).wonMs, 20)
    assert.strictEqual(whatIf(timeline, { "dwcp/amst": 0.5 }).wonMs, 20)
    assert.strictEqual(whatIf(timeline, { "dwcp/itp": 0.5 }).wonMs, 0)
    assert.strictEqual(whatIf(timeline, { dwcp: 0.5 }).wonMs, 51)
  })

  describe("difference", () => {
    it("names the component that moved the critical path, and not the one that changed most", () => {
      const before = takes({ database: 100, cache: 20 })
      const after = takes({ database: 140, cache: 160 })
      const { components, culprit, deltaMs } = Rehearsal.difference(before, after)
      assert.strictEqual(deltaMs, 40)
      assert.strictEqual(components[0]?.component, "cache")
      assert.deepStrictEqual(culprit, { component: "database", explainsMs: 10 })
      // Less than the 40 ms: without it, the cache would have been next.
      assert.deepInclude(
        components.find(({ component }) => component === "database"),
        {
          aMs: 100,
          bMs: 140,
          deltaMs: 40,
          onPathA: true,
          onPathB: true
        }
      )
    })

    it("says the same of a boot that became faster", () => {
      const slow = takes({ database: 140 })
      const fast = takes({ database: 100 })
      assert.deepStrictEqual(Rehearsal.difference(fast, slow).culprit, { component: "database", explainsMs: 40 })
      assert.deepStrictEqual(Rehearsal.difference(slow, fast).culprit, { component: "database", explainsMs: 40 })
    })

    it("accuses nobody when nothing has changed", () => {
      fc.assert(
        fc.property(worlds, (world) => {
          const timeline = timelineOf(world)
          const { components, culprit, deltaMs } = Rehearsal.difference(timeline, timeline)
          assert.strictEqual(culprit, null)
          assert.strictEqual(deltaMs, 0)
          assert.isTrue(components.every((one) => one.deltaMs === 0))
        }),
        { numRuns: 50 }
      )
    })

    it("aligns by name: who is new has no time before", () => {
      const [a, b] = [nodeWorld({ cache: redisDown }), nodeWorld({})]
      const more = {
        ...b,
        manifests: [...b.manifests, Manifest.make({ name: "late", phase: "post", needs: ["ready"] })]
      }
      const { components, culprit } = Rehearsal.difference(timelineOf(a), timelineOf(more))
      assert.deepInclude(
        components.find(({ component }) => component === "late"),
        { aMs: null, bMs: 10, stateA: null }
      )
      assert.deepStrictEqual(culprit, { component: "late", explainsMs: 10 })
      assert.strictEqual(components.find(({ component }) => component === "cache")?.stateA, "degraded")
    })
  })
})
