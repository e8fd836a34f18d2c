import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Tasks } from "@novacron/api"
import { Context, Duration, Effect, Layer, Schedule } from "effect"
import { isThere } from "../monitoring/fixtures/Promtool.ts"
import { Driver, type Run } from "../../src/orchestration/Driver.ts"
import * as Drivers from "../../src/orchestration/Drivers.ts"
import * as Machines from "./fixtures/machines.ts"
import { type Encoded, settingsOf } from "./fixtures/nodes.ts"

const driver = (encoded: Encoded = {}) =>
  Effect.map(Layer.build(Drivers.layer(settingsOf(encoded), "node-1", process)), (all) => Context.get(all, Driver))

type Spec = Omit<typeof Tasks.VmSpec.Type, "driver">

let attempt = 0
const vm = (spec: Spec, demand: Tasks.Demand = { cpu: 1, memory: 32 }) => {
  const printed = { stdout: "", stderr: "" }
  const run: Run = {
    task: "a-machine",
    attempt: ++attempt,
    submission: { name: "a", run: { driver: "vm", ...spec }, demand },
    print: (stream, bytes) => void (printed[stream] += Buffer.from(bytes).toString()),
    skip: () => undefined
  }
  return { printed, run }
}

let folder = ""
const disk = (name: string, says: string, deed: ReadonlyArray<number>, more: object = {}) => ({
  path: Machines.disk(join(folder, name), says, deed),
  format: "raw" as const,
  readOnly: true,
  ...more
})

const said = (printed: { readonly stdout: string }, word: string) =>
  Effect.repeat(
    Effect.sync(() => printed.stdout.includes(word)),
    {
      schedule: Schedule.spaced("10 millis"),
      until: (it) => it
    }
  )

/** Programs that have this among their arguments; the first letter in brackets, so that the search does not find itself. */
const processesWith = (word: string) =>
  execFileSync("/bin/sh", ["-c", `pgrep -f '[${word[0]}]${word.slice(1)}' || true`], { encoding: "utf8" })

describe.skipIf(!isThere("qemu-system-x86_64"))("VmDriver", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "novacron-machines-"))
    chmodSync(folder, 0o755)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it.live("tells what a machine says on its serial line, and that it was switched off", () =>
    Effect.gen(function* () {
      const { labels, limits, start } = yield* driver()
      assert.deepStrictEqual(labels, { "novacron.vm": "qemu" })
      assert.match(limits, /Virtual machines run on QEMU/)
      const { printed, run } = vm({ disks: [disk("hello", "hello from a disk\n", Machines.deeds.off)] })
      assert.deepStrictEqual(yield* (yield* start(run)).ended, { exitCode: 0, signal: null })
      assert.strictEqual(printed.stdout, "hello from a disk\n")
      assert.strictEqual(printed.stderr, "")
    })
  )

  it.live("starts a kernel with its command line, whatever is in it", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const path = Machines.kernel(join(folder, "kernel,id=x"))
      const { printed, run } = vm({ kernel: path, commandLine: 'root=/dev/vda,ro -device evil "quoted"' })
      assert.deepStrictEqual(yield* (yield* start(run)).ended, { exitCode: 0, signal: null })
      assert.strictEqual(printed.stdout, `${path} root=/dev/vda,ro -device evil "quoted"`)
    })
  )

  it.live("says how a guest has failed that says so", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const { run } = vm({ disks: [disk("fails", "no", Machines.deeds.fail(3))] })
      assert.deepStrictEqual(yield* (yield* start(run)).ended, { exitCode: 7, signal: null })
    })
  )

  it.live("presses the button until the guest, which may still be starting, switches off", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const { printed, run } = vm({ disks: [disk("button", "up", Machines.deeds.button)] })
      const early = yield* start(run)
      assert.deepStrictEqual(yield* early.stop(20_000), { exitCode: 0, signal: null })
      assert.strictEqual(printed.stdout, "up")
    })
  )

  it.live("ends a guest that does not listen by force, after the grace and not before", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const { printed, run } = vm({ disks: [disk("deaf", "up", Machines.deeds.nothing)] })
      const deaf = yield* start(run)
      yield* said(printed, "up")
      const [took, ending] = yield* Effect.timed(deaf.stop(1_500))
      assert.deepStrictEqual(ending, { exitCode: null, signal: "SIGKILL" })
      assert.isAtLeast(Duration.toMillis(took), 1_400)
    })
  )

  it.live("kills its machines when everything is to end, and leaves neither a process nor a socket", () =>
    Effect.gen(function* () {
      const mine = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`novacron-vms-${process.pid}-`))
      const before = mine()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { killAll, start } = yield* driver()
          const deaf = disk("left-over", "up", Machines.deeds.nothing)
          const all = [vm({ disks: [deaf] }), vm({ disks: [deaf] })] // read-only, so both may have it
          const running = yield* Effect.forEach(all, ({ run }) => start(run))
          for (const { printed } of all) yield* said(printed, "up")
          assert.lengthOf(mine(), before.length + 1)
          yield* killAll
          for (const { ended } of running) assert.strictEqual((yield* ended).signal, "SIGKILL")
        })
      )
      assert.deepStrictEqual(mine(), before)
      assert.strictEqual(processesWith("left-over"), "")
    })
  )

  it.live("leaves no socket of a machine that has failed or was killed, though the node goes on", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const mine = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`novacron-vms-${process.pid}-`))
      const before = mine()
      const deaf = vm({ disks: [disk("socket-of-a-deaf-one", "up", Machines.deeds.nothing)] })
      const running = yield* start(deaf.run)
      yield* said(deaf.printed, "up")
      const [folder = ""] = mine().filter((name) => !before.includes(name))
      const sockets = () => readdirSync(join(tmpdir(), folder))
      assert.lengthOf(sockets(), 1)
      yield* (yield* start(vm({ disks: [disk("socket-of-one-that-fails", "", Machines.deeds.fail(1))] }).run)).ended
      assert.lengthOf(sockets(), 1)
      yield* running.stop(0)
      assert.deepStrictEqual(sockets(), [])
    })
  )

  it.live("kills a machine together with its node", () =>
    Effect.gen(function* () {
      const { path } = disk("of-a-node", "up", Machines.deeds.nothing)
      const node = yield* Effect.acquireRelease(
        Effect.callback<ChildProcess>((resume) => {
          const holder = join(import.meta.dirname, "fixtures/holder.ts")
          const child = spawn(process.execPath, [holder, path], { stdio: ["ignore", "pipe", "inherit"] })
          child.stdout.once("data", () => resume(Effect.succeed(child)))
        }),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const machines = Effect.sync(() => processesWith("disk0.*of-a-node"))
      assert.notStrictEqual(yield* machines, "")
      node.kill("SIGKILL")
      yield* Effect.repeat(machines, { schedule: Schedule.spaced("20 millis"), until: (pids) => pids === "" })
    })
  )

  it.live("gives a disk that is written to one machine at a time", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const own = disk("own", "up", Machines.deeds.nothing, { readOnly: false })
      chmodSync(own.path, 0o666)
      const first = vm({ disks: [own] })
      const running = yield* start(first.run)
      yield* said(first.printed, "up")
      const second = vm({ disks: [own] })
      const ending = yield* (yield* start(second.run)).ended
      assert.strictEqual(ending.exitCode, 1)
      assert.match(second.printed.stderr, /lock/)
      yield* running.stop(0)
    })
  )

  it.live("says what is missing on this node", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const problem = (spec: Spec) => Effect.map(Effect.flip(start(vm(spec).run)), ({ message }) => message)
      assert.strictEqual(
        yield* problem({ kernel: "/no/such/kernel" }),
        "/no/such/kernel cannot be started: there is no such file."
      )
      assert.match(yield* problem({ disks: [{ path: "/no/disk", format: "raw" }] }), /^\/no\/disk cannot be started/)
    })
  )

  it.live("says when there is no place for the socket of a machine", () =>
    Effect.gen(function* () {
      const before = process.env["TMPDIR"]
      yield* Effect.acquireRelease(
        Effect.sync(() => void (process.env["TMPDIR"] = "/no/such/folder")),
        () =>
          Effect.sync(() => (before === undefined ? delete process.env["TMPDIR"] : (process.env["TMPDIR"] = before)))
      )
      const { start } = yield* driver()
      const { path } = disk("no-socket", "", Machines.deeds.off)
      const { message } = yield* Effect.flip(start(vm({ disks: [{ path, format: "raw" }] }).run))
      assert.match(message, /^qemu-system-x86_64 cannot be started: there is no place for its socket \(ENOENT/)
    })
  )

  it.live("clears away what nodes have left that are gone, and nothing of others", () =>
    Effect.gen(function* () {
      const [gone, other] = [join(tmpdir(), "novacron-vms-4194305-x"), join(tmpdir(), `novacron-vms-${process.ppid}-y`)]
      for (const path of [gone, other]) mkdirSync(path)
      writeFileSync(join(gone, "socket"), "")
      // Before it runs any: a node that never does clears away too.
      yield* driver()
      const names = readdirSync(tmpdir())
      assert.notInclude(names, "novacron-vms-4194305-x")
      assert.include(names, `novacron-vms-${process.ppid}-y`)
      rmSync(other, { recursive: true })
    })
  )
})

describe("A node without QEMU", () => {
  it.live("has no label for machines, says so, and starts none", () =>
    Effect.gen(function* () {
      const { labels, limits, start } = yield* driver({ vm: { program: "/no/such/qemu" } })
      assert.deepStrictEqual(labels, {})
      assert.match(limits, /no virtual machines here/)
      const { message } = yield* Effect.flip(start(vm({ kernel: "/a/kernel" }).run))
      assert.match(message, /not installed on this node/)
    })
  )
})
