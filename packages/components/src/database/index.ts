/** The database of a node: PostgreSQL by URL, or embedded. */
export { component, deferred, DeferredMigrations, type DeferredState, examine } from "./Component.ts"
export { Database, type Options, type Reading, type Stats } from "./Database.ts"
export {
  BadDatabaseUrl,
  type ConnectFailure,
  type DatabaseError,
  DatabaseFailed,
  DatabaseNotReady,
  DatabaseUnknown,
  DatabaseUnreachable,
  DataDirInUse,
  DataDirUnusable,
  EmbeddedFailed,
  type EmbeddedFailure,
  HostUnknown,
  LoginRefused,
  type MigrateFailure,
  MigrationChanged,
  MigrationFailed,
  MigrationsLocked,
  MigrationsPending,
  NoDatabase,
  NotPermitted,
  PoolExhausted,
  SchemaDiffers,
  TlsMismatch,
  TooManyConnections
} from "./DatabaseError.ts"
export type { Migration } from "./Migration.ts"
export { migrations } from "./NodeSchema.ts"
export { Settings, SslMode } from "./Settings.ts"
