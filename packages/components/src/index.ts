/**
 * The parts of a node, each a folder with its settings, its service and `component(settings, …)`, which makes the component.
 *
 * ```ts
 * const parts = [Security.component(settings.security, facts), Cache.component(settings.cache)] as const
 * NodeRuntime.runMain(Boot.run(parts))
 * ```
 */
export * as Api from "./api/index.ts"
export * as Cache from "./cache/index.ts"
export * as Database from "./database/index.ts"
export * as Discovery from "./discovery/index.ts"
export * as Dwcp from "./dwcp/index.ts"
export * as Environment from "./environment/Component.ts"
export * as Lock from "./lock/Component.ts"
export * as Logger from "./logger/Component.ts"
export * as Ml from "./ml/index.ts"
export * as Monitoring from "./monitoring/index.ts"
export * as Network from "./network/index.ts"
export * as Operator from "./operator/index.ts"
export * as Orchestration from "./orchestration/index.ts"
export * as Post from "./post/Component.ts"
export * as Preflight from "./preflight/Component.ts"
export * as Resources from "./resources/Component.ts"
export * as Security from "./security/index.ts"
