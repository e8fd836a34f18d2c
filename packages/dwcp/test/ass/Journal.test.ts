import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Journal from "../../src/ass/Journal.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const texts = (journal: Journal.Journal): ReadonlyArray<string> =>
  journal.records.map((it) => new TextDecoder().decode(it))

const within = (body: (directory: string, path: string) => Effect.Effect<void, unknown>) =>
  Effect.suspend(() => {
    const directory = mkdtempSync(join(tmpdir(), "novacron-test-journal-"))
    return Effect.ensuring(
      body(directory, join(directory, "state.journal")),
      Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    )
  })

const using = <A, E>(directory: string, use: (journal: Journal.Journal) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(Journal.make(directory), use))

const kept = (directory: string) => using(directory, (journal) => Effect.succeed(texts(journal)))

describe("a journal", () => {
  it.live("has all that was appended, in order, and for its owner only", () =>
    within((directory, path) =>
      Effect.gen(function* () {
        yield* using(directory, (it) => Effect.andThen(it.append(bytes("one")), it.append(bytes(""))))
        yield* using(directory, (it) => it.append(bytes("three")))
        assert.deepStrictEqual(yield* kept(directory), ["one", "", "three"])
        assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      })
    )
  )

  it.live("has a snapshot in the place of what was before, and goes on after it", () =>
    within((directory) =>
      Effect.gen(function* () {
        yield* using(directory, (it) =>
          Effect.all([it.append(bytes("one")), it.replace(bytes("snapshot")), it.append(bytes("two"))])
        )
        assert.deepStrictEqual(yield* kept(directory), ["snapshot", "two"])
      })
    )
  )

  it.live("drops a record that a crash cut off, wherever it did, and keeps all before it", () =>
    within((directory, path) =>
      Effect.gen(function* () {
        yield* using(directory, (it) => it.append(bytes("one")))
        const whole = statSync(path).size
        yield* using(directory, (it) => it.append(bytes("two")))
        const all = readFileSync(path)
        for (let end = whole; end < all.length; end++) {
          writeFileSync(path, all.subarray(0, end))
          assert.deepStrictEqual(yield* kept(directory), ["one"])
        }
        // What is written then stands where the piece was.
        writeFileSync(path, all.subarray(0, whole + 5))
        yield* using(directory, (it) => it.append(bytes("again")))
        assert.deepStrictEqual(yield* kept(directory), ["one", "again"])
        truncateSync(path, 2)
        assert.deepStrictEqual(yield* kept(directory), [])
      })
    )
  )

  it.live("ends where a record was changed", () =>
    within((directory, path) =>
      Effect.gen(function* () {
        yield* using(directory, (it) => Effect.andThen(it.append(bytes("one")), it.append(bytes("two"))))
        const all = readFileSync(path)
        all[all.length - 1] = 0
        writeFileSync(path, all)
        assert.deepStrictEqual(yield* kept(directory), ["one"])
      })
    )
  )

  it.live("of a newer version, or of somebody else, is left as it is", () =>
    within((directory, path) =>
      Effect.gen(function* () {
        for (const [content, tag] of [
          ["NVJ\u0009 a newer one", "NewerDocument"],
          ["a letter to my aunt", "DocumentDamaged"]
        ] as const) {
          writeFileSync(path, "")
          appendFileSync(path, content)
          assert.strictEqual((yield* Effect.flip(kept(directory)))._tag, tag)
          assert.strictEqual(readFileSync(path, "utf8"), content)
        }
      })
    )
  )

  it.live("says so when it cannot write", () =>
    within((directory) =>
      Effect.gen(function* () {
        const file = join(directory, "a-file")
        writeFileSync(file, "")
        assert.strictEqual((yield* Effect.flip(kept(file)))._tag, "StoreUnreachable")
      })
    )
  )
})
