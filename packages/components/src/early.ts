/**
 * What a node needs before its boot, without the code of its parts: their settings, the log, and where it runs. The other
 * door, `@novacron/components`, brings everything.
 *
 * ```ts
 * const Settings = Schema.Struct({ cache: Field.withDefault(Cache.Settings, {}) })
 * const { kind } = yield* Detection.detect(settings.environment)
 * ```
 */
export * as Api from "./api/Settings.ts"
export * as Cache from "./cache/Settings.ts"
export * as Database from "./database/Settings.ts"
export * as Detection from "./environment/Detection.ts"
export * as Discovery from "./discovery/Settings.ts"
export * as Dwcp from "./dwcp/Settings.ts"
export * as Environment from "./environment/Settings.ts"
export * as Lock from "./lock/Settings.ts"
export * as Logger from "./logger/Settings.ts"
export * as Logging from "./logger/Logging.ts"
export * as Ml from "./ml/Settings.ts"
export * as Monitoring from "./monitoring/Settings.ts"
export * as Network from "./network/Settings.ts"
export * as Operator from "./operator/Settings.ts"
export * as Orchestration from "./orchestration/Settings.ts"
export * as Post from "./post/Settings.ts"
export * as Preflight from "./preflight/Settings.ts"
export * as Resources from "./resources/Settings.ts"
export * as Security from "./security/Settings.ts"
export * as Tier from "./resources/Tier.ts"
