import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import { TestClock } from "effect/testing"
import * as AuditLog from "../../src/security/AuditLog.ts"
import type { AuditEntry } from "../../src/security/Security.ts"
import { folder, platform } from "./fixtures/place.ts"

const entry = (action: string, rest: Partial<AuditEntry> = {}): AuditEntry => ({ action, success: true, ...rest })

/** A log with three entries, closed, and its path. */
const written = Effect.gen(function* () {
  const path = `${yield* folder}/audit.jsonl`
  yield* Effect.scoped(
    Effect.gen(function* () {
      const log = yield* AuditLog.open(path)
      yield* log.append(entry("one", { principal: "alice" }))
      yield* log.append(entry("two", { principal: "bob", subject: "cache", success: false }))
      yield* log.append(entry("three"))
    })
  )
  return path
})

const linesOf = Effect.fnUntraced(function* (path: string) {
  const fileSystem = yield* FileSystem.FileSystem
  return (yield* fileSystem.readFileString(path)).trimEnd().split("\n")
})

const rewrite = Effect.fnUntraced(function* (path: string, lines: ReadonlyArray<string>) {
  const fileSystem = yield* FileSystem.FileSystem
  yield* fileSystem.writeFileString(path, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 })
})

describe("an audit log", () => {
  it.effect("holds what was appended, in order, for nobody else to read", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      yield* TestClock.adjust("1 hour")
      const path = yield* written
      const lines = (yield* linesOf(path)).map((line): AuditLog.Line => JSON.parse(line))
      assert.deepStrictEqual(
        lines.map(({ seq, at, action, principal, subject, success }) => [seq, at, action, principal, subject, success]),
        [
          [1, "1970-01-01T01:00:00.000Z", "one", "alice", undefined, true],
          [2, "1970-01-01T01:00:00.000Z", "two", "bob", "cache", false],
          [3, "1970-01-01T01:00:00.000Z", "three", undefined, undefined, true]
        ]
      )
      assert.strictEqual((yield* fileSystem.stat(path)).mode & 0o777, 0o600)
      assert.strictEqual(yield* AuditLog.verify(path), 3)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("is continued by the next process", () =>
    Effect.gen(function* () {
      const path = yield* written
      const log = yield* AuditLog.open(path)
      yield* log.append(entry("four"))
      assert.strictEqual(yield* log.verify, 4)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("is continued where it ends, however long it is", () =>
    Effect.gen(function* () {
      const path = `${yield* folder}/audit.jsonl`
      const append = (count: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const log = yield* AuditLog.open(path)
            for (let i = 0; i < count; i++) yield* log.append(entry("something", { subject: "ü".repeat(i) }))
          })
        )
      yield* append(300)
      yield* append(3)
      assert.strictEqual(yield* AuditLog.verify(path), 303)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("keeps the order of entries that come at the same time", () =>
    Effect.gen(function* () {
      const log = yield* AuditLog.open(`${yield* folder}/audit.jsonl`)
      yield* Effect.forEach(Array.from({ length: 50 }), (_, i) => log.append(entry(`${i}`)), { concurrency: 10 })
      assert.strictEqual(yield* log.verify, 50)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("cuts what whoever tries to get in makes too long, and no line of his becomes two", () =>
    Effect.gen(function* () {
      const path = `${yield* folder}/audit.jsonl`
      const log = yield* AuditLog.open(path)
      yield* log.append(entry("auth.failed", { principal: "x".repeat(100_000), subject: `\n{"seq":1}\n` }))
      const lines = yield* linesOf(path)
      assert.lengthOf(lines, 1)
      assert.isBelow(lines[0]!.length, 1000)
      assert.strictEqual(yield* log.verify, 1)
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("that was cut by a crash, anywhere in its last line, goes on and says so", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const path = yield* written
      const whole = yield* fileSystem.readFile(path)
      const lastLine = Buffer.from(whole).toString().trimEnd().split("\n").at(-1)!
      for (const cut of [1, 2, 50, lastLine.length]) {
        yield* fileSystem.writeFile(path, whole.subarray(0, whole.length - cut), { mode: 0o600 })
        yield* Effect.scoped(Effect.flatMap(AuditLog.open(path), (log) => log.append(entry("four"))))
        const actions = (yield* linesOf(path)).map((line) => `${JSON.parse(line).action}`)
        assert.deepStrictEqual(actions, ["one", "two", "audit.cut", "four"])
        assert.strictEqual(yield* AuditLog.verify(path), 4)
      }
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("notices each changed character, each missing line and each exchange", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const path = yield* written
      assert.strictEqual(yield* AuditLog.verify(path), 3)
      const [one, two, three] = (yield* linesOf(path)) as [string, string, string] // three entries were written
      for (const lines of [
        [two, three],
        [one, three],
        [two, one, three],
        [one, one, two, three]
      ]) {
        yield* rewrite(path, lines)
        assert.strictEqual((yield* Effect.flip(AuditLog.verify(path))).code, "NVC-2010")
      }
      // A field more, and the same fields in another order.
      yield* rewrite(path, [one, two.replace("{", `{"by":"nobody",`), three])
      assert.include((yield* Effect.flip(AuditLog.verify(path))).message, "line 2")
      // A line that was written anew, with a hash that fits: the next one tells.
      const { hash: _hash, ...forged }: AuditLog.Line = { ...JSON.parse(two), principal: "eve" }
      const hash = createHash("sha256").update(JSON.stringify(forged)).digest("hex")
      yield* rewrite(path, [one, JSON.stringify({ ...forged, hash }), three])
      assert.include((yield* Effect.flip(AuditLog.verify(path))).message, "line 3")
      yield* rewrite(path, [one, two, three])
      const text = yield* fileSystem.readFileString(path)
      const check = (at: number, character: string) =>
        Effect.gen(function* () {
          if (text[at] === character || text[at] === "\n") return
          yield* fileSystem.writeFileString(path, text.slice(0, at) + character + text.slice(at + 1), { mode: 0o600 })
          assert.strictEqual((yield* Effect.flip(AuditLog.verify(path)))._tag, "AuditLogBroken", `${at}`)
        })
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.nat(text.length - 2), fc.constantFrom("0", "a", "}", `"`, " "), (at, character) =>
            Effect.runPromise(check(at, character).pipe(Effect.provideService(FileSystem.FileSystem, fileSystem)))
          )
        )
      )
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.effect("of which the last line was changed is not continued, nor is one that others can read", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const path = yield* written
      const lines = yield* linesOf(path)
      yield* fileSystem.chmod(path, 0o640)
      assert.strictEqual((yield* Effect.flip(AuditLog.open(path)))._tag, "KeyMaterialExposed")
      yield* fileSystem.chmod(path, 0o600)
      yield* rewrite(path, lines.with(2, lines[2]!.replace("three", "free")))
      const error = yield* Effect.flip(AuditLog.open(path))
      assert.strictEqual(error._tag, "AuditLogBroken")
      assert.include(error.message, "line 3 is not what was written there")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )

  it.live("on a full disk says so", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const path = `${yield* folder}/audit.jsonl`
      yield* fileSystem.symlink("/dev/full", path)
      // A device is open to others: the file system says otherwise, as the file itself would.
      const closed: FileSystem.FileSystem = {
        ...fileSystem,
        open: (file, options) =>
          Effect.map(fileSystem.open(file, options), (handle) => ({
            [FileSystem.FileTypeId]: handle[FileSystem.FileTypeId],
            stat: Effect.map(handle.stat, (info) => ({ ...info, mode: 0o600 })),
            seek: (offset, from) => handle.seek(offset, from),
            sync: handle.sync,
            read: () => Effect.succeed(0),
            readAlloc: (size, options) => handle.readAlloc(size, options),
            truncate: (length) => handle.truncate(length),
            write: (buffer) => handle.write(buffer),
            writeAll: (buffer) => handle.writeAll(buffer)
          }))
      }
      const log = yield* Effect.provideService(AuditLog.open(path), FileSystem.FileSystem, closed)
      const error = yield* Effect.flip(log.append(entry("one")))
      assert.strictEqual(error.code, "NVC-2010")
      assert.include(error.message, "cannot be written")
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
})

describe("entries that others can cause", () => {
  it.effect("are written up to a limit each minute, and counted beyond it", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const append = AuditLog.limited(
        ({ action, subject }) => Effect.sync(() => void written.push(subject ?? action)),
        3
      )
      for (let i = 0; i < 1000; i++) yield* append(entry("a"))
      assert.deepStrictEqual(written, ["a", "a", "a"])
      yield* TestClock.adjust("1 minute")
      yield* append(entry("b"))
      assert.deepStrictEqual(written.slice(3), ["997 more failures within a minute", "b"])
      yield* TestClock.adjust("1 minute")
      yield* append(entry("c"))
      assert.deepStrictEqual(written.slice(5), ["c"])
    })
  )
})
