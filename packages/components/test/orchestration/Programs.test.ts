import { execFileSync, spawn } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import * as Embedded from "../../src/database/Embedded.ts"
import * as Slice from "../../src/database/Slice.ts"
import { Driver, type Run } from "../../src/orchestration/Driver.ts"
import * as Drivers from "../../src/orchestration/Drivers.ts"
import { type Encoded, settingsOf } from "./fixtures/nodes.ts"

const driver = (encoded: Encoded = {}) =>
  Effect.map(Layer.build(Drivers.layer(settingsOf(encoded), "node-1", process)), (all) => Context.get(all, Driver))

const run = (command: ReadonlyArray<string>, more: Partial<Run["submission"]> = {}) => {
  const printed = { stdout: "", stderr: "" }
  const skipped = { stdout: 0, stderr: 0 }
  const it: Run = {
    task: "a-task",
    attempt: 1,
    submission: { name: "a", run: { driver: "process", command }, ...more },
    print: (stream, bytes) => void (printed[stream] += Buffer.from(bytes).toString()),
    skip: (stream, count) => void (skipped[stream] += count)
  }
  return { printed, skipped, run: it }
}

const shell = (script: string, more: Partial<Run["submission"]> = {}) => run(["/bin/sh", "-c", script], more)

const processesWith = (word: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(word)
      } catch {
        return false // it has just ended
      }
    })
    .map(Number)

const processes = (word: string, until: (count: number) => boolean) =>
  Effect.repeat(
    Effect.sync(() => processesWith(word)),
    { schedule: Schedule.spaced("20 millis"), until: ({ length }) => until(length) }
  )

const parentOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1])

describe("Programs", () => {
  // Any other node runs its tasks as itself, and says so.
  it.live.skipIf(process.getuid?.() !== 0)(
    "cannot stop the embedded database of their node, nor look into it, though they can see it",
    () =>
      Effect.gen(function* () {
        const root = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-test-programs-"))),
          (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
        )
        const slice = Slice.make(Duration.seconds(12))
        yield* Embedded.make({ directory: join(root, "postgresql"), connections: 20, slice })
        const pid = Number.parseInt(readFileSync(join(root, "postgresql", "data", "postmaster.pid"), "utf8"), 10)
        const { start } = yield* driver()
        const { printed, run } = shell(
          `cat /proc/${pid}/comm; for way in 'ls /proc/${pid}/cwd/' 'cat /proc/${pid}/environ' 'kill -0 ${pid}'; do ` +
            'sh -c "$way" >/dev/null 2>&1 && echo "may: $way"; done'
        )
        yield* (yield* start(run)).ended
        assert.strictEqual(printed.stdout, "postgres\n")
      }),
    60_000
  )

  it.live.skipIf(process.getuid?.() !== 0)(
    "work in no directory that their user could not have entered, though the node could",
    () =>
      Effect.gen(function* () {
        const root = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-test-programs-"))),
          (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
        )
        const inside = join(root, "inside")
        mkdirSync(inside)
        writeFileSync(join(inside, "file"), "swordfish")
        const { start } = yield* driver()
        const reading = { driver: "process", command: ["/bin/cat", "file"], directory: inside } as const
        const attempt = (more: Partial<Run["submission"]>) => {
          const { printed, run } = shell("", more)
          return Effect.map(Effect.exit(Effect.flatMap(start(run), ({ ended }) => ended)), (exit) => ({
            exit,
            printed
          }))
        }
        const refused = yield* attempt({ run: reading })
        assert.strictEqual(refused.printed.stdout, "")
        assert.include(String(Exit.findErrorOption(refused.exit)), "may not run it, or not enter its directory")
        chmodSync(root, 0o711)
        const entered = yield* attempt({ run: reading })
        assert.strictEqual(entered.printed.stdout, "swordfish")
        const who = yield* attempt({ run: { driver: "process", command: ["/bin/sh", "-c", "id -u; pwd"] } })
        assert.strictEqual(who.printed.stdout, "65533\n/\n")
      })
  )

  it.live.skipIf(process.getuid?.() !== 0)("gain no rights by a set-uid program", () =>
    Effect.gen(function* () {
      const { limits, start } = yield* driver()
      assert.include(limits, "A set-uid program gives a task no rights.")
      const root = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-test-programs-"))),
        (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
      )
      const asRoot = join(root, "id")
      copyFileSync(realpathSync("/usr/bin/id"), asRoot)
      for (const path of [root, asRoot]) chmodSync(path, 0o4755)
      const whom = (uid: number) => execFileSync(asRoot, ["-u"], { encoding: "utf8", uid })
      assert.strictEqual(whom(65_533), "0\n") // what it would be without
      const { printed, run: it } = run([asRoot, "-u"])
      yield* (yield* start(it)).ended
      assert.strictEqual(printed.stdout, "65533\n")
    })
  )

  it.live("have open what they are given, and nothing that whoever started the node had", () =>
    Effect.gen(function* () {
      // Beyond those that Node itself closes for its children.
      const open = (fd: number) => `exec ${fd}</etc/hostname; exec "$@"`
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn("bash", ["-c", open(251), "bash", process.execPath, join(import.meta.dirname, "fixtures/open.ts")], {
            stdio: ["ignore", "pipe", "inherit"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const said = yield* Effect.promise(async () => {
        let text = ""
        for await (const chunk of child.stdout) text += String(chunk)
        return text
      })
      assert.match(said, /^node .*\b251\b/m)
      assert.match(said, /^task 0 1 2( \d)?$/m)
      assert.notMatch(said, /^task .*\b251\b/m)
    })
  )

  it.live("tells how a program ended, after all that it has printed", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const { printed, run } = shell("echo out; echo err >&2; exit 7")
      assert.deepStrictEqual(yield* (yield* start(run)).ended, { exitCode: 7, signal: null })
      assert.deepStrictEqual(printed, { stdout: "out\n", stderr: "err\n" })
      const killed = yield* (yield* start(shell("kill -9 $$").run)).ended
      assert.deepStrictEqual(killed, { exitCode: null, signal: "SIGKILL" })
    })
  )

  it.live("reads no shell's language: an argument is what it is", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const { printed, run: it } = run(["/bin/echo", "$(id)", "; ls", "ä b"])
      yield* (yield* start(it)).ended
      assert.strictEqual(printed.stdout, "$(id) ; ls ä b\n")
    })
  )

  it.live("says what cannot be started, and why", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const problem = (command: ReadonlyArray<string>, directory?: string) => {
        const submission = { name: "a", run: { driver: "process" as const, command, ...(directory && { directory }) } }
        return Effect.map(Effect.flip(start({ ...run(command).run, submission })), ({ message }) => message)
      }
      assert.match(yield* problem(["/no/such"]), /there is no such program/)
      assert.match(yield* problem(["/bin/true"], "/no/such"), /no such directory/)
      assert.match(yield* problem(["/etc/passwd"]), /may not run it/)
      assert.match(yield* problem([""]), /cannot be started/)
      assert.match(yield* problem(["/bin/true", "x".repeat(3_000_000)]), /too long/)
    })
  )

  it.live("asks first, and ends by force after the grace, a whole group", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const polite = yield* start(shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done").run)
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(yield* polite.stop(20_000), { exitCode: 0, signal: null })
      const deaf = yield* start(shell("trap '' TERM; sleep 4721.5 & sleep 4721.5 & while :; do sleep 4721.5; done").run)
      yield* processes("4721.5", (count) => count === 3)
      assert.deepStrictEqual(yield* deaf.stop(100), { exitCode: null, signal: "SIGKILL" })
      yield* processes("4721.5", (count) => count === 0)
    })
  )

  it.live("holds a task to the memory it asked for", () =>
    Effect.gen(function* () {
      const { limits, start } = yield* driver()
      const eater = ["/usr/bin/tail", "/dev/zero"] // keeps a line that never ends
      const { run: it } = run(eater, { demand: { cpu: 0, memory: 64 } })
      const ending = yield* (yield* start(it)).ended
      assert.notStrictEqual(ending.exitCode, 0, limits)
    })
  )

  it.live("lets forty programs print at once, and mixes up none of it", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const all = Array.from({ length: 40 }, (_, i) => ({
        i,
        ...shell(`head -c 100000 /dev/zero | tr '\\0' ${i % 10}`)
      }))
      yield* Effect.forEach(all, ({ run }) => Effect.flatMap(start(run), ({ ended }) => ended), {
        concurrency: "unbounded"
      })
      for (const { i, printed } of all) assert.isTrue(printed.stdout === String(i % 10).repeat(100_000))
    })
  )

  it.live("loses nothing of what programs print that end while the node is busy", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const all = Array.from({ length: 20 }, () => shell("head -c 100000 /dev/zero | tr '\\0' x"))
      const busy = Effect.sync(() => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700))
      yield* Effect.forkScoped(Effect.repeat(busy, { times: 8, schedule: Schedule.spaced("5 millis") }))
      yield* Effect.forEach(all, ({ run }) => Effect.flatMap(start(run), ({ ended }) => ended), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        all.map(({ printed }) => printed.stdout.length),
        all.map(() => 100_000)
      )
    })
  )

  it.live("hands on the latest of what is too much, and how much it has left out", () =>
    Effect.gen(function* () {
      const { start } = yield* driver({ process: { keep: "64 KiB" } })
      const script = "head -c 50000000 /dev/zero | tr '\\0' x; printf 'the end'; printf quiet >&2"
      const { printed, run, skipped } = shell(script)
      yield* (yield* start(run)).ended
      assert.isTrue(printed.stdout.endsWith("xthe end"))
      assert.strictEqual(printed.stdout.length + skipped.stdout, 50_000_007)
      assert.isAbove(skipped.stdout, 0)
      assert.deepStrictEqual([printed.stderr, skipped.stderr], ["quiet", 0])
    })
  )

  it.live("kills what it has started when somebody kills the process beside it, and goes on with another", () =>
    Effect.gen(function* () {
      const { start } = yield* driver()
      const running = yield* start(shell("sleep 4722.5; sleep 4722.5").run)
      yield* processes("4722.5", (count) => count > 0)
      // The shell of the task is a child of it, and `sleep` one of the shell.
      const [sleeper = 0] = processesWith("4722.5")
      const keeper = parentOf(parentOf(sleeper))
      assert.strictEqual(parentOf(keeper), process.pid)
      // It has been asked for another one, and does not come to it.
      process.kill(keeper, "SIGSTOP")
      const asked = yield* Effect.forkChild(start(shell("sleep 4722.5").run), { startImmediately: true })
      process.kill(keeper, "SIGKILL")
      const killed = { exitCode: null, signal: "SIGKILL", lost: "NoKeeper" as const }
      assert.deepStrictEqual(yield* running.ended, killed)
      assert.deepStrictEqual(yield* (yield* Fiber.join(asked)).ended, killed)
      yield* processes("4722.5", (count) => count === 0)
      const { printed, run } = shell("echo again")
      yield* (yield* start(run)).ended
      assert.strictEqual(printed.stdout, "again\n")
    })
  )

  it.live("says of a program that was killed because the lease was over that it was not its fault", () =>
    Effect.gen(function* () {
      const { start } = yield* driver({ heartbeat: "100ms", lease: "500ms", deadAfter: "1500ms" })
      const { run } = shell("sleep 4725.5")
      const lost = yield* (yield* start(run)).ended
      assert.deepStrictEqual(lost, { exitCode: null, signal: "SIGKILL", lost: "NoLease" })
    })
  )

  it.live("ends everything at once when it is told to, what was only asked for included", () =>
    Effect.gen(function* () {
      const { killAll, start } = yield* driver()
      const some = yield* Effect.forEach(
        Array.from({ length: 5 }),
        () => start(shell("trap '' TERM; sleep 4723.5").run),
        { concurrency: "unbounded" }
      )
      yield* killAll
      const endings = yield* Effect.forEach(some, ({ ended }) => ended)
      assert.isTrue(endings.every(({ signal }) => signal === "SIGKILL"))
      yield* processes("4723.5", (count) => count === 0)
    })
  )

  it.live("says so when no descriptor is left to start anything with, and does not end the node", () =>
    Effect.gen(function* () {
      const source = (file: string) => JSON.stringify(join(import.meta.dirname, "../../src/orchestration", file))
      const text = `
        import { openSync } from "node:fs"
        import { Context, Effect, Layer, Schema } from "effect"
        import { Driver } from ${source("Driver.ts")}
        import * as Drivers from ${source("Drivers.ts")}
        import { Settings } from ${source("Settings.ts")}
        const ignore = () => undefined
        const run = { task: "a", attempt: 1, print: ignore, skip: ignore }
        const said = Effect.gen(function* () {
          const all = yield* Layer.build(Drivers.layer(Schema.decodeSync(Settings)({}), "node-1", process))
          try { for (;;) openSync("/dev/null") } catch {}
          const submission = { name: "a", run: { driver: "process", command: ["/bin/true"] } }
          return yield* Effect.flip(Context.get(all, Driver).start({ ...run, submission }))
        })
        Effect.runPromise(Effect.scoped(said)).then(({ message }) => process.exit(/EMFILE/.test(message) ? 7 : 8))`
      const node = [process.execPath, "--input-type=module-typescript", "-e", text]
      const code = yield* Effect.callback<number | null>((resume) => {
        const args = ["-c", 'ulimit -n 64; exec "$@"', "sh", ...node]
        const starved = spawn("/bin/sh", args, { cwd: import.meta.dirname, stdio: "ignore" })
        starved.once("exit", (code) => resume(Effect.succeed(code)))
      })
      assert.strictEqual(code, 7)
    })
  )

  it.live("leaves nothing behind when it is closed", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Effect.scoped(
          Effect.gen(function* () {
            const { start } = yield* driver()
            yield* start(shell("sleep 4724.5").run)
            yield* processes("4724.5", (count) => count > 0)
          })
        )
      )
      assert.isTrue(Exit.isSuccess(exit))
      yield* processes("4724.5", (count) => count === 0)
    })
  )
})
