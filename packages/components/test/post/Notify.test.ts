import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Logger, Ref } from "effect"
import { TestClock } from "effect/testing"
import * as Notify from "../../src/post/Notify.ts"

/** A service manager: a real datagram socket, and what arrived. `command` gets a descriptor to it, as by OpenFile=. */
const manager = Effect.fnUntraced(function* (...command: ReadonlyArray<string>) {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-notify-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const socket = join(directory, "notify")
  const received: Array<string> = []
  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const script = join(import.meta.dirname, "receiver.pl")
      const child = spawn("perl", [script, socket, ...command], { stdio: ["ignore", "pipe", "inherit"] })
      let text = ""
      child.stdout.on("data", (chunk: Buffer) => {
        const lines = (text + chunk.toString()).split("\n")
        text = lines.pop() ?? ""
        for (const line of lines) {
          if (line === "listening") resume(Effect.succeed(child))
          else received.push(line)
        }
      })
    }),
    (child) => Effect.sync(() => child.kill())
  )
  const until = (count: number) =>
    Effect.repeat(Effect.sleep("20 millis"), { until: () => Effect.succeed(received.length >= count), times: 200 })
  return { socket, received, until }
})

const given = (env: Notify.Given["env"]): Notify.Given => ({ env: { PATH: process.env["PATH"], ...env }, pid: 4711 })

describe("Notify", () => {
  it("travels by the descriptor that systemd opened, else by systemd-notify, else not at all", () => {
    const passed = { LISTEN_FDS: "2", LISTEN_FDNAMES: "http:notify", LISTEN_PID: "4711", NOTIFY_SOCKET: "/x" }
    assert.deepStrictEqual(Notify.carrierOf({ env: passed, pid: 4711 }), { _tag: "Descriptor", fd: 4 })
    assert.strictEqual(Notify.carrierOf({ env: passed, pid: 12 })._tag, "Binary")
    assert.strictEqual(Notify.carrierOf({ env: { ...passed, LISTEN_FDS: "1" }, pid: 4711 })._tag, "Binary")
    assert.strictEqual(Notify.carrierOf({ env: { NOTIFY_SOCKET: "/x" }, pid: 1 })._tag, "Binary")
    assert.strictEqual(Notify.carrierOf({ env: {}, pid: 1 })._tag, "Nobody")
  })

  it("knows the watchdog of its own process only", () => {
    const of = (env: Notify.Given["env"]) => {
      const watchdog = Notify.watchdogOf({ env, pid: 7 })
      return watchdog === undefined ? undefined : Duration.toMillis(watchdog)
    }
    assert.strictEqual(of({ WATCHDOG_USEC: "3000000" }), 3_000)
    assert.strictEqual(of({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: "7" }), 3_000)
    assert.isUndefined(of({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: "8" }))
    assert.isUndefined(of({ WATCHDOG_USEC: "soon" }))
    assert.isUndefined(of({}))
  })

  it("puts a state on one line", () => {
    assert.deepStrictEqual(Notify.linesOf({ status: "4 of 9\nREADY=1" }, 0n), ["STATUS=4 of 9 READY=1"])
    assert.strictEqual(Notify.linesOf({ status: "x".repeat(1_000) }, 0n)[0]?.length, 263)
    assert.deepStrictEqual(Notify.linesOf("reloading", 12n), ["RELOADING=1", "MONOTONIC_USEC=12"])
  })

  it.live(
    "tells a real socket through systemd-notify: in order, READY once, and once more after a reload, STOPPING once and last",
    () =>
      Effect.gen(function* () {
        const { received, socket, until } = yield* manager()
        yield* Effect.gen(function* () {
          const notify = yield* Notify.make(given({ NOTIFY_SOCKET: socket }))
          notify.tell({ status: "booting" })
          for (let i = 0; i < 50; i++) notify.tell({ status: `${i} of 50 components` })
          notify.tell("ready")
          notify.tell("ready")
          yield* notify.told
          notify.tell("ready")
          notify.tell("reloading")
          notify.tell("ready")
          notify.tell("stopping")
          notify.tell("stopping")
          notify.tell({ status: "too late" })
        }).pipe(Effect.scoped)
        yield* until(6)
        const plain = received.map((text) => text.replace(/USEC=\d+/, "USEC=n"))
        assert.deepStrictEqual(plain, [
          "STATUS=booting",
          "STATUS=49 of 50 components",
          "READY=1",
          "RELOADING=1 MONOTONIC_USEC=n",
          "READY=1",
          "STOPPING=1"
        ])
      }).pipe(Effect.scoped)
  )

  it.live("tells a real socket through a descriptor that it was given, without another process", () =>
    Effect.gen(function* () {
      const script = `
        import { Effect } from "effect"
        import * as Notify from ${JSON.stringify(join(import.meta.dirname, "../../src/post/Notify.ts"))}
        const program = Effect.gen(function* () {
          const notify = yield* Notify.make({ env: { ...process.env, PATH: "" }, pid: process.pid })
          for (const one of ["ready", "watchdog", { status: "up" }, "stopping"]) notify.tell(one)
        })
        await Effect.runPromise(Effect.scoped(program))
      `
      const { received, until } = yield* manager(process.execPath, "--input-type=module", "-e", script)
      yield* until(4)
      assert.deepStrictEqual(received, ["READY=1", "WATCHDOG=1", "STATUS=up", "STOPPING=1"])
    }).pipe(Effect.scoped)
  )

  it.live("warns once and goes on when nobody listens, or there is nothing to tell with", () =>
    Effect.gen(function* () {
      const warnings = yield* Ref.make(0)
      const logger = Logger.make<unknown, void>(({ message }) => {
        assert.include(String(message), "service manager cannot be told")
        Effect.runSync(Ref.update(warnings, (n) => n + 1))
      })
      for (const env of [{ NOTIFY_SOCKET: "/nowhere" }, { NOTIFY_SOCKET: "/x", PATH: "/nowhere" }]) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const notify = yield* Notify.make(given(env))
            notify.tell("ready")
            notify.tell("stopping")
            yield* notify.told
          })
        ).pipe(Effect.provide(Logger.layer([logger])))
      }
      assert.strictEqual(yield* Ref.get(warnings), 2)
    })
  )

  it.effect("keeps the watchdog content twice an interval, as long as the node is alive", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      let isAlive = true
      const clock = yield* Clock.Clock
      const notify: Notify.Notify = {
        tell: () => void told.push(clock.currentTimeMillisUnsafe()),
        told: Effect.void,
        watchdog: Duration.seconds(4)
      }
      yield* Notify.keepAlive(
        notify,
        Effect.sync(() => isAlive)
      )
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(told, [0, 2_000, 4_000])
      isAlive = false
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(told.length, 3)
    }).pipe(Effect.scoped)
  )
})
