import { afterAll, assert, beforeAll, describe } from "vitest"
import { it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Schedule, Scope } from "effect"
import { SqlError } from "effect/sql"
import { fromSql } from "../../src/database/DatabaseError.ts"
import * as Pool from "../../src/database/Pool.ts"
import { Postgres, processesIn } from "./Postgres.ts"
import { placeOf, poolOptions } from "./Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const open = () => Pool.make(poolOptions(server.url(), { pool: { min: 1, max: 3 } }))

const signal = (what: "SIGSTOP" | "SIGCONT") =>
  Effect.sync(() => {
    for (const pid of processesIn(server.directory)) process.kill(pid, what)
  })

/** As a freezer, a debugger or a disk does that hangs. It runs again when the test is over. */
const freeze = Effect.acquireRelease(signal("SIGSTOP"), () => signal("SIGCONT"))

/** The driver itself waits for five seconds, or without an end. */
const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timeoutOption(effect, "4500 millis"), (done) => assert.isTrue(Option.isSome(done), "it hangs"))

/** Until the pool says that as many are in use. */
const inUse = (pool: Pool.Pool, n: number) =>
  Effect.repeat(pool.stats, { schedule: Schedule.spaced("20 millis"), until: (now) => now.inUse === n })

const isLost = (error: unknown) => SqlError.isSqlError(error) && error.reason._tag === "ConnectionError"

describe("a server that does not answer", () => {
  it.live("keeps nobody who is interrupted, and its connection is not lent again", () =>
    Effect.gen(function* () {
      const pool = yield* open()
      yield* pool.warm
      const thaw = yield* Scope.make()
      yield* Scope.provide(freeze, thaw)
      const asked = yield* Effect.forkChild(pool.sql`SELECT 1 AS one`)
      yield* inUse(pool, 1)
      yield* soon(Fiber.interrupt(asked))
      yield* inUse(pool, 0)
      yield* Scope.close(thaw, Exit.void)
      // What it still says to the question before is nobody's answer.
      for (const n of [1, 2, 3]) assert.deepStrictEqual(yield* pool.sql`SELECT ${n}::int AS n`, [{ n }])
    }).pipe(Effect.scoped)
  )

  it.live("keeps no transaction: who is in one is interrupted, who begins one hears that nobody is there", () =>
    Effect.gen(function* () {
      const pool = yield* open()
      const inside = yield* Deferred.make<void>()
      const held = yield* Effect.forkChild(
        pool.sql.withTransaction(Effect.andThen(Deferred.succeed(inside, undefined), Effect.never))
      )
      yield* Deferred.await(inside)
      yield* freeze
      yield* soon(Fiber.interrupt(held))
      const error = yield* Effect.flip(pool.sql.withTransaction(pool.sql`SELECT 1`))
      assert.isTrue(isLost(error), String(error))
    }).pipe(Effect.scoped)
  )

  it.live("keeps nobody who listens to a channel", () =>
    Effect.gen(function* () {
      const pool = yield* open()
      const scope = yield* Scope.make()
      yield* Scope.provide(pool.sql.listen("news"), scope)
      yield* freeze
      yield* soon(Scope.close(scope, Exit.void))
    }).pipe(Effect.scoped)
  )

  it.live("keeps no pool open, whoever holds a connection and whatever they do with it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(open(), scope)
      const asking = yield* Effect.forkChild(Effect.exit(pool.sql`SELECT pg_sleep(600)`))
      const idle = yield* Effect.forkChild(Effect.exit(pool.sql.withTransaction(Effect.never)))
      yield* inUse(pool, 2)
      yield* freeze
      yield* soon(Scope.close(scope, Exit.void))
      assert.strictEqual((yield* pool.stats).open, 0)
      // Whoever still waits hears that it is gone.
      const asked = yield* Fiber.join(asking)
      assert.isTrue(Exit.isFailure(asked))
      yield* soon(Fiber.interrupt(idle))
    }).pipe(Effect.scoped)
  )

  it.live("is told from a pool that is exhausted: the server lets nobody in", () =>
    Effect.gen(function* () {
      const pool = yield* open()
      const inside = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        pool.sql.withTransaction(Effect.andThen(Deferred.succeed(inside, undefined), Effect.never))
      )
      yield* Deferred.await(inside)
      yield* freeze
      const { code, message } = fromSql(yield* Effect.flip(pool.ping), placeOf(server.url()))
      assert.strictEqual(code, "NVC-2103")
      assert.include(message, "is not reachable: it let nobody in within 1s (1 of 3 are in use). Is PostgreSQL up?")
    }).pipe(Effect.scoped)
  )

  it.live("keeps nobody who has a connection to itself", () =>
    Effect.gen(function* () {
      const inside = yield* Deferred.make<void>()
      const alone = yield* Effect.forkChild(
        Pool.alone(
          poolOptions(server.url()),
          (error) => error,
          (sql) =>
            Effect.gen(function* () {
              yield* sql`SELECT 1`
              yield* Deferred.succeed(inside, undefined)
              yield* sql`SELECT pg_sleep(600)`
            })
        )
      )
      yield* Deferred.await(inside)
      yield* freeze
      yield* soon(Fiber.interrupt(alone))
    }).pipe(Effect.scoped)
  )
})

describe("a server that answers", () => {
  it.live("stops what is interrupted, and its connection stays", () =>
    Effect.gen(function* () {
      const pool = yield* open()
      yield* pool.warm
      const backend = Effect.map(pool.sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`, ([row]) => row?.pid)
      // On a machine that is busy with other things the answer may come too late, now and then.
      const stays = Effect.gen(function* () {
        const before = yield* backend
        const asked = yield* Effect.forkChild(pool.sql`SELECT pg_sleep(600)`)
        yield* inUse(pool, 1)
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(asked)
        return (yield* backend) === before
      })
      assert.isTrue(yield* Effect.repeat(stays, { times: 9, until: (it) => it }))
    }).pipe(Effect.scoped)
  )
})
