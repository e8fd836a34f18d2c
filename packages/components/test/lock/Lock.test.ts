import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option, Scope } from "effect"
import * as Holder from "../../src/lock/Holder.ts"
import * as Lock from "../../src/lock/Lock.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-lock-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const file = "novacron.lock"
const take = (path: string) => Lock.acquire(path, file)
const holderIn = (path: string) => Option.getOrThrow(Holder.parse(readFileSync(join(path, file), "utf8")))

/** A real process that tries to take the lock; `said` is its first line. */
const child = (path: string, ending: "stop" | "exit" = "stop") =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly pid: number
      readonly said: string
      readonly end: (how: "kill" | "input") => Promise<void>
    }>((resume) => {
      const process_ = spawn(process.execPath, [join(import.meta.dirname, "child.ts"), path, ending], {
        stdio: ["pipe", "pipe", "inherit"]
      })
      const closed = new Promise<void>((done) => process_.once("close", () => done()))
      const end = (how: "kill" | "input") => {
        if (how === "kill") process_.kill("SIGKILL")
        else process_.stdin.end()
        return closed
      }
      let text = ""
      process_.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString()
        if (!text.includes("\n")) return
        resume(Effect.succeed({ pid: process_.pid ?? 0, said: text.split("\n")[0] ?? "", end }))
      })
    }),
    ({ end }) => Effect.promise(() => end("kill"))
  )

describe("Lock", () => {
  it.live("is a file for this user alone that names the process, and is gone when the scope is closed", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "made/for/it")
      const scope = yield* Scope.make()
      const lock = yield* Scope.provide(take(path), scope)
      const stat = statSync(lock.path)
      assert.strictEqual(stat.mode & 0o777, 0o600)
      assert.strictEqual(statSync(path).mode & 0o777, 0o700)
      assert.strictEqual(holderIn(path).pid, process.pid)
      assert.notStrictEqual(lock.holder.bootId, "")
      assert.match(lock.holder.startTicks, /^\d+$/)
      assert.isTrue(Option.isNone(lock.takenOverFrom))
      yield* lock.check
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(readdirSync(path), [])
    }).pipe(Effect.scoped)
  )

  it.live(
    "refuses a second node, and says who holds it since when",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const first = yield* child(path)
        assert.strictEqual(first.said, "held")
        const error = yield* Effect.flip(take(path))
        assert.instanceOf(error, Lock.LockHeld)
        const { since } = holderIn(path)
        assert.include(error.message, `held by pid ${first.pid} since ${since}`)
        assert.strictEqual(error.exitCode, 73)
        assert.deepStrictEqual(readdirSync(path), [file])
        yield* Effect.promise(() => first.end("input"))
        yield* take(path)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "is taken over from a process that was killed, and says so",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const first = yield* child(path)
        yield* Effect.promise(() => first.end("kill"))
        assert.strictEqual(holderIn(path).pid, first.pid)
        const lock = yield* take(path)
        assert.strictEqual(Option.getOrThrow(lock.takenOverFrom).pid, first.pid)
        assert.strictEqual(holderIn(path).pid, process.pid)
        assert.deepStrictEqual(readdirSync(path), [file])
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "is taken over from a process that ended without giving it back",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const first = yield* child(path, "exit")
        yield* Effect.promise(() => first.end("input"))
        const lock = yield* take(path)
        assert.strictEqual(Option.getOrThrow(lock.takenOverFrom).pid, first.pid)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("does not count a recycled process number", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const other = yield* Effect.scoped(take(path))
      // A lock of process 1, which runs, but began at another tick.
      writeFileSync(join(path, file), Holder.format({ ...other.holder, pid: 1, startTicks: "123456789", nonce: "old" }))
      const lock = yield* take(path)
      assert.strictEqual(Option.getOrThrow(lock.takenOverFrom).pid, 1)
    }).pipe(Effect.scoped)
  )

  it.live(
    "is won by exactly one of many processes that find it free",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const children = yield* Effect.all(
          Array.from({ length: 4 }, () => child(path)),
          { concurrency: "unbounded" }
        )
        const said = children.map((one) => one.said)
        assert.strictEqual(said.filter((line) => line === "held").length, 1, said.join("\n"))
        assert.strictEqual(said.filter((line) => line.includes("held by pid")).length, 3, said.join("\n"))
        assert.deepStrictEqual(readdirSync(path), [file])
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "is won by exactly one of many that find it left behind, in one process and in several",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const first = yield* child(path)
        yield* Effect.promise(() => first.end("kill"))
        const children = yield* Effect.all(
          Array.from({ length: 4 }, () => child(path)),
          { concurrency: "unbounded" }
        )
        const said = children.map((one) => one.said)
        assert.strictEqual(said.filter((line) => line === `took ${first.pid}`).length, 1, said.join("\n"))
        assert.strictEqual(said.filter((line) => line.includes("held by pid")).length, 3, said.join("\n"))

        // And a crowd that interleaves at every await.
        for (let round = 0; round < 30; round++) {
          const crowded = yield* directory
          const dead = { ...holderIn(path), pid: 999_999_999, startTicks: "1", nonce: `dead${round}` }
          writeFileSync(join(crowded, file), Holder.format(dead))
          const scope = yield* Scope.make()
          const attempts = Array.from({ length: 6 }, () => Effect.exit(Scope.provide(take(crowded), scope)))
          const exits = yield* Effect.all(attempts, { concurrency: "unbounded" })
          assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
          for (const exit of exits) if (Exit.isFailure(exit)) assert.instanceOf(Cause.squash(exit.cause), Lock.LockHeld)
          assert.deepStrictEqual(readdirSync(crowded), [file])
          yield* Scope.close(scope, Exit.void)
        }
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "stays with who has taken it over, when another one had judged the dead one before that and acts after it",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const at = join(path, file)
        const { holder } = yield* Effect.scoped(take(path))
        writeFileSync(at, Holder.format({ ...holder, pid: 999_999_999, nonce: "dead" }))
        const late = { ...holder, nonce: "late" }
        const judged = Option.getOrThrow(yield* Lock.lineage(at, late))
        const winner = yield* take(path)
        writeFileSync(`${at}.own`, Holder.format(late))
        const error = yield* Effect.flip(Lock.seize(at, `${at}.own`, late, judged))
        assert.instanceOf(error, Lock.LockHeld)
        assert.strictEqual(holderIn(path).nonce, winner.holder.nonce)
        assert.deepStrictEqual(readdirSync(path).toSorted(), [file, `${file}.own`])

        // The same when the winner has given it back meanwhile: nobody is there to be replaced.
        writeFileSync(at, Holder.format({ ...holder, pid: 999_999_999, nonce: "other" }))
        assert.isFalse(yield* Lock.seize(at, `${at}.own`, late, judged))
        assert.strictEqual(holderIn(path).nonce, "other")
      }).pipe(Effect.scoped)
  )

  it.live("goes on from a process that was killed in the middle of taking over", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const { holder } = yield* Effect.scoped(take(path))
      const dead = (nonce: string) => Holder.format({ ...holder, pid: 999_999_999, nonce })
      writeFileSync(join(path, file), dead("one"))
      writeFileSync(join(path, `${file}.after-one`), dead("two"))
      writeFileSync(join(path, `${file}.after-two`), dead("three"))
      const lock = yield* take(path)
      assert.strictEqual(Option.getOrThrow(lock.takenOverFrom).nonce, "one")
      assert.deepStrictEqual(readdirSync(path), [file])
      yield* lock.check
    }).pipe(Effect.scoped)
  )

  it.live("takes the place of a file that nobody can read, and of an empty one", () =>
    Effect.gen(function* () {
      for (const text of ["", "not a lock", `{"version":1,"pid":`]) {
        const path = yield* directory
        writeFileSync(join(path, file), text)
        const lock = yield* take(path)
        yield* lock.check
      }
    }).pipe(Effect.scoped)
  )

  it.live("notices that its file was removed or replaced, and leaves the other one alone", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const scope = yield* Scope.make()
      const lock = yield* Scope.provide(take(path), scope)
      yield* lock.check
      writeFileSync(lock.path, Holder.format({ ...lock.holder, nonce: "another" }))
      assert.instanceOf(yield* Effect.flip(lock.check), Lock.LockLost)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(readdirSync(path), [file])
      rmSync(lock.path)
      assert.instanceOf(yield* Effect.flip(lock.check), Lock.LockLost)
    }).pipe(Effect.scoped)
  )

  it.live("says what failed when the place cannot be written to", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "a-file")
      writeFileSync(path, "")
      const error = yield* Effect.flip(take(path))
      assert.instanceOf(error, Lock.LockUnusable)
      assert.include(error.message, "making the directory failed")
      assert.strictEqual(error.exitCode, 73)
    }).pipe(Effect.scoped)
  )
})
