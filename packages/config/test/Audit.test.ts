import { createHash } from "node:crypto"
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Effect, Fiber, FileSystem } from "effect"
import { TestClock } from "effect/testing"
import { Audit } from "../src/index.ts"
import { write, layer as world } from "./fixtures/shop.ts"

const entry = (n: number): Audit.Entry => ({
  user: "root",
  action: n % 2 === 0 ? "load" : "modify",
  source: "file",
  success: n !== 3,
  changedKeys: [`key_${n}`],
  ...(n === 3 ? { version: "0123456789abcdef" } : {})
})

/** A log of five lines. */
const logged = Effect.gen(function* () {
  const path = yield* write("audit.jsonl", "")
  const audit = yield* Audit.make(path)
  const lines = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => audit.append(entry(n)))
  return { path, audit, lines }
})

/** What `verify` finds after somebody was at the file. */
const after = (edit: (lines: ReadonlyArray<string>) => ReadonlyArray<string>, expected?: Audit.Head) =>
  Effect.gen(function* () {
    const { path } = yield* logged
    const files = yield* FileSystem.FileSystem
    const lines = (yield* files.readFileString(path)).trimEnd().split("\n")
    assert.strictEqual((yield* Audit.verify(path)).sequence, 5)
    yield* files.writeFileString(
      path,
      edit(lines)
        .map((line) => `${line}\n`)
        .join("")
    )
    const broken = yield* Effect.flip(Audit.verify(path, expected))
    return broken._tag === "AuditBroken" ? `${broken.line} ${broken.reason}` : broken._tag
  }).pipe(Effect.scoped)

const moved = (line: string, from: RegExp, to: string) => {
  assert.match(line, from)
  return line.replace(from, to)
}

layer(world)("the audit log", (it) => {
  it.effect("has a line for each entry: when, who, what, from where, whether it worked, which keys", () =>
    Effect.gen(function* () {
      const { lines, path } = yield* logged
      const files = yield* FileSystem.FileSystem
      const text = yield* files.readFileString(path)
      assert.deepStrictEqual(
        text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
        lines
      )
      assert.deepInclude(lines[2], { ...entry(3), sequence: 3, timestamp: "1970-01-01T00:00:00.000Z" })
      const head = { sequence: 5, hash: lines[4]?.hash ?? "" }
      assert.deepStrictEqual(yield* Audit.verify(path), head)
      assert.deepStrictEqual(yield* Audit.verify(path, head), head)
    }).pipe(Effect.scoped)
  )

  it.effect("belongs to its owner alone, also when the file was there before", () =>
    Effect.gen(function* () {
      const path = yield* write("audit.jsonl", "", 0o666)
      const files = yield* FileSystem.FileSystem
      yield* Audit.make(path)
      assert.strictEqual((yield* files.stat(path)).mode & 0o777, 0o600)
      yield* Audit.make(`${path}.new`)
      assert.strictEqual((yield* files.stat(`${path}.new`)).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.effect("goes on where it ended, also when many write at once", () =>
    Effect.gen(function* () {
      const { audit, path } = yield* logged
      const second = yield* Audit.make(path)
      yield* second.append(entry(6))
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (n) => audit.append(entry(n)),
        { concurrency: 20 }
      )
      assert.strictEqual((yield* Audit.verify(path)).sequence, 26)
    }).pipe(Effect.scoped)
  )

  it.effect("takes a lock over that a crash has left behind, after five seconds", () =>
    Effect.gen(function* () {
      const { audit, path } = yield* logged
      const files = yield* FileSystem.FileSystem
      yield* files.writeFileString(`${path}.lock`, "")
      const waiting = yield* Effect.forkChild(audit.append(entry(6)))
      // The disk is real and the clock is not: time goes on whenever the lock was found taken once more.
      while (waiting.pollUnsafe() === undefined) {
        yield* TestClock.adjust("20 millis")
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      assert.strictEqual((yield* Fiber.join(waiting)).sequence, 6)
      assert.isAtLeast(yield* Clock.currentTimeMillis, 5000)
      assert.isFalse(yield* files.exists(`${path}.lock`))
      assert.strictEqual((yield* Audit.verify(path)).sequence, 6)
    }).pipe(Effect.scoped)
  )

  it.effect("goes on after a line that a crash has torn, and says that there is one", () =>
    Effect.gen(function* () {
      const { audit, path } = yield* logged
      const files = yield* FileSystem.FileSystem
      const text = yield* files.readFileString(path)
      yield* files.writeFileString(path, text.slice(0, -20))
      assert.include(yield* Effect.flip(Audit.verify(path)), { line: 5, reason: "is not whole" })
      assert.strictEqual((yield* audit.append(entry(6))).sequence, 5)
      assert.include(yield* Effect.flip(Audit.verify(path)), { line: 5, reason: "is not an entry" })
    }).pipe(Effect.scoped)
  )

  describe("shows", () => {
    const edits: ReadonlyArray<readonly [string, RegExp, string]> = [
      ["who it was", /"user":"root"/, '"user":"toor"'],
      ["what was done", /"action":"modify"/, '"action":"load"'],
      ["whether it worked", /"success":false/, '"success":true'],
      ["which version it was", /"version":"0/, '"version":"1'],
      ["which keys changed", /"key_3"/, '"key_4"'],
      ["when it was", /1970-/, "1971-"],
      ["the hash", /"hash":"./, '"hash":"x'],
      ["what came before", /"previous":"./, '"previous":"x'],
      ["its number", /"sequence":3/, '"sequence":4'],
      ["spaces", /,"user"/, ', "user"'],
      ["more than there was", /,"user"/, ',"more":1,"user"']
    ]
    for (const [what, from, to] of edits) {
      it.effect(`that somebody changed ${what}`, () =>
        Effect.gen(function* () {
          const found = yield* after((lines) => lines.map((line, i) => (i === 2 ? moved(line, from, to) : line)))
          assert.strictEqual(found, "3 was changed")
        })
      )
    }

    it.effect("that a line is gone, twice there, or elsewhere", () =>
      Effect.gen(function* () {
        const follow = "does not follow the one before it"
        assert.strictEqual(yield* after((lines) => lines.toSpliced(1, 1)), `2 ${follow}`)
        assert.strictEqual(yield* after((lines) => lines.slice(1)), `1 ${follow}`)
        assert.strictEqual(yield* after((lines) => lines.toSpliced(1, 0, lines[1] ?? "")), `3 ${follow}`)
        assert.strictEqual(yield* after(([a = "", b = "", ...rest]) => [b, a, ...rest]), `1 ${follow}`)
        assert.strictEqual(
          yield* after(([a = "", b = "", c = "", d = "", ...rest]) => [a, b, d, c, ...rest]),
          `3 ${follow}`
        )
      })
    )

    it.effect("that somebody changed a line and its hash with it", () =>
      Effect.gen(function* () {
        const forge = (line: string) => {
          const { hash, ...facts } = JSON.parse(line.replace('"user":"root"', '"user":"toor"'))
          const forged = createHash("sha256").update(JSON.stringify(facts)).digest("hex")
          assert.notStrictEqual(forged, hash)
          return JSON.stringify({ ...facts, hash: forged })
        }
        const found = yield* after((lines) => lines.map((line, i) => (i === 2 ? forge(line) : line)))
        assert.strictEqual(found, "4 does not follow the one before it")
      })
    )

    it.effect("that lines are gone at the end, to whoever kept the head", () =>
      Effect.gen(function* () {
        const { lines, path } = yield* logged
        const head = { sequence: 5, hash: lines[4]?.hash ?? "" }
        const files = yield* FileSystem.FileSystem
        const text = yield* files.readFileString(path)
        yield* files.writeFileString(path, text.split("\n").slice(0, 3).join("\n").concat("\n"))
        assert.strictEqual((yield* Audit.verify(path)).sequence, 3)
        assert.include(yield* Effect.flip(Audit.verify(path, head)), { line: 4, reason: "is gone" })
      }).pipe(Effect.scoped)
    )

    it.effect("that all of it was written anew, to whoever kept the head", () =>
      Effect.gen(function* () {
        const { lines } = yield* logged
        const { path } = yield* Effect.gen(function* () {
          const path = yield* write("audit.jsonl", "")
          const audit = yield* Audit.make(path)
          yield* Effect.forEach([1, 2, 4, 4, 5], (n) => audit.append(entry(n)))
          return { path }
        })
        assert.strictEqual((yield* Audit.verify(path)).sequence, 5)
        const head = { sequence: 5, hash: lines[4]?.hash ?? "" }
        assert.include(yield* Effect.flip(Audit.verify(path, head)), {
          line: 5,
          reason: "was replaced",
          code: "NVC-1031"
        })
      }).pipe(Effect.scoped)
    )
  })
})

describe("the audit log", () => {
  it.live("stays whole when several processes append to it at once", () =>
    Effect.gen(function* () {
      const path = yield* write("audit.jsonl", "")
      // Each has a queue of its own, as in processes of their own: only the lock is between them.
      const logs = yield* Effect.forEach([1, 2, 3], () => Audit.make(path))
      const entries = logs.flatMap((log) => Array.from({ length: 10 }, (_, n) => log.append(entry(n))))
      yield* Effect.all(entries, { concurrency: "unbounded" })
      assert.strictEqual((yield* Audit.verify(path)).sequence, 30)
    }).pipe(Effect.scoped, Effect.provide(world))
  )
})
