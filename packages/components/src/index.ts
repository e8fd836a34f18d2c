/**
 * The parts of a node, each a folder with its settings, its service and `component(settings, …)`, which makes the component.
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Boot } from "@novacron/boot"
 * import { Cache, Security } from "@novacron/components"
 * import { Effect, FileSystem, Layer, Option, Schema } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const greeting = Effect.gen(function* () {
 *   const cache = yield* Cache.Cache
 *   yield* cache.set("greeting", "hello", "10 seconds")
 *   return Option.getOrElse(yield* cache.get("greeting"), () => "nothing")
 * })
 * const program = Effect.gen(function* () {
 *   const dataDir = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
 *   const facts = { dataDir, nodeId: "node-1", environment: {} }
 *   const security = Security.component(Schema.decodeUnknownSync(Security.Settings)({}), facts)
 *   const cache = Cache.component(Schema.decodeUnknownSync(Cache.Settings)({}))
 *   return yield* Effect.provide(greeting, Boot.layer([security, cache]))
 * })
 * const platform = Layer.merge(NodeServices.layer, FetchHttpClient.layer)
 * console.log(await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(platform)))) // => hello
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
