import { Boot, Component } from "@novacron/boot"
import { BootEvent, TimelineView } from "@novacron/boot/model"
import { Arbitrary, Context, Data, Effect, Schema } from "effect"
import { assert, describe, it } from "@effect/vitest"
import * as BootLines from "../src/BootLines.ts"

class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}
class Cache extends Context.Service<Cache, { readonly get: Effect.Effect<string> }>()("test/cache") {}
class Store extends Context.Service<Store, { readonly put: Effect.Effect<void> }>()("test/store") {}

const store = Component.make(Store, { start: Effect.succeed({ put: Effect.void }), health: (it) => it.put })
const memory = Component.make(Cache, {
  name: "memory",
  start: Effect.succeed({ get: Effect.succeed("") }),
  health: (it) => it.get
})
const cache = (message: string) =>
  Component.make(Cache, {
    needs: [Store],
    severity: { Broken: "Degraded" },
    start: Effect.fail(new Broken({ message })),
    health: (it) => it.get
  }).pipe(Component.fallback(memory))

/** The events of a boot that comes up degraded and is stopped. */
const eventsOf = (message: string) =>
  Effect.gen(function* () {
    const events: Array<BootEvent.BootEvent> = []
    const observe = (event: BootEvent.BootEvent) => void events.push(event)
    yield* Effect.scoped(Boot.make([store, cache(message)], { observe, restoration: "off" }))
    return events
  })

describe("a line of JSON", () => {
  it.effect("names the trace of the boot, and the span of its component", () =>
    Effect.gen(function* () {
      const events = yield* eventsOf("no")
      const first = events[0]!
      const bootId = first._tag === "BootStarted" ? first.bootId : "none"
      const lines = BootLines.make("json")
      for (const event of events) {
        const { span_id, trace_id } = lines.json(event)
        assert.strictEqual(trace_id, TimelineView.traceId(bootId))
        const path = "component" in event ? ["component", event.component] : []
        assert.strictEqual(span_id, TimelineView.spanId(bootId, ...path))
      }
      const within = BootLines.make("json", { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" })
      assert.strictEqual(within.json(first).trace_id, "0af7651916cd43dd8448eb211c80319c")
    })
  )
})

describe("lines for people", () => {
  it.effect("count a group once, as the plan and the last words do", () =>
    Effect.gen(function* () {
      const [first] = yield* eventsOf("no")
      if (first?._tag !== "BootStarted") return assert.fail("a boot begins with its beginning")
      const members = first.components.map((one) => ({ ...one, name: `${one.name}/member` }))
      const said = BootLines.make("plain").pretty({ ...first, components: [...first.components, ...members] })
      assert.include(said, "2 components,")
    })
  )

  it.effect("say when, who, how long and what, and leave out what only programs want", () =>
    Effect.gen(function* () {
      const lines = BootLines.make("plain")
      const text = (yield* eventsOf("refused")).flatMap((event) => lines.pretty(event) ?? []).join("\n")
      assert.match(text, /^ +[\d.]+s {2}· {2}booting a node in development: 2 components/)
      assert.match(text, /s {2}✓ {2}store +[\d.]+ ms$/m)
      assert.match(text, /~ {2}cache +[\d.]+ ms {2}on its fallback memory: Broken: refused$/m)
      assert.match(text, /~ {2}READY \(degraded\) after /)
      assert.notInclude(text, "queued")
    })
  )

  it.effect("obey nothing that an error says", () =>
    Effect.gen(function* () {
      const lines = BootLines.make("plain")
      const events = yield* eventsOf("\u001b[2J\u0007\nREADY after 0 ms")
      for (const event of events) assert.notMatch(lines.pretty(event) ?? "", /[\p{Cc}\p{Cf}]/u)
    })
  )

  it("tell of good health only when it was bad", () => {
    const lines = BootLines.make("plain")
    lines.pretty(begun)
    const turned = (healthy: boolean) =>
      lines.pretty({ _tag: "HealthChanged", atMs: 1, component: "store", healthy, message: "no answer" })
    assert.isUndefined(turned(true))
    assert.include(turned(false), "unhealthy: no answer")
    assert.include(turned(true), "healthy again")
  })
})

describe("the time that everything has to stop", () => {
  it("is told with where it comes from, for a stop and for a rollback", () => {
    const budget = "system.shutdown_timeout = 45s from the template hybrid"
    const lines = BootLines.make("plain", { budget: () => budget })
    const down = (why: "stopped" | "failed", because: string) =>
      ({ _tag: "RollbackStarted", atMs: 1, why, because, budgetMs: 45_000 }) as const
    assert.include(lines.pretty(down("stopped", "SIGTERM")), `stopping because of SIGTERM, within 45.0 s (${budget})`)
    assert.include(
      lines.json(down("failed", "database")).message,
      `taking everything down, within 45.0 s (${budget}): failure of database`
    )
    const alone = BootLines.make("plain").pretty(down("stopped", "SIGTERM"))
    assert.match(alone ?? "", /stopping because of SIGTERM, within 45\.0 s$/)
  })
})

describe("a part that goes down", () => {
  it("is said to be stopped, or what became of it instead", () => {
    const lines = BootLines.make("plain")
    lines.pretty(begun)
    const said = (closing: "clean" | "failed" | "abandoned") =>
      lines.pretty({ _tag: "ComponentStopped", atMs: 1, component: "store", closing })
    assert.match(said("clean") ?? "", /stopped$/)
    assert.include(said("failed"), "closing it failed")
    assert.include(said("abandoned"), "did not stop in its time and was left")
  })
})

describe("an attempt that failed", () => {
  const failure = { kind: "error", tag: "Broken", message: "refused", severity: "warning" } as const
  const failed = (retryInMs: number | null) =>
    ({ _tag: "AttemptFailed", atMs: 2, component: "store", attempt: 1, failure, retryInMs }) as const

  it("is a warning while there is a next one, and left to what comes of it when it was the last", () => {
    const lines = BootLines.make("plain")
    lines.pretty(begun)
    assert.include(lines.pretty(failed(500)), "attempt 1 failed, again in 500 ms: Broken: refused")
    assert.strictEqual(lines.json(failed(500)).level, "warn")
    assert.isUndefined(lines.pretty(failed(null)))
    assert.strictEqual(lines.json(failed(null)).level, "info")
    const absent = { _tag: "ComponentAbsent", atMs: 3, component: "store" } as const
    const event = { ...absent, reason: { _tag: "Failed", failure } } as const
    assert.include(lines.pretty(event), "goes without: Broken: refused")
    assert.strictEqual(lines.json(event).level, "warn")
  })
})

const begun: BootEvent.BootEvent = {
  _tag: "BootStarted",
  atMs: 0,
  version: 1,
  bootId: "b",
  nodeId: "n",
  environment: "hybrid",
  configVersion: "",
  startedAt: 1_700_000_000_000,
  concurrency: 4,
  worstCaseMs: 1_000,
  components: [{ name: "store", phase: "core", severity: "critical", needs: ["lock"], fallbacks: [] }]
}

describe("lines of JSON", () => {
  it.effect("keep to their schema, with phase, needs and duration of the component", () =>
    Effect.gen(function* () {
      const lines = BootLines.make("json")
      const all = (yield* eventsOf("refused")).map((event) => lines.json(event))
      for (const line of all) Schema.decodeUnknownSync(Schema.fromJsonString(BootLines.Line))(JSON.stringify(line))
      const degraded = all.find(({ event }) => event === "ComponentDegraded")
      assert.deepInclude(degraded, { component: "cache", phase: "core", level: "warn", dependencies: ["store"] })
      assert.isAtLeast(degraded?.duration_ms ?? -1, 0)
      assert.deepInclude(all.at(-1), { event: "BootEnded", level: "info" })
    })
  )

  it.effect("exist for every event that there can be", () =>
    Effect.gen(function* () {
      const lines = BootLines.make("json")
      const events = yield* Arbitrary.sampleEffect(Arbitrary.schema(BootEvent.BootEvent), { count: 500 })
      assert.isAbove(new Set(events.map(({ _tag }) => _tag)).size, 20)
      for (const event of events) {
        const line = lines.json(event)
        assert.isNotEmpty(line.message)
        assert.strictEqual(line.event, event._tag)
        assert.notMatch(line.message, /[\p{Cc}\p{Cf}]/u)
      }
    })
  )

  it("have the time of the wall, whenever the boot began", () => {
    const lines = BootLines.make("json")
    assert.strictEqual(lines.json(begun).timestamp, "2023-11-14T22:13:20.000Z")
    assert.strictEqual(
      lines.json({ _tag: "PhaseStarted", atMs: 1_500, phase: "core" }).timestamp,
      "2023-11-14T22:13:21.500Z"
    )
  })
})
