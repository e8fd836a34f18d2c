import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it as plain } from "vitest"
import { it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import * as Migration from "../../src/database/Migration.ts"
import { Postgres } from "./Postgres.ts"
import { connected, placeOf } from "./Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const list: ReadonlyArray<Migration.Migration> = [
  { id: 1, name: "people", sql: ["CREATE TABLE people (id integer PRIMARY KEY, name text)"] },
  { id: 2, name: "names", sql: ["CREATE INDEX people_name ON people (name)", "INSERT INTO people VALUES (1, 'Ada')"] },
  { id: 5, name: "ages", effect: (sql) => sql`ALTER TABLE people ADD age integer`, revision: "1" },
  {
    id: 6,
    name: "quick ages",
    deferred: true,
    outsideTransaction: true,
    sql: ["DROP INDEX CONCURRENTLY IF EXISTS people_age", "CREATE INDEX CONCURRENTLY people_age ON people (age)"]
  }
]

const options = (migrations = list, change: Partial<Migration.Options> = {}): Migration.Options => ({
  migrations,
  enabled: true,
  lockTimeoutMs: 10_000,
  place: placeOf(server.url()),
  ...change
})

let count = 0
/** A database for one test. */
const fresh = Effect.suspend(() => {
  const name = `test_${++count}`
  return Effect.as(
    connected(server.url(), (sql) => sql.unsafe(`CREATE DATABASE ${name}`)),
    server.url({ database: name })
  )
})

const apply = (url: string, it = options()) => connected(url, (sql) => Migration.apply(sql, it))
const applyDeferred = (url: string, it = options()) => connected(url, (sql) => Migration.applyDeferred(sql, it))
const ledger = (url: string) =>
  connected(url, (sql) => sql<{ id: number }>`SELECT id FROM novacron_migrations ORDER BY id`).pipe(
    Effect.map((rows) => rows.map(({ id }) => id))
  )
const exists = (url: string, name: string) =>
  Effect.map(
    connected(url, (sql) => sql<{ it: boolean }>`SELECT to_regclass(${name}) IS NOT NULL AS it`),
    ([row]) => row?.it === true
  )

describe("migrations", () => {
  it.live("bring a fresh database up to date, and find nothing to do the second time", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const first = yield* apply(url)
      assert.deepStrictEqual(first, { applied: ["1 (people)", "2 (names)", "5 (ages)"], waiting: ["6 (quick ages)"] })
      assert.deepStrictEqual(yield* apply(url), { applied: [], waiting: ["6 (quick ages)"] })
      assert.deepStrictEqual(yield* connected(url, (sql) => sql`SELECT name, age FROM people`), [
        { name: "Ada", age: null }
      ])
    })
  )

  it.live("are applied once by eight that begin at the same time", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const outcomes = yield* Effect.all(
        Array.from({ length: 8 }, () => apply(url)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        outcomes.map(({ applied }) => applied.length).toSorted((a, b) => a - b),
        [0, 0, 0, 0, 0, 0, 0, 3]
      )
      assert.deepStrictEqual(yield* ledger(url), [1, 2, 5])
      assert.lengthOf(yield* connected(url, (sql) => sql`SELECT id FROM people`), 1)
    })
  )

  it.live("are applied once by two processes that boot at the same time", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const boot = () => promisify(execFile)(process.execPath, [join(import.meta.dirname, "node.ts"), "url", url])
      const booted = yield* Effect.promise(() => Promise.all([boot(), boot()]))
      const applied = booted.map(({ stdout }) => Number(/applied (\d+)/.exec(stdout)?.[1]))
      assert.deepStrictEqual(
        applied.toSorted((a, b) => a - b),
        [0, 2]
      )
      assert.deepStrictEqual(yield* ledger(url), [1, 2])
    })
  )

  it.live("refuse one that was changed after it was applied", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      yield* apply(url)
      const changed = list.map((it) => (it.id === 5 ? { ...it, revision: "2" } : it))
      const error = yield* Effect.flip(apply(url, options(changed)))
      assert.strictEqual(error._tag, "MigrationChanged")
      assert.include(error.message, "5 (ages)")
    })
  )

  it.live("leave everything as it was when one of them fails, and name it", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const wrong: Migration.Migration = { id: 3, name: "nonsense", sql: ["CREATE TABLE half ()", "CREATE NONSENSE"] }
      const error = yield* Effect.flip(apply(url, options([...list.slice(0, 2), wrong])))
      assert.strictEqual(error._tag, "MigrationFailed")
      assert.include(error.message, `3 (nonsense) failed and was rolled back: syntax error at or near "NONSENSE"`)
      assert.isFalse(yield* exists(url, "people"))
      assert.isFalse(yield* exists(url, "novacron_migrations"))
      assert.lengthOf((yield* apply(url)).applied, 3)
    })
  )

  it.live("find a schema that somebody has changed, and name the object", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      yield* apply(url)
      yield* connected(url, (sql) => sql`ALTER TABLE people ALTER name TYPE varchar(7)`)
      const error = yield* Effect.flip(apply(url))
      assert.strictEqual(error._tag, "SchemaDiffers")
      assert.include(error.message, "column people.name is character varying(7), the migrations made it text")
      // Not even a new migration covers it up.
      const more = [...list, { id: 7, name: "more", sql: ["CREATE TABLE more ()"] }]
      assert.strictEqual((yield* Effect.flip(apply(url, options(more))))._tag, "SchemaDiffers")
      yield* connected(url, (sql) => sql`ALTER TABLE people ALTER name TYPE text`)
      assert.deepStrictEqual((yield* apply(url, options(more))).applied, ["7 (more)"])
    })
  )

  it.live("may change what earlier ones have made", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      yield* apply(url)
      const next = [
        ...list,
        { id: 7, name: "drop", sql: ["ALTER TABLE people DROP age", "ALTER TABLE people ALTER name SET NOT NULL"] }
      ]
      assert.deepStrictEqual((yield* apply(url, options(next))).applied, ["7 (drop)"])
      assert.deepStrictEqual((yield* apply(url, options(next))).applied, [])
    })
  )

  it.live("are checked and not applied where they are disabled", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const error = yield* Effect.flip(apply(url, options(list, { enabled: false })))
      assert.strictEqual(error._tag, "MigrationsPending")
      assert.include(error.message, "1 (people)")
      assert.isFalse(yield* exists(url, "novacron_migrations"))
      yield* apply(url)
      assert.deepStrictEqual((yield* apply(url, options(list, { enabled: false }))).applied, [])
    })
  )

  it.live("do not wait for ever for another node that migrates", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const [inside, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow: Migration.Migration = {
        id: 1,
        name: "slow",
        effect: () => Effect.andThen(Deferred.succeed(inside, undefined), Deferred.await(release)),
        revision: "1"
      }
      const first = yield* Effect.forkChild(apply(url, options([slow])))
      yield* Deferred.await(inside)
      const error = yield* Effect.flip(apply(url, options([slow], { lockTimeoutMs: 200 })))
      assert.strictEqual(error._tag, "MigrationsLocked")
      yield* Deferred.succeed(release, undefined)
      assert.deepStrictEqual((yield* Fiber.join(first)).applied, ["1 (slow)"])
    })
  )

  it.live("go on with a database that a newer node has migrated", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      yield* apply(url)
      assert.deepStrictEqual((yield* apply(url, options(list.slice(0, 2)))).applied, [])
    })
  )
})

describe("deferred migrations", () => {
  it.live("wait until they are asked for, and are applied once by two that ask", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      yield* apply(url)
      assert.isFalse(yield* exists(url, "people_age"))
      const outcomes = yield* Effect.all([applyDeferred(url), applyDeferred(url)], { concurrency: 2 })
      assert.deepStrictEqual(
        outcomes.map((it) => it.length).toSorted((a, b) => a - b),
        [0, 1]
      )
      assert.isTrue(yield* exists(url, "people_age"))
      assert.deepStrictEqual(yield* apply(url), { applied: [], waiting: [] })
      yield* connected(url, (sql) => sql`DROP INDEX people_age`)
      assert.include((yield* Effect.flip(apply(url))).message, "index people_age is gone")
    })
  )

  it.live("fail without harm, and are applied when the cause is gone", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const unique: Migration.Migration = {
        id: 7,
        name: "unique names",
        deferred: true,
        outsideTransaction: true,
        sql: ["DROP INDEX CONCURRENTLY IF EXISTS once", "CREATE UNIQUE INDEX CONCURRENTLY once ON people (name)"]
      }
      const all = options([...list, unique])
      yield* apply(url, all)
      yield* connected(url, (sql) => sql`INSERT INTO people VALUES (2, 'Ada')`)
      const error = yield* Effect.flip(applyDeferred(url, all))
      assert.strictEqual(error._tag, "MigrationFailed")
      assert.include(error.message, "7 (unique names)")
      assert.deepStrictEqual(yield* apply(url, all), { applied: [], waiting: ["7 (unique names)"] })
      yield* connected(url, (sql) => sql`DELETE FROM people WHERE id = 2`)
      assert.deepStrictEqual(yield* applyDeferred(url, all), ["7 (unique names)"])
    })
  )

  it.live("keep no other node from migrating while they take their time", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      yield* apply(url)
      // Somebody's open transaction is what a concurrent index waits for.
      const [open, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const reader = yield* Effect.forkChild(
        connected(url, (sql) =>
          sql.withTransaction(
            sql`SELECT * FROM people`.pipe(
              Effect.andThen(Deferred.succeed(open, undefined)),
              Effect.andThen(Deferred.await(release))
            )
          )
        )
      )
      yield* Deferred.await(open)
      const slow = yield* Effect.forkChild(applyDeferred(url))
      yield* Effect.repeat(
        connected(url, (sql) => sql`SELECT 1 FROM pg_stat_progress_create_index`),
        { schedule: Schedule.spaced("50 millis"), until: (rows) => rows.length > 0 }
      )
      const more = options([...list, { id: 7, name: "more", sql: ["CREATE TABLE more ()"] }], { lockTimeoutMs: 2_000 })
      assert.deepStrictEqual((yield* apply(url, more)).applied, ["7 (more)"])
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(reader)
      assert.deepStrictEqual(yield* Fiber.join(slow), ["6 (quick ages)"])
    })
  )
})

plain("a list of migrations is in order, and only a deferred one is outside of a transaction", () => {
  assert.isUndefined(Migration.mistake(list))
  assert.match(`${Migration.mistake([...list, { id: 6, name: "again", sql: [] }])}`, /6 \(again\).*above 6/)
  assert.match(`${Migration.mistake([{ id: 0, name: "zero", sql: [] }])}`, /above 0/)
  const bold: Migration.Migration = { id: 1, name: "bold", sql: [], outsideTransaction: true }
  assert.match(`${Migration.mistake([bold])}`, /must be deferred/)
})
