/**
 * The last block of a boot: what became of it, and of a failed one who, why, what was tried, which setting from which
 * source, what was rolled back, and what to do now. The kernel's text says most of it; this adds what the process knows.
 */
import { Report, Severity } from "@novacron/boot/model"
import * as Codes from "./Codes.ts"
import type { ExitCode } from "./ExitCode.ts"
import type { Code } from "./PartCodes.ts"
import { paint, type Style, visible } from "./Terminal.ts"

/** What the process knows about the end, besides the report. */
export interface Surrounding {
  readonly exit: ExitCode
  /** What is known about a setting: its winning source and what that overrides. Undefined when nothing is. */
  readonly explain: (setting: string) => string | undefined
}

/** The block, as lines for people. */
export const text = (report: Report.Report, style: Style, { exit, explain }: Surrounding): string => {
  const [first = "", ...lines] = Report.text({ ...report, exitCode: exit }).split("\n")
  if (report.outcome !== "failed") return dressed(style, [first, ...lines])
  const worst = Codes.fatal(report)[0]
  const code = worst === undefined ? undefined : Codes.find(worst.tag)
  if (worst === undefined || code === undefined) return dressed(style, [first, ...lines])
  const title = first.replace(/\s+exit \d+$/, "")
  const setting = isOutOfTime(worst.message) ? "system.boot_timeout" : settingOf(code, worst.message)
  const configured = setting === undefined ? undefined : explain(setting)
  return dressed(style, [
    `${title.padEnd(66)}  ${code.code}  exit ${exit}`,
    ...lines.filter((line) => !line.startsWith(label("undone")) && !line.startsWith(label("do"))),
    ...(configured === undefined ? [] : [`${label("config")}${visible(configured)}`]),
    ...lines.filter((line) => line.startsWith(label("undone"))),
    `${label("do")}${code.remedy}      more: novacron explain ${code.code}`
  ])
}

/** Whether it was the time of the whole boot that was over, and not that of a part. */
const isOutOfTime = (message: string) => message.endsWith("(deadline of the boot)")

const settingOf = ({ orSetting, setting }: Partial<Code>, message: string): string | undefined =>
  orSetting !== undefined && message.includes(orSetting) ? orSetting : setting

/** An error that ended a command, or a boot before it began, in the same tone. */
export const ofError = (
  error: { readonly _tag: string; readonly message: string; readonly cause?: unknown },
  style: Style,
  { exit, explain }: Surrounding,
  title = "BOOT FAILED  before anything was started"
): string => {
  const code = Codes.ofError(error)
  const setting = code === undefined ? undefined : settingOf(code, error.message)
  const configured = setting === undefined ? undefined : explain(setting)
  const [cause = "", ...more] = error.message.split("\n").map((line) => visible(line))
  const reason = reasonOf(error)
  return dressed(style, [
    `${title.padEnd(66)}  ${code === undefined ? "" : `${code.code}  `}exit ${exit}`,
    `${label("cause")}${cause}`,
    ...more.map((line) => `${label("")}${line}`),
    ...(reason === undefined ? [] : [`${label("reason")}${visible(reason, 300)}`]),
    ...(configured === undefined ? [] : [`${label("config")}${visible(configured)}`]),
    ...(code === undefined ? [] : [`${label("do")}${remedy(code)}novacron explain ${code.code}`])
  ])
}

/** What is behind the error, when its own message does not say it: the system's words, that somebody can look up. */
export const reasonOf = (error: {
  readonly _tag: string
  readonly message: string
  readonly cause?: unknown
}): string | undefined => {
  // That nobody answers at a socket says it all.
  if (!(error.cause instanceof Error) || error._tag === "NoNode") return undefined
  const reason = Severity.messageOf(error.cause)
  return error.message.includes(reason) ? undefined : reason
}

const remedy = ({ remedy }: { readonly remedy?: string }) => (remedy === undefined ? "" : `${remedy}      more: `)

const label = (key: string): string => `  ${key.padEnd(9)} `

const dressed = (style: Style, lines: ReadonlyArray<string>): string =>
  lines
    .map((line) => {
      if (/^(?:BOOT FAILED|NODE FAILED|NOT DONE)/.test(line)) return paint(style, "red", line)
      if (/^(?:READY \()/.test(line)) return paint(style, "yellow", line)
      if (/^(?:READY|STOPPED)/.test(line)) return paint(style, "green", line)
      return line.replace(/^( {2}(?:cause|reason|tried|needed by|config|besides|undone|do) +)/, (key) =>
        paint(style, "dim", key)
      )
    })
    .join("\n")
