import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { BootEvent, Reason } from "../src/BootEvent.ts"
import * as Durations from "../src/Durations.ts"
import * as Rehearsal from "../src/Rehearsal.ts"
import * as Report from "../src/Report.ts"
import * as Timeline from "../src/Timeline.ts"
import * as TimelineView from "../src/TimelineView.ts"
import { readOtlp } from "./fixtures/otlp.ts"
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
      assert.deepStrictEqual(JSON.parse(JSON.stringify(whole)), whole)
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

  it("begins the members of a group again with each attempt of their group", () => {
    const [opening] = logOf(nodeWorld({}))
    const members = ["dwcp", "dwcp/amst", "dwcp/pba"].map((name) => {
      const needs = name === "dwcp/pba" ? ["dwcp/amst"] : []
      return { name, phase: "core" as const, severity: "critical" as const, needs, fallbacks: [] }
    })
    const at = (atMs: number, component: string) => ({ atMs, component })
    const timeline = Timeline.fromEvents([
      { ...opening, components: members } as BootEvent,
      { _tag: "ComponentStarted", ...at(0, "dwcp"), variant: 0, attempt: 1 },
      { _tag: "ComponentStarted", ...at(1, "dwcp/amst"), variant: 0, attempt: 1 },
      { _tag: "AttemptFailed", ...at(5, "dwcp/amst"), attempt: 1, failure: refused, retryInMs: null },
      { _tag: "AttemptClosed", ...at(6, "dwcp/amst"), closing: "clean" },
      { _tag: "ComponentFailed", ...at(6, "dwcp/amst"), failure: refused },
      { _tag: "AttemptFailed", ...at(7, "dwcp"), attempt: 1, failure: refused, retryInMs: 12 },
      { _tag: "AttemptClosed", ...at(8, "dwcp"), closing: "clean" },
      { _tag: "ComponentBackoff", ...at(8, "dwcp"), untilMs: 20 },
      { _tag: "ComponentStarted", ...at(20, "dwcp"), variant: 0, attempt: 2 },
      { _tag: "ComponentStarted", ...at(22, "dwcp/amst"), variant: 0, attempt: 1 },
      { _tag: "ComponentReady", ...at(30, "dwcp/amst") },
      { _tag: "ComponentStarted", ...at(30, "dwcp/pba"), variant: 0, attempt: 1 },
      { _tag: "ComponentReady", ...at(34, "dwcp/pba") },
      { _tag: "ComponentReady", ...at(35, "dwcp") },
      { _tag: "BootReady", atMs: 40, outcome: "ready" }
    ])
    tiles(timeline)
    assert.strictEqual(story(of(timeline, "dwcp")), "running 7, closing 1, backoff 12, running 15, ready 5")
    assert.strictEqual(
      story(of(timeline, "dwcp/amst")),
      "waiting 1, running 4, closing 1, failed 14, waiting 2, running 8, ready 10"
    )
    assert.deepInclude(of(timeline, "dwcp/amst"), { group: "dwcp", workMs: 8, settledAtMs: 30 })
    assert.deepStrictEqual(timeline.criticalPath, [{ component: "dwcp", workMs: 35 }])
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

describe("a log that no boot has written", () => {
  const name = fc.constantFrom("a", "b", "g", "g/a", "g/b")
  const atMs = fc.integer({ min: -5, max: 50 })
  const failure = fc.constant(refused)
  const reason: fc.Arbitrary<Reason> = fc.oneof(
    fc.record({ _tag: fc.constant("Failed" as const), failure }),
    fc.record({ _tag: fc.constant("Need" as const), need: name }),
    fc.record({ _tag: fc.constant("RolledBack" as const), because: fc.constant("g") })
  )
  const small = fc.integer({ min: 0, max: 2 })
  const of = <A extends object>(fields: { [K in keyof A]: fc.Arbitrary<A[K]> }) => fc.record(fields) as fc.Arbitrary<A>
  const at = { atMs, component: name }
  const closing = fc.constantFrom("clean" as const, "failed" as const, "abandoned" as const)
  const plain = ["Queued", "Acquired", "Ready", "Interrupted", "Stopping"] as const
  const event: fc.Arbitrary<BootEvent> = fc.oneof(
    ...plain.map((kind) => of({ ...at, _tag: fc.constant(`Component${kind}` as const) })),
    of({ ...at, _tag: fc.constant("ComponentStarted" as const), variant: small, attempt: small }),
    of({ ...at, _tag: fc.constant("AttemptFailed" as const), attempt: small, failure, retryInMs: fc.option(small) }),
    of({ ...at, _tag: fc.constant("AttemptClosed" as const), closing }),
    of({ ...at, _tag: fc.constant("ComponentBackoff" as const), untilMs: small }),
    of({ ...at, _tag: fc.constant("FallbackChosen" as const), variant: small, fallback: fc.constant("f") }),
    of({ ...at, _tag: fc.constant("ComponentDegraded" as const), fallback: fc.constant("f"), reason }),
    of({ ...at, _tag: fc.constantFrom("ComponentAbsent" as const, "ComponentSkipped" as const), reason }),
    of({ ...at, _tag: fc.constant("ComponentFailed" as const), failure }),
    of({ ...at, _tag: fc.constant("ComponentStopped" as const), closing }),
    of({ ...at, _tag: fc.constant("SwapStarted" as const), variant: small }),
    of({ ...at, _tag: fc.constant("SwapCompleted" as const), variant: small, closing }),
    of({ ...at, _tag: fc.constant("SwapFailed" as const), variant: small, failure, retryInMs: fc.constant(null) }),
    of({ _tag: fc.constant("BootReady" as const), atMs, outcome: fc.constant("ready" as const) }),
    of({ _tag: fc.constant("BootEnded" as const), atMs, outcome: fc.constant("failed" as const), clean: fc.boolean() })
  )

  it("still gives a timeline without gaps that every view can draw", () => {
    const [opening] = logOf(nodeWorld({}))
    const member = { phase: "core", severity: "critical", needs: ["b", "a"], fallbacks: [] }
    const components = ["a", "b", "g", "g/a"].map((one) => ({ ...member, name: one }))
    let drawn = 0
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.boolean(), (events, isOpened) => {
        const log = isOpened ? [{ ...opening, components } as BootEvent, ...events] : events
        const timeline = Timeline.fromEvents(log)
        tiles(timeline)
        const { lanes, restorations } = timeline
        assert.deepStrictEqual(JSON.parse(JSON.stringify({ lanes, restorations })), { lanes, restorations })
        for (const request of TimelineView.toOtlp(timeline)) drawn += readOtlp(request).length
        assert.isAbove(TimelineView.toText(timeline).length, 0)
        assert.notInclude(TimelineView.toSvg(timeline), "NaN")
        assert.strictEqual(Rehearsal.whatIf(timeline, new Map([["a", 1]])).wonMs, 0)
        assert.strictEqual(Rehearsal.difference(timeline, timeline).culprit, null)
        Durations.late(timeline, Durations.learn([timeline]))
        Durations.eta(timeline, Durations.learn([timeline]))
      }),
      { numRuns: 300 }
    )
    assert.isAbove(drawn, 1_000)
  })

  it("has a critical path that ends, even where two were skipped for want of each other", () => {
    const [opening] = logOf(nodeWorld({}))
    const member = (one: string, need: string) => ({
      phase: "core",
      severity: "critical",
      name: one,
      needs: [need],
      fallbacks: []
    })
    const skipped = (component: string, need: string): BootEvent => ({
      _tag: "ComponentSkipped",
      atMs: 1,
      component,
      reason: { _tag: "Need", need }
    })
    const timeline = Timeline.fromEvents([
      { ...opening, components: [member("c", "a"), member("a", "b"), member("b", "a")] } as BootEvent,
      skipped("a", "b"),
      skipped("b", "a"),
      { _tag: "ComponentStarted", atMs: 1, component: "c", variant: 0, attempt: 1 },
      { _tag: "ComponentReady", atMs: 2, component: "c" }
    ])
    assert.deepStrictEqual(timeline.report.criticalPath, ["b", "a", "c"])
  })
})
