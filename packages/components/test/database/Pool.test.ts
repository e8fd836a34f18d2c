import { createServer } from "node:net"
import { afterAll, assert, beforeAll, describe, it as plain } from "vitest"
import { it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Logger, Queue, Schedule, Scope, Exit } from "effect"
import { SqlError } from "effect/sql"
import { fromSql, saidOf } from "../../src/database/DatabaseError.ts"
import * as Pool from "../../src/database/Pool.ts"
import type { Settings } from "../../src/database/Settings.ts"
import { Postgres } from "./Postgres.ts"
import { connected, poolOptions } from "./Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const open = (encoded: typeof Settings.Encoded = {}, url = server.url()) => Pool.make(poolOptions(url, encoded))

/** Kills the server, and waits until the breaker knows. */
const down = Effect.fnUntraced(function* (pool: Pool.Pool) {
  yield* Effect.promise(() => server.down("SIGKILL"))
  yield* Effect.repeat(Effect.flip(pool.sql`SELECT 1`), {
    schedule: Schedule.spaced("20 millis"),
    until: (it) => it.message.includes("failed too often")
  })
})

/** Counts in the server's place who dials, and lets nobody in; `end` gives the place back and says how many it were. */
const counting = Effect.gen(function* () {
  let dialled = 0
  const counter = createServer((socket) => {
    dialled++
    socket.destroy()
  })
  const port = Number(new URL(server.url()).port)
  yield* Effect.promise(() => new Promise<void>((resume) => counter.listen(port, "127.0.0.1", resume)))
  return { end: Effect.promise(() => new Promise<number>((resume) => counter.close(() => resume(dialled)))) }
})

/** What the server knows of our connections. */
const sessions = () =>
  Effect.map(
    connected(
      server.socketUrl,
      (sql) =>
        sql<{ n: number }>`SELECT count(*)::int AS n FROM pg_stat_activity
          WHERE client_addr IS NOT NULL AND backend_type = 'client backend'`
    ),
    ([row]) => row?.n ?? -1
  )

const none = Effect.repeat(Effect.suspend(sessions), { schedule: Schedule.spaced("50 millis"), until: (n) => n === 0 })

describe("the pool", () => {
  it.live("opens its least before anybody asks, and has closed all of it when its scope has closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(open(), scope)
      yield* pool.warm
      assert.strictEqual(yield* sessions(), 5)
      const { established, inUse, max, open: opened } = yield* pool.stats
      assert.deepStrictEqual({ established, inUse, max, opened }, { established: 5, inUse: 0, max: 50, opened: 5 })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* pool.stats).open, 0)
      yield* none
    })
  )

  it.live("counts what is in use and what waits, and fails whoever waits too long", () =>
    Effect.gen(function* () {
      const pool = yield* open({ pool: { min: 1, max: 2, acquireTimeout: "300ms" } })
      const held = yield* Deferred.make<void>()
      const holding = yield* Queue.unbounded<void>()
      const hold = pool.sql.withTransaction(Effect.andThen(Queue.offer(holding, undefined), Deferred.await(held)))
      const holders = yield* Effect.forEach([1, 2], () => Effect.forkChild(hold))
      yield* Queue.takeN(holding, 2)
      const late = yield* Effect.forkChild(Effect.exit(pool.sql`SELECT 1`))
      const { waiting } = yield* Effect.repeat(pool.stats, {
        schedule: Schedule.spaced("20 millis"),
        until: (it) => it.waiting === 1
      })
      assert.strictEqual(waiting, 1)
      assert.strictEqual((yield* pool.stats).inUse, 2)
      const exit = yield* Fiber.join(late)
      const error = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
      assert.match(String(error), /No connection to the database was free within 300ms: 2 of 2 are in use/)
      assert.strictEqual((yield* pool.stats).breaker, "Closed")
      const place = { target: "there", database: "", host: "", isReady: "", login: "" }
      assert.strictEqual(fromSql(yield* Effect.flip(pool.ping), place).code, "NVC-2120")
      yield* Deferred.succeed(held, undefined)
      yield* Effect.forEach(holders, Fiber.join)
      assert.deepStrictEqual(yield* pool.sql`SELECT 1 AS one`, [{ one: 1 }])
      assert.strictEqual((yield* pool.stats).inUse, 0)
    }).pipe(Effect.scoped)
  )

  it.live(
    "grows with its load up to its most, and shrinks to its least when the load has gone, as often as it comes",
    () =>
      Effect.gen(function* () {
        const pool = yield* open({ pool: { min: 2, max: 5, idleTimeout: "200ms" } })
        yield* pool.warm
        const sizes: Array<number> = []
        const seen = Effect.map(pool.stats, (now) => void sizes.push(now.open))
        const shrunk = Effect.repeat(Effect.andThen(seen, pool.stats), {
          schedule: Schedule.spaced("50 millis"),
          until: ({ open }) => open === 2
        }).pipe(Effect.timeout("30 seconds"))
        for (const load of [12, 4, 12]) {
          const busy = Math.min(load, 5)
          const held = yield* Deferred.make<void>()
          const hold = pool.sql.withTransaction(Deferred.await(held))
          const holders = yield* Effect.forEach(Array.from({ length: load }), () => Effect.forkChild(hold))
          const full = yield* Effect.repeat(Effect.andThen(seen, pool.stats), {
            schedule: Schedule.spaced("20 millis"),
            until: ({ inUse, waiting }) => inUse === busy && waiting === load - busy
          }).pipe(Effect.timeout("30 seconds"))
          assert.strictEqual(full.open, busy)
          assert.strictEqual(yield* sessions(), busy)
          yield* Deferred.succeed(held, undefined)
          yield* Effect.forEach(holders, Fiber.join)
          yield* shrunk
          yield* Effect.repeat(sessions(), { schedule: Schedule.spaced("50 millis"), until: (n) => n === 2 }).pipe(
            Effect.timeout("30 seconds")
          )
        }
        assert.isAtLeast(Math.min(...sizes), 2)
        assert.isAtMost(Math.max(...sizes), 5)
      }).pipe(Effect.scoped)
  )

  it.live("commits all of a transaction or nothing, and never says that it did when it did not", () =>
    Effect.gen(function* () {
      const { sql } = yield* open()
      yield* sql`CREATE TABLE pairs (n integer PRIMARY KEY)`
      yield* sql.withTransaction(Effect.andThen(sql`INSERT INTO pairs VALUES (1)`, sql`INSERT INTO pairs VALUES (2)`))
      const half = sql.withTransaction(
        Effect.andThen(sql`INSERT INTO pairs VALUES (3)`, sql`INSERT INTO pairs VALUES (1)`)
      )
      assert.strictEqual((yield* Effect.flip(half)).reason._tag, "UniqueViolation")
      // Swallowed, the error is forgotten by us and not by the server, which rolls back.
      const quiet = sql.withTransaction(
        Effect.andThen(sql`INSERT INTO pairs VALUES (4)`, Effect.ignore(sql`INSERT INTO pairs VALUES (1)`))
      )
      assert.include((yield* Effect.flip(quiet)).message, "rolled back")
      assert.deepStrictEqual(yield* sql`SELECT n FROM pairs ORDER BY n`, [{ n: 1 }, { n: 2 }])
    }).pipe(Effect.scoped)
  )

  it.live("hears notifications and keeps JSON", () =>
    Effect.gen(function* () {
      const { sql } = yield* open()
      const heard = yield* sql.listen("news")
      yield* sql.notify("news", "hello")
      assert.strictEqual((yield* Queue.take(heard)).payload, "hello")
      assert.deepStrictEqual(yield* sql`SELECT ${sql.json({ a: [1] })} -> 'a' AS a`, [{ a: [1] }])
      assert.strictEqual(sql.driver, "pg")
    }).pipe(Effect.scoped)
  )

  it.live("logs what is slow, without a parameter and without a literal", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const pool = yield* open({ slowQuery: "100ms" })
      yield* Effect.provide(
        Effect.gen(function* () {
          yield* pool.sql`SELECT ${"parameter"}::text`
          yield* pool.sql`SELECT pg_sleep(0.15), ${"swordfish"}::text, 'hunter22' || $tag$letmein$tag$`
        }),
        Logger.layer([logger])
      )
      assert.lengthOf(lines, 1)
      assert.match(
        lines.join(),
        /^A statement took 1\d\d ms|^A statement took [2-9]\d\d ms|^A statement took \d{4,} ms/
      )
      assert.include(lines.join(), "SELECT pg_sleep(0.15), $1::text, '…' || '…'")
      assert.notMatch(lines.join(), /swordfish|hunter22|letmein/)
      assert.strictEqual((yield* pool.stats).slow, 1)
    }).pipe(Effect.scoped)
  )

  it.live("lets no statement take longer than it may", () =>
    Effect.gen(function* () {
      const pool = yield* open({ statementTimeout: "200ms" })
      const error = yield* Effect.flip(pool.sql`SELECT pg_sleep(20)`)
      assert.strictEqual(error.reason._tag, "StatementTimeoutError")
      assert.strictEqual((yield* pool.stats).failures, 1)
      assert.strictEqual((yield* pool.stats).breaker, "Closed")
    }).pipe(Effect.scoped)
  )

  it.live("fails at once after three lost connections, and is itself again when a probe has passed", () =>
    Effect.gen(function* () {
      const pool = yield* open({ pool: { min: 1, max: 3 } })
      yield* pool.warm
      yield* Effect.promise(() => server.down("SIGKILL"))
      const error = yield* Effect.repeat(Effect.flip(pool.sql`SELECT 1`), {
        schedule: Schedule.spaced("20 millis"),
        until: (it) => it.message.includes("failed too often")
      })
      assert.isTrue(SqlError.isSqlError(error))
      assert.strictEqual(error.reason._tag, "ConnectionError")
      // With what was lost: that the breaker is open is no cause.
      assert.match(saidOf(error), /^[^"]{10,}\. "database" failed too often/)
      assert.strictEqual((yield* pool.stats).breaker, "Open")
      yield* Effect.flip(pool.ping)
      yield* Effect.promise(() => server.up())
      // The server is back, and the breaker does not know it for half a minute; the probe does.
      assert.include((yield* Effect.flip(pool.sql`SELECT 1`)).message, "failed too often")
      assert.isAbove(yield* Effect.retry(pool.ping, Schedule.spaced("50 millis")), 0)
      assert.strictEqual((yield* pool.stats).breaker, "Closed")
      assert.deepStrictEqual(yield* pool.sql`SELECT 1 AS one`, [{ one: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("makes no storm of a server that is down: a thousand calls in a millisecond each, and nobody dials", () =>
    Effect.gen(function* () {
      const pool = yield* open({ pool: { min: 1, max: 3 } })
      yield* pool.warm
      yield* down(pool)
      const dials = yield* counting
      const took: Array<number> = []
      for (let call = 0; call < 1_000; call++) {
        const began = performance.now()
        const error = yield* Effect.flip(pool.sql`SELECT 1`)
        took.push(performance.now() - began)
        assert.include(error.message, "failed too often")
      }
      const dialled = yield* dials.end
      assert.strictEqual(dialled, 0)
      // Half of them at least: the machine may have other things to do now and then.
      assert.isBelow(took.toSorted((a, b) => a - b)[500] ?? 1, 1)
      yield* Effect.promise(() => server.up())
      yield* Effect.retry(pool.ping, Schedule.spaced("50 millis"))
    }).pipe(Effect.scoped)
  )

  it.live(
    "dials a server that stays down no more than once for each connection whenever its breaker lets a call through",
    () =>
      Effect.gen(function* () {
        const openMs = 200
        const pool = yield* open({ pool: { min: 1, max: 3 }, breaker: { openFor: `${openMs}ms` } })
        yield* pool.warm
        yield* down(pool)
        const dials = yield* counting
        const began = performance.now()
        let calls = 0
        while (performance.now() - began < 10 * openMs) {
          // Three at a time, as many as the pool would dial for.
          yield* Effect.all(
            [1, 2, 3].map(() => Effect.flip(pool.sql`SELECT 1`)),
            { concurrency: 3 }
          )
          calls += 3
        }
        const tookMs = performance.now() - began
        const dialled = yield* dials.end
        yield* Effect.promise(() => server.up())
        assert.isAbove(calls, 100)
        assert.isAbove(dialled, 0)
        // Without a breaker it would be every call.
        assert.isAbove(calls, 10 * dialled)
        assert.isAtMost(dialled, 3 * (tookMs / openMs + 1))
      }).pipe(Effect.scoped)
  )

  it.live("lets a call through when the breaker has been open for long enough", () =>
    Effect.gen(function* () {
      const pool = yield* open({ pool: { min: 1, max: 3 }, breaker: { openFor: "200ms" } })
      yield* pool.warm
      yield* down(pool)
      yield* Effect.promise(() => server.up())
      const rows = yield* Effect.retry(pool.sql`SELECT 1 AS one`, Schedule.spaced("50 millis"))
      assert.deepStrictEqual(rows, [{ one: 1 }])
      // Nobody has probed it besides: that call has closed it.
      assert.strictEqual((yield* pool.stats).breaker, "Closed")
    }).pipe(Effect.scoped)
  )
})

plain("a statement is shown on one line, without anything in quotes", () => {
  const secret = "swordfish"
  for (const quoted of [
    `'${secret}'`,
    `'it''s ${secret}'`,
    `E'\\'${secret}'`,
    `$$${secret}$$`,
    `$x$${secret}$x$`,
    `'${secret}`
  ]) {
    const text = Pool.shown(`SELECT\n  a  FROM t WHERE b = ${quoted}`)
    assert.notInclude(text, secret)
    assert.include(text, "SELECT a FROM t WHERE b = '…'")
  }
  assert.isAtMost(Pool.shown("x".repeat(10_000)).length, 501)
})
