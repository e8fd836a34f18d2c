/** Whether what was gathered is allowed: the settings, or every problem with its place. */
import { Exit, type SchemaIssue, SchemaParser } from "effect"
import type { Item, Place } from "./Document.ts"
import type { Gathered, Written } from "./Gather.ts"
import { environmentOf } from "./Gather.ts"
import * as Keys from "./Keys.ts"
import * as Mask from "./Mask.ts"
import { codes, didYouMean, type Problem, type Source } from "./Problem.ts"

/** What the Schema says. */
export interface Verdict<A> {
  /** Absent when there are problems without whose solution nothing can be made: something required is missing. */
  readonly settings: { readonly value: A } | undefined
  /** Who won, by the name of the key. */
  readonly winners: ReadonlyMap<string, Written>
  readonly problems: ReadonlyArray<Problem>
}

/** Merges, then decodes. What is not allowed is left out, so that the rest can be looked at. */
export const judge = <A, E>(
  schema: Keys.SettingsSchema<A, E>,
  keys: Keys.Keys,
  gathered: Gathered,
  file: string | undefined,
  root: Item | undefined
): Verdict<A> => {
  const winners = new Map<string, Written>()
  for (const written of gathered.written) if (!winners.has(written.key.name)) winners.set(written.key.name, written)

  const tree: Keys.MutableTree = {}
  fill(keys.root, tree)
  for (const path of gathered.present) if (Keys.at(tree, path) === undefined) Keys.put(tree, path, {})

  const problems: Array<Problem> = []
  const bad = new Set(gathered.problems.map(({ key }) => key))
  for (const written of winners.values()) {
    if (written.isBroken) continue
    const decoded = Keys.decodeExit(written.key.ast, written.value)
    if (Exit.isSuccess(decoded)) {
      Keys.put(tree, written.key.path, written.value)
      continue
    }
    bad.add(written.key.name)
    const found = issuesOf(decoded).map((issue) => notAllowed(written, issue))
    problems.push(
      ...(found.length > 0 ? found : [notAllowed(written, { path: [], expected: undefined, isMissing: false })])
    )
  }

  const decoded = SchemaParser.decodeUnknownExit(schema)(tree, Keys.strict)
  if (Exit.isSuccess(decoded)) return { settings: { value: decoded.value }, winners, problems }
  for (const issue of issuesOf(decoded)) {
    const { name, node } = nameOf(keys, issue.path)
    if (bad.has(name)) continue
    const source = file === undefined || root === undefined ? undefined : nearest(file, root, name)
    problems.push({
      code: issue.isMissing ? codes.missing : codes.notAllowed,
      key: name,
      message: issue.isMissing ? "This must be set, and has no default." : "These settings do not go together.",
      source,
      ...(issue.expected === undefined ? {} : { allowed: issue.expected }),
      ...(issue.isMissing && node?._tag === "Key" ? { allowed: node.allowed } : {}),
      ...(node && node._tag !== "Section" ? environmentOf(node) : {})
    })
  }
  return { settings: undefined, winners, problems }
}

/** Required sections need not be written: all that is in them may have a default. */
const fill = (section: Keys.Section, tree: Keys.MutableTree): void => {
  for (const child of section.children.values()) {
    if (child._tag === "Key" || !child.isRequired) continue
    Keys.put(tree, child.path, {})
    if (child._tag === "Section") fill(child, tree)
  }
}

const notAllowed = (written: Written, issue: Issue): Problem => {
  const { key } = written
  const inside = issue.path.map((part) => (typeof part === "string" ? Keys.toSnake(part) : part))
  const isScalar = typeof written.value !== "object" || written.value === null
  const text = typeof written.value === "string" ? written.value : ""
  const suggestion = written.isSecret || written.isExpanded ? undefined : didYouMean(text, key.literals)
  const isNothing = written.value === null
  const lacksQuotes =
    (typeof written.value === "number" || typeof written.value === "boolean") &&
    Exit.isSuccess(Keys.decodeExit(key.ast, String(written.value)))
  return {
    code: codes.notAllowed,
    key: [key.name, ...inside].join("."),
    message: issue.isMissing
      ? "Something is missing here."
      : issue.expected === noSuchKey
        ? "There is no key of this name here."
        : isNothing
          ? "There is no value here. Remove the key to have its default."
          : lacksQuotes
            ? "Without quotes this is not a text. Put it into quotes."
            : "This is not allowed.",
    source: within(written.source, written.item, inside),
    ...(isScalar && inside.length === 0 ? { found: isNothing ? "nothing" : written.shown } : {}),
    ...(!isScalar && inside.length === 0 ? { found: Mask.kindOf(written.value) } : {}),
    allowed: issue.expected === undefined || issue.expected === noSuchKey ? key.allowed : issue.expected,
    ...(suggestion === undefined ? {} : { suggestion: JSON.stringify(suggestion) }),
    ...environmentOf(key)
  }
}

/** The place of a part of a value. */
const within = (source: Source, item: Item | undefined, path: ReadonlyArray<PropertyKey>): Source => {
  if (source._tag !== "File") return source
  let here = item
  for (const part of path) {
    const next: Item | undefined =
      here?._tag === "List"
        ? here.items[Number(part)]
        : here?._tag === "Map"
          ? here.entries.get(String(part))?.item
          : undefined
    if (next === undefined) break
    here = next
  }
  return here === undefined ? source : { ...source, line: here.line, column: here.column }
}

/** Where a key would have to be written: the section around it, as far as there is one. */
const nearest = (file: string, root: Item, name: string): Source => {
  let place: Place = { line: 1, column: 1 }
  let here: Item = root
  for (const part of name.split(".")) {
    const entry: (Place & { readonly item: Item }) | undefined =
      here._tag === "Map" ? here.entries.get(part) : undefined
    if (entry === undefined) break
    place = entry
    here = entry.item
  }
  return { _tag: "File", file, line: place.line, column: place.column }
}

const nameOf = (keys: Keys.Keys, path: ReadonlyArray<PropertyKey>) => {
  let node: Keys.Node | undefined = keys.root
  const names: Array<string> = []
  for (const part of path) {
    const name: string = node?._tag === "Section" ? Keys.toSnake(String(part)) : String(part)
    node = node?._tag === "Section" ? node.children.get(name) : node?._tag === "Table" ? node.child(name) : undefined
    names.push(name)
  }
  return { name: names.join("."), node }
}

// ---------------------------------------------------------------------------------------------------- issues of Schema

interface Issue {
  readonly path: ReadonlyArray<PropertyKey>
  readonly expected: string | undefined
  readonly isMissing: boolean
}

const issuesOf = (exit: Exit.Failure<unknown, SchemaIssue.Issue>): ReadonlyArray<Issue> =>
  exit.cause.reasons.flatMap((reason) => (reason._tag === "Fail" ? flatten(reason.error, [], undefined) : []))

const flatten = (
  issue: SchemaIssue.Issue,
  path: ReadonlyArray<PropertyKey>,
  expected: string | undefined
): ReadonlyArray<Issue> => {
  switch (issue._tag) {
    case "Pointer":
      return flatten(issue.issue, [...path, ...issue.path], expected)
    case "Encoding":
      return flatten(issue.issue, path, expected)
    case "Filter":
      return flatten(issue.issue, path, sayingOf(issue.filter.annotations) ?? expected)
    case "Composite":
      return issue.issues.flatMap((it) => flatten(it, path, expected))
    case "MissingKey":
      return [{ path, expected, isMissing: true }]
    case "InvalidValue":
      return [{ path, expected: sayingOf(issue.annotations) ?? expected, isMissing: false }]
    case "UnexpectedKey":
      return [{ path, expected: noSuchKey, isMissing: false }]
    case "AnyOf":
    case "OneOf":
    case "InvalidType":
    case "Forbidden":
      return [{ path, expected, isMissing: false }]
  }
}

/** Stands for what is expected where a key stands that its mapping does not have. */
const noSuchKey = "no such key"

/** What an annotation says is expected; a text that somebody wrote, not one that was made from a value. */
const sayingOf = (annotations: unknown): string | undefined => {
  const saying = Keys.at(annotations, ["message"]) ?? Keys.at(annotations, ["expected"])
  return typeof saying === "string" ? saying : undefined
}
