import { assert, describe, it } from "@effect/vitest"
import { type BootEvent, Timeline, TimelineView } from "@novacron/boot/model"
import { Effect, Exit } from "effect"
import * as BootTrace from "../../src/monitoring/BootTrace.ts"
import * as Span from "../../src/monitoring/Span.ts"
import { boot, type World } from "./fixtures/Boots.ts"

/** A whole life: a boot, a while, and a stop. */
const life = (world: World, forMs = 0) =>
  Effect.gen(function* () {
    const events: Array<BootEvent.BootEvent> = []
    const exit = yield* boot(world, (event) => void events.push(event))
    yield* Effect.sleep(forMs)
    if (Exit.isSuccess(exit)) yield* exit.value.stop()
    return events
  }).pipe(Effect.scoped)

const all = { ratio: 1 }

const named = (spans: ReadonlyArray<Span.Span>, name: string): Span.Span => {
  const found = spans.find((span) => span.name === name)
  if (found === undefined) throw new Error(`no span ${name} among ${spans.map((span) => span.name).join(", ")}`)
  return found
}

const parentsOf = (spans: ReadonlyArray<Span.Span>, span: Span.Span): ReadonlyArray<string> => {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId)
  return parent === undefined ? [span.name] : [span.name, ...parentsOf(spans, parent)]
}

const eventNames = ({ events }: Span.Span) => events.map(({ name }) => name)

describe("BootTrace", () => {
  it.live("is one trace for a boot: boot, phase, component, attempt; what is needed is a link", () =>
    Effect.gen(function* () {
      const { resource, spans } = BootTrace.fromEvents(yield* life({}), all)
      const root = named(spans, "boot")
      const ofBoot = spans.filter(({ traceId }) => traceId === root.traceId)
      assert.deepStrictEqual(parentsOf(spans, named(spans, "start database")), [
        "start database",
        "database",
        "core_init",
        "boot"
      ])
      assert.deepStrictEqual(parentsOf(spans, named(spans, "start group/inner")).slice(0, 4), [
        "start group/inner",
        "group/inner",
        "start group",
        "group"
      ])
      for (const phase of ["pre_init", "core_init", "service_init", "post_init"]) {
        assert.strictEqual(named(ofBoot, phase).parentSpanId, root.spanId)
      }
      const idOf = (name: string) => named(spans, name).spanId
      assert.sameMembers(
        named(spans, "api").links.map(({ spanId }) => spanId),
        [idOf("database"), idOf("cache"), idOf("group")]
      )
      assert.strictEqual(root.status, "ok")
      assert.deepStrictEqual(eventNames(root), ["checkpoint", "checkpoint", "checkpoint", "checkpoint", "checkpoint"])
      assert.strictEqual(resource["service.instance.id"], "node-1")
      assert.strictEqual(resource["deployment.environment.name"], "datacenter")
      assert.isTrue(named(spans, "search").attributes["novacron.optional"])
      assert.isFalse(named(spans, "database").attributes["novacron.optional"])
    })
  )

  it.live("marks a phase as parallel exactly when its components together took longer than it did", () =>
    Effect.gen(function* () {
      const { spans } = BootTrace.fromEvents(yield* life({}), all)
      const marks = ["pre_init", "core_init"].map((name) => {
        const phase = named(spans, name)
        const children = spans.filter(({ parentSpanId }) => parentSpanId === phase.spanId)
        const workMs = children.reduce((sum, { endMs, startMs }) => sum + endMs - startMs, 0)
        return [phase.attributes["novacron.parallel"], workMs > phase.endMs - phase.startMs + 0.01]
      })
      assert.deepStrictEqual(marks, [
        [false, false],
        [true, true]
      ])
      // Two of its spans overlap.
      const [database, cache] = [named(spans, "database"), named(spans, "cache")]
      assert.isTrue(database.startMs < cache.endMs && cache.startMs < database.endMs)
    })
  )

  it.live(
    "tells of retries, fallbacks and failures, and of restorations in traces of their own with a link to the boot",
    () =>
      Effect.gen(function* () {
        let tries = 0
        const events = yield* life({ cacheIsDown: () => ++tries < 4 }, 200)
        const { spans } = BootTrace.fromEvents(events, all)
        const root = named(spans, "boot")
        const cache = named(spans, "cache")
        assert.includeMembers(eventNames(cache), ["retry", "backoff", "fallback", "degraded"])
        assert.strictEqual(cache.attributes["novacron.state"], "degraded")
        const attempts = spans.filter(({ name }) => name === "start cache")
        assert.strictEqual(attempts.filter(({ status }) => status === "error").length, 2)
        assert.strictEqual(named(spans, "start memory").status, "ok")
        assert.deepStrictEqual(attempts[0]?.events[0]?.attributes, {
          "exception.type": "Refused",
          "exception.message": "redis says no",
          "novacron.kind": "error"
        })
        const search = named(spans, "search")
        assert.strictEqual(search.status, "error")
        assert.strictEqual(search.message, String.raw`said <b>"no"</b>\n\u001b[31mred`)
        const restorations = spans.filter(({ name }) => name.startsWith("restore "))
        assert.includeMembers(
          restorations.map(({ name }) => name),
          ["restore cache", "restore search"]
        )
        for (const one of restorations) {
          assert.notStrictEqual(one.traceId, root.traceId)
          assert.isNull(one.parentSpanId)
          assert.deepInclude(one.links, { ...idsOf(root), attributes: { "novacron.link": "boot" } })
        }
        const shutdown = named(spans, "shutdown")
        assert.notStrictEqual(shutdown.traceId, root.traceId)
        assert.deepStrictEqual(parentsOf(spans, named(spans, "stop database")), ["stop database", "shutdown"])
        assert.deepStrictEqual(parentsOf(spans, named(spans, "stop group/inner")).slice(1), ["stop group", "shutdown"])
      })
  )

  it.live("shows a rollback as spans of the boot that failed", () =>
    Effect.gen(function* () {
      const { spans } = BootTrace.fromEvents(yield* life({ databaseFails: true }), all)
      const root = named(spans, "boot")
      assert.strictEqual(root.status, "error")
      assert.strictEqual(root.attributes["novacron.outcome"], "failed")
      assert.deepStrictEqual(parentsOf(spans, named(spans, "stop cache")), ["stop cache", "rollback", "boot"])
      assert.strictEqual(named(spans, "rollback").attributes["novacron.why"], "failed")
      assert.strictEqual(named(spans, "database").status, "error")
      assert.include(eventNames(named(spans, "api")), "skipped")
      assert.isTrue(spans.every(({ traceId }) => traceId === root.traceId))
    })
  )

  it.live("has no orphan and ends all it begins once, wherever the process is killed", () =>
    Effect.gen(function* () {
      let tries = 0
      const logs = [
        yield* life({ cacheIsDown: () => ++tries < 4 }, 150),
        yield* life({ databaseFails: true }),
        yield* life({})
      ]
      let cut = 0
      for (const log of logs) {
        for (let length = 1; length <= log.length; length++) {
          const { spans } = BootTrace.fromEvents(log.slice(0, length), all)
          const ids = new Set(spans.map(({ spanId }) => spanId))
          assert.strictEqual(ids.size, spans.length)
          for (const span of spans) {
            if (span.parentSpanId !== null) assert.isTrue(ids.has(span.parentSpanId), `${span.name} of ${length}`)
            assert.isAtLeast(span.endMs, span.startMs)
            assert.match(span.traceId, /^[0-9a-f]{32}$/)
            assert.match(span.spanId, /^[0-9a-f]{16}$/)
          }
          if (spans.some(({ attributes }) => attributes["novacron.cut_off"] === true)) cut++
        }
      }
      assert.isAbove(cut, 50)
    })
  )

  it.live("is the same for the same log, and another one for another boot", () =>
    Effect.gen(function* () {
      const log = yield* life({})
      assert.deepStrictEqual(BootTrace.fromEvents(log, all), BootTrace.fromEvents(log, all))
      const other = BootTrace.fromEvents(yield* life({}), all).spans
      const ids = new Set(BootTrace.fromEvents(log, all).spans.map(({ spanId }) => spanId))
      assert.isFalse(other.some(({ spanId }) => ids.has(spanId)))
    })
  )

  it("goes on with the trace of who started it, and keeps its decision", () => {
    const parent = Span.parseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    assert.isDefined(parent)
    const { spans } = BootTrace.fromEvents([started("b")], { ratio: 0, parent })
    assert.strictEqual(spans[0]?.traceId, "4bf92f3577b34da6a3ce929d0e0e4736")
    assert.strictEqual(named(spans, "boot").parentSpanId, "00f067aa0ba902b7")
    const unsampled = Span.parseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
    assert.strictEqual(BootTrace.fromEvents([started("b")], { ratio: 1, parent: unsampled }).spans.length, 0)
  })

  it("begins with what was done before the first event, and says it once", () => {
    const fold = BootTrace.make(all)
    fold.before.push({ name: "config parsing", startMs: 900, endMs: 950 })
    const spans = BootTrace.step(fold, started("b"))
    const parsing = named(spans, "config parsing")
    assert.deepInclude(parsing, { startMs: 900, endMs: 950, status: "ok", parentSpanId: fold.root.spanId })
    assert.strictEqual(parsing.traceId, fold.root.traceId)
    const rest = [...BootTrace.step(fold, { _tag: "BootReady", atMs: 10, outcome: "ready" }), ...BootTrace.finish(fold)]
    assert.deepStrictEqual(
      rest.map(({ name }) => name),
      ["boot"]
    )
  })

  it("shows what takes down a node that was up as a trace of its own, with a link to the boot", () => {
    const events: ReadonlyArray<BootEvent.BootEvent> = [
      started("b"),
      { _tag: "BootReady", atMs: 10, outcome: "ready" },
      { _tag: "RollbackStarted", atMs: 5_000, why: "failed", because: "database", budgetMs: 1_000 },
      { _tag: "BootEnded", atMs: 5_010, outcome: "failed", clean: false }
    ]
    const { resource, spans } = BootTrace.fromEvents(events, { ratio: 1, version: "1.2.3" })
    const [root, rollback] = [named(spans, "boot"), named(spans, "rollback")]
    assert.strictEqual(root.status, "ok")
    assert.strictEqual(rollback.status, "error")
    assert.notStrictEqual(rollback.traceId, root.traceId)
    assert.deepInclude(rollback.links, { ...idsOf(root), attributes: { "novacron.link": "boot" } })
    assert.strictEqual(rollback.endMs - rollback.startMs, 10)
    assert.strictEqual(resource["service.version"], "1.2.3")
  })

  it.live("has the ids that TimelineView gives to the same boot", () =>
    Effect.gen(function* () {
      for (const world of [{}, { databaseFails: true }, { cacheIsDown: () => true }]) {
        const log = yield* life(world)
        const ours = new Map(BootTrace.fromEvents(log, all).spans.map((span) => [span.spanId, span]))
        const theirs = [...TimelineView.toOtlp(Timeline.fromEvents(log))].flatMap(({ resourceSpans }) =>
          resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
        )
        const own = theirs.filter((span) => span.traceId === theirs[0]?.traceId)
        assert.isAbove(own.length, 15)
        for (const span of own) {
          // Nothing has been done for who was never started: `BootTrace` has no span for that.
          const found = ours.get(span.spanId)
          if (found === undefined) assert.strictEqual(span.startTimeUnixNano, span.endTimeUnixNano, span.name)
          else assert.strictEqual(found.traceId, span.traceId)
        }
      }
    })
  )

  it("samples about the share of boots that it is told to, and all or nothing of each", () => {
    const sampled = (ratio: number) =>
      Array.from(
        { length: 500 },
        (_, i) => BootTrace.fromEvents([started(`boot-${i}`)], { ratio }).spans.length
      ).filter((spans) => spans > 0).length
    assert.strictEqual(sampled(0), 0)
    assert.strictEqual(sampled(1), 500)
    assert.isAbove(sampled(0.25), 80)
    assert.isBelow(sampled(0.25), 170)
  })

  it("is bounded, whatever names and messages the events hold", () => {
    const long = "\u001b]0;".repeat(20_000)
    const failure = { kind: "error", tag: long, message: long, severity: "warning" } as const
    const events: ReadonlyArray<BootEvent.BootEvent> = [
      { ...started("b"), components: [{ name: long, phase: "core", severity: "warning", needs: [], fallbacks: [] }] },
      { _tag: "ComponentStarted", atMs: 1, component: long, variant: 0, attempt: 1 },
      ...Array.from({ length: 1_000 }, (_, i) => ({
        _tag: "HealthChanged" as const,
        atMs: i,
        component: long,
        healthy: false,
        message: long
      })),
      { _tag: "AttemptFailed", atMs: 1_000, component: long, attempt: 1, failure, retryInMs: null }
    ]
    const { spans } = BootTrace.fromEvents(events, all)
    assert.isAbove(spans.length, 2)
    const text = JSON.stringify(spans)
    assert.isBelow(text.length, 3_000_000)
    const acting = spans.flatMap(({ events, message, name }) => [name, message, ...events.flatMap(textsOf)])
    // eslint-disable-next-line no-control-regex
    assert.isEmpty(acting.filter((one) => /[\u0000-\u001f]/.test(one)))
    assert.isAbove(
      spans.reduce((sum, { dropped }) => sum + dropped, 0),
      800
    )
  })
})

const textsOf = ({ attributes }: Span.Span["events"][number]) => Object.values(attributes).map(String)

const idsOf = ({ spanId, traceId }: Span.Span) => ({ traceId, spanId })

const started = (bootId: string): BootEvent.Of<"BootStarted"> => ({
  _tag: "BootStarted",
  atMs: 0,
  version: 1,
  bootId,
  nodeId: "n",
  environment: "test",
  configVersion: "",
  startedAt: 1_700_000_000_000,
  concurrency: 4,
  worstCaseMs: 1,
  components: []
})
