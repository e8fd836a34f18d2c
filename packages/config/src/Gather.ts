/**
 * What flags, the environment, a file and a template say about each key, and what they say that means nothing.
 *
 * **Details**
 *
 * In files `${NAME}` and `${NAME:-fallback}` stand for environment variables, `$${` for a plain `${`. Encrypted values are
 * opened wherever they stand. A text that came about in one of these ways means what it would mean in the environment.
 */
import { Redacted, Result, SchemaAST } from "effect"
import * as Document from "./Document.ts"
import * as Encryption from "./Encryption.ts"
import type { Chosen } from "./Experiment.ts"
import * as Keys from "./Keys.ts"
import * as Mask from "./Mask.ts"
import { codes, didYouMean, type Problem, type Source } from "./Problem.ts"

/** What one source says about one key. */
export interface Written {
  readonly key: Keys.Key
  readonly source: Source
  /** As the Schema wants it encoded, `camelCase` inside. */
  readonly value: unknown
  /** As it may be shown: masked, and with `${…}` as it stands in the file. */
  readonly shown: string
  /** As it stands in its source, nothing expanded or opened. Not for showing when it is a secret. */
  readonly plain: unknown
  /** Has `${…}` in it: what it became may be somebody's secret. */
  readonly isExpanded: boolean
  /** Its key is a secret, or it was encrypted. */
  readonly isSecret: boolean
  /** A secret that stands in a file in plain text. */
  readonly isExposed: boolean
  /** Could not be opened or expanded; the problem is known already. */
  readonly isBroken: boolean
  /** Where parts of it stand, in a file. */
  readonly item: Document.Item | undefined
}

export interface Gathered {
  /** The stronger source first. */
  readonly written: ReadonlyArray<Written>
  /** Sections and entries of tables that are there, be they empty. */
  readonly present: ReadonlyArray<ReadonlyArray<string>>
  readonly problems: ReadonlyArray<Problem>
  /** Everything that must never be shown. */
  readonly secrets: ReadonlySet<string>
}

export interface From {
  readonly keys: Keys.Keys
  readonly prefix: string
  readonly reserved: ReadonlyArray<string>
  readonly aliases: { readonly [variable: string]: string }
  readonly flags: { readonly [key: string]: string }
  /** How a flag is written that is not `-s KEY`. */
  readonly written: { readonly [key: string]: string }
  readonly environment: { readonly [name: string]: string | undefined }
  /** What is tried out on this node: stronger than the file. */
  readonly variants?: ReadonlyArray<Chosen>
  readonly file: { readonly path: string; readonly item: Document.Item } | undefined
  readonly template: { readonly name: string; readonly tree: unknown } | undefined
  readonly keyring: Encryption.Keyring | undefined
}

/** Asks every source about every key. */
export const gather = (from: From): Gathered => {
  const { environment, keys } = from
  const written: Array<Written> = []
  const present: Array<ReadonlyArray<string>> = []
  const problems: Array<Problem> = []
  const secrets = new Set<string>()

  Object.entries(from.flags).forEach(([name, text]) => fromFlag(name, text))
  Object.entries(environment).forEach(([name, text]) => text === undefined || fromVariable(name, text))
  Object.entries(from.aliases).forEach(([name, key]) => fromAlias(name, key))
  from.variants?.forEach(fromVariant)
  if (from.file) fromFile(from.file.path, from.file.item)
  if (from.template) fromTemplate(from.template.name, from.template.tree)
  return { written, present, problems, secrets }

  function fromFlag(name: string, text: string): void {
    const node = Keys.find(keys, name)
    const written = from.written[name]
    const source: Source = { _tag: "Flag", name, ...(written === undefined ? {} : { written }) }
    if (node && node._tag !== "Section") return said(node, text, source)
    if (node) {
      const message = `This is a section. Set one of the keys in it: ${[...node.children.keys()].join(", ")}.`
      problems.push({ code: codes.unknownFlag, key: name, message, source })
      return
    }
    const names = [...keys.byEnvironment.values()].map((it) => it.name)
    const suggestion = didYouMean(name, names) ?? names.find((one) => one.endsWith(`.${name}`))
    problems.push({
      code: codes.unknownFlag,
      key: name,
      message: "There is no setting of this name.",
      source,
      ...(suggestion === undefined ? {} : { suggestion })
    })
  }

  function fromVariable(name: string, text: string): void {
    if (!name.startsWith(`${from.prefix}_`)) return
    const node = keys.byEnvironment.get(name)
    const source: Source = { _tag: "Environment", name }
    if (node) return said(node, text, source)
    const isOurs = (it: string) => it === name || (it.endsWith("*") && name.startsWith(it.slice(0, -1)))
    if (name in from.aliases || from.reserved.some(isOurs)) return
    const candidates = [...keys.byEnvironment.keys(), ...Object.keys(from.aliases), ...from.reserved]
    const suggestion = didYouMean(name, candidates)
    const message = `There is no setting of this name, and ${from.prefix}_ belongs to the settings.`
    problems.push({
      code: codes.unknownVariable,
      key: "",
      message,
      source,
      ...(suggestion === undefined ? {} : { suggestion })
    })
  }

  function fromAlias(name: string, key: string): void {
    const text = environment[name]
    const node = Keys.find(keys, key)
    if (text !== undefined && node && node._tag !== "Section") said(node, text, { _tag: "Environment", name })
  }

  function fromVariant({ experiment, set, variant }: Chosen): void {
    const source: Source = { _tag: "Variant", experiment, variant }
    for (const [name, value] of Object.entries(set)) {
      const node = Keys.find(keys, name)
      const complaint = untriable(node)
      if (node?._tag === "Key" && complaint === undefined) write(node, itemOf(value), source, false)
      else problems.push({ code: codes.experiment, key: name, message: complaint ?? "", source, ...meant(name, node) })
    }
  }

  function meant(name: string, node: Keys.Node | undefined): { readonly suggestion?: string } {
    const names = keys.leaves.map((key) => key.name)
    const suggestion = node === undefined ? didYouMean(name, names) : undefined
    return suggestion === undefined ? {} : { suggestion }
  }

  /** A text from outside of a file. */
  function said(node: Keys.Key | Keys.Table, text: string, source: Source): void {
    if (node._tag === "Key") return write(node, { _tag: "Scalar", value: text, line: 0, column: 0 }, source, true)
    const tree = Keys.fromJson(text)
    if (Keys.isTree(tree)) return walk(node, itemOf(tree), () => source, asIs)
    misplaced(node, "a text", source)
  }

  function fromFile(file: string, item: Document.Item): void {
    const at = ({ column, line }: Document.Place): Source => ({ _tag: "File", file, line, column })
    walk(keys.root, item, at, asIs)
  }

  function fromTemplate(name: string, tree: unknown): void {
    walk(keys.root, itemOf(tree), () => ({ _tag: "Template", name }), Keys.toSnake)
  }

  function walk(
    node: Keys.Node,
    item: Document.Item,
    at: (place: Document.Place) => Source,
    nameOf: (name: string) => string
  ): void {
    if (node._tag === "Key") return write(node, item, at(item), false)
    if (item._tag === "Scalar" && item.value === null) return
    if (item._tag !== "Map") return misplaced(node, item._tag === "List" ? "a list" : Mask.kindOf(item.value), at(item))
    if (node.path.length > 0) present.push(node.path)
    for (const [name, entry] of item.entries) {
      const child = node._tag === "Table" ? node.child(name) : node.children.get(nameOf(name))
      if (child) walk(child, entry.item, at, nameOf)
      else if (node._tag === "Section") unknown(node, name, entry, at)
    }
  }

  function unknown(
    section: Keys.Section,
    name: string,
    entry: Document.Entry,
    at: (place: Document.Place) => Source
  ): void {
    // What does not look like a name may be anything, a secret that lost its colon too.
    const isName = /^[\w.-]{1,64}$/.test(name)
    const sibling = isName ? didYouMean(name, section.children.keys()) : undefined
    const elsewhere = sibling ?? keys.leaves.find((key) => key.name.endsWith(`.${name}`))?.name
    const key = isName ? join(section.name, name) : section.name
    const message = isName ? "There is no setting of this name." : "There is a key here that cannot be a name."
    problems.push({
      code: codes.unknownKey,
      key,
      message,
      source: at(entry),
      ...(elsewhere === undefined
        ? {}
        : { suggestion: sibling === undefined ? elsewhere : join(section.name, sibling) })
    })
  }

  function misplaced(node: Keys.Section | Keys.Table, found: string, source: Source): void {
    const allowed = "a mapping of keys to values"
    const message = "Something else stands where a group of settings is expected."
    problems.push({ code: codes.notAllowed, key: node.name, message, source, found, allowed })
  }

  function write(key: Keys.Key, item: Document.Item, source: Source, isText: boolean): void {
    const state = { isExpanded: false, isOpened: false, isBroken: false, isPlain: false }
    const raw = Keys.fromFile(key.ast, valueOf(item, SchemaAST.toEncoded(key.ast), key.name))
    const plain = Document.plain(item)
    const isSecret = key.isSecret || state.isOpened
    if (isSecret) textsOf(raw).forEach((text) => secrets.add(text))
    const shown = isSecret ? Mask.hidden : Mask.show(state.isExpanded ? plain : raw)
    const isExposed = key.isSecret && source._tag === "File" && state.isPlain
    const { isBroken, isExpanded } = state
    written.push({ key, source, value: raw, shown, plain, isExpanded, isSecret, isExposed, isBroken, item })

    function valueOf(part: Document.Item, ast: SchemaAST.AST, at: string): unknown {
      switch (part._tag) {
        case "List":
          return part.items.map((it, i) => valueOf(it, elementOf(ast, i), at))
        case "Map":
          return Object.fromEntries(
            [...part.entries].map(([name, it]) => [name, valueOf(it.item, propertyOf(ast, name), join(at, name))])
          )
        case "Scalar":
          return typeof part.value === "string" ? textOf(part.value, ast, at) : part.value
      }
    }

    function textOf(text: string, ast: SchemaAST.AST, at: string): unknown {
      const expanded = source._tag === "File" ? expand(text) : text
      if (expanded === undefined) return text
      const isSame = expanded === text
      if (!Encryption.isEncrypted(expanded)) {
        state.isPlain ||= isSame && text !== ""
        return isSame && !isText ? text : Keys.fromText(ast, expanded)
      }
      const opened = Encryption.decrypt(from.keyring, at, expanded)
      if (Result.isFailure(opened)) return broken(opened.failure.code, opened.failure.message, text)
      state.isOpened = true
      return Keys.fromText(ast, Redacted.value(opened.success))
    }

    /** `undefined` when a variable is missing. */
    function expand(text: string): string | undefined {
      let isWhole = true
      const expanded = text.replaceAll(reference, (whole, escape: string, body: string) => {
        if (escape !== "") return whole.slice(1)
        const value = variable(body)
        state.isExpanded = true
        isWhole &&= value !== undefined
        return value ?? ""
      })
      return isWhole ? expanded : undefined
    }

    function variable(body: string): string | undefined {
      const [, name, , fallback] = /^([A-Za-z_]\w*)(:-([^]*))?$/.exec(body) ?? []
      if (name === undefined) return missing("What stands between ${ and } is not NAME or NAME:-fallback.")
      // `constructor` is set in no environment, and an object has one all the same.
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined
      if (fallback !== undefined) return value === undefined || value === "" ? fallback : value
      return value ?? missing(`The environment variable ${name} is not set, and there is no fallback.`)
    }

    function missing(message: string): undefined {
      broken(codes.variable, message, "")
    }

    function broken(code: Problem["code"], message: string, text: string): string {
      state.isBroken = true
      problems.push({ code, key: key.name, message, source, ...environmentOf(key) })
      return text
    }
  }
}

/** Why a setting cannot be tried out. */
const untriable = (node: Keys.Node | undefined): string | undefined => {
  if (node === undefined) return "There is no setting of this name."
  if (node._tag !== "Key") return "This is not a single setting."
  return node.isSecret ? "A secret cannot be tried out: it would stand in the file in plain text." : undefined
}

const asIs = (name: string): string => name

const reference = /\$(\$?)\{([^}]*)\}/g

const join = (section: string, name: string): string => (section === "" ? name : `${section}.${name}`)

/** The variable of a key, as a part of a problem. */
export const environmentOf = ({ environment }: Keys.Key | Keys.Table): { readonly environment?: string } =>
  environment === undefined ? {} : { environment }

const elementOf = (ast: SchemaAST.AST, i: number): SchemaAST.AST => {
  const list = SchemaAST.isUnion(ast) ? ast.types.find(SchemaAST.isArrays) : ast
  return list && SchemaAST.isArrays(list) ? (list.elements[i] ?? list.rest[0] ?? SchemaAST.unknown) : SchemaAST.unknown
}

const propertyOf = (ast: SchemaAST.AST, name: string): SchemaAST.AST => {
  const objects = SchemaAST.isUnion(ast) ? ast.types.find(SchemaAST.isObjects) : ast
  if (!objects || !SchemaAST.isObjects(objects)) return SchemaAST.unknown
  const property = objects.propertySignatures.find((it) => Keys.toSnake(String(it.name)) === name)
  return property?.type ?? objects.indexSignatures[0]?.type ?? SchemaAST.unknown
}

/** What a tree would be in a file, at no place. */
const itemOf = (tree: unknown): Document.Item => {
  const nowhere = { line: 0, column: 0 }
  if (Array.isArray(tree)) return { _tag: "List", items: tree.map(itemOf), ...nowhere }
  if (Keys.isTree(tree)) {
    const entries = new Map(Object.entries(tree).map(([name, item]) => [name, { item: itemOf(item), ...nowhere }]))
    return { _tag: "Map", entries, ...nowhere }
  }
  const isPrimitive = typeof tree === "string" || typeof tree === "number" || typeof tree === "boolean"
  return { _tag: "Scalar", value: isPrimitive ? tree : null, ...nowhere }
}

const textsOf = (value: unknown): ReadonlyArray<string> => {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(textsOf)
  return typeof value === "string" ? [value] : typeof value === "number" ? [String(value)] : []
}
