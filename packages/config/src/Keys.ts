/**
 * The keys of some settings, found by walking their Schema: how each is written in a file, in the environment and on the
 * command line, what it allows, what it is without being told, and whether it is a secret.
 *
 * **Details**
 *
 * A Schema says `maxConcurrency`, a file `max_concurrency`, the environment `NOVACRON_SYSTEM_MAX_CONCURRENCY`, a flag
 * `system.max_concurrency`. Structs are sections, records are tables (their keys are names that people choose), and all
 * else is a leaf: scalars, lists, unions.
 */
import { Effect, Exit, Schema, SchemaAST, type SchemaIssue, SchemaParser } from "effect"

/** A Schema of settings: synchronous, and without services. */
export type SettingsSchema<A, E = unknown> = Schema.Codec<A, E>

/** One leaf of the settings. */
export interface Key {
  readonly _tag: "Key"
  /** As in the Schema: `["system", "maxConcurrency"]`. */
  readonly path: ReadonlyArray<string>
  /** As in a file: `["system", "max_concurrency"]`. */
  readonly parts: ReadonlyArray<string>
  /** The parts, dotted: `system.max_concurrency`. */
  readonly name: string
  /** The environment variable that sets it. Keys inside of a table have none; the table has one. */
  readonly environment: string | undefined
  readonly description: string | undefined
  /** For people: `"debug" | "info"`, `a port from 0 to 65535`. */
  readonly allowed: string
  /** What may be written, when there are only a few possibilities. */
  readonly literals: ReadonlyArray<string>
  readonly isSecret: boolean
  readonly isRequired: boolean
  /** What it is when nobody says anything, as it would be written; `undefined` when it is absent then. */
  readonly fallback: unknown
  readonly ast: SchemaAST.AST
}

/** A struct: a fixed set of keys. */
export interface Section {
  readonly _tag: "Section"
  readonly path: ReadonlyArray<string>
  readonly name: string
  readonly description: string | undefined
  readonly isRequired: boolean
  /** By the name in a file. */
  readonly children: ReadonlyMap<string, Node>
}

/** A record: names that people choose, each with the same shape below it. */
export interface Table {
  readonly _tag: "Table"
  readonly path: ReadonlyArray<string>
  readonly name: string
  readonly environment: string | undefined
  readonly description: string | undefined
  readonly isRequired: boolean
  readonly child: (name: string) => Node
}

export type Node = Key | Section | Table

/** All keys of some settings. */
export interface Keys {
  readonly root: Section
  /** Every leaf outside of a table, in the order of the Schema. */
  readonly leaves: ReadonlyArray<Key>
  readonly tables: ReadonlyArray<Table>
  /** What each environment variable sets. */
  readonly byEnvironment: ReadonlyMap<string, Key | Table>
}

/**
 * Walks a Schema. `prefix` begins the names of all environment variables: `NOVACRON`.
 *
 * Throws when two keys would have one environment variable: that is a mistake in the Schema.
 */
export const make = <A, E>(schema: SettingsSchema<A, E>, prefix: string): Keys => {
  const root = nodeOf(schema.ast, { path: [], parts: [], prefix, inTable: false, given: () => undefined })
  if (root._tag !== "Section") throw new Error("Settings must be a Schema.Struct.")
  const leaves: Array<Key> = []
  const tables: Array<Table> = []
  const byEnvironment = new Map<string, Key | Table>()
  const visit = (node: Node): void => {
    if (node._tag === "Section") return node.children.forEach(visit)
    if (node._tag === "Key" && !isWritable(node.ast))
      throw new Error(`${node.name} is of a type that no file can hold. Encode it as a text, a number or a boolean.`)
    if (node._tag === "Key") leaves.push(node)
    else tables.push(node)
    if (node.environment === undefined) return
    const other = byEnvironment.get(node.environment)
    if (other) throw new Error(`${other.name} and ${node.name} would both be set by ${node.environment}. Rename one.`)
    byEnvironment.set(node.environment, node)
  }
  visit(root)
  return { root, leaves, tables, byEnvironment }
}

/** The names of the sections of a Schema, as in it. */
export const namesIn = <A, E>({ ast }: SettingsSchema<A, E>): ReadonlyArray<string> =>
  (objectsOf(ast)?.propertySignatures ?? []).map(({ name }) => String(name))

/** The keys of these sections alone. */
export const only = (keys: Keys, names: ReadonlySet<string>): Keys => {
  const children = [...keys.root.children].filter(([, { path }]) => names.has(path[0] ?? ""))
  return { ...keys, root: { ...keys.root, children: new Map(children) } }
}

/** The node with that dotted name, as in a file; inside of a table any name is one. */
export const find = (keys: Keys, name: string): Node | undefined => nodeAt(keys, name.split("."))

/** The node at those parts, as in a file. */
export const nodeAt = (keys: Keys, parts: ReadonlyArray<string>): Node | undefined => {
  let node: Node = keys.root
  for (const part of parts) {
    const next: Node | undefined =
      node._tag === "Section" ? node.children.get(part) : node._tag === "Table" ? node.child(part) : undefined
    if (next === undefined) return undefined
    node = next
  }
  return node
}

/** `maxConcurrency` → `max_concurrency`. */
export const toSnake = (name: string): string =>
  name
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()

/** The value of a leaf as the Schema wants it: inside of lists and unions a file has `snake_case` too. */
export const fromFile = (ast: SchemaAST.AST, value: unknown): unknown => rename(ast, value, toSnake, (name) => name)

/** The value of a leaf as a file wants it. */
export const toFile = (ast: SchemaAST.AST, value: unknown): unknown => rename(ast, value, (name) => name, toSnake)

/** What a text means to a leaf: the environment, flags and `${…}` know only texts. */
export const fromText = (ast: SchemaAST.AST, text: string): unknown => {
  const encoded = SchemaAST.toEncoded(ast)
  if (SchemaAST.isUnion(encoded)) {
    const accepts = (type: SchemaAST.AST): boolean => Exit.isSuccess(decodeExit(type, fromText(type, text)))
    const type = encoded.types.find(accepts)
    return type ? fromText(type, text) : text
  }
  if (SchemaAST.isNumber(encoded)) return numeric.test(text.trim()) ? Number(text) : text
  if (SchemaAST.isBoolean(encoded)) return booleans.get(text.trim().toLowerCase()) ?? text
  if (SchemaAST.isLiteral(encoded)) return String(encoded.literal) === text ? encoded.literal : text
  if (SchemaAST.isNull(encoded)) return text === "null" ? null : text
  if (SchemaAST.isArrays(encoded)) {
    if (text.trimStart().startsWith("[")) return fromFile(ast, fromJson(text))
    const [item] = encoded.rest
    const parts = text.split(",").map((part) => part.trim())
    return text.trim() === "" ? [] : parts.map((part) => (item ? fromText(item, part) : part))
  }
  if (SchemaAST.isObjects(encoded)) return fromFile(ast, fromJson(text))
  return text
}

/** Whether any text at all could be meant: then what it says may be somebody's secret. */
export const isFreeText = (ast: SchemaAST.AST): boolean => {
  const encoded = SchemaAST.toEncoded(ast)
  if (SchemaAST.isUnion(encoded)) return encoded.types.some(isFreeText)
  return !(
    SchemaAST.isNumber(encoded) ||
    SchemaAST.isBoolean(encoded) ||
    SchemaAST.isLiteral(encoded) ||
    isSpan(encoded)
  )
}

/** A text that was read into something else: a span of time, a size. */
const isSpan = (ast: SchemaAST.AST): boolean => SchemaAST.isString(ast) && ast.annotations?.["expected"] !== undefined

/** Whether a file has something that it could be: not what is only there inside of a program, as a `Date` is. */
const isWritable = (ast: SchemaAST.AST): boolean => {
  const encoded = SchemaAST.toEncoded(ast)
  if (SchemaAST.isUnion(encoded)) return encoded.types.some(isWritable)
  return !(SchemaAST.isBigInt(encoded) || SchemaAST.isSymbol(encoded) || SchemaAST.isDeclaration(encoded))
}

/** Decodes one leaf. */
export const decodeExit = (ast: SchemaAST.AST, value: unknown): Exit.Exit<unknown, SchemaIssue.Issue> =>
  SchemaParser.decodeUnknownExit(asSchema(ast))(value, strict)

/** What a decoded tree looks like when it is written. */
export const encode = <A, E>(schema: SettingsSchema<A, E>, settings: A): unknown =>
  Effect.runSync(Effect.orDie(SchemaParser.encodeUnknownEffect(schema)(settings)))

/** Nothing is ignored and nothing is left for later. */
export const strict = { errors: "all", onExcessProperty: "error" } satisfies SchemaAST.ParseOptions

/** The value at a path of a tree. */
export const at = (tree: unknown, path: ReadonlyArray<PropertyKey>): unknown => {
  let value: unknown = tree
  for (const part of path) {
    if (!isTree(value) && !Array.isArray(value)) return undefined
    value = Object.hasOwn(value, part) ? (value as { readonly [key: PropertyKey]: unknown })[part] : undefined
  }
  return value
}

/** Puts a value at a path of a tree that nobody else has seen yet. */
export const put = (tree: MutableTree, path: ReadonlyArray<string>, value: unknown): void => {
  let here = tree
  for (const part of path.slice(0, -1)) {
    const next = Object.hasOwn(here, part) ? here[part] : undefined
    if (isTree(next)) here = next
    else define(here, part, (here = {}))
  }
  define(here, path.at(-1) ?? "", value)

  function define(target: MutableTree, key: string, value: unknown): void {
    // Not an assignment: `__proto__` is a name like any other.
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
  }
}

export interface MutableTree {
  [key: string]: unknown
}

export const isTree = (value: unknown): value is MutableTree =>
  typeof value === "object" && value !== null && !Array.isArray(value)

// ------------------------------------------------------------------------------------------------------------- the walk

interface Place {
  readonly path: ReadonlyArray<string>
  readonly parts: ReadonlyArray<string>
  readonly prefix: string
  readonly inTable: boolean
  /** What the sections around it say it is by default. */
  readonly given: () => unknown
}

/** What costs something and is asked for rarely is found out then, and once. */
const nodeOf = (ast: SchemaAST.AST, place: Place): Node => {
  const { parts, path } = place
  const environment = place.inTable ? undefined : [place.prefix, ...parts].join("_").toUpperCase()
  const objects = objectsOf(ast)
  const name = parts.join(".")
  const given = lazy(() => fallbackOf(ast) ?? place.given())
  const [signature] = objects?.indexSignatures ?? []
  const inside = (key: string, part: string): Place => ({
    ...place,
    path: [...path, key],
    parts: [...parts, part],
    given: () => at(given(), [key])
  })
  if (objects && signature && objects.propertySignatures.length === 0) {
    const child = (key: string) => nodeOf(signature.type, { ...inside(key, key), inTable: true })
    return {
      _tag: "Table",
      path,
      name,
      description: descriptionOf(ast),
      isRequired: isRequired(ast),
      environment,
      child
    }
  }
  if (objects && !signature) {
    const children = new Map<string, Node>()
    for (const property of objects.propertySignatures) {
      const key = String(property.name)
      const part = toSnake(key)
      children.set(part, nodeOf(property.type, inside(key, part)))
    }
    return { _tag: "Section", path, name, description: descriptionOf(ast), isRequired: isRequired(ast), children }
  }
  const literals = lazy(() => literalsOf(SchemaAST.toEncoded(ast)))
  const allowed = lazy(() => allowedOf(ast))
  const secret = lazy(() => holdsSecret(ast))
  return {
    _tag: "Key",
    path,
    name,
    parts,
    environment,
    ast,
    get description() {
      return descriptionOf(ast)
    },
    get isSecret() {
      return secret()
    },
    get literals() {
      return literals()
    },
    get fallback() {
      return given()
    },
    get allowed() {
      return allowed()
    },
    get isRequired() {
      return isRequired(ast) && given() === undefined
    }
  }
}

/** A value that is made when it is asked for, once. */
export const lazy = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

/** The struct or record that a node is, seen through defaults, optionality and classes. */
const objectsOf = (ast: SchemaAST.AST): SchemaAST.Objects | undefined => {
  if (SchemaAST.isObjects(ast)) return SchemaAST.isObjects(SchemaAST.toEncoded(ast)) ? ast : undefined
  if (SchemaAST.isUnion(ast)) {
    const [only, ...more] = ast.types.filter((type) => !SchemaAST.isUndefined(type))
    return only && more.length === 0 ? objectsOf(only) : undefined
  }
  if (!SchemaAST.isDeclaration(ast)) return undefined
  const inner = ast.encoding?.map((link) => link.to).find(SchemaAST.isObjects)
  return inner
}

const descriptionOf = (ast: SchemaAST.AST): string | undefined => {
  const own = SchemaAST.resolveDescription(ast) ?? ast.context?.annotations?.description
  return typeof own === "string" ? own : undefined
}

const isRequired = (ast: SchemaAST.AST): boolean => !SchemaAST.isOptional(SchemaAST.toEncoded(ast))

/** What decoding makes of a key that is absent, encoded again. */
const fallbackOf = (ast: SchemaAST.AST): unknown => {
  if (isRequired(ast)) return undefined
  const alone = Schema.Struct({ value: asSchema(ast) })
  const decoded = Schema.decodeUnknownExit(alone)({})
  if (Exit.isFailure(decoded)) return undefined
  const encoded = Schema.encodeUnknownExit(alone)(decoded.value)
  return Exit.isSuccess(encoded) ? at(encoded.value, ["value"]) : undefined
}

/** An AST of a codec of settings is a codec without services too; the type of an AST cannot say so. */
const asSchema = (ast: SchemaAST.AST) => Schema.make<Schema.Codec<unknown>>(ast)

const holdsSecret = (ast: SchemaAST.AST, seen = new Set<SchemaAST.AST>()): boolean => {
  if (seen.has(ast)) return false
  seen.add(ast)
  const inside = (child: SchemaAST.AST) => holdsSecret(child, seen)
  if (ast.encoding?.some((link) => inside(link.to)) === true) return true
  if (SchemaAST.isDeclaration(ast)) return isRedacted(ast) || ast.typeParameters.some(inside)
  if (SchemaAST.isObjects(ast))
    return [...ast.propertySignatures, ...ast.indexSignatures].some(({ type }) => inside(type))
  if (SchemaAST.isArrays(ast)) return [...ast.elements, ...ast.rest].some(inside)
  if (SchemaAST.isUnion(ast)) return ast.types.some(inside)
  return SchemaAST.isSuspend(ast) && inside(ast.thunk())
}

const isRedacted = (ast: SchemaAST.Declaration): boolean => at(ast.annotations, ["representation", "id"]) === redactedId

/** How Effect marks `Schema.Redacted` and what is made from it. */
const redactedId = "effect/schema/Redacted"

const literalsOf = (ast: SchemaAST.AST): ReadonlyArray<string> => {
  if (SchemaAST.isLiteral(ast)) return [String(ast.literal)]
  if (SchemaAST.isUnion(ast)) return ast.types.flatMap(literalsOf)
  return SchemaAST.isBoolean(ast) ? ["true", "false"] : []
}

/** How Effect calls what `NonEmptyString` asks for. */
const emptiness = "a value with a length of at least 1"

const allowedOf = (ast: SchemaAST.AST): string => {
  const encoded = SchemaAST.toEncoded(ast)
  if (SchemaAST.isUnion(encoded)) {
    return encoded.types
      .filter((type) => !SchemaAST.isUndefined(type))
      .map(allowedOf)
      .join(" | ")
  }
  const own = encoded.annotations?.["expected"]
  const checks = (encoded.checks ?? []).flatMap((check) => {
    const expected = check.annotations?.expected
    return typeof expected === "string" ? [expected] : []
  })
  if (typeof own === "string") return own
  if (checks.length > 0 && SchemaAST.isNumber(encoded))
    return checks.filter((it) => it !== "an integer").join(" and ") || "a whole number"
  if (SchemaAST.isString(encoded)) {
    const others = checks.filter((it) => it !== emptiness)
    const text = others.length < checks.length ? "a text that is not empty" : "a text"
    return others.length === 0 ? text : `${text}: ${others.join(" and ")}`
  }
  if (SchemaAST.isNumber(encoded)) return "a number"
  if (SchemaAST.isBoolean(encoded)) return "true or false"
  if (SchemaAST.isLiteral(encoded)) return JSON.stringify(encoded.literal)
  if (SchemaAST.isArrays(encoded)) return encoded.rest[0] ? `a list, each ${allowedOf(encoded.rest[0])}` : "a list"
  if (SchemaAST.isObjects(encoded)) return mappingOf(encoded)
  return "another value"
}

/** By the names in it: what tells the members of a union apart. `{ host, port, timeout? }` */
const mappingOf = ({ propertySignatures }: SchemaAST.Objects): string => {
  const names = propertySignatures.map(
    ({ name, type }) => `${toSnake(String(name))}${SchemaAST.isOptional(type) ? "?" : ""}`
  )
  return names.length === 0 ? "a mapping" : `{ ${names.join(", ")} }`
}

const rename = (
  ast: SchemaAST.AST,
  value: unknown,
  from: (name: string) => string,
  to: (name: string) => string
): unknown => {
  const encoded = SchemaAST.toEncoded(ast)
  if (SchemaAST.isArrays(encoded) && Array.isArray(value)) {
    return value.map((item, i) => {
      const type = encoded.elements[i] ?? encoded.rest[0]
      return type ? rename(type, item, from, to) : item
    })
  }
  if (SchemaAST.isUnion(encoded)) {
    const types = encoded.types.filter((type) => SchemaAST.isObjects(type) === isTree(value))
    const all = types.map((type) => ({ type, renamed: rename(type, value, from, to) }))
    // The member that it fits, when there are several; without one the first says what is wrong.
    const inSchema = (renamed: unknown) => (from === toSnake ? renamed : value)
    const fitting = all.find(({ renamed, type }) => Exit.isSuccess(decodeExit(type, inSchema(renamed)))) ?? all[0]
    return fitting ? fitting.renamed : value
  }
  if (!SchemaAST.isObjects(encoded) || !isTree(value)) return value
  const properties = new Map(encoded.propertySignatures.map(({ name, type }) => [from(String(name)), { name, type }]))
  const renamed: MutableTree = {}
  for (const [key, item] of Object.entries(value)) {
    const property = properties.get(key)
    const type = property?.type ?? encoded.indexSignatures[0]?.type
    put(renamed, [property ? to(String(property.name)) : key], type ? rename(type, item, from, to) : item)
  }
  return renamed
}

const numeric = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i
const booleans = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false]
])

/** What a text means as JSON; itself when it is none. */
export const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: the text itself, which is then not what the leaf allows. The parser's message would quote it.
    return text
  }
}
