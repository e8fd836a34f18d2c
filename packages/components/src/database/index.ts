/** The database of a node: PostgreSQL by URL, or embedded. */
export { component, deferred, DeferredMigrations, type DeferredState } from "./Component.ts"
export { Database, type Options, type Reading, type Stats } from "./Database.ts"
export * from "./DatabaseError.ts"
export type { Migration } from "./Migration.ts"
export { migrations } from "./NodeSchema.ts"
export { Settings, SslMode } from "./Settings.ts"
