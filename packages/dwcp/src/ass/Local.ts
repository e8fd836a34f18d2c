/**
 * The engine of a node that is alone: a table in its PostgreSQL.
 *
 * **Details**
 *
 * One row counts the changes. Each write takes it first, so writes are one after the other, versions are in the order of
 * the commits, and a watcher that reads on from the last version it saw misses none. Deleted keys stay as marks for an
 * hour; who slept longer is told the difference. Writes wake the watchers of this process at once; those of another one
 * hear by `wake` (LISTEN on {@link channel}), or look each `poll`.
 *
 * Several nodes may have one database, and so one room. The ephemeral keys of a node go with its session, which it renews;
 * whoever is there removes those of a session that was not renewed for the `lease` of its node. A node that stood still for
 * longer than that puts its own again, where nobody took them meanwhile. Times are those of the database: clocks of nodes
 * may differ.
 */
import { randomUUID } from "node:crypto"
import { Duration, Effect, Option, Predicate, PubSub, Queue, Schedule, type Scope, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { Conflict, OutcomeUnknown, type StateError, StoreFull, StoreRefused, StoreUnreachable } from "./Failures.ts"
import * as Picture from "./Picture.ts"
import * as StateSync from "./StateSync.ts"

export interface Options {
  readonly sql: SqlClient.SqlClient
  readonly namespace: string
  readonly poll: Duration.Duration
  /** How long the ephemeral keys of a node stay after it died. */
  readonly lease: Duration.Duration
  /** Says that something may have changed: notifications on {@link channel}. */
  readonly wake?: Stream.Stream<unknown, unknown>
}

/** What writes notify (`NOTIFY`), with the namespace. */
export const channel = "novacron_state"

const marksStay = "1 hour"
export const promises: StateSync.Promises = { consistency: "linearizable", compareAndSet: true, ephemeral: true }
export const store = "the database of this node"

interface Row {
  readonly key: string
  readonly value: Uint8Array | null
  readonly version: string
}

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<StateSync.Engine, StateError, Scope.Scope> {
  const { namespace, sql } = options
  const lease = `${Duration.toMillis(options.lease)} milliseconds`
  const session = randomUUID()
  const changed = yield* PubSub.sliding<void>(1)

  const run = <A>(effect: Effect.Effect<A, SqlError.SqlError>) => Effect.mapError(effect, (error) => failureOf(error))

  /** In a turn of its own: nobody else writes until it is committed. */
  const write = <A, E>(decide: (revision: bigint) => Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      let decided = false
      const turn = sql<{ revision: string }>`
        SELECT revision::text FROM dwcp_state_clock WHERE namespace = ${namespace} FOR UPDATE`
      return turn.pipe(
        Effect.flatMap((rows) => decide(BigInt(rows[0]?.revision ?? 0))),
        Effect.tap(() => Effect.sync(() => (decided = true))),
        sql.withTransaction,
        Effect.mapError((error) => (isSqlError(error) ? failureOf(error, decided) : ours(error))),
        Effect.tap(() => PubSub.publish(changed, undefined))
      )
    })

  /** Does all of it as one change. */
  const apply = Effect.fnUntraced(function* (revision: bigint, operations: ReadonlyArray<Owned>) {
    const version = `${revision + 1n}`
    for (const operation of operations) {
      const { key } = operation
      if (operation._tag === "Put") {
        const { owner = null, value } = operation
        yield* sql`INSERT INTO dwcp_state (namespace, key, value, version, owner)
          VALUES (${namespace}, ${key}, ${value}, ${version}::bigint, ${owner})
          ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, version = excluded.version,
            owner = excluded.owner, changed_at = now()`
      } else {
        yield* sql`UPDATE dwcp_state SET value = NULL, owner = NULL, version = ${version}::bigint, changed_at = now()
          WHERE namespace = ${namespace} AND key = ${key} AND value IS NOT NULL`
      }
    }
    yield* sql`UPDATE dwcp_state_clock SET revision = ${version}::bigint WHERE namespace = ${namespace}`
    yield* sql`SELECT pg_notify(${channel}, ${namespace})`
    return revision + 1n
  })

  const at = (key: string) =>
    Effect.map(
      sql<Row>`SELECT key, value, version::text FROM dwcp_state
        WHERE namespace = ${namespace} AND key = ${key} AND value IS NOT NULL`,
      (rows) => Option.map(Option.fromUndefinedOr(rows[0]), entryOf)
    )

  const holds = (condition: StateSync.Condition) =>
    Effect.map(at(condition.key), (found) => StateSync.isMet(condition, Option.getOrUndefined(found)))

  let hasOwn = false
  const held = new Map<string, Uint8Array>()
  const put: StateSync.Engine["put"] = (key, value, how) => {
    if (how?.ephemeral === true) return hold(key, value)
    return Effect.tap(
      write((revision) => apply(revision, [{ _tag: "Put", key, value }])),
      () => release(key)
    )
  }
  const release = (key: string) => Effect.sync(() => void held.delete(key))

  const hold = (key: string, value: Uint8Array) =>
    write((revision) => {
      hasOwn = true
      const own: Owned = { _tag: "Put", key, value, owner: session }
      return Effect.flatMap(goOn, (lost) => apply(revision, [...lost.filter((it) => it.key !== key), own]))
    }).pipe(Effect.tap(() => Effect.sync(() => held.set(key, value))))

  const remove = (key: string) =>
    write((revision) =>
      Effect.gen(function* () {
        if (Option.isNone(yield* at(key))) return false
        yield* apply(revision, [{ _tag: "Delete", key }])
        return true
      })
    ).pipe(Effect.tap(() => release(key)))

  const compareAndSet: StateSync.Engine["compareAndSet"] = (key, expected, value) =>
    write((revision) =>
      Effect.gen(function* () {
        const actual = Option.getOrUndefined(yield* at(key))?.version
        const wanted = Option.getOrUndefined(expected)
        if (actual !== wanted) return yield* new Conflict({ key, expected: wanted, actual })
        return yield* apply(revision, [{ _tag: "Put", key, value }])
      })
    ).pipe(Effect.tap(() => release(key)))

  const transaction: StateSync.Engine["transaction"] = ({ otherwise = [], perform, when }) =>
    write((revision) =>
      Effect.gen(function* () {
        const held = yield* Effect.forEach(when, holds)
        const succeeded = held.every((it) => it)
        const operations = succeeded ? perform : otherwise
        return { succeeded, version: operations.length === 0 ? revision : yield* apply(revision, operations) }
      })
    ).pipe(Effect.tap(({ succeeded }) => Effect.forEach(succeeded ? perform : otherwise, ({ key }) => release(key))))

  const list = (prefix: string) =>
    Effect.map(
      sql<Row>`SELECT key, value, version::text FROM dwcp_state
        WHERE namespace = ${namespace} AND starts_with(key, ${prefix}) AND value IS NOT NULL ORDER BY key COLLATE "C"`,
      (rows) => rows.map(entryOf)
    )

  const clock = Effect.map(
    sql<{ revision: string; trimmed: string }>`
      SELECT revision::text, trimmed::text FROM dwcp_state_clock WHERE namespace = ${namespace}`,
    (rows) => ({ revision: BigInt(rows[0]?.revision ?? 0), trimmed: BigInt(rows[0]?.trimmed ?? 0) })
  )

  const watch = (prefix: string): Stream.Stream<StateSync.Change, StateError> =>
    Stream.callback<StateSync.Change, StateError>(
      Effect.fnUntraced(
        function* (out) {
          const woken = yield* PubSub.subscribe(changed)
          const picture = Picture.make()
          const anew = Effect.gen(function* () {
            // The clock first: what is written in between is then read twice, and not never.
            const { revision } = yield* clock
            for (const change of picture.differences(yield* list(prefix), revision)) yield* Queue.offer(out, change)
            return revision
          })
          let seen = yield* patiently(anew)
          yield* Queue.offer(out, { _tag: "Current" })
          const goOn = Effect.gen(function* () {
            const rows = yield* sql<Row>`SELECT key, value, version::text FROM dwcp_state WHERE namespace = ${namespace}
              AND starts_with(key, ${prefix}) AND version > ${`${seen}`}::bigint ORDER BY version`
            if ((yield* clock).trimmed > seen) return yield* anew
            for (const row of rows) {
              const version = BigInt(row.version)
              const change: StateSync.Change =
                row.value === null ? { _tag: "Deleted", key: row.key, version } : { _tag: "Put", entry: entryOf(row) }
              if (picture.learn(change)) yield* Queue.offer(out, change)
            }
            const last = rows.at(-1)
            return last === undefined ? seen : BigInt(last.version)
          })
          for (;;) {
            yield* Effect.timeoutOption(PubSub.take(woken), options.poll)
            seen = yield* patiently(goOn)
          }
        },
        (watching, out) => Effect.catch(watching, (error) => Queue.fail(out, error))
      ),
      { bufferSize: 1024, strategy: "suspend" }
    )

  const check = run(Effect.asVoid(clock))
  const status = Effect.map(Effect.result(StateSync.soon(store, check)), (asked): StateSync.Status => {
    const healthy = asked._tag === "Success"
    const detail = healthy ? "kept by the database of this node, for all who share it" : asked.failure.message
    const peers = { connected: 0, known: 0 }
    return { engine: "alone", promises, healthy, detail, peers, pending: 0, refused: StateSync.nothingRefused }
  })

  /** The session begins or goes on. What has to be put again, if it was ended meanwhile: keys that nobody took. */
  const goOn = Effect.gen(function* () {
    const [begun] = yield* sql<{ fresh: boolean }>`INSERT INTO dwcp_state_session (namespace, session, ends_at)
      VALUES (${namespace}, ${session}, clock_timestamp() + ${lease}::interval)
      ON CONFLICT (namespace, session) DO UPDATE SET ends_at = excluded.ends_at RETURNING xmax = 0 AS fresh`
    if (begun?.fresh !== true) return []
    const free = yield* Effect.filter([...held], ([key]) => Effect.map(at(key), Option.isNone))
    return free.map(([key, value]): Owned => ({ _tag: "Put", key, value, owner: session }))
  })

  const renew = Effect.gen(function* () {
    if (!hasOwn) return
    const mine = yield* sql`UPDATE dwcp_state_session SET ends_at = clock_timestamp() + ${lease}::interval
      WHERE namespace = ${namespace} AND session = ${session} RETURNING session`
    if (mine.length > 0) return
    yield* write((revision) =>
      Effect.flatMap(goOn, (lost) => (lost.length === 0 ? Effect.void : Effect.asVoid(apply(revision, lost))))
    )
  })

  /** The keys of those of whom nothing was heard for as long as they had said. */
  const orphans = sql<{ key: string }>`SELECT key FROM dwcp_state WHERE namespace = ${namespace} AND owner IS NOT NULL
    AND NOT EXISTS (SELECT FROM dwcp_state_session AS it WHERE it.namespace = dwcp_state.namespace
      AND it.session = owner AND it.ends_at > now())`

  const removeOrphans = Effect.gen(function* () {
    if ((yield* orphans).length === 0) return
    yield* write((revision) =>
      Effect.gen(function* () {
        // As of the same moment as its keys: a session that goes on just now finds all of itself, or nothing.
        yield* sql`DELETE FROM dwcp_state_session WHERE namespace = ${namespace} AND ends_at <= now()`
        yield* removeAll(revision, yield* orphans)
      })
    )
  })

  const removeAll = (revision: bigint, rows: ReadonlyArray<{ readonly key: string }>) =>
    rows.length === 0
      ? Effect.void
      : apply(
          revision,
          rows.map(({ key }) => ({ _tag: "Delete", key }))
        )

  const leave = write((revision) =>
    Effect.gen(function* () {
      yield* sql`DELETE FROM dwcp_state_session WHERE namespace = ${namespace} AND session = ${session}`
      const mine = yield* sql<{ key: string }>`SELECT key FROM dwcp_state
        WHERE namespace = ${namespace} AND owner = ${session}`
      yield* removeAll(revision, mine)
    })
  )

  /** Marks that everyone awake has seen go. */
  const trim = write(
    () => sql`WITH gone AS (DELETE FROM dwcp_state WHERE namespace = ${namespace} AND value IS NULL
        AND changed_at < now() - ${marksStay}::interval RETURNING version)
      UPDATE dwcp_state_clock SET trimmed = GREATEST(trimmed, (SELECT max(version) FROM gone))
      WHERE namespace = ${namespace} AND EXISTS (SELECT 1 FROM gone)`
  )

  yield* run(prepare(sql, namespace))
  // Who has kept nothing that goes with it does not wait for a database that may hang.
  yield* Effect.addFinalizer(() => (hasOwn ? Effect.ignore(Effect.timeoutOption(leave, "2 seconds")) : Effect.void))
  yield* Effect.andThen(renew, removeOrphans).pipe(
    Effect.exit,
    Effect.repeat(Schedule.spaced(Duration.times(options.lease, 1 / 3))),
    Effect.forkScoped
  )
  yield* Effect.forkScoped(Effect.repeat(Effect.exit(trim), Schedule.spaced("10 minutes")))
  if (options.wake !== undefined) {
    yield* options.wake.pipe(
      Stream.runForEach(() => PubSub.publish(changed, undefined)),
      Effect.exit,
      Effect.repeat(Schedule.spaced(options.poll)),
      Effect.forkScoped
    )
  }

  return {
    get: (key) => run(at(key)),
    list: (prefix) => run(list(prefix)),
    put,
    delete: remove,
    watch,
    subscribe: (key) => StateSync.latest(watch(key), key),
    compareAndSet,
    transaction,
    check,
    status
  }
})

/** An operation, and the session that its key goes with. */
type Owned = StateSync.Operation & { readonly owner?: string | null }

/** The tables, if they are not there. Several may start at once. */
const prepare = (sql: SqlClient.SqlClient, namespace: string) =>
  sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`SELECT pg_advisory_xact_lock(hashtext(${channel}))`
      yield* sql`CREATE TABLE IF NOT EXISTS dwcp_state_clock (
        namespace text PRIMARY KEY, revision bigint NOT NULL DEFAULT 0, trimmed bigint NOT NULL DEFAULT 0)`
      yield* sql`CREATE TABLE IF NOT EXISTS dwcp_state (
        namespace text NOT NULL, key text NOT NULL, value bytea, version bigint NOT NULL, owner text,
        changed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (namespace, key))`
      yield* sql`CREATE INDEX IF NOT EXISTS dwcp_state_owned ON dwcp_state (namespace) WHERE owner IS NOT NULL`
      yield* sql`CREATE TABLE IF NOT EXISTS dwcp_state_session (
        namespace text NOT NULL, session text NOT NULL, ends_at timestamptz NOT NULL, PRIMARY KEY (namespace, session))`
      yield* sql`CREATE INDEX IF NOT EXISTS dwcp_state_by_version ON dwcp_state (namespace, version)`
      yield* sql`INSERT INTO dwcp_state_clock (namespace) VALUES (${namespace}) ON CONFLICT DO NOTHING`
    })
  )

const entryOf = (row: Row): StateSync.Entry => ({
  key: row.key,
  value: row.value ?? new Uint8Array(),
  version: BigInt(row.version)
})

const isSqlError = (error: unknown): error is SqlError.SqlError =>
  Predicate.hasProperty(error, "_tag") && error._tag === "SqlError"

/** What is left of the errors of a write when those of SQL are told in our words. */
const ours = <E>(error: E) => error as Exclude<E, SqlError.SqlError> // asked for by isSqlError before

/** `decided`: only the commit was left to do. */
const failureOf = (error: SqlError.SqlError, decided = false): StateError => {
  const { reason } = error
  if (reason._tag === "AuthenticationError" || reason._tag === "AuthorizationError") {
    return new StoreRefused({ store, reason: reason.message, cause: error })
  }
  if (/No space left|disk full|53100/i.test(`${reason.message} ${String(reason.cause)}`)) {
    return new StoreFull({ store, limit: "its disk is full", cause: error })
  }
  return decided ? new OutcomeUnknown({ store, cause: error }) : new StoreUnreachable({ store, cause: error })
}

/** A watch lasts longer than an outage of the database. */
const patiently = <A>(read: Effect.Effect<A, SqlError.SqlError>): Effect.Effect<A, StateError> =>
  Effect.retry(
    Effect.mapError(read, (error) => failureOf(error)),
    {
      schedule: Schedule.spaced("1 second"),
      while: (error) => error._tag === "StoreUnreachable"
    }
  )
