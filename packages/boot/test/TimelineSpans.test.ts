import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Timeline from "../src/Timeline.ts"
import * as TimelineSpans from "../src/TimelineSpans.ts"
import { hostileNames } from "./fixtures/hostile.ts"
import { readOtlp } from "./fixtures/otlp.ts"
import { logOf, nodeWorld, noIndex, redisDown, refused, type World, worlds } from "./fixtures/worlds.ts"

const timelineOf = (world: World) => Timeline.fromEvents(logOf(world))
const spansOf = (timeline: Timeline.Timeline, spansPerRequest = 7) =>
  [...TimelineSpans.toOtlp(timeline, { spansPerRequest })].flatMap((request) => {
    const spans = readOtlp(JSON.parse(JSON.stringify(request)))
    assert.isAtMost(spans.length, spansPerRequest)
    return spans
  })

const degraded = nodeWorld(
  {
    cache: (number, attempt) => (attempt === 99 && number === 0 ? {} : redisDown(number)),
    database: (_, attempt) => (attempt < 3 ? { ends: refused } : {}),
    index: { ends: noIndex }
  },
  { restoreMs: 500, stop: { atMs: 1_200, because: "SIGTERM" } }
)

/** The log of a node, with its components called differently. */
const renamed = (names: ReadonlyArray<string>): ReadonlyArray<BootEvent> => {
  const old = ["config", "security", "database", "cache", "orchestration", "api", "index", "search", "ready"]
  const by = new Map(old.map((name, k) => [name, names[k % names.length]! + (k < names.length ? "" : k)]))
  const swap = (value: unknown): unknown => {
    if (typeof value === "string") return by.get(value) ?? value
    if (Array.isArray(value)) return value.map(swap)
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [
        key,
        key === "phase" || key === "outcome" || key === "_tag" ? one : swap(one)
      ])
    )
  }
  return logOf(degraded).map((event) => swap(event) as BootEvent)
}

describe("OTLP", () => {
  it("is what the specification says, for every boot", () => {
    let seen = 0
    fc.assert(
      fc.property(worlds, (world) => {
        const timeline = timelineOf(world)
        const spans = spansOf(timeline)
        const byId = new Map(spans.map((span) => [span.spanId, span]))
        assert.strictEqual(byId.size, spans.length, "ids are unique")
        for (const { links, parentSpanId, traceId } of spans) {
          const above = parentSpanId === undefined ? traceId : byId.get(parentSpanId)?.traceId
          if (above !== traceId) assert.fail("a parent is not there, or in another trace")
          for (const link of links)
            if (byId.get(link.spanId)?.traceId !== link.traceId) assert.fail("a link leads nowhere")
        }
        seen += spans.length
        const ran = timeline.lanes.filter(({ attempts }) => attempts.length > 0)
        const told = new Set(spans.map(({ attributes }) => attributes.get("novacron.component")))
        assert.deepStrictEqual(
          ran.filter(({ name }) => !told.has(name)),
          []
        )
      }),
      { numRuns: 30 }
    )
    assert.isAbove(seen, 150)
  })

  it("has one trace per boot: boot, phase, component, attempt, each inside of the one above", () => {
    const timeline = timelineOf(degraded)
    const spans = spansOf(timeline)
    const trace = TimelineSpans.traceId("boot-1")
    const boot = spans.find(({ name }) => name === "boot")!
    assert.strictEqual(boot.traceId, trace)
    assert.strictEqual(boot.parentSpanId, undefined)
    const above = (span: (typeof spans)[number]) => spans.find(({ spanId }) => spanId === span.parentSpanId)
    const attempts = spans.filter(({ name, traceId }) => name.startsWith("attempt 3") && traceId === trace)
    const [third] = attempts
    const path = [third, above(third!), above(above(third!)!), above(above(above(third!)!)!)]
    assert.deepStrictEqual(
      path.map((span) => span?.name),
      ["attempt 3", "database", "core_init", "boot"]
    )
    for (const span of spans.filter(({ traceId }) => traceId === trace)) {
      const parent = above(span)
      if (parent === undefined) continue
      assert.isTrue(parent.startNs <= span.startNs && span.endNs <= parent.endNs, `${span.name} in ${parent.name}`)
    }
    assert.strictEqual(Number((boot.endNs - boot.startNs) / 1_000n) / 1_000, timeline.report.readyAtMs)
    assert.strictEqual(boot.startNs, 1_790_000_000_000n * 1_000_000n)
  })

  it("links a component to what it needs, and tells retries, fallbacks, skips and checkpoints as events", () => {
    const spans = spansOf(timelineOf(degraded))
    const of = (name: string) => spans.find((span) => span.name === name && span.attributes.has("novacron.severity"))!
    assert.deepStrictEqual(
      of("api").links.map((link) => spans.find(({ spanId }) => spanId === link.spanId)?.name),
      ["orchestration", "security"]
    )
    const events = (name: string) => of(name).events.map((event) => event.name)
    assert.deepStrictEqual(events("database"), ["retry", "retry"])
    assert.deepStrictEqual(events("cache"), ["retry", "fallback", "degraded"])
    assert.deepStrictEqual(events("search"), ["skipped"])
    const boot = spans.find(({ name }) => name === "boot")!
    assert.deepStrictEqual(
      boot.events.map(({ attributes }) => attributes.get("novacron.checkpoint")),
      ["init_start", "pre_init_complete", "core_init_complete", "service_init_complete", "init_complete"]
    )
    const failed = spans.find(({ name, status }) => name === "attempt 1" && status === 2)
    assert.deepStrictEqual(failed?.events.map(({ attributes, name }) => [name, attributes.get("exception.type")])[0], [
      "exception",
      "RedisDown"
    ])
    assert.strictEqual(boot.resource.get("service.instance.id"), "node-a")
    assert.strictEqual(boot.resource.get("deployment.environment.name"), "test")
  })

  it("marks what is optional, and a phase in which things were done at the same time", () => {
    const spans = spansOf(timelineOf(degraded))
    const optional = spans.filter(({ attributes }) => attributes.get("optional") === true).map(({ name }) => name)
    assert.deepStrictEqual(optional, ["index", "search"])
    const phase = (name: string) => spans.find((span) => span.name === name)!
    assert.strictEqual(phase("core_init").attributes.get("parallel"), true)
    const [core, database, cache] = [phase("core_init"), phase("database"), phase("cache")]
    assert.isTrue(database.startNs < cache.endNs && cache.startNs < database.endNs, "they overlap")
    const below = spans.filter(({ parentSpanId }) => parentSpanId === core.spanId)
    const sum = below.reduce((all, { endNs, startNs }) => all + endNs - startNs, 0n)
    assert.isTrue(core.endNs - core.startNs < sum, "shorter than what is inside of it")
    assert.strictEqual(phase("pre_init").attributes.get("parallel"), false)
  })

  it("tells a rollback as spans of the boot's trace, and the stop of a node as a trace of its own", () => {
    const failed = spansOf(timelineOf(nodeWorld({ database: { ends: refused } }, { retryMs: null })))
    const trace = TimelineSpans.traceId("boot-1")
    const rollback = failed.find(({ name }) => name === "rollback")!
    assert.strictEqual(rollback.traceId, trace)
    const below = failed.filter(({ parentSpanId }) => parentSpanId === rollback.spanId).map(({ name }) => name)
    assert.includeMembers(below, ["stop security", "stop config"])
    assert.strictEqual(failed.find(({ name }) => name === "boot")?.status, 2)

    const stopped = spansOf(timelineOf(degraded))
    const stop = stopped.find(({ name }) => name === "stop")!
    assert.notStrictEqual(stop.traceId, trace)
    assert.strictEqual(stop.links[0]?.traceId, trace)
  })

  it("tells a restoration as a trace of its own that links to the boot and to its component", () => {
    const timeline = timelineOf(degraded)
    const spans = spansOf(timeline)
    const trace = TimelineSpans.traceId("boot-1")
    const restored = spans.filter(({ name }) => name.startsWith("restore "))
    assert.strictEqual(restored.length, timeline.restorations.length)
    assert.isAbove(restored.length, 1)
    assert.strictEqual(new Set(restored.map(({ traceId }) => traceId)).size, restored.length)
    for (const { links, traceId } of restored) {
      assert.notStrictEqual(traceId, trace)
      assert.deepStrictEqual(
        links.map((link) => link.traceId),
        [trace, trace]
      )
    }
    const index = restored.find(({ name }) => name === "restore index")!
    assert.isNotEmpty(spans.filter(({ parentSpanId }) => parentSpanId === index.spanId))
  })

  it("gives the same ids each time, and those of the boot where they can be ids", () => {
    const timeline = timelineOf(degraded)
    assert.deepStrictEqual(spansOf(timeline), spansOf(timelineOf(degraded)))
    assert.strictEqual(
      TimelineSpans.traceId("0191E1C0-7A70-7CC3-98C4-DC0C0C07398F"),
      "0191e1c07a707cc398c4dc0c0c07398f"
    )
    assert.match(TimelineSpans.traceId("0".repeat(32)), /^[0-9a-f]{32}$/)
    assert.notStrictEqual(TimelineSpans.traceId("0".repeat(32)), "0".repeat(32))
    const ids = new Set<string>()
    for (let k = 0; k < 100_000; k++) ids.add(TimelineSpans.spanId("boot", "component", `c${k}`))
    assert.strictEqual(ids.size, 100_000)
  })

  it("passes hostile names on as text, cut where they are too long", () => {
    const spans = spansOf(Timeline.fromEvents(renamed(hostileNames)))
    assert.isTrue(spans.some(({ name }) => name === "<script>alert(1)</script>"))
    assert.isTrue(spans.every(({ name }) => name.length <= 1_024))
  })

  it("holds any number of time within 64 bits", () => {
    for (const startedAt of [-1, 1e300, Number.MAX_SAFE_INTEGER, 0.5]) {
      const log = logOf(degraded).map((event) => (event._tag === "BootStarted" ? { ...event, startedAt } : event))
      assert.isNotEmpty(spansOf(Timeline.fromEvents(log)))
    }
  })
})

/** A node of so many components, with three spans each. */
const large = (count: number): ReadonlyArray<BootEvent> => {
  const [opening] = logOf(nodeWorld({}))
  const names = Array.from({ length: count }, (_, k) => `component ${k}`)
  const declared = { phase: "core" as const, severity: "critical" as const, needs: [], fallbacks: [] }
  return [
    { ...opening, components: names.map((name) => ({ ...declared, name })) } as BootEvent,
    ...names.flatMap((component, k): ReadonlyArray<BootEvent> => [
      { _tag: "ComponentStarted", atMs: k, component, variant: 0, attempt: 1 },
      { _tag: "AttemptFailed", atMs: k + 0.2, component, attempt: 1, failure: refused, retryInMs: 1 },
      { _tag: "AttemptClosed", atMs: k + 0.3, component, closing: "clean" },
      { _tag: "ComponentBackoff", atMs: k + 0.3, component, untilMs: k + 0.5 },
      { _tag: "ComponentStarted", atMs: k + 0.5, component, variant: 0, attempt: 2 },
      { _tag: "ComponentReady", atMs: k + 1, component }
    ]),
    { _tag: "BootReady", atMs: count, outcome: "ready" }
  ]
}

it("exports 100,000 spans, a bounded request at a time", () => {
  const timeline = Timeline.fromEvents(large(33_400))
  let spans = 0
  let longest = 0
  for (const request of TimelineSpans.toOtlp(timeline, { spansPerRequest: 500 })) {
    const some = request.resourceSpans[0]?.scopeSpans[0]?.spans.length ?? 0
    spans += some
    longest = Math.max(longest, some)
  }
  assert.isAbove(spans, 100_000)
  assert.strictEqual(longest, 500)
})

describe("Perfetto", () => {
  it("is a Chrome trace: named tracks, slices that do not overlap, instants in bounds", () => {
    let slices = 0
    fc.assert(
      fc.property(worlds, (world) => {
        const timeline = timelineOf(world)
        const trace = JSON.parse(JSON.stringify(TimelineSpans.toPerfetto(timeline)))
        assert.strictEqual(trace.displayTimeUnit, "ms")
        const named = new Set<number>()
        const until = new Map<number, number>()
        for (const event of trace.traceEvents) {
          assert.isString(event.name)
          assert.isTrue(Number.isInteger(event.pid) && Number.isInteger(event.tid))
          if (event.ph === "M") {
            if (event.name === "thread_name") named.add(event.tid)
            assert.include(["process_name", "thread_name", "thread_sort_index"], event.name)
            continue
          }
          assert.isTrue(named.has(event.tid), "a track is named before it is used")
          assert.isTrue(Number.isInteger(event.ts) && event.ts >= 0)
          if (event.ph === "i") {
            assert.include(["t", "p"], event.s)
            continue
          }
          assert.strictEqual(event.ph, "X")
          assert.isTrue(Number.isInteger(event.dur) && event.dur >= 0)
          assert.isAtLeast(event.ts, until.get(event.tid) ?? 0)
          until.set(event.tid, event.ts + event.dur)
          slices++
        }
        assert.strictEqual(named.size, timeline.lanes.length + 1)
      }),
      { numRuns: 60 }
    )
    assert.isAbove(slices, 500)
  })

  it("survives hostile names", () => {
    const trace = TimelineSpans.toPerfetto(Timeline.fromEvents(renamed(hostileNames)))
    const text = JSON.stringify(trace)
    assert.isTrue(text.isWellFormed())
    assert.isTrue(trace.traceEvents.every(({ name }) => name.length <= 1_024))
    assert.include(text, "<script>alert(1)</script>")
  })
})
