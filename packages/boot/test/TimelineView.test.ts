import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Durations from "../src/Durations.ts"
import * as Plan from "../src/Plan.ts"
import * as Rehearsal from "../src/Rehearsal.ts"
import * as Timeline from "../src/Timeline.ts"
import * as TimelineView from "../src/TimelineView.ts"
import { hostileNames } from "./fixtures/hostile.ts"
import { logOf, nodeWorld, noIndex, redisDown, refused, type World, worlds } from "./fixtures/worlds.ts"

const timelineOf = (world: World) => Timeline.fromEvents(logOf(world))
const degraded = timelineOf(
  nodeWorld({
    cache: redisDown,
    database: (_, attempt) => (attempt < 3 ? { ends: refused } : {}),
    index: { ends: noIndex }
  })
)
const takes = (ms: { readonly [name: string]: number }): World => ({
  ...nodeWorld({}),
  attempt: (name) => ({ afterMs: ms[name] ?? 10 })
})
const usual = Durations.learn([90, 95, 100, 105, 110].map((database) => timelineOf(takes({ database }))))

describe("TimelineView", () => {
  it("draws a degraded boot: who waited, who tried again, who fell back, and the critical path", () => {
    const text = TimelineView.toText(degraded, { width: 100 })
    assert.deepStrictEqual(text.split("\n").slice(0, 2), [
      "boot boot-1 · node-a · test",
      "degraded after 92 ms · critical path 92 ms · overhead 0 % · 16 slots · 2026-09-21T14:13:20.000Z"
    ])
    const rows = new Map(
      text
        .split("\n")
        .slice(3, -1)
        .map((line) => [line.slice(2, 15).trim(), line])
    )
    assert.deepStrictEqual(
      [...rows.keys()],
      ["config", "index", "security", "cache", "database", "search", "orchestration", "api", "ready"]
    )
    assert.match(rows.get("database")!, /^\* database +·+█+▓?░+█+▓?░+█+ +42 ms$/)
    assert.match(rows.get("cache")!, /^ {2}cache +·+█+▓?█+ +21 ms on its fallback memory$/)
    assert.match(rows.get("search")!, /^ {2}search +·+ +skipped: it needs index$/)
    assert.match(rows.get("index")!, /27 ms absent: Refused connect/)
    assert.include(text, "* critical path")
    assert.notInclude(text, "\u001b")
    assert.include(TimelineView.toText(degraded, { colour: true }), "\u001b[32m")
  })

  it("goes until READY, or until the end of a rollback", () => {
    const stopped = timelineOf(nodeWorld({}, { stop: { atMs: 60_000, because: "SIGTERM" } }))
    assert.strictEqual(TimelineView.toChart(stopped).toMs, stopped.report.readyAtMs)
    const failed = timelineOf(nodeWorld({ database: { ends: refused } }, { retryMs: null }))
    const chart = TimelineView.toChart(failed)
    assert.strictEqual(chart.toMs, failed.report.endedAtMs)
    assert.isTrue(chart.rows.some(({ bars }) => bars.some(({ paint }) => paint === "stopping")))
    assert.match(chart.footnotes.join(), /taken down after 31 ms \(failed because of database\)/)
  })

  it("shows every component of every boot, in bounds, members below their group", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const timeline = timelineOf(world)
        const { fromMs, rows, toMs } = TimelineView.toChart(timeline)
        assert.sameMembers(
          rows.map(({ name }) => name),
          timeline.lanes.map(({ name }) => name)
        )
        for (const { bars } of rows) {
          for (const [k, bar] of bars.entries()) {
            assert.isTrue(bar.fromMs >= fromMs && bar.toMs <= toMs && bar.fromMs < bar.toMs)
            assert.isAtLeast(bar.fromMs, bars[k - 1]?.toMs ?? 0)
          }
        }
      }),
      { numRuns: 60 }
    )
    const [opening] = logOf(nodeWorld({}))
    const names = ["dwcp", "dwcp/b", "dwcp/a", "api"]
    const declared = { phase: "core" as const, severity: "critical" as const, needs: [], fallbacks: [] }
    const chart = TimelineView.toChart(
      Timeline.fromEvents([{ ...opening, components: names.map((name) => ({ ...declared, name })) } as BootEvent])
    )
    assert.deepStrictEqual(
      chart.rows.map(({ depth, name }) => `${depth} ${name}`),
      ["0 api", "0 dwcp", "1 dwcp/a", "1 dwcp/b"]
    )
  })

  it("shows of a large boot what is critical, went wrong or took long, and says how much it leaves out", () => {
    const chart = TimelineView.toChart(degraded, { rows: 7 })
    assert.strictEqual(chart.omitted, 2)
    const names = chart.rows.map(({ name }) => name)
    assert.includeMembers(names, degraded.report.criticalPath as Array<string>)
    assert.include(TimelineView.toText(degraded, { rows: 7 }), "and 2 more that are not shown")
  })

  it("tells on opening a row what was tried and what came of it", () => {
    const facts = TimelineView.toChart(degraded).rows.find(({ name }) => name === "cache")?.facts
    assert.deepStrictEqual(facts, [
      "core, degraded, degraded",
      "needs security",
      "waiting 20 ms, running 20 ms, closing 1 ms",
      "attempt 1 at 20 ms for 11 ms, RedisDown: connect refused; again in 5 ms",
      "attempt 1 of memory at 31 ms for 10 ms",
      "at 31 ms gives way to its fallback memory",
      "at 41 ms on its fallback memory"
    ])
  })

  it("says of a boot that is under way when it will be up, and who is late", () => {
    const fold = Timeline.make()
    for (const event of logOf(takes({ database: 500 }))) if (event.atMs <= 160) Timeline.step(fold, event)
    const text = TimelineView.toText(Timeline.read(fold, 160), { durations: usual, width: 120 })
    assert.match(text, /^booting for 160 ms/m)
    assert.match(text, /^up in about 30 ms, after 190 ms to 190 ms$/m)
    assert.match(text, /^database is late: 140 ms, usually 100 ms \(4 deviations\)$/m)
  })

  it("tells of restorations", () => {
    const timeline = timelineOf(
      nodeWorld(
        { cache: (number, attempt) => (attempt === 99 && number === 0 ? {} : redisDown(number)) },
        { restoreMs: 500, retryMs: null, stop: { atMs: 1_000, because: "SIGTERM" } }
      )
    )
    assert.match(TimelineView.toText(timeline), /^cache was built again after 5\d\d ms in 10 ms$/m)
  })

  it("says what a faster component would have won", () => {
    const timeline = timelineOf(takes({ database: 100, cache: 60 }))
    assert.strictEqual(
      TimelineView.whatIfText(Rehearsal.whatIf(timeline, new Map([["database", 0.5]]))),
      [
        "with database × 0.5: 100 ms in place of 150 ms, 50 ms less",
        "  critical path as before: config → security → database → orchestration → api → ready",
        "  rehearsed: the boot as it was takes 150 ms in the rehearsal, without what the driver takes"
      ].join("\n")
    )
    assert.match(TimelineView.whatIfText(Rehearsal.whatIf(timeline, new Map([["cache", 0.5]]))), /, nothing\n/)
  })

  it("names the component that moved the critical path", () => {
    const difference = Rehearsal.difference(timelineOf(takes({ database: 100 })), timelineOf(takes({ database: 140 })))
    assert.strictEqual(
      TimelineView.differenceText(difference),
      [
        "boot-1 (ready, 150 ms) → boot-1 (ready, 190 ms): 40 ms longer",
        "database moved the critical path: it accounts for 40 ms",
        "  database    100 ms →   140 ms     +40 ms  *→*",
        "  critical path before: config → security → database → orchestration → api → ready",
        "  critical path after:  config → security → database → orchestration → api → ready"
      ].join("\n")
    )
    assert.match(
      TimelineView.differenceText(Rehearsal.difference(degraded, degraded)),
      /: the same\nno single component/
    )
  })

  it("says what a plan will take", () => {
    const plan = Result.getOrThrow(Plan.make(takes({}).manifests))
    assert.match(
      TimelineView.predictionText(Durations.predict(plan, usual, 16)),
      /^expected to be up after 150 ms, after 159 ms when everything takes long\n {2}critical path: config → /
    )
  })

  it("escapes hostile names in every view", () => {
    const [opening] = logOf(nodeWorld({}))
    const declared = { phase: "core" as const, severity: "critical" as const, fallbacks: hostileNames }
    const log: ReadonlyArray<BootEvent> = [
      {
        ...opening,
        bootId: hostileNames.join(""),
        nodeId: hostileNames[0],
        components: hostileNames.map((name) => ({ ...declared, name, needs: hostileNames }))
      } as BootEvent,
      ...hostileNames.flatMap((component, k): ReadonlyArray<BootEvent> => {
        const failure = { ...refused, tag: component, message: component }
        return [
          { _tag: "ComponentStarted", atMs: k, component, variant: 0, attempt: 1 },
          { _tag: "AttemptFailed", atMs: k + 1, component, attempt: 1, failure, retryInMs: null },
          { _tag: "AttemptClosed", atMs: k + 1, component, closing: "clean" },
          { _tag: "ComponentFailed", atMs: k + 1, component, failure },
          { _tag: "HealthChanged", atMs: k + 1, component, healthy: false, message: component }
        ]
      }),
      { _tag: "RollbackStarted", atMs: 20, why: "failed", because: hostileNames.join(", "), budgetMs: 1 },
      { _tag: "BootEnded", atMs: 21, outcome: "failed", clean: true }
    ]
    const timeline = Timeline.fromEvents(log)
    const all = Rehearsal.whatIf(timeline, new Map(hostileNames.map((name) => [name, 0.5])))
    const views = {
      text: TimelineView.toText(timeline),
      html: TimelineView.toHtml(timeline),
      svg: TimelineView.toSvg(timeline),
      whatIf: TimelineView.whatIfText(all),
      difference: TimelineView.differenceText(Rehearsal.difference(timeline, timelineOf(takes({}))))
    }
    for (const [view, text] of Object.entries(views)) {
      assert.notMatch(text, /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u, view)
      assert.isBelow(text.length, 200_000, view)
    }
    for (const view of [views.html, views.svg]) assert.notMatch(view, /<script|<img|onload=alert\(1\)>/)
    assert.strictEqual(views.text.split("\n").length, 3 + hostileNames.length + 2)
  })

  it("bounds a page, a picture and a text of 100,000 components", () => {
    const [opening] = logOf(nodeWorld({}))
    const names = Array.from({ length: 100_000 }, (_, k) => `component ${k}`)
    const declared = { phase: "core" as const, severity: "critical" as const, needs: [], fallbacks: [] }
    const timeline = Timeline.fromEvents([
      { ...opening, components: names.map((name) => ({ ...declared, name })) } as BootEvent,
      ...names.flatMap((component, k): ReadonlyArray<BootEvent> => [
        { _tag: "ComponentStarted", atMs: k, component, variant: 0, attempt: 1 },
        { _tag: "ComponentReady", atMs: k + 1 + (k === 77 ? 5 : 0), component }
      ])
    ])
    assert.isBelow(TimelineView.toText(timeline).length, 40_000)
    assert.isBelow(TimelineView.toHtml(timeline).length, 1_000_000)
    assert.isBelow(TimelineView.toSvg(timeline).length, 1_000_000)
    assert.include(TimelineView.toText(timeline), "component 77 ")
    assert.include(TimelineView.toHtml(timeline), "and 99000 more that are not shown")
  }, 60_000)
})
