import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Health } from "@novacron/boot"
import type { BootEvent } from "@novacron/boot/model"
import { Deferred, Effect, Exit, Metric, Schema, type Scope } from "effect"
import * as BootTrace from "../../src/monitoring/BootTrace.ts"
import * as Catalogue from "../../src/monitoring/Catalogue.ts"
import * as Monitor from "../../src/monitoring/Monitor.ts"
import { Settings } from "../../src/monitoring/Settings.ts"
import { recorder } from "../../src/post/StartupMetrics.ts"
import { boot, type World } from "./fixtures/Boots.ts"
import { type Collector, make as makeCollector, type Mood, type Received, valueOf } from "./fixtures/Collector.ts"
import { isThere, parse, promtool, type Sample } from "./fixtures/Promtool.ts"

const options = { version: "0.1.0", process }

const quick = { interval: "20ms", timeout: "250ms", maxBackoff: "100ms", stopBudget: "1s" }

const decode = (more: typeof Settings.Encoded = {}) => Schema.decodeUnknownSync(Settings)(more)

const run = <A, E>(body: Effect.Effect<A, E, Scope.Scope>) =>
  body.pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))

/** Boots and stops within a monitor of its own, as a process does, and yields the events. */
const life = (settings: Settings, world: World, more: Partial<Monitor.Options> = {}, forMs = 0) =>
  run(
    Effect.gen(function* () {
      const monitor = yield* Monitor.make(settings, { ...options, ...more })
      const events: Array<BootEvent.BootEvent> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          const exit = yield* boot(world, (event) => {
            events.push(event)
            monitor.observe(event)
          })
          yield* Effect.sleep(forMs)
          if (Exit.isSuccess(exit)) yield* exit.value.stop()
        })
      )
      return events
    })
  )

const spansOf = (events: ReadonlyArray<BootEvent.BootEvent>) => BootTrace.fromEvents(events, { ratio: 1 }).spans

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-monitor-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const find = (samples: ReadonlyArray<Sample>, name: string, labels: { readonly [label: string]: string } = {}) =>
  samples.find((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value))

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), until(isSo)))).pipe(
    Effect.timeoutOrElse({ duration: "8 seconds", orElse: () => Effect.die(new Error("it did not come to that")) })
  )

describe("Monitor", () => {
  it.live(
    "loses no span of twenty boots, ready and failed, with a collector that is down, slow, killed, mad and back",
    () =>
      Effect.gen(function* () {
        const collector = yield* makeCollector
        const spool = join(yield* folder, "spans")
        const settings = decode({ traces: { ...quick, endpoint: collector.url, stopBudget: "150ms" } })
        const weather: ReadonlyArray<Mood | "down" | "comes up" | "dies"> = [
          "down",
          "comes up",
          "slow",
          "dies",
          "cuts",
          "well",
          "silent",
          { status: 503 },
          "raves",
          "babbles"
        ]
        const expected = new Set<string>()
        for (let i = 0; i < 20; i++) {
          const today = weather[i % weather.length]!
          yield* today === "down" || today === "comes up" ? collector.down : restart(collector)
          collector.mood = today === "down" || today === "comes up" || today === "dies" ? "well" : today
          const later =
            today === "comes up" ? collector.up : today === "dies" ? collector.down : Effect.succeed(undefined)
          yield* Effect.forkScoped(Effect.andThen(Effect.sleep("25 millis"), later))
          const events = yield* life(settings, { databaseFails: i % 3 === 2 }, { spool })
          assert.strictEqual(events.at(-1)?._tag, "BootEnded")
          for (const { spanId } of spansOf(events)) expected.add(spanId)
          yield* Effect.sleep("30 millis")
        }
        yield* restart(collector)
        collector.mood = "well"
        // What is left is sent by the next process.
        for (const { spanId } of spansOf(yield* life(settings, {}, { spool }, 100))) expected.add(spanId)
        const lost = [...expected].filter((id) => !collector.spans.has(id))
        assert.isAbove(expected.size, 400)
        assert.strictEqual(lost.length, 0)
        assert.strictEqual(collector.spans.size, expected.size)
      }).pipe(Effect.scoped),
    40_000
  )

  it.live("tells a webhook of a boot that failed, by the rules that Prometheus would have judged it by", () =>
    Effect.gen(function* () {
      const bodies: Array<string> = []
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          bodies.push(Buffer.concat(chunks).toString())
          response.end()
        })
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => server.close())
      )
      const { port } = server.address() as AddressInfo // it listens on a port
      const settings = decode({ alerts: { webhook: `http://127.0.0.1:${port}/`, interval: "20ms" } })
      yield* life(settings, {}, {}, 100)
      assert.deepStrictEqual(bodies, [])
      yield* life(settings, { databaseFails: true })
      const told = bodies.flatMap((body): ReadonlyArray<{ labels: { alertname: string; instance: string } }> => {
        return JSON.parse(body).alerts
      })
      assert.includeMembers(
        told.map(({ labels }) => labels.alertname),
        ["NovacronBootFailed", "NovacronRollback"]
      )
      assert.isTrue(told.every(({ labels }) => labels.instance === "node-1"))
    }).pipe(Effect.scoped)
  )

  it.live("does not keep a boot from being ready, or a stop from being over, when the collector hangs", () =>
    Effect.gen(function* () {
      const collector = yield* makeCollector
      yield* collector.up
      collector.mood = "silent"
      const settings = decode({ traces: { ...quick, endpoint: collector.url, timeout: "1h", stopBudget: "50ms" } })
      const events = yield* life(settings, {}, {}, 60).pipe(Effect.timeout("5 seconds"))
      assert.isTrue(events.some(({ _tag }) => _tag === "BootReady"))
      assert.isAtLeast(collector.requests, 1)
    }).pipe(Effect.scoped)
  )

  it.live(
    "dials the collector when the boot is up or has failed, not before, and delivers all spans since its begin",
    () =>
      Effect.gen(function* () {
        for (const world of [{}, { databaseFails: true }]) {
          const collector = yield* makeCollector
          yield* collector.up
          const settings = decode({ traces: { ...quick, endpoint: collector.url, interval: "1ms" } })
          const events = yield* run(
            Effect.gen(function* () {
              const monitor = yield* Monitor.make(settings, options)
              const events: Array<BootEvent.BootEvent> = []
              const asked = yield* Deferred.make<number>()
              yield* Effect.scoped(
                boot(world, (event) => {
                  if (["BootReady", "RollbackStarted"].includes(event._tag))
                    Deferred.doneUnsafe(asked, Effect.succeed(collector.requests))
                  events.push(event)
                  monitor.observe(event)
                })
              )
              assert.strictEqual(yield* Deferred.await(asked), 0)
              return events
            })
          )
          const spans = spansOf(events)
          assert.isAbove(spans.length, 10)
          assert.deepStrictEqual(
            spans.filter(({ spanId }) => !collector.spans.has(spanId)),
            []
          )
        }
      }).pipe(Effect.scoped)
  )

  it.live("lets the collector see a boot as a tree: phases, components, attempts; what was parallel overlaps", () =>
    Effect.gen(function* () {
      const collector = yield* makeCollector
      yield* collector.up
      const sent = spansOf(yield* life(decode({ traces: { ...quick, endpoint: collector.url } }), {}))
      const came = (name: string) => {
        const id = sent.find((span) => span.name === name)?.spanId ?? ""
        return collector.spans.get(id) ?? assert.fail(`${name} has not come`)
      }
      const above = ({ name, parentSpanId = "" }: Received): ReadonlyArray<string> => {
        const parent = collector.spans.get(parentSpanId)
        return parent === undefined ? [name] : [name, ...above(parent)]
      }
      for (const [attempt, component, phase] of [
        ["start settings", "settings", "pre_init"],
        ["start database", "database", "core_init"],
        ["start api", "api", "service_init"]
      ] as const) {
        assert.deepStrictEqual(above(came(attempt)), [attempt, component, phase, "boot"])
      }
      assert.deepStrictEqual(above(came("post_init")), ["post_init", "boot"])
      const [core, pre, database, cache] = [came("core_init"), came("pre_init"), came("database"), came("cache")]
      const nanos = ({ endTimeUnixNano, startTimeUnixNano }: Received) => ({
        from: BigInt(startTimeUnixNano),
        to: BigInt(endTimeUnixNano)
      })
      const [one, other] = [nanos(database), nanos(cache)]
      assert.isTrue(one.from < other.to && other.from < one.to, "database and cache overlap")
      assert.isTrue(valueOf(core.attributes, "novacron.parallel"))
      assert.isFalse(valueOf(pre.attributes, "novacron.parallel"))
      assert.isTrue(valueOf(came("search").attributes, "novacron.optional"))
      assert.isFalse(valueOf(database.attributes, "novacron.optional"))
      const needed = came("api").links.map(({ spanId }) => collector.spans.get(spanId)?.name)
      assert.sameMembers(needed, ["database", "cache", "group"])
    }).pipe(Effect.scoped)
  )

  it.live("gives every scrape the trace of what went wrong: exemplars lead to spans that were sent", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* makeCollector
        yield* collector.up
        const monitor = yield* Monitor.make(decode({ traces: { ...quick, endpoint: collector.url } }), options)
        assert.isUndefined(monitor.trace())
        yield* Effect.scoped(boot({ databaseFails: true }, monitor.observe))
        yield* monitor.flush
        const { samples } = parse(yield* monitor.text("openmetrics"))
        const labels = { component: "database", error_type: "Refused" }
        const exemplar = find(samples, "novacron_component_errors_total", labels)?.exemplar ?? ""
        const [, traceId, spanId] = /^\{trace_id="(\w+)",span_id="(\w+)"\} 1 \d+\.\d{3}$/.exec(exemplar) ?? []
        const span = collector.spans.get(spanId ?? "")
        assert.strictEqual(span?.traceId, traceId)
        assert.strictEqual(span?.name, "start database")
        assert.include(find(samples, "novacron_rollbacks_total")?.exemplar ?? "", `trace_id="${traceId}"`)
        const probes = samples.filter(({ name }) => name === "novacron_component_health_check_duration_seconds_bucket")
        assert.isTrue(probes.some((one) => one.exemplar !== undefined))
        assert.deepInclude(monitor.trace("nobody"), { traceId: span?.traceId ?? "", isSampled: true })
        assert.strictEqual((yield* monitor.statistics).dropped.lost, 0)
      })
    )
  )

  it.live("writes exactly what the catalogue documents, and promtool has nothing to say about it", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* makeCollector
        const settings = decode({ traces: { ...quick, endpoint: collector.url, stopBudget: "10ms" } })
        const written = new Set<string>()
        const worlds = [{ cacheIsDown: () => true }, { databaseFails: true }]
        for (const world of worlds) {
          const monitor = yield* Monitor.make(settings, {
            ...options,
            previousOutcome: "failed",
            variants: { larger_pool: "forty" }
          })
          yield* monitor.spent("dependency resolution", "3 millis")
          yield* monitor.spent("config parsing", "12 millis")
          const expiry = {
            name: "novacron_certificate_expiry_timestamp_seconds",
            labels: { certificate: "node" },
            value: 1e9
          }
          yield* monitor.ask(Effect.succeed([expiry]))
          yield* Effect.scoped(
            Effect.gen(function* () {
              const exit = yield* boot(world, monitor.observe)
              yield* Effect.sleep("50 millis")
              // What the kernel says when a component is itself again.
              const restored = { _tag: "SwapCompleted", component: "cache", variant: 0, closing: "clean" } as const
              monitor.observe({ ...restored, atMs: 50 })
              if (Exit.isSuccess(exit)) yield* exit.value.stop()
            })
          )
          const text = yield* monitor.text("text")
          const { helps, samples, types } = parse(text)
          for (const [name, type] of types) {
            written.add(name)
            assert.strictEqual(type, Catalogue.find(name)?.type, name)
            assert.strictEqual(helps.get(name), Catalogue.find(name)?.help, name)
          }
          for (const { labels, name } of samples) {
            const known = Catalogue.find(name) ?? Catalogue.find(name.replace(/_(bucket|sum|count)$/, ""))
            assert.sameMembers(
              Object.keys(labels).filter((label) => label !== "le"),
              [...(known?.labels ?? ["?"])],
              name
            )
          }
          if (isThere("promtool")) assert.strictEqual(promtool(["check", "metrics"], text), "")
          const resolution = find(samples, "novacron_dependency_resolution_duration_seconds_sum")
          assert.strictEqual(resolution?.value, 0.003)
        }
        assert.sameMembers([...written], Object.keys(Catalogue.all))
      })
    )
  )

  it.live("has the series of the startup figures once, also when they are in Effect's registry as well", () =>
    run(
      Effect.gen(function* () {
        const monitor = yield* Monitor.make(decode(), options)
        yield* recorder()([{ name: "novacron_component_init_success_total", labels: { component: "api" }, value: 41 }])
        yield* Metric.update(Metric.counter("requests_served_total", { incremental: true }), 5)
        yield* boot({}, monitor.observe)
        const { samples } = parse(yield* monitor.text("text"))
        assert.strictEqual(find(samples, "novacron_component_init_success_total", { component: "api" })?.value, 1)
        assert.strictEqual(find(samples, "requests_served_total")?.value, 5)
      })
    )
  )

  it.live("counts each probe of a running node once, and says how it is", () =>
    run(
      Effect.gen(function* () {
        const monitor = yield* Monitor.make(decode({ sampleInterval: "20ms" }), options)
        yield* boot({}, monitor.observe)
        const checks = [{ name: "database", critical: true, needs: [], probe: Effect.fail(new Error("no")) }]
        const health = yield* Health.make(checks, { timeToLive: "1 hour" })
        const seen = new Set<number | undefined>()
        yield* monitor.watch({ ...health, snapshot: Effect.tap(health.snapshot, told(seen)) })
        yield* health.report
        yield* until(() => [...seen].some((at) => at !== undefined))
        yield* Effect.sleep("60 millis") // it is looked at again meanwhile
        const { samples } = parse(yield* monitor.text("text"))
        assert.strictEqual(find(samples, "novacron_component_health_status", { component: "database" })?.value, 0)
        // That of the boot, and this one.
        const count = find(samples, "novacron_component_health_check_duration_seconds_count", { component: "database" })
        assert.strictEqual(count?.value, 2)
      })
    )
  )

  it.live(
    "does without a source that fails, dies or hangs, and asks those that come and go only while they are there",
    () =>
      run(
        Effect.gen(function* () {
          const monitor = yield* Monitor.make(decode(), options)
          const one = { name: "novacron_extra", labels: {}, value: 7 }
          yield* monitor.ask(Effect.die(new Error("no")))
          yield* monitor.ask(Effect.never)
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* monitor.ask(Effect.succeed([one]))
              assert.strictEqual(find(parse(yield* monitor.text("text")).samples, "novacron_extra")?.value, 7)
            })
          )
          assert.isUndefined(find(parse(yield* monitor.text("text")).samples, "novacron_extra"))
        })
      )
  )

  it.live("leaves a last word: how the stop went, in a file that others can read", () =>
    Effect.gen(function* () {
      const textfile = join(yield* folder, "novacron.prom")
      yield* life(decode({ textfile }), {})
      const text = readFileSync(textfile, "utf8")
      const { samples } = parse(text)
      assert.isAbove(find(samples, "novacron_shutdown_duration_seconds")?.value ?? 0, 0)
      assert.strictEqual(find(samples, "novacron_shutdown_clean")?.value, 1)
      assert.strictEqual(statSync(textfile).mode & 0o777, 0o644)
      yield* life(decode({ textfile: "/proc/nowhere/novacron.prom" }), {})
    }).pipe(Effect.scoped)
  )

  it.live("sends the spans of a boot that was killed from its journal, and what was sent already stays one", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* makeCollector
        yield* collector.up
        const events: Array<BootEvent.BootEvent> = []
        yield* Effect.scoped(boot({}, (event) => void events.push(event)))
        const killed = events.slice(0, 20)
        const monitor = yield* Monitor.make(decode({ traces: { ...quick, endpoint: collector.url } }), options)
        yield* monitor.replay(killed)
        yield* monitor.replay(killed)
        yield* monitor.flush
        const spans = spansOf(killed)
        assert.isAbove(spans.length, 5)
        assert.sameMembers(
          [...collector.spans.keys()],
          spans.map(({ spanId }) => spanId)
        )
        assert.strictEqual((yield* monitor.statistics).sent, 2 * spans.length)
      })
    )
  )

  it.live("gathers once for all who ask within the interval", () =>
    run(
      Effect.gen(function* () {
        const monitor = yield* Monitor.make(decode({ cacheInterval: "1h" }), options)
        let asked = 0
        const open = yield* Deferred.make<void>()
        yield* monitor.ask(
          Effect.suspend(() => {
            asked++
            return Effect.as(Deferred.await(open), [])
          })
        )
        const { now, soon } = monitor.source
        assert.isUndefined(now("text", false))
        const sizes: Array<number> = []
        for (let i = 0; i < 100; i++) soon("text", i % 2 === 0, ({ length }) => void sizes.push(length))
        yield* Deferred.succeed(open, undefined)
        yield* until(() => sizes.length === 100)
        for (let i = 0; i < 1_000; i++) assert.isDefined(now("openmetrics", true))
        assert.strictEqual(asked, 1)
        assert.strictEqual(now("text", false), now("text", false))
      })
    )
  )
})

/** Remembers what a watcher was told, by the time of it. */
const told = (seen: Set<number | undefined>) => (report: Health.HealthReport) =>
  Effect.sync(() => void seen.add(report.components[0]?.lastCheckedAt?.epochMilliseconds))

const restart = ({ down, up }: Collector) => Effect.andThen(down, up)
