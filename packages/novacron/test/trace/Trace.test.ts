import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { TimelineView } from "@novacron/boot/model"
import { Monitoring } from "@novacron/components"
import { Effect, Fiber } from "effect"
import { Surroundings } from "../../src/Surroundings.ts"
import * as Receiver from "../../src/trace/Receiver.ts"
import * as Trace from "../../src/trace/Trace.ts"
import { stage } from "../fixtures/Stage.ts"
import { boot, fileAt, journal } from "./fixtures/journals.ts"

const start = 1_790_000_000_000
const nothing: Trace.Asked = { as: "text", list: false, diff: false, whatIf: {} }

/** A data directory with five boots, of which the last was slow, and what was torn or never was a journal. */
const withBoots = <A, E>(
  use: (room: {
    readonly path: string
    readonly run: (
      asked: Partial<Trace.Asked>,
      env?: { readonly [name: string]: string }
    ) => Effect.Effect<{ readonly out: string; readonly err: string }, unknown>
  }) => Effect.Effect<A, E>
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "novacron-trace-"))
      mkdirSync(join(path, "journal"))
      for (const [k, databaseMs] of [95, 100, 105, 100, 300].entries()) {
        const text = journal(boot({ bootId: `boot-${k}-id`, startedAt: start + k, databaseMs }))
        writeFileSync(join(path, "journal", fileAt(start + k)), text)
      }
      return path
    }),
    (path) => {
      const run = Effect.fnUntraced(function* (
        asked: Partial<Trace.Asked>,
        env: { readonly [name: string]: string } = {}
      ) {
        const it = stage({ cwd: path, env })
        yield* Effect.provideService(Trace.show(path, { ...nothing, ...asked }), Surroundings, it.surroundings)
        return { out: it.out(), err: it.err() }
      })
      return use({ path, run })
    },
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )

describe("novacron trace", () => {
  it.live("draws the last boot, and one that is named", () =>
    withBoots(({ run }) =>
      Effect.gen(function* () {
        const { err, out } = yield* run({}, { COLUMNS: "80" })
        assert.strictEqual(err, "")
        assert.match(out, /^boot boot-4-id · node-a · datacenter\ndegraded after 330 ms · critical path 330 ms/)
        assert.match(out, /^\* database {2}·+█+ +300 ms$/m)
        assert.isAtMost(Math.max(...out.split("\n").map((line) => line.length)), 80)
        assert.notInclude(out, "\u001b")
        assert.match((yield* run({ boot: "boot-1" })).out, /^boot boot-1-id/)
        assert.match((yield* run({ boot: "last~4" })).out, /^boot boot-0-id/)
        assert.match((yield* run({ boot: `journal/${fileAt(start + 2)}` })).out, /^boot boot-2-id/)
      })
    )
  )

  it.live("writes a page, a picture, a Chrome trace and JSON, to stdout or into a file of this user", () =>
    withBoots(({ path, run }) =>
      Effect.gen(function* () {
        assert.match((yield* run({ as: "html" })).out, /^<!doctype html>\n[^]*<\/html>\n$/)
        assert.match((yield* run({ as: "svg" })).out, /^<svg xmlns=[^]*<\/svg>\n$/)
        assert.isAbove(JSON.parse((yield* run({ as: "perfetto" })).out).traceEvents.length, 10)
        const json = JSON.parse((yield* run({ as: "json" })).out)
        assert.deepStrictEqual([json.version, json.report.bootId, json.lanes.length], [1, "boot-4-id", 4])
        const { err, out } = yield* run({ as: "html", out: "boot.html" })
        assert.strictEqual(out, "")
        assert.include(err, `written to ${path}/boot.html`)
        assert.match(readFileSync(join(path, "boot.html"), "utf8"), /^<!doctype html>/)
        assert.strictEqual(statSync(join(path, "boot.html")).mode & 0o777, 0o600)
        const error = yield* Effect.flip(run({ out: "no/such/directory/x" }))
        assert.strictEqual((error as Trace.OutputUnwritable)._tag, "OutputUnwritable")
      })
    )
  )

  it.live("compares the last two boots, or two that are named, and names who moved the critical path", () =>
    withBoots(({ run }) =>
      Effect.gen(function* () {
        const { out } = yield* run({ diff: true })
        assert.match(out, /^boot-3-id \(degraded, 130 ms\) → boot-4-id \(degraded, 330 ms\): 200 ms longer\n/)
        assert.include(out, "database moved the critical path: it accounts for 200 ms")
        const named = yield* run({ diff: true, boot: "boot-4", other: "boot-0" })
        assert.include(named.out, "database moved the critical path: it accounts for 205 ms")
        const json = JSON.parse((yield* run({ diff: true, as: "json" })).out)
        assert.deepStrictEqual(json.culprit, { component: "database", explainsMs: 200 })
      })
    )
  )

  it.live("says what a faster component would have won, and refuses what it cannot rehearse", () =>
    withBoots(({ path, run }) =>
      Effect.gen(function* () {
        const { out } = yield* run({ whatIf: { database: "0.5" } })
        assert.match(out, /^with database × 0\.5: 180 ms in place of 330 ms, 150 ms less\n/)
        assert.strictEqual(JSON.parse((yield* run({ whatIf: { database: "0.5" }, as: "json" })).out).wonMs, 150)
        for (const text of ["", "half", "-1", "Infinity", "1e999"]) {
          const error = yield* Effect.flip(run({ whatIf: { database: text } }))
          assert.match((error as Error).message, /how many times as long/)
        }
        const unknown = yield* Effect.flip(run({ whatIf: { databse: "0.5" } }))
        assert.match((unknown as Error).message, /no component "databse". It has security, database, cache, api\./)
        writeFileSync(join(path, "journal", fileAt(start + 9)), journal(boot({ isReady: false })))
        const error = yield* Effect.flip(run({ whatIf: { database: "0.5" } }))
        assert.match((error as Error).message, /did not come up/)
      })
    )
  )

  it.live("learns from the boots before: when one that is under way will be up", () =>
    withBoots(({ path, run }) =>
      Effect.gen(function* () {
        writeFileSync(join(path, "journal", fileAt(start + 9)), journal(boot({ bootId: "now", isReady: false })))
        const { out } = yield* run({})
        assert.match(out, /^booting for 35 ms/m)
        assert.match(out, /^up in about 95 ms, after 130 ms to 291 ms$/m)
      })
    )
  )

  it.live("lists boots, with what is none, and says what is torn of one that is shown", () =>
    withBoots(({ path, run }) =>
      Effect.gen(function* () {
        const text = journal(boot({ bootId: "torn" }))
        writeFileSync(join(path, "journal", fileAt(start + 10)), text.slice(0, -20))
        writeFileSync(join(path, "journal", fileAt(start + 11)), "novacron-journal 2\n")
        const { out } = yield* run({ list: true })
        assert.strictEqual(out.split("\n")[0], `(future)  ${fileAt(start + 11)}`)
        assert.match(out, /^torn {2}node-a {2}datacenter {2}2026-09-21T14:13:20\.000Z {2}its end is not recorded$/m)
        assert.match(out, /^boot-4-id .* {2}ready after 330 ms, degraded$/m)
        assert.strictEqual(JSON.parse((yield* run({ list: true, as: "json" })).out).length, 7)
        const shown = yield* run({})
        assert.match(shown.err, /is torn at byte \d+: record \d+ is cut off\. What came before is shown\./)
        assert.match(shown.out, /^boot torn/)
        const future = yield* Effect.flip(run({ boot: fileAt(start + 11) }))
        assert.match((future as Error).message, /of version 2, which a newer novacron has written/)
      })
    )
  )

  it.live("sends a boot to a collector", () =>
    withBoots(({ run }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { store, url } = yield* Receiver.serve({ port: 0 })
          const { out } = yield* run({ otlp: url })
          assert.match(out, /^sent \d+ spans to http:\/\/127\.0\.0\.1:\d+\/v1\/traces, trace [0-9a-f]{32}\n$/)
          assert.isAbove(store.spans, 8)
          const { spans } = store
          const json = JSON.parse((yield* run({ otlp: url, as: "json" })).out)
          const sent = store.traces.get(json.traceId)?.spans ?? new Map()
          assert.isAbove(sent.size, 8)
          assert.strictEqual(store.spans, spans, "sent twice, and there once")
        })
      )
    )
  )

  it.live("sends the same spans again that the node has sent, under the same ids", () =>
    withBoots(({ path, run }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { store, url } = yield* Receiver.serve({ port: 0 })
          const events = boot({ bootId: "again", startedAt: start + 12 })
          writeFileSync(join(path, "journal", fileAt(start + 12)), journal(events))
          const { resource, spans } = Monitoring.BootTrace.fromEvents(events, { ratio: 1 })
          const live = Monitoring.Otlp.encode(spans.map((span) => ({ resource, span })))
          yield* Effect.promise(() =>
            fetch(`${url}/v1/traces`, {
              method: "POST",
              headers: { "content-type": "application/json" },
              body: JSON.stringify(live)
            })
          )
          assert.strictEqual(store.spans, spans.length)
          assert.match((yield* run({ otlp: url })).out, /^sent \d+ spans/)
          assert.strictEqual(store.spans, spans.length)
          assert.deepStrictEqual([...store.traces.keys()], [TimelineView.traceId("again")])
        })
      )
    )
  )

  it.live("says that there are no boots", () =>
    Effect.gen(function* () {
      const it = stage()
      const error = yield* Effect.flip(
        Effect.provideService(Trace.show("/nowhere", nothing), Surroundings, it.surroundings)
      )
      assert.match((error as Error).message, /There are no journals in \/nowhere\/journal\. Has a node booted there\?/)
    })
  )
})

describe("novacron trace serve", () => {
  it.live("serves until a signal ends it", () =>
    Effect.gen(function* () {
      const it = stage()
      const running = yield* Effect.forkChild(
        Effect.provideService(Trace.serve(undefined, 0), Surroundings, it.surroundings)
      )
      while (!it.err().includes("look at them")) yield* Effect.sleep("20 millis")
      const url = it.out().trim()
      assert.strictEqual((yield* Effect.promise(() => fetch(url))).status, 200)
      it.signal("SIGHUP")
      assert.strictEqual((yield* Effect.promise(() => fetch(url))).status, 200)
      it.signal("SIGINT")
      yield* Fiber.join(running)
      assert.isTrue(
        yield* Effect.promise(() =>
          fetch(url).then(
            () => false,
            () => true
          )
        )
      )
    })
  )
})
