import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe } from "vitest"
import { it } from "@effect/vitest"
import { Boot } from "@novacron/boot"
import { Context, Effect, Exit, Fiber, Ref, Schedule } from "effect"
import { SqlError } from "effect/sql"
import { component } from "../../src/database/Component.ts"
import { Database } from "../../src/database/Database.ts"
import type { Settings } from "../../src/database/Settings.ts"
import { Postgres, processesIn, temporary } from "./Postgres.ts"
import { connected, security, settings } from "./Surroundings.ts"

const base = temporary()
let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(async () => {
  await server.remove()
  assert.deepStrictEqual(processesIn(base), [])
  rmSync(base, { recursive: true, force: true })
})

const booted = (encoded: typeof Settings.Encoded, secrets = {}) =>
  Effect.map(
    Boot.make([security(secrets), component(settings(encoded), { dataDir: join(base, "node") })]),
    ({ services }) => Context.get(services, Database)
  )

/** Writes one number after the other, each until it is acknowledged, and remembers those that were. */
const writer = Effect.fnUntraced(function* ({ sql }: Database["Service"]) {
  const acknowledged = yield* Ref.make<ReadonlyArray<number>>([])
  const failures = yield* Ref.make<ReadonlyArray<unknown>>([])
  yield* sql`CREATE TABLE IF NOT EXISTS written (n integer)`
  const write = (n: number) =>
    Effect.matchEffect(sql`INSERT INTO written VALUES (${n})`, {
      onSuccess: () => Ref.update(acknowledged, (them) => [...them, n]),
      onFailure: (error) =>
        Effect.andThen(
          Ref.update(failures, (them) => [...them, error]),
          Effect.sleep("20 millis")
        )
    })
  const fiber = yield* Effect.forkScoped(Effect.forEach(Array.from({ length: 1_000_000 }).keys(), write))
  const more = (count: number) =>
    Effect.flatMap(Ref.get(acknowledged), ({ length }) =>
      Effect.repeat(Ref.get(acknowledged), {
        schedule: Schedule.spaced("20 millis"),
        until: (now) => now.length >= length + count
      })
    )
  return { acknowledged: Ref.get(acknowledged), failures: Ref.get(failures), more, stop: Fiber.interrupt(fiber) }
})

const written = ({ sql }: Database["Service"]) =>
  Effect.map(sql<{ n: number }>`SELECT n FROM written`, (rows) => new Set(rows.map(({ n }) => n)))

describe("the database", () => {
  it.live("by URL loses no acknowledged write when the server is killed, fails typed meanwhile, and comes back", () =>
    Effect.gen(function* () {
      const database = yield* booted({
        url: server.url(),
        pool: { min: 2, max: 4 },
        breaker: { openFor: "300ms" }
      })
      const { acknowledged, failures, more, stop } = yield* writer(database)
      for (const _ of [1, 2]) {
        yield* more(20)
        yield* Effect.promise(() => server.down("SIGKILL"))
        const before = (yield* failures).length
        yield* Effect.repeat(failures, {
          schedule: Schedule.spaced("20 millis"),
          until: (now) => now.length >= before + 5
        })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(database.check)))
        yield* Effect.promise(() => server.up())
        yield* more(20)
      }
      yield* stop
      const there = yield* written(database)
      assert.deepStrictEqual(
        (yield* acknowledged).filter((n) => !there.has(n)),
        []
      )
      for (const error of yield* failures) {
        assert.isTrue(SqlError.isSqlError(error) && error.reason._tag === "ConnectionError", String(error))
      }
      assert.strictEqual((yield* database.stats).breaker, "Closed")
    }).pipe(Effect.scoped)
  )

  it.live("embedded loses no acknowledged write either, and restarts by itself", () =>
    Effect.gen(function* () {
      const database = yield* booted({ pool: { min: 2, max: 4 } })
      const { acknowledged, failures, more, stop } = yield* writer(database)
      const file = join(base, "node", "postgresql", "data", "postmaster.pid")
      for (const _ of [1, 2]) {
        yield* more(20)
        const before = (yield* failures).length
        process.kill(Number(readFileSync(file, "utf8").split("\n")[0]), "SIGKILL")
        yield* Effect.repeat(failures, {
          schedule: Schedule.spaced("20 millis"),
          until: (now) => now.length > before
        })
        yield* more(20) // long before the breaker would let a call through by itself
      }
      yield* stop
      const there = yield* written(database)
      assert.deepStrictEqual(
        (yield* acknowledged).filter((n) => !there.has(n)),
        []
      )
      const { open, source, target } = yield* database.stats
      assert.strictEqual(source, "embedded")
      assert.isAtMost(open, 4)
      assert.match(target, /^postgres:\/\/novacron@\/postgres\?host=/)
    }).pipe(Effect.scoped)
  )

  it.live("makes all of a transaction or nothing of it", () =>
    Effect.gen(function* () {
      const { sql, transaction } = yield* booted({ url: server.url() })
      const insert = (id: string) =>
        sql`INSERT INTO novacron_nodes (id, environment, version) VALUES (${id}, 'development', '1')`
      yield* transaction(Effect.andThen(insert("a"), insert("b")))
      yield* Effect.flip(transaction(Effect.andThen(insert("c"), insert("a"))))
      assert.deepStrictEqual(yield* sql`SELECT id FROM novacron_nodes ORDER BY id`, [{ id: "a" }, { id: "b" }])
    }).pipe(Effect.scoped)
  )

  it.live("says how it is: latency, throughput, errors and the pool", () =>
    Effect.gen(function* () {
      const { check, sql, stats } = yield* booted({ url: server.url(), statementTimeout: "100ms" })
      yield* check
      yield* Effect.forEach(Array.from({ length: 18 }), () => sql`SELECT 1`)
      yield* Effect.flip(sql`SELECT pg_sleep(9)`) // theirs
      yield* Effect.flip(sql`SELECT nonsense`) // ours
      const { detail, errorRate, latencyMs, throughput } = yield* check
      assert.isAbove(latencyMs, 0)
      assert.isBelow(latencyMs, 2_000)
      assert.isAbove(throughput, 1)
      assert.closeTo(errorRate, 1 / 21, 1e-9)
      assert.match(detail, /^\d+ connections? open, 0 in use, 0 waiting, of 50 \(0 %\)$/)
      const { established, schemaValidated, serverVersion } = yield* stats
      assert.isAtLeast(established, 5)
      assert.isTrue(schemaValidated)
      assert.strictEqual(serverVersion, "18.4")
      assert.strictEqual((yield* check).errorRate, 0)
    }).pipe(Effect.scoped)
  )

  it.live("takes its password from the secrets, and finds a rotated one without a restart", () =>
    Effect.gen(function* () {
      const secrets: { [name: string]: string } = { "database-password": "first" }
      yield* connected(server.url(), (sql) => sql`CREATE ROLE rotating LOGIN SUPERUSER PASSWORD 'first'`)
      const url = `postgres://rotating@127.0.0.1:${server.port}/postgres?sslmode=disable`
      const { sql } = yield* booted({ url, passwordSecret: "database-password", pool: { min: 1, max: 2 } }, secrets)
      yield* connected(server.url(), (it) => it`ALTER ROLE rotating PASSWORD 'second'`)
      secrets["database-password"] = "second"
      yield* connected(
        server.url(),
        (it) => it`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotating'`
      )
      const rows = yield* Effect.retry(sql`SELECT current_user::text AS me`, Schedule.spaced("50 millis"))
      assert.deepStrictEqual(rows, [{ me: "rotating" }])
      const error = yield* Effect.flip(booted({ url, passwordSecret: "another" }, secrets))
      assert.include(error._tag === "Critical" ? String(error.cause) : "", `"another"`)
    }).pipe(Effect.scoped)
  )
})
