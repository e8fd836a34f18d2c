/**
 * How to write for whoever reads: colours on a terminal and none elsewhere, and text that cannot play tricks on either.
 *
 * **Details**
 *
 * `NO_COLOR` and `TERM=dumb` take colours away, `FORCE_COLOR` and then `CI` decide where there is no terminal. Nothing
 * ever moves a cursor: a line that was written stays as it is, so a log of a terminal reads like the terminal.
 */
import { Words } from "@novacron/boot/model"

/** What decides about style: whether a stream is a terminal, and the environment. */
export interface Surface {
  readonly isTerminal: boolean
  readonly env: { readonly [name: string]: string | undefined }
}

/** Lines for people, in colour or not, or lines of JSON for programs. */
export type Style = "colour" | "plain" | "json"

/** The style of a stream; `json` is what somebody asked for by a flag. */
export const styleOf = ({ env, isTerminal }: Surface, json = false): Style => {
  if (json) return "json"
  if (!isTerminal && !isForced(env)) return "json"
  return hasColours({ env, isTerminal }) ? "colour" : "plain"
}

/** The style of messages to people, on a stream that is never read by programs. */
export const messageStyleOf = (surface: Surface): Exclude<Style, "json"> => (hasColours(surface) ? "colour" : "plain")

/** `NO_COLOR` wins over `FORCE_COLOR`, that over everything else. Neither counts when it is empty. */
const hasColours = ({ env, isTerminal }: Surface): boolean => {
  if (isSet(env["NO_COLOR"])) return false
  if (isForced(env)) return true
  if (env["FORCE_COLOR"] === "0" || env["FORCE_COLOR"] === "false" || env["TERM"] === "dumb") return false
  return isTerminal && !isSet(env["CI"])
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== ""

const isForced = ({ FORCE_COLOR: forced }: Surface["env"]): boolean =>
  isSet(forced) && forced !== "0" && forced !== "false"

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** A colour by what it is for. */
export type Colour = keyof typeof codes

/** The text in a colour, where there are colours. */
export const paint = (style: Style, colour: Colour, text: string): string =>
  style === "colour" && text !== "" ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text

/**
 * Text of unknown origin as one line that a terminal shows and does not obey: line breaks become spaces, every other
 * control or formatting character is spelled out. At the most `limit` characters.
 */
export const visible = (text: string, limit = 2_000): string => Words.visible(text, limit)
