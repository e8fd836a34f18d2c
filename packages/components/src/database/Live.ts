/**
 * How the database starts: where it is, one connection that shows it, its schema, the pool. It brings the client of
 * PostgreSQL, so it is loaded when the database starts and not before.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Count } from "@novacron/boot/model"
import { Clock, Duration, Effect, Option, Queue, type Redacted, Ref, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import { type SecretUnavailable, Security } from "../security/Security.ts"
import { type Database, directoryOf, type Options, type Reading, sense, type Stats, stopWithin } from "./Database.ts"
import { type DatabaseError, fromSql, type Place, TlsMismatch } from "./DatabaseError.ts"
import * as Embedded from "./Embedded.ts"
import * as Migration from "./Migration.ts"
import { migrations as own } from "./NodeSchema.ts"
import * as Pool from "./Pool.ts"
import type { Settings } from "./Settings.ts"
import * as Slice from "./Slice.ts"
import * as Target from "./Target.ts"

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
