import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Rehearsal from "../src/Rehearsal.ts"
import * as Report from "../src/Report.ts"
import * as Timeline from "../src/Timeline.ts"
import { chance, logOf, nodeWorld, noIndex, redisDown, refused, type World, worlds } from "./fixtures/worlds.ts"

const timelineOf = (world: World) => Timeline.fromEvents(logOf(world))
const of = (timeline: Timeline.Timeline, name: string) => timeline.lanes.find((lane) => lane.name === name)!
const story = (lane: Timeline.Lane) => lane.intervals.map((one) => `${one.state} ${one.toMs - one.fromMs}`).join(", ")

/** Holds the property for random boots, and sees to it that boots of each outcome were among them. */
const laws = (property: (timeline: Timeline.Timeline, log: ReadonlyArray<BootEvent>) => void, runs = 200) => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(worlds, (world) => {
      const log = logOf(world)
      const timeline = Timeline.fromEvents(log)
      seen.set(timeline.report.outcome, (seen.get(timeline.report.outcome) ?? 0) + 1)
      property(timeline, log)
    }),
    { numRuns: runs }
  )
  for (const outcome of ["ready", "degraded", "failed", "stopped"]) assert.isAbove(seen.get(outcome) ?? 0, 0, outcome)
}

const tiles = ({ atMs, lanes }: Timeline.Timeline) => {
  for (const { intervals, name } of lanes) {
    let until = 0
    for (const { fromMs, toMs } of intervals) {
      assert.strictEqual(fromMs, until, name)
      assert.isAbove(toMs, fromMs, name)
      until = toMs
    }
    if (intervals.length > 0) assert.strictEqual(until, atMs, name)
    else assert.strictEqual(atMs, 0)
  }
}

describe("Timeline", () => {
  it("leaves no gap and no overlap: the intervals of a component add up to the wall time", () => {
    laws(tiles)
  })

  it("agrees with the report about every component, and about the critical path", () => {
    laws((timeline) => {
      const { report } = timeline
      const near = (a: number, b: number, what: string) => assert.closeTo(a, b, 1e-6 * Math.max(1, b), what)
      assert.deepStrictEqual(
        timeline.lanes.map(({ name, settledAtMs, state }) => [name, state, settledAtMs]),
        report.components.map(({ name, settledAtMs, state }) => [name, state, settledAtMs])
      )
      for (const [k, lane] of timeline.lanes.entries()) {
        const one = report.components[k]!
        near(lane.workMs, one.runningMs + one.backoffMs, lane.name)
        const until = lane.settledAtMs ?? timeline.atMs
        const work = lane.intervals
          .filter(({ fromMs, state }) => fromMs < until && ["running", "closing", "backoff"].includes(state))
          .reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)
        near(work, lane.workMs, `intervals of ${lane.name}`)
        assert.strictEqual(lane.attempts.length >= one.attempts.length, true)
      }
      near(
        timeline.criticalPath.reduce((sum, { workMs }) => sum + workMs, 0),
        report.criticalPathMs,
        "critical path"
      )
    })
  })

  it("can be read at any moment, and what was read does not change", () => {
    laws((whole, log) => {
      const fold = Timeline.make()
      const upTo = Math.floor(log.length * chance(log.length, whole.lanes.length))
      for (const event of log.slice(0, upTo + 1)) Timeline.step(fold, event)
      const early = Timeline.read(fold)
      tiles(early)
      const later = Timeline.read(fold, early.atMs + 250)
      tiles(later)
      assert.strictEqual(later.atMs, early.atMs + 250)
      const before = JSON.stringify(early)
      for (const event of log.slice(upTo + 1)) Timeline.step(fold, event)
      assert.strictEqual(JSON.stringify(early), before)
      assert.deepStrictEqual(Timeline.read(fold), whole)
    })
  })

  it("keeps every attempt inside of the time in which its component was at work", () => {
    laws((timeline) => {
      for (const { attempts, intervals } of timeline.lanes) {
        for (const [k, { acquiredAtMs, decidedAtMs, fromMs, toMs }] of attempts.entries()) {
          assert.isAtLeast(toMs, fromMs)
          if (acquiredAtMs !== null) assert.isAtLeast(acquiredAtMs, fromMs)
          if (decidedAtMs !== null) assert.isAtMost(decidedAtMs, toMs)
          const own = intervals.filter(({ attempt }) => attempt === k)
          const sum = own.reduce((ms, one) => ms + one.toMs - one.fromMs, 0)
          assert.closeTo(sum, toMs - fromMs, 1e-6)
        }
      }
    })
  })

  it("tells what a component did: waiting, attempts, closing, backoff, its fallback", () => {
    const timeline = timelineOf(
      nodeWorld({ cache: redisDown, database: (_, attempt) => (attempt < 3 ? { ends: refused } : {}) })
    )
    assert.strictEqual(timeline.report.outcome, "degraded")
    assert.strictEqual(
      story(of(timeline, "database")),
      "waiting 20, running 10, closing 1, backoff 5, running 10, closing 1, backoff 5, running 10, ready 30"
    )
    assert.strictEqual(story(of(timeline, "cache")), "waiting 20, running 10, closing 1, running 10, degraded 51")
    const [first, second] = of(timeline, "cache").attempts
    assert.strictEqual(first?.failure?.tag, "RedisDown")
    assert.deepInclude(second, { name: "memory", variant: 1, fromMs: 31, decidedAtMs: 41, toMs: 41, failure: null })
    assert.deepStrictEqual(
      of(timeline, "cache").marks.map(({ text }) => text),
      ["attempt 1 failed: RedisDown connect refused", "gives way to its fallback memory", "on its fallback memory"]
    )
    assert.deepStrictEqual(timeline.criticalPath, [
      { component: "config", workMs: 10 },
      { component: "security", workMs: 10 },
      { component: "database", workMs: 42 },
      { component: "orchestration", workMs: 10 },
      { component: "api", workMs: 10 },
      { component: "ready", workMs: 10 }
    ])
  })

  it("tells of a rollback component by component", () => {
    const timeline = timelineOf(nodeWorld({ database: { ends: refused } }, { retryMs: null }))
    assert.strictEqual(timeline.report.outcome, "failed")
    assert.strictEqual(
      story(of(timeline, "security")).replace(/\d+/g, "n"),
      "waiting n, running n, ready n, stopping n, stopped n"
    )
  })

  it("tells of restorations: what was built again, what gave way, and what came of it", () => {
    const timeline = timelineOf(
      nodeWorld(
        {
          cache: (number, attempt) => (attempt === 99 && number === 0 ? {} : redisDown(number)),
          index: (_, attempt) => (attempt === 1 ? { ends: noIndex } : {})
        },
        { restoreMs: 500, retryMs: null, stop: { atMs: 3_000, because: "SIGTERM" } }
      )
    )
    tiles(timeline)
    const first = (name: string) => timeline.restorations.find(({ component }) => component === name)
    assert.deepInclude(first("cache"), { variant: 0, outcome: "completed", failure: null })
    assert.deepInclude(first("index"), { variant: 0, outcome: "failed", failure: noIndex })
    assert.deepStrictEqual(
      timeline.report.restorations.map(({ completed, component, failed, started }) => [
        component,
        started,
        completed,
        failed
      ]),
      ["cache", "index"].map((name) => {
        const mine = timeline.restorations.filter(({ component }) => component === name)
        const count = (outcome: string) => mine.filter((one) => one.outcome === outcome).length
        return [name, mine.length, count("completed"), count("failed")]
      })
    )
  })

  it("takes time that runs backwards for standing still", () => {
    const log = logOf(nodeWorld({})).map((event, k): BootEvent => (k % 3 === 2 ? { ...event, atMs: -5 } : event))
    const timeline = Timeline.fromEvents(log)
    assert.isAbove(timeline.atMs, 0)
    tiles(timeline)
  })

  it("knows nothing of a boot that has no events", () => {
    const timeline = Timeline.fromEvents([])
    assert.deepStrictEqual([timeline.lanes, timeline.criticalPath, timeline.restorations], [[], [], []])
    assert.deepStrictEqual(timeline.report, Report.fromEvents([]))
  })

  it("folds a boot of 20,000 components in linear time", () => {
    const members = Array.from({ length: 20_000 }, (_, i) => ({
      name: `c${i}`,
      phase: "core" as const,
      severity: "critical" as const,
      needs: i === 0 ? [] : [`c${i - 1}`],
      fallbacks: []
    }))
    const [opening] = logOf(nodeWorld({}))
    const log = [
      { ...opening, components: members } as BootEvent,
      ...members.flatMap(({ name }, i): ReadonlyArray<BootEvent> => [
        { _tag: "ComponentStarted", atMs: i, component: name, variant: 0, attempt: 1 },
        { _tag: "ComponentReady", atMs: i + 1, component: name }
      ]),
      { _tag: "BootReady", atMs: 20_000, outcome: "ready" } as const
    ]
    const timeline = Timeline.fromEvents(log)
    assert.strictEqual(timeline.criticalPath.length, 20_000)
    const halved = Rehearsal.whatIf(timeline, new Map([["c7", 0.5]]))
    assert.strictEqual(halved.wonMs, 0.5)
    assert.strictEqual(halved.pathAfter.length, 20_000)
  })
})
