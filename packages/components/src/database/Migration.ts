/**
 * Changes of the schema, each applied once, in order, whoever boots at the same time.
 *
 * **Details**
 *
 * All that waits is applied in one transaction under an advisory lock: all of it or nothing. The table
 * `novacron_migrations` says what was applied, with a checksum of its text; a migration that reads differently later is
 * refused. When nothing waits, no lock is taken.
 *
 * Deferred migrations are left for later ({@link applyDeferred}); until then the node works without them. They have a
 * lock of their own, so that a long one keeps no other node from booting.
 *
 * **Gotchas**
 *
 * One text is one statement. A migration outside of a transaction may be applied by half and is then applied again: let
 * it begin by removing what it makes, and leave alone what others have made.
 */
import { createHash } from "node:crypto"
import { Count } from "@novacron/boot/model"
import { Clock, Effect, Option, Schedule } from "effect"
import type { SqlClient } from "effect/sql"
import { SqlError } from "effect/sql"
import * as Catalog from "./Catalog.ts"
import {
  fromSql,
  type MigrateFailure,
  MigrationChanged,
  MigrationFailed,
  MigrationsLocked,
  MigrationsPending,
  type Place,
  textOf
} from "./DatabaseError.ts"

/** One change. Never edit one that was released. */
export type Migration = Statements | Program

interface Common {
  /** Its place in the order, from 1. */
  readonly id: number
  /** For people: `nodes`. */
  readonly name: string
  /** Applied after the node is ready. Its failure degrades nothing but speed. */
  readonly deferred?: boolean
}

/** Statements of SQL, one each. */
interface Statements extends Common {
  readonly sql: ReadonlyArray<string>
  /** For what PostgreSQL refuses in a transaction, `CREATE INDEX CONCURRENTLY` above all. Only when `deferred`. */
  readonly outsideTransaction?: boolean
}

/** What SQL alone cannot do. */
interface Program extends Common {
  readonly effect: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError.SqlError>
  /** Stands for the text in the checksum: change it whenever `effect` means something else. */
  readonly revision: string
}

/** What came of it. */
export interface Outcome {
  /** `1 nodes`, in the order of application. */
  readonly applied: ReadonlyArray<string>
  /** Deferred ones that wait. */
  readonly waiting: ReadonlyArray<string>
}

export interface Options {
  readonly migrations: ReadonlyArray<Migration>
  /** Whether this node may change the schema. */
  readonly enabled: boolean
  readonly lockTimeoutMs: number
  readonly place: Place
}

/** `1 (nodes)`: "1 nodes, 2 tasks" would be read as how many there are. */
const label = ({ id, name }: Migration): string => `${id} (${name})`

/** What the ledger keeps to recognise a migration by. */
const checksum = (migration: Migration): string =>
  createHash("sha256")
    .update("sql" in migration ? migration.sql.join(";\n") : migration.revision)
    .digest("hex")

/** What is wrong with a list of migrations, if anything: a mistake of whoever wrote it. */
export const mistake = (migrations: ReadonlyArray<Migration>): string | undefined => {
  for (const [i, migration] of migrations.entries()) {
    const previous = i === 0 ? 0 : (migrations[i - 1]?.id ?? 0)
    if (!Number.isInteger(migration.id) || migration.id <= previous) {
      return `migration ${label(migration)}: its id must be a whole number above ${previous}`
    }
    if ("sql" in migration && migration.outsideTransaction === true && migration.deferred !== true) {
      return `migration ${label(migration)}: outside of a transaction it must be deferred`
    }
  }
  return undefined
}

/** Brings the schema up to date and checks it. */
export const apply = Effect.fn("Migration.apply")(function* (
  sql: SqlClient.SqlClient,
  options: Options
): Effect.fn.Return<Outcome, MigrateFailure> {
  const { migrations, place } = options
  const wrong = mistake(migrations)
  if (wrong !== undefined) return yield* Effect.die(new RangeError(wrong))
  const required = migrations.filter(({ deferred }) => deferred !== true)
  const waiting = (ledger: Ledger) => migrations.filter(({ deferred, id }) => deferred === true && !ledger.has(id))

  const before = yield* read(sql, place)
  yield* compared(before, migrations)
  const [next] = required.filter(({ id }) => !before.has(id))
  if (next === undefined) {
    yield* verified(sql, place)
    return { applied: [], waiting: waiting(before).map(label) }
  }
  if (!options.enabled) return yield* new MigrationsPending({ migration: label(next) })
  return yield* locked(
    sql,
    options,
    Effect.gen(function* () {
      yield* tables(sql, place)
      // Whoever had the lock before may have done it all.
      const ledger = yield* read(sql, place)
      yield* compared(ledger, migrations)
      const before = yield* verified(sql, place)
      const pending = required.filter(({ id }) => !ledger.has(id))
      yield* Effect.forEach(pending, (migration) => run(sql, migration, place), { discard: true })
      yield* inPlace(
        place,
        Effect.flatMap(Catalog.live(sql), (after) => Catalog.promise(sql, before, after))
      )
      return { applied: pending.map(label), waiting: waiting(ledger).map(label) }
    })
  )
})

/** Applies the deferred migrations that wait, one after the other, on a connection that is closed afterwards. */
export const applyDeferred = Effect.fn("Migration.applyDeferred")(function* (
  sql: SqlClient.SqlClient,
  { enabled, migrations, place }: Options
): Effect.fn.Return<ReadonlyArray<string>, MigrateFailure> {
  const deferred = migrations.filter((migration) => migration.deferred === true)
  const isWaiting = Effect.map(read(sql, place), (ledger) => deferred.some(({ id }) => !ledger.has(id)))
  if (!enabled || !(yield* isWaiting)) return []
  // Held until the connection closes. To wait inside of a statement would be to hold a snapshot, for which the other
  // node's concurrent index would wait in turn.
  const take = sql<{ isMine: boolean }>`SELECT pg_try_advisory_lock(${lockKeys.deferred}) AS "isMine"`
  yield* Effect.repeat(inPlace(place, take), {
    schedule: Schedule.spaced("500 millis"),
    until: ([it]) => it?.isMine === true
  })
  const ledger = yield* read(sql, place)
  const pending = deferred.filter(({ id }) => !ledger.has(id))
  for (const migration of pending) {
    const before = yield* inPlace(place, Catalog.live(sql))
    const recorded = Effect.andThen(
      run(sql, migration, place),
      inPlace(
        place,
        Effect.flatMap(Catalog.live(sql), (after) => Catalog.promise(sql, before, after))
      )
    )
    yield* "sql" in migration && migration.outsideTransaction === true ? recorded : transaction(sql, place, recorded)
  }
  return pending.map(label)
})

// -------------------------------------------------------------------------------------------------------------- steps

/** Checksums by id. */
type Ledger = ReadonlyMap<number, string>

const read = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, place: Place) {
  const [found] = yield* inPlace(
    place,
    sql<{ isThere: boolean }>`SELECT to_regclass('novacron_migrations') IS NOT NULL AS "isThere"`
  )
  if (found?.isThere !== true) return new Map<number, string>()
  const rows = yield* inPlace(
    place,
    sql<{ id: number; checksum: string }>`SELECT id, checksum FROM novacron_migrations`
  )
  return new Map(rows.map(({ checksum, id }) => [id, checksum]))
})

const compared = Effect.fnUntraced(function* (ledger: Ledger, migrations: ReadonlyArray<Migration>) {
  const changed = migrations.find((it) => ledger.has(it.id) && ledger.get(it.id) !== checksum(it))
  if (changed !== undefined) return yield* new MigrationChanged({ migration: label(changed) })
  const known = new Set(migrations.map(({ id }) => id))
  const unknown = [...ledger.keys()].filter((id) => !known.has(id))
  if (unknown.length > 0) {
    yield* Effect.logWarning(
      `The database has ${Count.of(unknown.length, "migration")} that this version does not know: a newer node was here.`
    )
  }
})

/** Fails when the schema is not what earlier migrations have made of it; yields what it is. */
const verified = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, place: Place) {
  const [promised, live] = yield* inPlace(place, Effect.all([Catalog.promised(sql), Catalog.live(sql)]))
  const difference = Catalog.difference(promised, live)
  return Option.isSome(difference) ? yield* difference.value : live
})

const tables = (sql: SqlClient.SqlClient, place: Place) =>
  inPlace(
    place,
    Effect.andThen(
      sql`CREATE TABLE IF NOT EXISTS novacron_migrations (
        id integer PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        deferred boolean NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        duration_ms integer NOT NULL
      )`,
      sql`CREATE TABLE IF NOT EXISTS novacron_schema (object text PRIMARY KEY, definition text NOT NULL)`
    )
  )

const run = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, migration: Migration, place: Place) {
  const from = yield* Clock.currentTimeMillis
  const change: Effect.Effect<unknown, SqlError.SqlError> =
    "sql" in migration
      ? Effect.forEach(migration.sql, (text) => sql.unsafe(text).unprepared, { discard: true })
      : migration.effect(sql)
  yield* Effect.mapError(change, (error) =>
    error.reason._tag === "ConnectionError"
      ? fromSql(error, place)
      : new MigrationFailed({ migration: label(migration), problem: textOf(error.reason.cause), cause: error })
  )
  const row = {
    id: migration.id,
    name: migration.name,
    checksum: checksum(migration),
    deferred: migration.deferred === true,
    duration_ms: Math.round((yield* Clock.currentTimeMillis) - from)
  }
  yield* inPlace(place, sql`INSERT INTO novacron_migrations ${sql.insert(row)}`)
})

/** In a transaction that nobody else who migrates is in. */
const locked = <A>(
  sql: SqlClient.SqlClient,
  { lockTimeoutMs, place }: Options,
  effect: Effect.Effect<A, MigrateFailure>
): Effect.Effect<A, MigrateFailure> =>
  transaction(
    sql,
    place,
    Effect.gen(function* () {
      yield* inPlace(place, sql`SELECT set_config('lock_timeout', ${`${Math.ceil(lockTimeoutMs)}ms`}, true)`)
      yield* Effect.mapError(sql`SELECT pg_advisory_xact_lock(${lockKeys.required})`, (error) =>
        error.reason._tag === "LockTimeoutError"
          ? new MigrationsLocked({ afterMs: lockTimeoutMs, cause: error })
          : fromSql(error, place)
      )
      return yield* effect
    })
  )

const transaction = <A>(
  sql: SqlClient.SqlClient,
  place: Place,
  effect: Effect.Effect<A, MigrateFailure>
): Effect.Effect<A, MigrateFailure> =>
  Effect.mapError(sql.withTransaction(effect), (error) => (SqlError.isSqlError(error) ? fromSql(error, place) : error))

/** Advisory locks are known by number: two that nothing else in this database uses. */
const lockKeys = { required: 1_911_370_217, deferred: 1_911_370_218 }

const inPlace = <A>(place: Place, effect: Effect.Effect<A, SqlError.SqlError>) =>
  Effect.mapError(effect, (error) => fromSql(error, place))
