import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Boot, Component } from "@novacron/boot"
import { Report } from "@novacron/boot/model"
import { Lock, Logger } from "@novacron/components"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Context, Data, Deferred, Effect, Fiber, Layer, Logger as Lines, Schema } from "effect"
import type { Sources } from "../src/Alive.ts"
import * as ControlSocket from "../src/ControlSocket.ts"
import * as Life from "../src/Life.ts"
import { Surroundings } from "../src/Surroundings.ts"
import { stage } from "./fixtures/Stage.ts"

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "novacron-life-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

class Store extends Context.Service<Store, object>()("test/store") {}
class DatabaseUnreachable extends Data.TaggedError("DatabaseUnreachable")<{ readonly message: string }> {}

/** A life with one component, and what a test wants to hold on to. */
const life = (part: {
  readonly start?: Effect.Effect<object, DatabaseUnreachable>
  readonly stop?: Effect.Effect<void>
  readonly options?: Partial<Life.Options>
  /** Where what is logged is kept. */
  readonly logs?: Array<string>
}) => {
  const it = stage()
  const sources: Array<Sources> = []
  const started = Deferred.makeUnsafe<void>()
  const store = Component.make(Store, {
    start: Effect.gen(function* () {
      yield* Effect.addFinalizer(() => part.stop ?? Effect.void)
      yield* Deferred.succeed(started, undefined)
      return yield* part.start ?? Effect.succeed({})
    }),
    health: () => Effect.void
  })
  const dataDir = join(directory, "data")
  const options: Life.Options = {
    dataDir,
    style: "json",
    exitWhenReady: false,
    strict: false,
    reportFile: undefined,
    lock: Lock.acquire(dataDir, "novacron.lock"),
    listen: Effect.succeed({ url: "http://test", serve: (one) => Effect.sync(() => void sources.push(one)) }),
    boot: ({ because, observe, previous }) => Boot.make([store], { because, observe, previous, bootId: "test" }),
    reloading: () => Effect.succeed({ reload: Effect.succeed("in effect now: a") }),
    explain: () => undefined,
    ...part.options
  }
  const { logs } = part
  const layer = Layer.mergeAll(
    NodeServices.layer,
    Layer.succeed(Surroundings)(it.surroundings),
    Logger.Logging.layer(),
    logs === undefined ? Layer.empty : Lines.layer([Lines.make(({ message }) => void logs.push(String(message)))])
  )
  return {
    ...it,
    dataDir,
    sources,
    started,
    path: ControlSocket.pathOf(dataDir),
    live: Effect.provide(Life.live(options), layer)
  }
}

/** Completes when the output has a line. */
const until = (it: { readonly out: () => string; readonly err: () => string }, text: string) =>
  Effect.repeat(Effect.sleep("10 millis"), { until: () => `${it.out()}${it.err()}`.includes(text), times: 1_000 })

const readReport = (path: string) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(Report.Report))(readFileSync(path, "utf8"))

describe("a life", () => {
  it.live("that is to end when it is ready exits 0, with the report of READY", () =>
    Effect.gen(function* () {
      const reportFile = join(directory, "r.json")
      const it = life({ options: { exitWhenReady: true, reportFile } })
      assert.strictEqual(yield* it.live, 0)
      assert.strictEqual(readReport(reportFile).outcome, "ready")
      assert.include(it.out(), '"event":"BootReady"')
      assert.include(it.out(), '"event":"ProcessEnded"')
      assert.isFalse(existsSync(it.path))
      assert.isFalse(existsSync(join(it.dataDir, "novacron.lock")))
    })
  )

  it.live("exits 73 where no directory can be made, and does not try for ever", () =>
    Effect.gen(function* () {
      const file = join(directory, "file")
      writeFileSync(file, "")
      for (const dataDir of ["/proc/novacron/data", file, join(file, "below")]) {
        const it = life({ options: { dataDir, exitWhenReady: true } })
        assert.strictEqual(yield* it.live, 73, dataDir)
        assert.include(it.err(), "NVC-3003")
      }
    })
  )

  it.live("warns of a data directory that others may write to, and not of its own", () =>
    Effect.gen(function* () {
      const logs: Array<string> = []
      const made = life({ logs, options: { exitWhenReady: true } })
      assert.strictEqual(yield* made.live, 0)
      assert.notInclude(logs.join("\n"), "Others may write")
      const found = life({ logs, options: { exitWhenReady: true } })
      chmodSync(found.dataDir, 0o770)
      assert.strictEqual(yield* found.live, 0)
      assert.include(logs.join("\n"), `Others may write to the data directory ${found.dataDir}`)
    })
  )

  it.live("ends by SIGTERM in order, exits 0, and answers no work from the signal on", () =>
    Effect.gen(function* () {
      const it = life({})
      const fiber = yield* Effect.forkChild(it.live)
      yield* until(it, "BootReady")
      yield* until({ ...it, out: () => `${it.sources.length}` }, "2")
      assert.isTrue(it.sources.at(-1)?.accepting())
      it.signal("SIGTERM")
      assert.isFalse(it.sources.at(-1)?.accepting())
      assert.strictEqual(yield* Fiber.join(fiber), 0)
      assert.include(it.out(), "stopping because of SIGTERM")
    })
  )

  it.live("is cancelled by a signal during the boot, with the code of the signal and its name in the report", () =>
    Effect.gen(function* () {
      for (const [signal, code] of [
        ["SIGTERM", 143],
        ["SIGINT", 130]
      ] as const) {
        const reportFile = join(directory, `${signal}.json`)
        const it = life({ start: Effect.never, options: { reportFile } })
        const fiber = yield* Effect.forkChild(it.live)
        yield* Deferred.await(it.started)
        assert.isFalse(it.sources.at(-1)?.accepting())
        it.signal(signal)
        assert.strictEqual(yield* Fiber.join(fiber), code)
        assert.match(it.err(), new RegExp(`BOOT CANCELLED {2}because of ${signal}.*exit ${code}`))
        const report = readReport(reportFile)
        assert.deepInclude(report, { outcome: "cancelled", exitCode: code })
        assert.deepInclude(report.rollback, { because: signal, clean: true })
        assert.isFalse(existsSync(it.path))
      }
    })
  )

  it.live("says at the second signal what it waits for, and leaves", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const it = life({ stop: Deferred.await(gate) })
      const fiber = yield* Effect.forkChild(it.live)
      yield* until(it, "BootReady")
      it.signal("SIGTERM")
      yield* until(it, "ComponentStopping")
      assert.deepStrictEqual(it.left, [])
      it.signal("SIGINT")
      yield* until(it, "Second signal (SIGINT): not waiting for store (stopping)")
      assert.deepStrictEqual(it.left, [130])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
    })
  )

  it.live("that a command has asked to stop does not leave at the first signal, which says so, but at the second", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const it = life({ stop: Deferred.await(gate) })
      const fiber = yield* Effect.forkChild(it.live)
      yield* until(it, "BootReady")
      const asked = yield* Effect.forkChild(ControlSocket.ask(it.path, { _tag: "Stop", because: "novacron stop" }))
      yield* until(it, "ComponentStopping")
      it.signal("SIGTERM")
      yield* until(it, "SIGTERM: stopping already, because of novacron stop. A second signal leaves at once.")
      assert.deepStrictEqual(it.left, [])
      it.signal("SIGTERM")
      yield* until(it, "Second signal (SIGTERM): not waiting for store (stopping)")
      assert.deepStrictEqual(it.left, [143])
      yield* Deferred.succeed(gate, undefined)
      assert.deepInclude(yield* Fiber.join(asked), { outcome: "stopped", exitCode: 0 })
      assert.strictEqual(yield* Fiber.join(fiber), 0)
    })
  )

  it.live("that fails says so with code, cause and remedy, writes its report, and exits as documented", () =>
    Effect.gen(function* () {
      const reportFile = join(directory, "r.json")
      const start = Effect.fail(new DatabaseUnreachable({ message: "connect ECONNREFUSED" }))
      const it = life({ start, options: { reportFile, explain: () => "database.url from NOVACRON_DATABASE_URL" } })
      assert.strictEqual(yield* it.live, 69)
      assert.match(it.err(), /^BOOT FAILED {2}critical component "store" did not start.*NVC-2103 {2}exit 69$/m)
      assert.include(it.err(), "config    database.url from NOVACRON_DATABASE_URL")
      assert.deepInclude(readReport(reportFile), { outcome: "failed", exitCode: 69 })
      assert.include(it.out(), '"code":"NVC-2103"')
    })
  )

  it.live("with a bug exits 70 and keeps its stack in the log", () =>
    Effect.gen(function* () {
      const it = life({ start: Effect.die(new Error("unforeseen")) })
      assert.strictEqual(yield* it.live, 70)
      assert.include(it.err(), "NVC-3006")
    })
  )

  it.live("of a second node in the same data directory ends at once, and the first one goes on", () =>
    Effect.gen(function* () {
      const first = life({})
      const fiber = yield* Effect.forkChild(first.live)
      yield* until(first, "BootReady")
      const second = life({})
      assert.strictEqual(yield* second.live, 73)
      assert.match(second.err(), /NVC-1101/)
      assert.strictEqual(second.out().match(/BootStarted/), null)
      first.signal("SIGTERM")
      assert.strictEqual(yield* Fiber.join(fiber), 0)
    })
  )

  it.live("reads its settings again at SIGHUP, but not before it is ready", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<object>()
      const it = life({ start: Deferred.await(gate) })
      const fiber = yield* Effect.forkChild(it.live)
      yield* Deferred.await(it.started)
      it.signal("SIGHUP")
      yield* until(it, "Reload: queued until the node is ready.")
      assert.notInclude(it.err(), "in effect now")
      yield* Deferred.succeed(gate, {})
      yield* until(it, "Reload: in effect now: a")
      it.signal("SIGTERM")
      assert.strictEqual(yield* Fiber.join(fiber), 0)
    })
  )

  it.live("says at SIGUSR2 what is going on, and goes on", () =>
    Effect.gen(function* () {
      const it = life({ start: Effect.never })
      const fiber = yield* Effect.forkChild(it.live)
      yield* Deferred.await(it.started)
      it.signal("SIGUSR2")
      yield* until(it, "store is still starting")
      assert.include(it.err(), "state of pid 4711: booting, rss 100 MB")
      it.signal("SIGINT")
      assert.strictEqual(yield* Fiber.join(fiber), 130)
    })
  )

  it.live("answers through its socket from the first moment, and stops when asked to, with the final report", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<object>()
      const it = life({ start: Deferred.await(gate) })
      const fiber = yield* Effect.forkChild(it.live)
      yield* Deferred.await(it.started)
      const why = yield* ControlSocket.ask(it.path, { _tag: "Why", component: "store" })
      assert.match(JSON.stringify(why), /store is still starting/)
      const early = yield* Effect.flip(
        ControlSocket.ask(it.path, { _tag: "Restore", component: "store", confirmed: true })
      )
      assert.include(early.message, "not up yet")
      yield* Deferred.succeed(gate, {})
      yield* until(it, "BootReady")
      assert.deepInclude(yield* ControlSocket.ask(it.path, { _tag: "Status" }), { pid: 4711, isStopping: false })
      assert.deepInclude(yield* ControlSocket.ask(it.path, { _tag: "Health" }), { ready: true, status: "healthy" })
      const report = yield* ControlSocket.ask(it.path, { _tag: "Stop", because: "a test" })
      assert.deepInclude(report, { outcome: "stopped", exitCode: 0 })
      assert.strictEqual(yield* Fiber.join(fiber), 0)
    })
  )

  it.live("whose report cannot be written exits 73 before it starts anything, and leaves what is there alone", () =>
    Effect.gen(function* () {
      const file = join(directory, "file")
      writeFileSync(file, "as it was")
      for (const reportFile of [join(directory, "no", "r.json"), join(file, "r.json"), directory]) {
        const it = life({ options: { reportFile } })
        assert.strictEqual(yield* it.live, 73, reportFile)
        assert.match(it.err(), /NVC-3008/)
        assert.include(it.err(), "Nothing was started.")
        assert.notInclude(it.out(), "BootStarted")
      }
      assert.strictEqual(readFileSync(file, "utf8"), "as it was")
    })
  )

  it.live(
    "whose report cannot be written any more says so: a script hears 73, a node that is to stay up stays up",
    () =>
      Effect.gen(function* () {
        const place = join(directory, "place")
        const reportFile = join(place, "r.json")
        const start = Effect.sync(() => (rmSync(place, { recursive: true }), {}))
        mkdirSync(place)
        const script = life({ start, options: { exitWhenReady: true, reportFile } })
        assert.strictEqual(yield* script.live, 73)
        assert.match(script.err(), /^NOT DONE .*NVC-3008/m)
        assert.include(script.err(), "The boot was not concerned")
        assert.include(script.out(), '"event":"BootEnded"')
        mkdirSync(place)
        const logs: Array<string> = []
        const it = life({ start, logs, options: { reportFile } })
        const fiber = yield* Effect.forkChild(it.live)
        yield* until(it, "BootReady")
        yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => logs.length > 0, times: 1_000 })
        assert.match(logs.join("\n"), /The report cannot be written to .*r\.json/)
        const report = yield* ControlSocket.ask(it.path, { _tag: "Stop", because: "a test" })
        assert.deepInclude(report, { outcome: "stopped", exitCode: 0 })
        assert.strictEqual(yield* Fiber.join(fiber), 0)
      })
  )
})
