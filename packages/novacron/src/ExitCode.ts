/**
 * What the process exits with, decided from what became of the boot and from the signal that ended it. Scripts, service
 * managers and people rely on these numbers; `docs/OPERATIONS.md` lists them.
 *
 * **Details**
 *
 * The kernel's report has an exit code of its own. This adds what only the process knows: which signal it was, whether
 * a degraded node is good enough (`--strict`), and what the errors of this node's components mean.
 */
import type { Report } from "@novacron/boot/model"
import * as Codes from "./Codes.ts"
import { type ExitCode, known } from "./Meanings.ts"

export { type ExitCode, known, meanings } from "./Meanings.ts"

/** The signals that end a node. */
export type Ending = "SIGTERM" | "SIGINT"

/** What the process knows at its end. */
export interface Facts {
  readonly report: Report.Report
  /** The signal that asked for the end, if one did. */
  readonly signal?: Ending | undefined
  /** Whether a degraded boot counts as a temporary failure. */
  readonly strict?: boolean
}

/** The exit code of a boot. */
export const of = ({ report, signal, strict = false }: Facts): ExitCode => {
  const code = known(report.exitCode)
  if (code === 70) return 70
  if (report.outcome === "cancelled") return bySignal(signal)
  if (code === 69 || code === 78) return worst(report) ?? code
  if (report.outcome === "degraded" && strict) return 75
  return code
}

/** The exit code of an error that ended a command, or a boot before it began. */
export const ofError = (error: unknown): ExitCode => {
  const said = byCode(error) ?? exitCodeIn(error)
  if (said !== undefined) return said
  const tag = tagOf(error)
  if (tag === undefined) return 70
  return Codes.find(tag)?.exit ?? (tag.startsWith("Config") ? 78 : 70)
}

/** A signal that ended the process at once. */
export const bySignal = (signal: Ending | undefined): ExitCode => (signal === "SIGTERM" ? 143 : 130)

/** What the first of the fatal causes asks for: they are sorted, the severest first. */
const worst = (report: Report.Report): ExitCode | undefined => {
  const exits = Codes.fatal(report).flatMap(({ tag }) => Codes.find(tag)?.exit ?? [])
  // Wrong settings and refused permissions stay wrong until somebody changes them: they say more than "unavailable".
  return exits.find((exit) => exit !== 69) ?? exits[0]
}

/** A secret that others may read is a matter of permissions, wherever it was found out. */
const byCode = (error: unknown): ExitCode | undefined =>
  typeof error === "object" && error !== null && "code" in error && error.code === "NVC-1015" ? 77 : undefined

/** Some errors know better than a table: a port may be taken, or not for us. */
const exitCodeIn = (error: unknown): ExitCode | undefined =>
  typeof error === "object" && error !== null && "exitCode" in error && typeof error.exitCode === "number"
    ? known(error.exitCode)
    : undefined

const tagOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
    ? error._tag
    : undefined
