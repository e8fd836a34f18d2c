/** Settings of an application, from a Schema. */
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
export * as Reload from "./Reload.ts"
export * as Remote from "./Remote.ts"
export * as Resource from "./Resource.ts"
export * as Signature from "./Signature.ts"
export * as Template from "./Template.ts"
