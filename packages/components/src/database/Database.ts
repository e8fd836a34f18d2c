/**
 * The database of the node: one SQL client over a warm pool, whose schema is known to be what this version needs.
 *
 * **Details**
 *
 * It comes from `database.url`, or else from a PostgreSQL server that the node runs itself. Before it is up, a single
 * connection has shown that the server lets us in, migrations were applied, the schema was compared with what they have
 * made, and `pool.min` connections were opened.
 *
 * While the server is away, calls fail with a `SqlError` whose reason is a `ConnectionError`; the pool opens new
 * connections as soon as it can. What was acknowledged is there again.
 *
 * **Example** (two writes, both or neither)
 *
 * ```ts
 * const moved = Effect.gen(function* () {
 *   const { sql, transaction } = yield* Database
 *   yield* transaction(
 *     Effect.andThen(
 *       sql`UPDATE novacron_tasks SET state = 'running', node_id = ${node} WHERE id = ${task}`,
 *       sql`UPDATE novacron_nodes SET seen_at = now() WHERE id = ${node}`
 *     )
 *   )
 * })
 * ```
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Count } from "@novacron/boot/model"
import type { PgClient } from "@effect/sql-pg"
import { Clock, Context, Duration, Effect, Option, Queue, type Redacted, Ref, Result, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import { type SecretUnavailable, Security } from "../security/Security.ts"
import {
  type BadDatabaseUrl,
  type ConnectFailure,
  type DatabaseError,
  fromSql,
  type MigrateFailure,
  NoDatabase,
  type Place,
  TlsMismatch
} from "./DatabaseError.ts"
import * as Embedded from "./Embedded.ts"
import * as Migration from "./Migration.ts"
import { migrations as own } from "./NodeSchema.ts"
import * as Pool from "./Pool.ts"
import type { Settings } from "./Settings.ts"
import * as Slice from "./Slice.ts"
import * as Target from "./Target.ts"

/** How the database is: for whoever monitors it. Counts begin with the start of the component. */
export interface Stats extends Pool.Stats {
  readonly source: "url" | "embedded"
  /** Where it is, without the password. */
  readonly target: string
  /** As the server says it: `18.4`. */
  readonly serverVersion: string
  /** Migrations applied by this boot; those that were there before are not among them. */
  readonly migrationsApplied: number
  /** The schema was compared with what the migrations have made, and is that. */
  readonly schemaValidated: boolean
}

/** What a probe says. */
export interface Reading {
  /** Of one `SELECT 1`, with the wait for a connection. */
  readonly latencyMs: number
  /** Statements per second since the probe before. */
  readonly throughput: number
  /** The share of statements since the probe before that failed by no fault of their own. */
  readonly errorRate: number
  /** `5 connections open, 1 in use, 0 waiting, of 50 (2 %)`. */
  readonly detail: string
}

export class Database extends Context.Service<
  Database,
  {
    readonly sql: PgClient.PgClient
    /** All of the effect's statements or none. Nested, it is a savepoint. */
    readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError.SqlError, R>
    readonly stats: Effect.Effect<Stats>
    /** Fails when a round trip takes too long or does not succeed; never waits behind the breaker. */
    readonly check: Effect.Effect<Reading, ConnectFailure>
    /** Applies the deferred migrations that wait; yields which. On a connection of its own. */
    readonly applyDeferred: Effect.Effect<ReadonlyArray<string>, MigrateFailure>
  }
>()("novacron/database") {}

export interface Options {
  /** The data directory of the node: the embedded server lives in `postgresql` inside of it. */
  readonly dataDir: string
  /** What the schema consists of. Default: the node's own tables. */
  readonly migrations?: ReadonlyArray<Migration.Migration>
  /** Told when the embedded server has been launched. */
  readonly launched?: () => void
}

/** What closing may take, the connections and the embedded server together: each of its signals has a share of it. */
export const stopWithin = Duration.seconds(12)

/** Where the embedded server keeps its data. */
export const directoryOf = (settings: Settings, { dataDir }: Options): string =>
  settings.embedded.dataDir ?? join(dataDir, "postgresql")

/** What the settings alone say of where the database is: a target, or nothing for the embedded server. */
export const sense = (settings: Settings): Result.Result<Target.Target | undefined, BadDatabaseUrl | NoDatabase> => {
  if (settings.url !== undefined) return Target.fromUrl(settings.url, settings)
  if (settings.embedded.enabled) return Result.succeed(undefined)
  return Result.fail(new NoDatabase({ reason: "database.url is not set and database.embedded.enabled is false" }))
}

/** Opens the database, brings its schema up to date, and keeps it until the scope closes. */
export const make = Effect.fn("Database.make")(function* (
  settings: Settings,
  options: Options
): Effect.fn.Return<Database["Service"], DatabaseError | SecretUnavailable, Security | Scope.Scope> {
  const slice = Slice.make(stopWithin)
  const source = yield* sourceOf(settings, options, slice)
  const { target } = source
  const place = placeOf(source, settings, directoryOf(settings, options))
  const nameOf = (error: SqlError.SqlError) => fromSql(error, place)
  const named = Effect.mapError(nameOf)
  const connection: Pool.Options = {
    target,
    settings,
    password: yield* passwordOf(settings, source),
    authorities: yield* authoritiesOf(settings, place)
  }
  const migration: Migration.Options = {
    migrations: options.migrations ?? own,
    enabled: settings.migrations.enabled,
    lockTimeoutMs: Duration.toMillis(settings.migrations.lockTimeout),
    place
  }
  // One connection first: five wrong passwords at once would say no more, and may lock the account.
  const { applied, serverVersion } = yield* Pool.alone(connection, nameOf, (first) =>
    Effect.gen(function* () {
      const [server] = yield* named(first<{ version: string }>`SELECT current_setting('server_version') AS version`)
      const { applied } = yield* Migration.apply(first, migration)
      return { applied, serverVersion: server?.version ?? "" }
    })
  )
  const pool = yield* named(Pool.make(connection))
  yield* Effect.addFinalizer(() => slice.begin)
  yield* named(pool.warm)
  yield* Effect.forkScoped(
    // The server is back: so are we, without waiting for the breaker.
    Effect.forever(Effect.andThen(Queue.take(source.restarted), Effect.ignore(pool.ping)))
  )
  const stats = Effect.map(pool.stats, (now): Stats => ({
    ...now,
    source: source._tag,
    target: place.target,
    serverVersion,
    migrationsApplied: applied.length,
    schemaValidated: true
  }))
  const { established, schemaValidated } = yield* stats
  yield* Effect.logInfo(
    `The database is PostgreSQL ${serverVersion} at ${place.target}; ` +
      `migrations applied: ${applied.length === 0 ? "none" : applied.join(", ")}.`,
    {
      component: "database",
      phase: "core",
      event: "DatabaseOpened",
      metrics: {
        connections_established: established,
        migrations_applied: applied.length,
        schema_validated: schemaValidated
      }
    }
  )
  return {
    sql: pool.sql,
    transaction: pool.sql.withTransaction,
    stats,
    check: named(yield* probe(pool)),
    applyDeferred: Pool.alone(connection, nameOf, (sql) => Migration.applyDeferred(sql, migration))
  }
})

// -------------------------------------------------------------------------------------------------------------- source

interface Source {
  readonly _tag: Stats["source"]
  readonly target: Target.Target
  /** Never, for a server that nobody here starts. */
  readonly restarted: Queue.Dequeue<void>
}

const sourceOf = Effect.fnUntraced(function* (
  settings: Settings,
  options: Options,
  slice: Slice.Slice
): Effect.fn.Return<Source, DatabaseError, Scope.Scope> {
  const target = yield* Effect.fromResult(sense(settings))
  if (target !== undefined) return { _tag: "url", target, restarted: yield* Queue.sliding<void>(1) }
  const embedded = yield* Embedded.make({
    directory: directoryOf(settings, options),
    connections: settings.pool.max + spare,
    slice,
    launched: options.launched
  })
  return { _tag: "embedded", ...embedded }
})

/** For migrations, for an operator, and for those that PostgreSQL keeps back for itself. */
const spare = 10

const placeOf = ({ _tag, target }: Source, { passwordSecret }: Settings, directory: string): Place => ({
  target: Target.describe(target),
  database: target.database,
  host: target.at._tag === "Tcp" ? target.at.host : target.at.directory,
  isReady: Target.isReady(target),
  login:
    _tag === "embedded"
      ? `It is the embedded one, whose password is the file ${join(directory, "password")}: restore that from a backup.`
      : passwordSecret === undefined
        ? "Correct user and password in database.url."
        : `Correct the user in database.url, or the secret "${passwordSecret}" (database.password_secret).`
})

/** From the secrets, asked anew for each connection so that a rotated one is found; or the one of the target. */
const passwordOf = Effect.fnUntraced(function* (
  { passwordSecret }: Settings,
  { _tag, target: { password } }: Source
): Effect.fn.Return<Effect.Effect<Redacted.Redacted> | undefined, SecretUnavailable, Security> {
  if (passwordSecret === undefined || _tag === "embedded") {
    return Option.getOrUndefined(Option.map(password, Effect.succeed))
  }
  const security = yield* Security
  const asked = Effect.suspend(() => security.secret(passwordSecret))
  const known = yield* Ref.make(yield* asked)
  const latest = Effect.tap(asked, (secret) => Ref.set(known, secret))
  return Effect.catch(latest, () => Ref.get(known)) // the provider is away; the last one may well do
})

const authoritiesOf = Effect.fnUntraced(function* ({ sslRootCert }: Settings, { target }: Place) {
  if (sslRootCert === undefined) return undefined
  return yield* Effect.tryPromise({
    try: () => readFile(sslRootCert, "utf8"),
    catch: (cause) => {
      const problem = `the authorities in ${sslRootCert} cannot be read`
      return new TlsMismatch({ target, problem, remedy: "Correct database.ssl_root_cert.", cause })
    }
  })
})

// --------------------------------------------------------------------------------------------------------------- probe

/** A ping, with what has happened since the one before it. */
const probe = Effect.fnUntraced(function* (pool: Pool.Pool) {
  const last = yield* Ref.make({ atMs: yield* Clock.currentTimeMillis, statements: 0, failures: 0 })
  return Effect.gen(function* () {
    const latencyMs = yield* pool.ping
    const now = yield* pool.stats
    const atMs = yield* Clock.currentTimeMillis
    const before = yield* Ref.getAndSet(last, { atMs, statements: now.statements, failures: now.failures })
    const statements = now.statements - before.statements
    const seconds = Math.max(atMs - before.atMs, 1) / 1000
    const share = Math.round((100 * now.inUse) / now.max)
    const open = Count.of(now.open, "connection")
    return {
      latencyMs,
      throughput: statements / seconds,
      errorRate: statements === 0 ? 0 : (now.failures - before.failures) / statements,
      detail: `${open} open, ${now.inUse} in use, ${now.waiting} waiting, of ${now.max} (${share} %)`
    } satisfies Reading
  })
})
