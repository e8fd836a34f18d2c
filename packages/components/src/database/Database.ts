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
import { join } from "node:path"
import type { PgClient } from "@effect/sql-pg"
import { Context, Duration, type Effect, Result } from "effect"
import type { SqlError } from "effect/sql"
import { type BadDatabaseUrl, type ConnectFailure, type MigrateFailure, NoDatabase } from "./DatabaseError.ts"
import type { Migration } from "./Migration.ts"
import type { Stats as PoolStats } from "./Pool.ts"
import type { Settings } from "./Settings.ts"
import * as Target from "./Target.ts"

/** How the database is: for whoever monitors it. Counts begin with the start of the component. */
export interface Stats extends PoolStats {
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
  readonly migrations?: ReadonlyArray<Migration>
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
