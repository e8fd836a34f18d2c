/** A first file: what a template says, and all else that could be said, as comments. It can be loaded as it is. */
import { stringify } from "yaml"
import { type Definition, versionKey } from "./Config.ts"
import * as Keys from "./Keys.ts"

/**
 * The text of a file in YAML. Without the name of a template every key is a comment. Throws when there is no template of that
 * name; the names are `Object.keys(definition.templates)`.
 */
export const init = <A, E>(definition: Definition<A, E>, template?: string): string => {
  const { keys, name, prefix, templates = {}, version } = definition
  if (template !== undefined && !Object.hasOwn(templates, template))
    throw new Error(`There is no template ${template}.`)
  const tree = template === undefined ? {} : templates[template]
  return [
    `# Settings of ${name}${template === undefined ? "" : `, for ${template}`}.`,
    "# Flags come before the environment, the environment before this file, this file before the defaults.",
    `# A key in a comment has the value that stands there. ${prefix}_SECTION_KEY in the environment sets section.key.`,
    `# \${NAME} and \${NAME:-fallback} stand for variables of the environment; $\${ is a plain \${.`,
    `${versionKey}: ${version}`,
    ...[...keys.root.children].flatMap(([name, child]) => [
      "",
      ...linesOf(name, child, Keys.at(tree, child.path.slice(-1)), "")
    ])
  ]
    .join("\n")
    .concat("\n")
}

const linesOf = (name: string, node: Keys.Node, given: unknown, indent: string): ReadonlyArray<string> => {
  const described = node.description === undefined ? [] : [`${indent}# ${node.description}`]
  const label = stringify(name).trim()
  switch (node._tag) {
    case "Key":
      return leafLines(label, node, given, indent)
    case "Section":
      return [
        ...described,
        `${indent}${label}:`,
        ...[...node.children].flatMap(([key, child]) =>
          linesOf(key, child, Keys.at(given, child.path.slice(-1)), `${indent}  `)
        )
      ]
    case "Table": {
      const entries = Keys.isTree(given) ? Object.entries(given) : []
      const lines = entries.flatMap(([key, value]) => linesOf(key, node.child(key), value, `${indent}  `))
      return [...described, entries.length === 0 ? `${indent}# ${label}: {}` : `${indent}${label}:`, ...lines]
    }
  }
}

const leafLines = (label: string, key: Keys.Key, given: unknown, indent: string): ReadonlyArray<string> => {
  const about = [key.description, key.allowed].filter((part) => part !== undefined).join(": ")
  const head = `${indent}# ${about}${key.isRequired ? " (required)" : ""}`
  if (given !== undefined) return [head, `${indent}${label}: ${flow(Keys.toFile(key.ast, given))}`]
  const fallback = key.fallback === undefined || key.isSecret ? "" : flow(Keys.toFile(key.ast, key.fallback))
  return [head, `${indent}# ${label}: ${fallback}`.trimEnd()]
}

/** On one line, with `${` escaped: a template means what it says. */
const flow = (value: unknown): string =>
  stringify(escaped(value), { collectionStyle: "flow", lineWidth: 0, blockQuote: false }).trim()

const escaped = (value: unknown): unknown => {
  if (typeof value === "string") return value.replaceAll("${", () => "$${")
  if (Array.isArray(value)) return value.map(escaped)
  return Keys.isTree(value) ? Object.fromEntries(Object.entries(value).map(([key, it]) => [key, escaped(it)])) : value
}
