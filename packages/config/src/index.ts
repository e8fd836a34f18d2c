/** Settings of an application, from a Schema. */
export * as Field from "./Field.ts"
