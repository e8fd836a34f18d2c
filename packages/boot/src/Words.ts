/** Words for people: times, and texts of unknown origin. */

/** `0.4 ms`, `81 ms`, `3.1 s`, `2 min 30 s`, `26 h 5 min` */
export const duration = (ms: number): string => {
  if (!(ms >= 9.95)) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 119_950) return `${(ms / 1_000).toFixed(1)} s`
  const s = Math.round(ms / 1_000)
  return s < 7_200
    ? `${Math.floor(s / 60)} min ${s % 60} s`
    : `${Math.floor(s / 3_600)} h ${Math.floor(s / 60) % 60} min`
}

/**
 * Text of unknown origin as one line that shows everything and does nothing: line breaks become spaces; control and
 * formatting characters, and halves of characters, are spelled out. At the most `limit` characters.
 */
export const visible = (text: string, limit = Infinity): string => {
  // Cut first: 10 MB of a name are not searched for what is in them.
  const line = cut(text, limit)
    .replace(/\s*[\r\n\u2028\u2029]\s*/g, " ")
    .replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
  return cut(line, limit)
}

/** No half of a character is left at the end. */
const cut = (text: string, limit: number): string =>
  text.length > limit ? `${text.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, "")}…` : text
