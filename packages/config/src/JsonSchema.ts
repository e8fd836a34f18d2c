/** The Schema of some settings for editors and for other languages: JSON Schema, draft 2020-12, of a file. */
import { Schema } from "effect"
import { type Definition, versionKey } from "./Config.ts"
import * as Keys from "./Keys.ts"

/** A JSON Schema. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/** What a file may say. Keys are as in a file, and unknown ones are not allowed. A default that is secret is left out. */
export const make = <A, E>(definition: Definition<A, E>): JsonSchema => {
  const definitions: Keys.MutableTree = {}
  const { properties, ...rest } = objectOf(definition.keys.root, definitions)
  const version = {
    type: "integer",
    minimum: 1,
    maximum: definition.version,
    description: "The shape of this file; 1 when it is absent"
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `Settings of ${definition.name}`,
    ...rest,
    properties: { [versionKey]: version, ...properties },
    ...(Object.keys(definitions).length === 0 ? {} : { $defs: definitions })
  }
}

const schemaOf = (node: Keys.Node, definitions: Keys.MutableTree): JsonSchema => {
  switch (node._tag) {
    case "Section":
      return orNothing(objectOf(node, definitions))
    case "Table":
      return orNothing({
        type: "object",
        ...describedBy(node.description),
        additionalProperties: schemaOf(node.child("*"), definitions)
      })
    case "Key":
      return leafOf(node, definitions)
  }
}

const objectOf = (section: Keys.Section, definitions: Keys.MutableTree) => {
  const children = [...section.children]
  const required = children.flatMap(([name, child]) => (isNeeded(child) ? [name] : []))
  return {
    type: "object",
    ...describedBy(section.description),
    properties: Object.fromEntries(children.map(([name, child]) => [name, schemaOf(child, definitions)])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false
  }
}

/** A section of which everything has been commented out. */
const orNothing = (schema: JsonSchema & { readonly type: string }): JsonSchema =>
  "required" in schema ? schema : { ...schema, type: [schema.type, "null"] }

/** What the environment may say is not required of a file. */
const isNeeded = (node: Keys.Node): boolean => node._tag === "Key" && node.isRequired && node.environment === undefined

const leafOf = (key: Keys.Key, definitions: Keys.MutableTree): JsonSchema => {
  const document = Schema.toJsonSchemaDocument(Schema.make<Schema.Codec<unknown>>(key.ast))
  Object.assign(definitions, document.definitions)
  const fallback = key.fallback === undefined || key.isSecret ? {} : { default: Keys.toFile(key.ast, key.fallback) }
  const facts = { ...describedBy(key.description), ...fallback, ...(key.isSecret ? { writeOnly: true } : {}) }
  const { description: _, ...own } = snake(document.schema)
  const isAnyText = own["type"] === "string" && Object.keys(own).length === 1
  return isAnyText ? { ...own, ...facts } : { ...facts, anyOf: [own, standIn] }
}

/** What may stand for any value: a variable, or something encrypted. */
const standIn: JsonSchema = { type: "string", pattern: String.raw`^enc:AES256:|\$\{` }

const describedBy = (description: string | undefined) => (description === undefined ? {} : { description })

/** The keys inside of a leaf are written as in a file too. */
const snake = (schema: unknown): JsonSchema => {
  if (!Keys.isTree(schema)) return {}
  const { properties, required, ...rest } = schema
  const inside = Object.entries(rest).map(([keyword, value]) => [
    keyword,
    Array.isArray(value) && keyword !== "enum"
      ? value.map((it) => (Keys.isTree(it) ? snake(it) : it))
      : Keys.isTree(value)
        ? snake(value)
        : value
  ])
  const renamed = Keys.isTree(properties)
    ? {
        additionalProperties: false,
        properties: Object.fromEntries(Object.entries(properties).map(([key, it]) => [Keys.toSnake(key), snake(it)]))
      }
    : {}
  const needed = Array.isArray(required) ? { required: required.map((key) => Keys.toSnake(String(key))) } : {}
  return { ...Object.fromEntries(inside), ...renamed, ...needed }
}
