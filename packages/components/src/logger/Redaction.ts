/**
 * Takes what nobody may see out of what is about to be written, and makes the rest harmless: no secret, no control
 * character, no end of it.
 *
 * **Details**
 *
 * - A `Redacted` is `<redacted>`, and so is whatever stands under a key that names a secret: `password`, `apiKey`, …
 * - A value that was made known by {@link Redactor.hide} is taken out wherever it appears in a text, also in the base64,
 *   URL-encoded and JSON-escaped forms of it.
 * - Passwords in URLs, bearer tokens and private keys in PEM are found by their form.
 * - Text ends after 8,192 characters, a structure after 6 levels or 100 members, a cycle where it closes.
 *
 * **Gotchas**
 *
 * A value of fewer than 4 characters is not hidden by {@link Redactor.hide}: every line would be full of holes.
 */
import { Duration, Option, Redacted } from "effect"

/** What stands where a secret was. */
const redacted = "<redacted>"

export interface Redactor {
  /** From now on this value is taken out of every text. */
  readonly hide: (secret: string) => void
  /** A text without secrets. */
  readonly text: (text: string) => string
  /** Any value as plain data for JSON, without secrets. Never throws. */
  readonly value: (value: unknown) => unknown
}

/** What is read as the name of a secret: `dbPassword`, `API-KEY`, `client_secret`, `authorization`. */
export const namesSecret = (key: string): boolean => secretNames.test(key) && !separate.test(key) && !camel.test(key)

const secretNames = new RegExp(
  [
    "pass(?:word|wd|phrase)|^pass$|^pwd$|secret|token|credential|cookie|authorization|bearer",
    "(?:api|private|encryption|signing|master)[-_ ]?key",
    "^dsn$|connection[-_ ]?string"
  ].join("|"),
  "i"
)

/** Facts about a secret that are none: where it is, how long it lives, how many there are. */
const separate = /[-_ ](?:file|path|ttl|age|count|name|provider|id|at|ms|expir\w*)$/i
const camel = /(?:File|Path|Ttl|TTL|Age|Count|Name|Provider|Id|At|Ms|Expir\w*)$/

const maxText = 8_192
const maxDepth = 6
const maxMembers = 100
const shortest = 4

/** A redactor that knows no values yet. */
export const make = (): Redactor => {
  const known = new Set<string>()
  let longestFirst: ReadonlyArray<string> = []

  const hide = (secret: string) => {
    if (secret.length < shortest) return
    for (const form of formsOf(secret)) if (form.length >= shortest) known.add(form)
    longestFirst = [...known].toSorted((a, b) => b.length - a.length)
  }

  const text = (text: string): string => {
    let clean = text
    for (const secret of longestFirst) if (clean.includes(secret)) clean = clean.replaceAll(secret, redacted)
    for (const [form, instead] of forms) if (form.hint.test(clean)) clean = clean.replace(form.whole, instead)
    return clean.length <= maxText ? clean : `${clean.slice(0, maxText)}… (${clean.length - maxText} more characters)`
  }

  const value = (value: unknown): unknown => {
    const path = new Set<object>()
    const visit = (value: unknown): unknown => {
      switch (typeof value) {
        case "string":
          return text(value)
        case "number":
          return Number.isFinite(value) ? value : `${value}`
        case "boolean":
        case "undefined":
          return value
        case "bigint":
        case "symbol":
          return text(value.toString())
        case "function":
          return `<function ${text(value.name)}>`
        case "object":
          return value === null ? null : object(value)
      }
    }
    const object = (value: object): unknown => {
      if (Redacted.isRedacted(value)) return redacted
      if (path.has(value)) return "<circular>"
      if (path.size >= maxDepth) return Array.isArray(value) ? `<array of ${value.length}>` : "<object>"
      path.add(value)
      try {
        return structure(value)
      } catch {
        return "<unreadable>"
      } finally {
        path.delete(value)
      }
    }
    const structure = (value: object): unknown => {
      if (value instanceof Error) return error(value)
      if (Duration.isDuration(value)) return Duration.format(value)
      if (Option.isOption(value)) return Option.isSome(value) ? visit(value.value) : null
      if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
      if (Array.isArray(value)) return list(value)
      if (value instanceof Set) return list([...value])
      if (value instanceof Map) return members([...value].map(([key, one]) => [String(visit(key)), one]))
      if ("toJSON" in value && typeof value.toJSON === "function") {
        const json: unknown = value.toJSON()
        if (typeof json !== "object" || json === null) return visit(json)
        return Array.isArray(json) ? list(json) : members(Object.entries(json))
      }
      return members(Object.entries(value))
    }
    const list = (all: ReadonlyArray<unknown>): unknown => {
      const some = all.slice(0, maxMembers).map(visit)
      return all.length > maxMembers ? [...some, `<${all.length - maxMembers} more>`] : some
    }
    const members = (all: ReadonlyArray<readonly [string, unknown]>): unknown => {
      const some = all
        .slice(0, maxMembers)
        .map(([key, one]) => [text(key), namesSecret(key) && holdsText(one) ? redacted : visit(one)] as const)
      const more = all.length > maxMembers ? [["…", `<${all.length - maxMembers} more>`] as const] : []
      return Object.fromEntries([...some, ...more])
    }
    /** What an error is known by. Its other fields may hold anything. */
    const error = (error: Error): unknown => ({
      name: text("_tag" in error && typeof error._tag === "string" ? error._tag : error.name),
      message: text(error.message),
      ...("code" in error && typeof error.code === "string" ? { code: text(error.code) } : {}),
      ...(error.cause === undefined ? {} : { cause: visit(error.cause) })
    })
    return visit(value)
  }

  return { hide, text, value }
}

/** A number or a switch under such a name is a fact about the secret: `maxTokens: 5`. */
const holdsText = (value: unknown): boolean =>
  value !== undefined && value !== null && typeof value !== "number" && typeof value !== "boolean"

const formsOf = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  return [
    secret,
    encodeURIComponent(secret.toWellFormed()),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url")
  ]
}

/** Secrets that show by their form. `hint` is quick and says whether to look at all. */
const forms: ReadonlyArray<readonly [{ readonly hint: RegExp; readonly whole: RegExp }, string]> = [
  [{ hint: /:\/\/[^/]*@/, whole: /(:\/\/[^\s:/@]*):[^\s/]*@/g }, `$1:${redacted}@`],
  [{ hint: /bearer /i, whole: /(bearer )[\w.~+/=-]+/gi }, `$1${redacted}`],
  [
    {
      hint: /-----BEGIN [A-Z ]*PRIVATE KEY/,
      whole: /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g
    },
    redacted
  ]
]

/**
 * A text in which nothing acts: escape sequences, line ends and marks that turn the direction of writing are shown as
 * `\u001b`, `\n`, `\u202e`.
 */
export const harmlessText = (text: string): string => text.replace(acting, (one) => escapes[one] ?? unicode(one))

// C0, DEL, C1, line and paragraph separators, bidirectional controls, and the zero-width byte order mark.
// eslint-disable-next-line no-control-regex
const acting = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escapes: { readonly [character: string]: string | undefined } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }
const unicode = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** JSON of plain data in which nothing acts either. `JSON.stringify` leaves some of those characters as they are. */
export const harmlessJson = (value: unknown): string => JSON.stringify(value).replace(acting, unicode)
