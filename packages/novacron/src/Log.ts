/**
 * Lines of log on stderr, before and beside the logger of the node: for people on a terminal, as JSON off it. Errors that
 * nobody foresaw come with their stack.
 */
import * as Cause from "effect/Cause"
import * as Logger from "effect/Logger"
import type { Output } from "./Surroundings.ts"
import { messageStyleOf, paint, visible } from "./Terminal.ts"

/** A logger that writes to an output. */
export const to = (
  output: Output,
  env: { readonly [name: string]: string | undefined }
): Logger.Logger<unknown, void> => {
  const style = messageStyleOf({ env, isTerminal: output.isTerminal })
  return Logger.make(({ cause, date, logLevel, message }) => {
    const text = (Array.isArray(message) ? message : [message]).map(wordsOf).join(" ")
    const stack = cause.reasons.length === 0 ? "" : Cause.pretty(cause)
    if (!output.isTerminal) {
      const line = { timestamp: date.toISOString(), level: logLevel.toLowerCase(), message: text }
      return output.write(`${JSON.stringify(stack === "" ? line : { ...line, cause: stack })}\n`)
    }
    const isBad = logLevel === "Error" || logLevel === "Fatal"
    const mark = paint(style, isBad ? "red" : logLevel === "Warn" ? "yellow" : "cyan", isBad ? "✗" : "·")
    const lines = [visible(text), ...stack.split("\n").map((line) => visible(line))].filter((line) => line !== "")
    return output.write(
      `${lines.map((line, i) => (i === 0 ? `           ${mark}  ${line}` : `      ${line}`)).join("\n")}\n`
    )
  })
}

const wordsOf = (part: unknown): string => {
  if (typeof part === "string") return part
  if (part instanceof Error) return part.message
  return JSON.stringify(part) ?? String(part)
}
