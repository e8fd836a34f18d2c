/**
 * What may be shown of a value. Everything this package says goes through here.
 */

/** Stands where a secret stood. */
export const hidden = "******"

const longest = 120

/** A value that is not a secret, as JSON, on one line; passwords inside of URLs are hidden. */
export const show = (value: unknown): string => {
  if (value === undefined) return "nothing"
  // JSON would call what is infinite, or not a number, null.
  return typeof value === "number" ? String(value) : withoutCredentials(JSON.stringify(value))
}

/** Not too long. To be done last: half of a secret cannot be found any more. */
export const shorten = (text: string): string => (text.length > longest ? `${text.slice(0, longest)}…` : text)

/** `postgres://user:secret@host` → `postgres://user:******@host`. */
export const withoutCredentials = (text: string): string =>
  text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s:/?#@"]*):[^\s"]*@/gi, `$1:${hidden}@`)

/** The same for each text in a tree. */
export const clean = (value: unknown): unknown => {
  if (typeof value === "string") return withoutCredentials(value)
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, clean(item)]))
}

/** What kind of thing a value is: all that may be said of one that stands where something else should. */
export const kindOf = (value: unknown): string => {
  if (value === null) return "nothing (null)"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "a mapping" : typeof value === "string" ? "a text" : `a ${typeof value}`
}

/**
 * Hides every one of `secrets` wherever it stands in a text, in small letters or capitals. The last barrier, for a secret
 * that somebody wrote where none belongs; shorter than four letters is not searched for, since that would hide half of any
 * text.
 */
export const scrub = (text: string, secrets: ReadonlySet<string>): string => {
  let clean = text
  for (const secret of secrets) {
    if (secret.length < 4) continue
    for (const spelling of new Set([secret, JSON.stringify(secret).slice(1, -1)])) {
      clean = clean.replaceAll(new RegExp(spelling.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu"), hidden)
    }
  }
  return clean
}
