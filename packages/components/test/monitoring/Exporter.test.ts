import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Logger, Redacted, Schema, type Scope } from "effect"
import * as Exporter from "../../src/monitoring/Exporter.ts"
import { TracesSettings } from "../../src/monitoring/Settings.ts"
import { type Collector, make, valueOf } from "./fixtures/Collector.ts"
import * as Decoder from "./fixtures/Decoder.ts"
import * as Spans from "./fixtures/Spans.ts"

const decode = Schema.decodeUnknownSync(TracesSettings)

const settingsFor = ({ url }: Collector, more: Partial<typeof TracesSettings.Encoded> = {}) => ({
  ...decode({ endpoint: url, interval: "20ms", timeout: "300ms", maxBackoff: "100ms", stopBudget: "2s", ...more }),
  endpoint: url
})

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), until(isSo)))).pipe(
    Effect.timeoutOrElse({ duration: "8 seconds", orElse: () => Effect.die(new Error("it did not come to that")) })
  )

const run = <A, E>(body: Effect.Effect<A, E, Scope.Scope>) => Effect.scoped(body)

/** Keeps what an operator would read. */
const saying = (lines: Array<string>) =>
  Logger.layer([
    Logger.make<unknown, void>(({ logLevel, message }) => {
      if (logLevel === "Warn" || logLevel === "Info") lines.push(String(message))
    })
  ])

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-spool-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describe("Exporter", () => {
  it("adds the path of OTLP to a bare address, and leaves another one alone", () => {
    assert.strictEqual(Exporter.urlOf("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces")
    assert.strictEqual(Exporter.urlOf("https://collector/otlp/traces"), "https://collector/otlp/traces")
  })

  it.live("sends OTLP as JSON: ids, nanoseconds, typed values, events, links and status", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* make
        yield* collector.up
        const { authorization } = decode({ authorization: "Bearer s3cret" })
        const exporter = yield* Exporter.make({ ...settingsFor(collector), ...(authorization && { authorization }) })
        const [span] = Spans.make(1)
        exporter.push(Spans.resource, [span!])
        yield* until(() => collector.spans.size === 1)
        const got = [...collector.spans.values()][0]!
        assert.deepInclude(got, {
          traceId: span!.traceId,
          spanId: span!.spanId,
          startTimeUnixNano: "1700000000000250000",
          endTimeUnixNano: "1700000000001500000",
          status: { code: 2, message: "why" }
        })
        assert.strictEqual(valueOf(got.attributes, "text"), "t")
        assert.strictEqual(valueOf(got.attributes, "flag"), true)
        assert.strictEqual(valueOf(got.attributes, "whole"), 3)
        assert.strictEqual(got.events[0]?.name, "event")
        assert.strictEqual(got.links[0]?.spanId, "d".repeat(16))
        assert.strictEqual(valueOf(collector.resources[0]!, "service.instance.id"), "node-1")
        assert.strictEqual(collector.headers[0]?.["authorization"], "Bearer s3cret")
        assert.notInclude(JSON.stringify(authorization), "s3cret")
        assert.isTrue(Redacted.isRedacted(authorization))
      })
    )
  )

  it.live(
    "connects to nobody while it is held, and delivers what has gathered when it is released, asked, or closed",
    () =>
      Effect.gen(function* () {
        const spans = Spans.make(30)
        const endings: ReadonlyArray<(exporter: Exporter.Exporter) => Effect.Effect<void>> = [
          ({ release }) => Effect.sync(release),
          ({ flush }) => flush,
          () => Effect.void
        ]
        for (const end of endings) {
          const collector = yield* make
          yield* collector.up
          yield* run(
            Effect.gen(function* () {
              const exporter = yield* Exporter.make(settingsFor(collector, { interval: "1ms" }), { held: true })
              exporter.push(Spans.resource, spans)
              yield* Effect.sleep("100 millis")
              assert.deepStrictEqual([collector.requests, exporter.statistics().waiting], [0, 30])
              yield* end(exporter)
            })
          )
          assert.strictEqual(collector.spans.size, 30)
        }
        const collector = yield* make
        yield* collector.up
        const exporter = yield* Exporter.make(settingsFor(collector, { capacity: 40 }), { held: true })
        exporter.push(Spans.resource, spans)
        yield* until(() => collector.spans.size === 30)
      }).pipe(Effect.scoped)
  )

  it.live("sends protobuf when it is told to", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* make
        yield* collector.up
        const exporter = yield* Exporter.make(settingsFor(collector, { protocol: "http/protobuf" }))
        exporter.push(Spans.resource, Spans.make(2))
        yield* until(() => exporter.statistics().sent === 2)
        assert.strictEqual(collector.headers[0]?.["content-type"], "application/x-protobuf")
        // By a decoder that is not ours.
        const read = Decoder.decode(collector.body)
        assert.deepStrictEqual(read.resourceSpans[0]?.resource.attributes[0], {
          key: "service.name",
          value: { stringValue: "novacron" }
        })
        const [one, ...others] = Decoder.spansOf(read)
        assert.lengthOf(others, 1)
        assert.deepInclude(one, {
          name: "one",
          kind: 1,
          startTimeUnixNano: "1700000000000250000",
          endTimeUnixNano: "1700000000001500000",
          status: { code: 2, message: "why" }
        })
        assert.strictEqual(Decoder.hex(one?.traceId ?? ""), "a".repeat(32))
        assert.strictEqual(Decoder.hex(one?.links?.[0]?.spanId ?? ""), "d".repeat(16))
        assert.deepStrictEqual(
          one?.attributes?.map(({ value }) => value),
          [{ stringValue: "t" }, { boolValue: true }, { intValue: "3" }, { doubleValue: 0.5 }]
        )
        assert.strictEqual(one?.events?.[0]?.name, "event")
      })
    )
  )

  it.live("loses nothing to a collector that is down first, then in every bad mood, killed and back", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* make
        const exporter = yield* Exporter.make(settingsFor(collector, { batch: 7 }))
        let pushed = 0
        const some = (count: number) => {
          exporter.push(Spans.resource, Spans.make(count))
          pushed += count
        }
        some(10)
        yield* until(() => exporter.statistics().failures > 1)
        assert.strictEqual(collector.requests, 0)
        yield* collector.up
        for (const mood of ["cuts", "silent", "raves", { status: 503 }, { status: 429, retryAfter: "0" }] as const) {
          const before = collector.requests
          collector.mood = mood
          some(5)
          yield* until(() => collector.requests > before)
        }
        collector.mood = "slow"
        some(5)
        yield* until(() => exporter.statistics().waiting < 20)
        yield* collector.down
        some(5)
        yield* Effect.sleep("60 millis")
        collector.mood = "babbles"
        yield* collector.up
        yield* until(() => exporter.statistics().waiting === 0)
        assert.strictEqual(collector.spans.size, pushed)
        assert.deepStrictEqual(exporter.statistics().dropped, { full: 0, refused: 0, lost: 0 })
        assert.strictEqual(exporter.statistics().sent, pushed)
      })
    )
  )

  it.live("holds so many spans and no more, and counts the rest", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* make
        const exporter = yield* Exporter.make(settingsFor(collector, { capacity: 10, stopBudget: "10ms" }))
        exporter.push(Spans.resource, Spans.make(1_000))
        exporter.push(Spans.resource, Spans.make(1_000))
        assert.strictEqual(exporter.statistics().waiting, 10)
        assert.strictEqual(exporter.statistics().dropped.full, 1_990)
      })
    )
  )

  it.live("drops what is refused for good, splits what is too large, and goes on", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* make
        yield* collector.up
        const exporter = yield* Exporter.make(settingsFor(collector))
        collector.mood = { status: 400 }
        exporter.push(Spans.resource, Spans.make(3))
        yield* until(() => exporter.statistics().dropped.refused === 3)
        collector.mood = { status: 413 }
        exporter.push(Spans.resource, Spans.make(4))
        const before = collector.requests
        yield* until(() => exporter.statistics().dropped.refused === 7)
        // 4, 2, 1, 1, 2, 1, 1 spans, one after the other
        assert.isAtLeast(collector.requests - before, 6)
        collector.mood = "well"
        exporter.push(Spans.resource, Spans.make(2))
        yield* until(() => collector.spans.size === 2)
      })
    )
  )

  it.live("drops a batch at which the collector fails again and again, so that it keeps no other from being sent", () =>
    run(
      Effect.gen(function* () {
        const collector = yield* make
        yield* collector.up
        const exporter = yield* Exporter.make(settingsFor(collector))
        collector.mood = { status: 500 }
        exporter.push(Spans.resource, Spans.make(3))
        yield* until(() => exporter.statistics().dropped.refused === 3)
        assert.strictEqual(collector.requests, 8)
        collector.mood = "well"
        exporter.push(Spans.resource, Spans.make(2))
        yield* until(() => collector.spans.size === 2)
        // One that is away takes them when it is back, however long that takes.
        collector.mood = { status: 502 }
        exporter.push(Spans.resource, Spans.make(3))
        const before = collector.requests
        yield* until(() => collector.requests > before + 10)
        collector.mood = "well"
        yield* until(() => collector.spans.size === 5)
        assert.deepStrictEqual(exporter.statistics().dropped, { full: 0, refused: 3, lost: 0 })
      })
    )
  )

  it.live("says once that the collector is away and why, and once that it is back", () => {
    const lines: Array<string> = []
    return run(
      Effect.gen(function* () {
        const collector = yield* make
        const exporter = yield* Exporter.make(settingsFor(collector))
        const failures = (count: number) => until(() => exporter.statistics().failures >= count)
        exporter.push(Spans.resource, Spans.make(3))
        yield* failures(2)
        assert.deepStrictEqual(lines, [], "it may be just about to come")
        yield* failures(4)
        collector.mood = { status: 503 }
        yield* collector.up
        yield* failures(7)
        assert.lengthOf(lines, 1)
        const { host } = new URL(collector.url)
        assert.match(
          lines[0] ?? "",
          new RegExp(`^The collector at ${host} does not take spans: .*ECONNREFUSED.*\\. They wait`)
        )
        assert.include(lines[0], "Check monitoring.traces.endpoint")
        collector.mood = "well"
        yield* until(() => exporter.statistics().sent === 3)
        exporter.push(Spans.resource, Spans.make(3))
        yield* until(() => exporter.statistics().sent === 6)
        assert.deepStrictEqual(lines.slice(1), [`The collector at ${host} takes spans again.`])
      })
    ).pipe(Effect.provide(saying(lines)))
  })

  it.live("says why a collector drops some, and counts no more of them than it sent", () => {
    const lines: Array<string> = []
    return run(
      Effect.gen(function* () {
        const collector = yield* make
        yield* collector.up
        const exporter = yield* Exporter.make(settingsFor(collector))
        const send = Effect.fnUntraced(function* (rejectedSpans: unknown, errorMessage?: string) {
          collector.mood = { status: 200, body: JSON.stringify({ partialSuccess: { rejectedSpans, errorMessage } }) }
          const before = collector.requests
          exporter.push(Spans.resource, Spans.make(5))
          yield* until(() => collector.requests > before && exporter.statistics().waiting === 0)
          const { dropped, sent } = exporter.statistics()
          return [sent, dropped.refused]
        })
        assert.deepStrictEqual(yield* send("2", "too old"), [3, 2])
        assert.deepStrictEqual(yield* send(1), [7, 3])
        assert.deepStrictEqual(yield* send("999999999"), [7, 8])
        assert.deepStrictEqual(yield* send(-7.5), [12, 8])
        assert.lengthOf(lines, 1)
        assert.match(lines[0] ?? "", /drops some of the spans\. It says: too old$/)
      })
    ).pipe(Effect.provide(saying(lines)))
  })

  it.live("sends what is left when it ends, without waiting for its interval", () =>
    Effect.gen(function* () {
      const collector = yield* make
      yield* collector.up
      yield* run(
        Effect.gen(function* () {
          const exporter = yield* Exporter.make(settingsFor(collector, { interval: "1h" }))
          exporter.push(Spans.resource, Spans.make(3))
        })
      )
      assert.strictEqual(collector.spans.size, 3)
    }).pipe(Effect.scoped)
  )

  it.live("ends within its budget when the collector never answers, and leaves the rest to the next start", () =>
    Effect.gen(function* () {
      const collector = yield* make
      const spool = join(yield* folder, "spans")
      collector.mood = { status: 503 }
      yield* collector.up
      const [took] = yield* Effect.timed(
        run(
          Effect.gen(function* () {
            const exporter = yield* Exporter.make(settingsFor(collector, { stopBudget: "200ms" }), { spool })
            exporter.push(Spans.resource, Spans.make(9))
          })
        )
      )
      // The budget, and what a busy machine adds to it.
      assert.isBelow(Duration.toMillis(took), 3_000)
      assert.strictEqual(collector.spans.size, 0)
      assert.strictEqual(statSync(spool).mode & 0o777, 0o600)
      collector.mood = "well"
      yield* run(
        Effect.gen(function* () {
          const exporter = yield* Exporter.make(settingsFor(collector), { spool })
          yield* until(() => collector.spans.size === 9)
          yield* until(() => exporter.statistics().sent === 9 && !existsSync(spool))
        })
      )
      assert.strictEqual(valueOf(collector.resources[0]!, "service.instance.id"), "node-1")
    }).pipe(Effect.scoped)
  )

  it.live("counts what the start before has left, when less of it may wait now", () =>
    Effect.gen(function* () {
      const collector = yield* make
      const spool = join(yield* folder, "spans")
      const begin = (capacity: number) =>
        Exporter.make(settingsFor(collector, { capacity, stopBudget: "10ms" }), { spool })
      yield* run(Effect.map(begin(10), (exporter) => exporter.push(Spans.resource, Spans.make(9))))
      yield* run(
        Effect.map(begin(4), (exporter) => {
          assert.deepInclude(exporter.statistics(), { waiting: 4, dropped: { full: 5, refused: 0, lost: 0 } })
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("is not disturbed by a spool that makes no sense, or cannot be written", () =>
    Effect.gen(function* () {
      const collector = yield* make
      const directory = yield* folder
      const spool = join(directory, "spans")
      for (const text of ["", "{", '{"version":2}', '{"version":1,"boots":[{"resource":{},"spans":[{"name":7}]}]}']) {
        writeFileSync(spool, text)
        yield* run(
          Effect.map(Exporter.make(settingsFor(collector), { spool }), ({ statistics }) => {
            assert.strictEqual(statistics().waiting, 0)
          })
        )
        assert.strictEqual(readFileSync(spool, "utf8"), text)
      }
      const nowhere = join(directory, "missing", "spans")
      const statistics = yield* run(
        Effect.gen(function* () {
          const exporter = yield* Exporter.make(settingsFor(collector, { stopBudget: "20ms" }), { spool: nowhere })
          exporter.push(Spans.resource, Spans.make(2))
          return exporter.statistics
        })
      )
      assert.strictEqual(statistics().dropped.lost, 2)
    }).pipe(Effect.scoped)
  )
})
