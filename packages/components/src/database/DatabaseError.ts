/**
 * What can go wrong with the database, each with what follows and what to do, and how the errors of the driver become one
 * of them.
 *
 * **Details**
 *
 * The settings are wrong, or the server says no for good: such an error is never tried again ({@link patience}). The
 * server is away, full, or not ready yet: tried again, because that passes.
 */
import { Policy } from "@novacron/boot"
import { Data, Duration } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/** `database.url` cannot be read. The URL itself is not repeated: it may hold a password. */
export class BadDatabaseUrl extends Data.TaggedError("BadDatabaseUrl")<{ readonly problem: string }> {
  readonly code = "NVC-2101"
  override get message() {
    return `database.url cannot be used: ${this.problem}. It reads postgres://USER:PASSWORD@HOST:PORT/DATABASE.`
  }
}

/** There is no URL, and no embedded server to be had. */
export class NoDatabase extends Data.TaggedError("NoDatabase")<{ readonly reason: string; readonly cause?: unknown }> {
  readonly code = "NVC-2102"
  override get message() {
    return `There is no database: ${this.reason}. Set database.url, or NOVACRON_DATABASE_URL, to a PostgreSQL server.`
  }
}

/** Nobody answers there. */
export class DatabaseUnreachable extends Data.TaggedError("DatabaseUnreachable")<{
  /** Where, without the password. */
  readonly target: string
  /** Of the system or of the connection: `connect ECONNREFUSED 127.0.0.1:5432`. */
  readonly problem: string
  /** The command that shows whether the server is up. */
  readonly isReady: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2103"
  override get message() {
    return `The database at ${this.target} is not reachable: ${this.problem}. Is PostgreSQL up?  ${this.isReady}`
  }
}

/** The server does not let us in: a wrong password, an unknown user, no line for us in its pg_hba.conf. */
export class LoginRefused extends Data.TaggedError("LoginRefused")<{
  readonly target: string
  readonly problem: string
  readonly remedy: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2104"
  override get message() {
    return `The database at ${this.target} refuses the login: ${this.problem}. ${this.remedy}`
  }
}

/** The server is there, the database on it is not. */
export class DatabaseUnknown extends Data.TaggedError("DatabaseUnknown")<{
  readonly target: string
  readonly database: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2105"
  override get message() {
    return `The server at ${this.target} has no database "${this.database}". Create it, or correct database.url.`
  }
}

/** Nobody knows a machine of that name. */
export class HostUnknown extends Data.TaggedError("HostUnknown")<{
  readonly target: string
  readonly host: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2106"
  override get message() {
    const { host, target } = this
    const reason = textOf(this.cause)
    return `The host "${host}" of ${target} is unknown here: ${reason}. Is it spelled right?  getent hosts ${host}`
  }
}

/** The two sides do not agree on encryption, or the certificate is not one that we trust. */
export class TlsMismatch extends Data.TaggedError("TlsMismatch")<{
  readonly target: string
  readonly problem: string
  readonly remedy: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2107"
  override get message() {
    return `No encrypted connection to the database at ${this.target}: ${this.problem}. ${this.remedy}`
  }
}

/** The server has no connection left for us. */
export class TooManyConnections extends Data.TaggedError("TooManyConnections")<{
  readonly target: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2108"
  override get message() {
    return (
      `The database at ${this.target} has no free connection. Lower database.pool.max on the nodes, ` +
      `or raise max_connections on the server.`
    )
  }
}

/** The server is starting, stopping, or reading its log after a crash. */
export class DatabaseNotReady extends Data.TaggedError("DatabaseNotReady")<{
  readonly target: string
  readonly problem: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2109"
  override get message() {
    return `The database at ${this.target} takes no connections yet: ${this.problem}. It usually passes; its log says more.`
  }
}

/** Our own server did not come up. `output` is the end of what it said. */
export class EmbeddedFailed extends Data.TaggedError("EmbeddedFailed")<{
  readonly directory: string
  readonly problem: string
  readonly output: string
  /** It ended by itself, over what will be so the next time: it was not killed, and not too slow. */
  readonly isFinal: boolean
  readonly cause?: unknown
}> {
  readonly code = "NVC-2110"
  override get message() {
    const said = this.output === "" ? "" : ` It said: ${this.output}`
    return `The embedded PostgreSQL in ${this.directory} ${this.problem}.${said}`
  }
}

/** Somebody else works in our data directory. */
export class DataDirInUse extends Data.TaggedError("DataDirInUse")<{
  readonly directory: string
  readonly pid: number
  readonly who: "node" | "server"
}> {
  readonly code = "NVC-2111"
  override get message() {
    const who = this.who === "node" ? "another node" : "a PostgreSQL server that no node has started"
    return (
      `The database in ${this.directory} is in use by ${who}, pid ${this.pid}. Stop that one, or give this node ` +
      `a directory of its own (database.embedded.data_dir).`
    )
  }
}

/** The data directory cannot be used as it is. */
export class DataDirUnusable extends Data.TaggedError("DataDirUnusable")<{
  readonly directory: string
  readonly problem: string
  readonly remedy: string
  readonly cause?: unknown
}> {
  readonly code = "NVC-2112"
  override get message() {
    return `The data directory ${this.directory} of the embedded PostgreSQL cannot be used: ${this.problem}. ${this.remedy}`
  }
}

/** A migration failed and was rolled back, with all of its batch. */
export class MigrationFailed extends Data.TaggedError("MigrationFailed")<{
  readonly migration: string
  readonly problem: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2113"
  override get message() {
    return `Migration ${this.migration} failed and was rolled back: ${this.problem}. The schema is as it was before.`
  }
}

/** A migration that was applied reads differently now. */
export class MigrationChanged extends Data.TaggedError("MigrationChanged")<{ readonly migration: string }> {
  readonly code = "NVC-2114"
  override get message() {
    return (
      `Migration ${this.migration} was applied to this database and has been changed since. ` +
      `Restore its text, and write a new migration for what should be different.`
    )
  }
}

/** The schema is not what the migrations have made. */
export class SchemaDiffers extends Data.TaggedError("SchemaDiffers")<{
  /** `column novacron_nodes.address`. */
  readonly object: string
  readonly found: string
  readonly expected: string
  /** How many more objects differ. */
  readonly others: number
}> {
  readonly code = "NVC-2115"
  override get message() {
    const others = this.others === 0 ? "" : ` (and ${this.others} more)`
    return (
      `The schema was changed by somebody else: ${this.object} is ${this.found}, the migrations made it ` +
      `${this.expected}${others}. Change it back, or restore a backup.`
    )
  }
}

/** Migrations wait to be applied, and this node may not. */
export class MigrationsPending extends Data.TaggedError("MigrationsPending")<{ readonly migration: string }> {
  readonly code = "NVC-2116"
  override get message() {
    return (
      `Migration ${this.migration} has not been applied, and database.migrations.enabled is false here. ` +
      `Apply it from a node that may.`
    )
  }
}

/** The user of the database may not do what the node has to do. */
export class NotPermitted extends Data.TaggedError("NotPermitted")<{
  readonly target: string
  readonly problem: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2117"
  override get message() {
    return `The user of the database at ${this.target} may not do that: ${this.problem}. Grant it, or use another user.`
  }
}

/** Another node holds the lock of the migrations. */
export class MigrationsLocked extends Data.TaggedError("MigrationsLocked")<{
  readonly afterMs: number
  readonly cause: unknown
}> {
  readonly code = "NVC-2118"
  override get message() {
    return `Another node has been migrating the database for more than ${this.afterMs} ms. Wait for it, then boot again.`
  }
}

/** The server answered with an error that has no name of its own here. */
export class DatabaseFailed extends Data.TaggedError("DatabaseFailed")<{
  readonly target: string
  readonly problem: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2119"
  override get message() {
    return `The database at ${this.target} failed: ${this.problem}. Its log says more.`
  }
}

/** All connections of the pool are in use, and none came back in time. */
export class PoolExhausted extends Data.TaggedError("PoolExhausted")<{
  readonly inUse: number
  readonly max: number
  readonly within: Duration.Duration
}> {
  readonly code = "NVC-2120"
  override get message() {
    return (
      `No connection to the database was free within ${Duration.format(this.within)}: ${this.inUse} of ${this.max} are ` +
      `in use. Raise database.pool.max, or find what holds them (pg_stat_activity).`
    )
  }
}

/** What opening a connection can end with. */
export type ConnectFailure =
  | PoolExhausted
  | DatabaseUnreachable
  | LoginRefused
  | DatabaseUnknown
  | HostUnknown
  | TlsMismatch
  | TooManyConnections
  | DatabaseNotReady
  | NotPermitted
  | DatabaseFailed

/** What the embedded server can end with. */
export type EmbeddedFailure = NoDatabase | EmbeddedFailed | DataDirInUse | DataDirUnusable

/** What bringing the schema up to date can end with. */
export type MigrateFailure =
  | MigrationFailed
  | MigrationChanged
  | SchemaDiffers
  | MigrationsPending
  | MigrationsLocked
  | ConnectFailure

/** Whatever keeps the database from starting. */
export type DatabaseError = BadDatabaseUrl | ConnectFailure | EmbeddedFailure | MigrateFailure

/** What time does not change is not tried again; the rest follows {@link Policy.standard}: 3 attempts in 3 seconds. */
export const patience: Policy.Policy = Policy.when(
  Policy.perError(Policy.standard, {
    BadDatabaseUrl: Policy.never,
    NoDatabase: Policy.never,
    LoginRefused: Policy.never,
    DatabaseUnknown: Policy.never,
    HostUnknown: Policy.never,
    TlsMismatch: Policy.never,
    DataDirInUse: Policy.never,
    DataDirUnusable: Policy.never,
    MigrationFailed: Policy.never,
    MigrationChanged: Policy.never,
    SchemaDiffers: Policy.never,
    MigrationsPending: Policy.never,
    NotPermitted: Policy.never,
    SecretUnavailable: Policy.never
  }),
  (error) => error instanceof EmbeddedFailed && error.isFinal,
  Policy.never
)

/** Where a failure happened, as far as a message needs it. */
export interface Place {
  /** Without the password. */
  readonly target: string
  readonly database: string
  readonly host: string
  readonly isReady: string
  /** What to do when it refuses the login: user and password come from different places. */
  readonly login: string
}

/** Names what the driver has met. */
export const fromSql = ({ reason }: SqlError, place: Place): ConnectFailure => {
  const { target } = place
  const cause = reason.cause
  if (cause instanceof PoolExhausted) return cause
  const problem = textOf(cause)
  const code = codeOf(cause) ?? ""
  switch (code) {
    case "ENOTFOUND":
      return new HostUnknown({ target, host: place.host, cause })
    case "28000":
      // The only way in which a server says that it wants TLS is the text of its refusal.
      return /no encryption/.test(problem)
        ? new TlsMismatch({ target, problem, remedy: "Set database.sslmode to require or better.", cause })
        : new LoginRefused({ target, problem, remedy: place.login, cause })
    case "28P01":
      return new LoginRefused({ target, problem, remedy: place.login, cause })
    case "3D000":
      return new DatabaseUnknown({ target, database: place.database, cause })
    case "42501":
      return new NotPermitted({ target, problem, cause })
    case "53300":
      return new TooManyConnections({ target, cause })
    case "57P03":
      return new DatabaseNotReady({ target, problem, cause })
    case "57P01":
    case "57P02":
      return new DatabaseUnreachable({ target, problem, isReady: place.isReady, cause })
    default:
      break
  }
  if (reason.message?.endsWith("Server refused TLS") === true) {
    const remedy = "Turn TLS on there, or, where nobody can listen in, set database.sslmode to disable."
    return new TlsMismatch({ target, problem, remedy, cause })
  }
  // The driver got bytes that no server sends to who has said hello to it.
  if (/exceeds maxMessageSize|in response to SSLRequest$/.test(problem)) {
    const other = `what answers there is no PostgreSQL, or one that can start no process for us (${problem})`
    return new DatabaseUnreachable({ target, problem: other, isReady: place.isReady, cause })
  }
  if (isUntrusted(code)) {
    const remedy = "Set database.ssl_root_cert to the authority that signed it, and HOST to the name in it."
    return new TlsMismatch({ target, problem, remedy, cause })
  }
  if (reason._tag === "AuthenticationError") return new LoginRefused({ target, problem, remedy: place.login, cause })
  if (reason._tag === "ConnectionError") {
    return new DatabaseUnreachable({ target, problem, isReady: place.isReady, cause })
  }
  return new DatabaseFailed({ target, problem, cause })
}

/** What the server said to a statement, which the driver only says has failed. */
export const saidOf = ({ message, reason }: SqlError): string =>
  reason.cause instanceof Error ? textOf(reason.cause) : message.replace(/\.$/, "")

/** What the driver, the system or the server said; never what was asked of it. */
export const textOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "it gave no reason"
  // A name with several addresses: what happened at the first of them stands for all.
  if (cause.message === "" && cause instanceof AggregateError) return textOf(cause.errors[0])
  return cause.message.replace(/\.$/, "")
}

/** The SQLSTATE of the server, or the code of the system. */
export const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

const isUntrusted = (code: string): boolean =>
  /^(?:ERR_TLS_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_SSL_)/.test(code)
