/**
 * A file of settings as it stands there: YAML or JSON (the same parser), with the place of everything in it.
 *
 * **Details**
 *
 * Duplicate keys are errors. Anchors and aliases are allowed within bounds: 100,000 values after all of them are followed,
 * 64 levels deep, a file of 1 MiB. What the parser says about an error is not passed on, since it may quote a secret.
 */
import { isUtf8 } from "node:buffer"
import {
  type Alias,
  CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLError
} from "yaml"

import { type Code, codes } from "./Problem.ts"

/** Where something stands, from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A value in a file. */
export type Item = Place &
  (
    | { readonly _tag: "Scalar"; readonly value: string | number | boolean | null }
    | { readonly _tag: "List"; readonly items: ReadonlyArray<Item> }
    | { readonly _tag: "Map"; readonly entries: ReadonlyMap<string, Entry> }
  )

/** A key in a file and what it says. */
export interface Entry extends Place {
  readonly item: Item
}

/** Why a file cannot be read as YAML or JSON. Never what stands in it. */
interface Fault extends Place {
  readonly code: Code
  readonly message: string
}

export type Parsed =
  | { readonly _tag: "Parsed"; readonly item: Item }
  | { readonly _tag: "Faulty"; readonly faults: readonly [Fault, ...ReadonlyArray<Fault>] }

/** The most that a file may have, in bytes. */
export const maxBytes = 1024 * 1024

const maxValues = 100_000
const maxDepth = 64

/**
 * Reads the bytes of a file. What is no text in UTF-8 would be taken for something else than was written: a value with U+FFFD
 * in it; zeros, which a machine that lost its power leaves at the end of a file, for a part of the last value.
 */
export const read = (bytes: Uint8Array): Parsed => {
  const text = new TextDecoder().decode(bytes)
  const isText = isUtf8(bytes)
  if (isText && !text.includes("\0")) return parse(text)
  const lines = text.slice(0, text.search(isText ? /\0/ : /\0|\uFFFD/)).split("\n")
  return faulty({ code: codes.syntax, message: noText, line: lines.length, column: (lines.at(-1) ?? "").length + 1 })
}

const noText = "This byte is no text in UTF-8. Was the file cut off, or written in another encoding (UTF-16, Latin-1)?"

/** Reads a text. */
export const parse = (text: string): Parsed => {
  const lines = new LineCounter()
  const placeOf = (offset: number): Place => {
    const { col, line } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  if (isTooDeep(text)) return faulty({ code: codes.tooLarge, message: tooDeep, line: 1, column: 1 })
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      // The parser would compare each key with all before it: minutes for a file of the size that is allowed.
      uniqueKeys: false,
      logLevel: "error"
    })
    const [first, ...more] = [...document.errors, ...document.warnings].map(({ code, pos }) =>
      saying(code, placeOf(pos[0]))
    )
    if (first) return faulty(first, ...more)
    const { item, twice } = convert(document.contents, placeOf)
    const [again, ...others] = twice.map((offset) => saying("DUPLICATE_KEY", placeOf(offset)))
    return again ? faulty(again, ...others) : { _tag: "Parsed", item }
  } catch (error) {
    if (error instanceof Bound) return faulty({ code: error.code, message: error.message, ...placeOf(error.offset) })
    if (error instanceof RangeError) return faulty({ code: codes.tooLarge, message: tooDeep, line: 1, column: 1 })
    throw error
  }
}

/** What stands there, without its places. */
export const plain = (item: Item): unknown => {
  switch (item._tag) {
    case "List":
      return item.items.map(plain)
    case "Map":
      return Object.fromEntries([...item.entries].map(([name, entry]) => [name, plain(entry.item)]))
    case "Scalar":
      return item.value
  }
}

const faulty = (...faults: readonly [Fault, ...ReadonlyArray<Fault>]): Parsed => ({ _tag: "Faulty", faults })

const tooDeep = `The file is nested deeper than ${maxDepth} levels.`

/** Whether `[` and `{` open too many: a parser that recurses must not be led further than its stack. */
const isTooDeep = (text: string): boolean => {
  const brackets = text.match(/[[{]/g) ?? []
  if (brackets.length <= maxDepth) return false
  let depth = 0
  let isScalar = false
  for (const token of new Lexer().lex(text)) {
    // Not in texts and comments, where they mean nothing.
    if (!isScalar && (token === "[" || token === "{") && ++depth > maxDepth) return true
    if (!isScalar && (token === "]" || token === "}") && depth > 0) depth--
    isScalar = token === CST.SCALAR
  }
  return false
}

/** Carries a bound that was passed, or a value that nobody can mean, out of the recursion. */
class Bound extends Error {
  readonly offset: number
  readonly code: Code
  constructor(message: string, offset: number, code: Code = codes.tooLarge) {
    super(message)
    this.offset = offset
    this.code = code
  }
}

/** What stands there, and where keys stand that their mapping has already. */
const convert = (contents: ParsedNode | null, placeOf: (offset: number) => Place) => {
  const anchors = new Map<string, Node>()
  const twice = new Set<number>()
  let values = 0
  const item = visit(contents, 0)
  return { item, twice: [...twice] }

  function visit(node: Node | null, depth: number): Item {
    const offset = node?.range?.[0] ?? 0
    values++
    if (values > maxValues) throw new Bound(`Aliases make more than ${maxValues} values of this file.`, offset)
    if (depth > maxDepth) throw new Bound(tooDeep, offset)
    const place = placeOf(offset)
    if (node === null) return { _tag: "Scalar", value: null, ...place }
    if (isAlias(node)) return { ...visit(target(node), depth + 1), ...place }
    // Only what may be referred to has one; an alias itself cannot.
    const { anchor } = node as { anchor?: string }
    if (anchor !== undefined) anchors.set(anchor, node)
    if (isMap<Node, Node | null>(node)) {
      const entries = new Map<string, Entry>()
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : ""
        const item = visit(value, depth + 1)
        const at = key.range?.[0] ?? offset
        if (entries.has(name)) twice.add(at)
        const here = placeOf(at)
        const isEmpty = item._tag === "Scalar" && item.value === null
        entries.set(name, { ...here, item: isEmpty ? { ...item, ...here } : item })
      }
      return { _tag: "Map", entries, ...place }
    }
    if (isSeq<Node | null>(node))
      return { _tag: "List", items: node.items.map((item) => visit(item, depth + 1)), ...place }
    const value = isScalar(node) ? node.value : null
    if (!isPrimitive(value))
      throw new Bound("This value is neither a text, a number, true, false nor nothing.", offset, codes.syntax)
    return { _tag: "Scalar", value, ...place }
  }

  function target({ range, source }: Alias): Node {
    const node = anchors.get(source)
    if (node === undefined) throw new Bound(`${sayings.BAD_ALIAS}`, range?.[0] ?? 0, codes.syntax)
    return node
  }
}

const isPrimitive = (value: unknown): value is string | number | boolean | null =>
  value === null || ["string", "number", "boolean"].includes(typeof value)

const saying = (code: YAMLError["code"], place: Place): Fault => ({
  code: code === "RESOURCE_EXHAUSTION" ? codes.tooLarge : codes.syntax,
  message: sayings[code] ?? "This cannot be read as YAML.",
  ...place
})

/** Our own words for each error, because those of the parser may quote the line. */
const sayings: { readonly [code in YAMLError["code"]]?: string } = {
  ALIAS_PROPS: "An alias cannot have an anchor or a tag.",
  BAD_ALIAS: "This alias refers to an anchor that does not stand before it.",
  BAD_DQ_ESCAPE: "A text in double quotes has an escape that does not exist.",
  BAD_INDENT: "The indentation is wrong here.",
  BAD_SCALAR_START: "A text cannot begin with this character. Put it into quotes.",
  BLOCK_AS_IMPLICIT_KEY:
    "A key and its value cannot stand on the line of another key. Is an indentation or a quote missing?",
  BLOCK_IN_FLOW: "A block cannot stand inside of [ ] or { }.",
  DUPLICATE_KEY: "This key stands here a second time. Keep one of them.",
  KEY_OVER_1024_CHARS: "A key has more than 1024 characters.",
  MISSING_CHAR: "A character is missing here: a closing quote or bracket, a comma, a colon, or a space after one.",
  MULTILINE_IMPLICIT_KEY: "A key must be on one line. Is a colon missing, or a quote?",
  MULTIPLE_DOCS: "The file has more than one document. Keep one, without a second `---`.",
  NON_STRING_KEY: "A key must be a text.",
  RESOURCE_EXHAUSTION: tooDeep,
  TAB_AS_INDENT: "Tabs cannot indent. Use spaces.",
  TAG_RESOLVE_FAILED: "This tag is not known. Settings need none.",
  UNEXPECTED_TOKEN: "This was not expected here. Is a quote, a comma or an indentation wrong above?"
}
