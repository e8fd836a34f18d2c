import { execFileSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as Sink from "../../src/logger/Sink.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-log-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const queue = (capacity = 1_000): Sink.QueueOptions => ({ capacity, notice: (n) => `(${n} dropped)` })
const linesOf = (path: string) => readFileSync(path, "utf8").split("\n").slice(0, -1)
const options = (path: string, more: Partial<Sink.FileOptions> = {}): Sink.FileOptions => ({
  path,
  maxBytes: 1_000_000,
  maxFiles: 3,
  queue: queue(),
  ...more
})

describe("a sink", () => {
  it.live("writes lines in order to a file of this user alone, and all of them before its scope is closed", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "node.log")
      const scope = yield* Scope.make()
      const sink = yield* Scope.provide(Sink.file(options(path)), scope)
      const lines = Array.from({ length: 900 }, (_, i) => `line ${i} ✓`)
      for (const line of lines) assert.isTrue(sink.write(line))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(linesOf(path), lines)
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.strictEqual(sink.dropped(), 0)
    }).pipe(Effect.scoped)
  )

  it.live("goes on in a file that is there, and takes it away from others", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "node.log")
      writeFileSync(path, "before\n")
      chmodSync(path, 0o644)
      yield* Effect.scoped(Effect.map(Sink.file(options(path)), (sink) => sink.write("after")))
      assert.deepStrictEqual(linesOf(path), ["before", "after"])
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.live("puts a file aside when it has grown, keeps as many as it may, and loses no line of those", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "node.log")
      const sink = yield* Sink.file(options(path, { maxBytes: 100 }))
      for (let i = 0; i < 12; i++) {
        sink.write(`${i}`.padStart(39, "."))
        yield* sink.flush
      }
      const all = [2, 1, 0].map((n) => (n === 0 ? path : `${path}.${n}`))
      assert.deepStrictEqual(
        all.flatMap(linesOf).map((line) => Number(line.replaceAll(".", ""))),
        [6, 7, 8, 9, 10, 11]
      )
      assert.isFalse(existsSync(`${path}.3`))
      for (const one of all) assert.strictEqual(statSync(one).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.live("drops what does not fit, counts it, and says so with the next line that fits", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "node.log")
      const sink = yield* Sink.file(options(path, { queue: queue(3) }))
      const taken = [1, 2, 3, 4, 5].map((n) => sink.write(`${n}`))
      assert.deepStrictEqual(taken, [true, true, true, false, false])
      yield* sink.flush
      sink.write("6")
      yield* sink.flush
      assert.strictEqual(sink.dropped(), 2)
      assert.sameOrderedMembers(linesOf(path), ["(2 dropped)", "1", "2", "3", "6"])
    }).pipe(Effect.scoped)
  )

  it.live("survives a disk without room, and says how many lines were lost once there is room again", () =>
    Effect.gen(function* () {
      // Whatever is written to /dev/full fails with ENOSPC, for real.
      const full = openSync("/dev/full", "w")
      const sink = yield* Sink.stream(full, queue())
      sink.write("lost")
      sink.write("lost too")
      yield* sink.flush
      assert.strictEqual(sink.dropped(), 2)
      closeSync(full)
    }).pipe(Effect.scoped)
  )

  it.live("says that a file cannot be opened", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "missing/node.log")
      const error = yield* Effect.flip(Effect.scoped(Sink.file(options(path))))
      assert.instanceOf(error, Sink.LogFileUnusable)
      assert.include(error.message, path)
    }).pipe(Effect.scoped)
  )

  it("writes what waits when a process exits without an end, through a pipe that is slow to be read", () => {
    const script = `
      import { Effect, Scope } from "effect"
      import * as Sink from ${JSON.stringify(join(import.meta.dirname, "../../src/logger/Sink.ts"))}
      const opened = Sink.stream(1, { capacity: 1e6, notice: String })
      const sink = await Effect.runPromise(Scope.provide(opened, Scope.makeUnsafe()))
      process.on("exit", sink.flushNow)
      for (let i = 0; i < 20000; i++) sink.write("line " + i)
      process.exit(3)
    `
    const shell = `"$0" --input-type=module -e "$1" | (sleep 0.2; cat)`
    const text = execFileSync("sh", ["-c", shell, process.execPath, script], {
      encoding: "utf8",
      cwd: import.meta.dirname
    })
    assert.strictEqual(text.split("\n").length - 1, 20_000)
    assert.isTrue(text.endsWith("line 19999\n"))
  })
})
