/** Settings of an application, from a Schema. */
export * as Config from "./Config.ts"
export * as Encryption from "./Encryption.ts"
export * as Field from "./Field.ts"
export type { Migration } from "./Migration.ts"
export { type Code, codes, ConfigInvalid, describe, type Problem, place, render, type Source } from "./Problem.ts"
export * as Signature from "./Signature.ts"
