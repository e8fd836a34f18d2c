/**
 * Settings of an application, from a Schema: {@link Config} finds them, each with where it comes from, and tells
 * everything that is wrong at once; {@link Field} has the fields that files write as text, such as durations and ports.
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Config, Field } from "@novacron/config"
 * import { Effect, Schema } from "effect"
 *
 * const Server = Schema.Struct({
 *   port: Field.withDefault(Field.port, 8443),
 *   requestTimeout: Field.withDefault(Field.duration, "30s")
 * })
 * const definition = Config.define({
 *   name: "shop",
 *   schema: Schema.Struct({ server: Field.withDefault(Server, {}) })
 * })
 * const program = Config.load(definition, {
 *   environment: { SHOP_SERVER_PORT: "80" },
 *   flags: { "server.request_timeout": "5s" }
 * })
 * const loaded = await Effect.runPromise(Effect.provide(program, NodeServices.layer))
 * console.log(loaded.settings.server.port) // => 80
 * console.log(loaded.explain("server.request_timeout")[0]?.sources[0].place) // => -s server.request_timeout
 * ```
 */
export * as Audit from "./Audit.ts"
export * as Compliance from "./Compliance.ts"
export * as Config from "./Config.ts"
export * as Difference from "./Difference.ts"
export * as Encryption from "./Encryption.ts"
export * as Experiment from "./Experiment.ts"
export * as Field from "./Field.ts"
export * as Flags from "./Flags.ts"
export * as History from "./History.ts"
export * as JsonSchema from "./JsonSchema.ts"
export type { Migration } from "./Migration.ts"
export {
  type Code,
  codes,
  ConfigInvalid,
  describe,
  didYouMean,
  type Problem,
  place,
  render,
  type Source
} from "./Problem.ts"
export * as PortHolder from "./PortHolder.ts"
export * as Reload from "./Reload.ts"
export * as Remote from "./Remote.ts"
export * as Replacement from "./Replacement.ts"
export * as Resource from "./Resource.ts"
export * as Signature from "./Signature.ts"
export * as Template from "./Template.ts"
