/**
 * What can be wrong with settings, where it stands, and how it is said. All of it at once, and never a secret.
 */
import { Data, type PlatformError } from "effect"

/** A line and a column of a file, from 1. */
interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Who said what a key should be. */
export type Source =
  /** `written` is how somebody says it on a command line that has a flag of its own for the key. */
  | { readonly _tag: "Flag"; readonly name: string; readonly written?: string }
  | { readonly _tag: "Environment"; readonly name: string }
  | { readonly _tag: "Variant"; readonly experiment: string; readonly variant: string }
  | ({ readonly _tag: "File" } & Position)
  | { readonly _tag: "Template"; readonly name: string }
  | { readonly _tag: "Default" }

/** One thing that is wrong. Each kind has a code, and each code a runbook. */
export interface Problem {
  readonly code: Code
  /** `system.log_level`; empty when it is about the whole. */
  readonly key: string
  /** What is wrong, a sentence. */
  readonly message: string
  readonly source: Source | undefined
  /** Masked, as JSON; absent when there is nothing that may be shown. */
  readonly found?: string
  readonly allowed?: string
  readonly suggestion?: string
  /** The environment variable that sets it. */
  readonly environment?: string
  /** What is wrong is who may read it: too few, or too many. */
  readonly isForbidden?: true
}

/** The codes of problems. */
export const codes = {
  unreadable: "NVC-1001",
  syntax: "NVC-1002",
  unknownKey: "NVC-1003",
  notAllowed: "NVC-1004",
  missing: "NVC-1005",
  constraint: "NVC-1006",
  resource: "NVC-1007",
  variable: "NVC-1008",
  unknownVariable: "NVC-1009",
  undecryptable: "NVC-1010",
  keyring: "NVC-1011",
  signature: "NVC-1012",
  tooLarge: "NVC-1013",
  version: "NVC-1014",
  exposed: "NVC-1015",
  unknownFlag: "NVC-1016",
  compliance: "NVC-1017",
  experiment: "NVC-1018",
  silent: "NVC-1019",
  reload: "NVC-1020",
  history: "NVC-1030",
  audit: "NVC-1031"
} as const

export type Code = (typeof codes)[keyof typeof codes]

/** The settings cannot be used; `problems` holds every reason. Trying again changes nothing, unless a store was silent. */
export class ConfigInvalid extends Data.TaggedError("ConfigInvalid")<{
  readonly problems: readonly [Problem, ...ReadonlyArray<Problem>]
}> {
  /** Of the first problem; a bad signature comes before all else. */
  get code(): Code {
    return this.problems[0].code
  }
  /** 65 when a signature is bad, 69 when the store of the settings does not answer, 77 for permissions, 78 otherwise. */
  get exitCode(): 65 | 69 | 77 | 78 {
    if (this.problems[0].isForbidden === true) return 77
    return this.code === codes.signature ? 65 : this.code === codes.silent ? 69 : 78
  }
  override get message() {
    return render(this.problems)
  }
  /** Only what may be seen. */
  override toJSON() {
    const { code, exitCode, problems } = this
    return { _tag: this._tag, code, exitCode, problems }
  }
}

/** All of them, for people: the place, what is wrong, what is allowed, what to do. */
export const render = (problems: ReadonlyArray<Problem>): string => {
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`
  return [`The configuration has ${count}. Nothing of it was used.`, ...problems.map(describe)].join("\n")
}

/** One of them, in two or three lines. */
export const describe = (problem: Problem): string => {
  const { allowed, code, environment, found, key, message, source, suggestion } = problem
  const at = place(source)
  // A flag says its key itself.
  const head = [at, at === `-s ${key}` ? "" : key, code].filter((part) => part !== "").join("  ")
  const facts = [found === undefined ? "" : `found ${found}`, allowed === undefined ? "" : `allowed: ${allowed}`]
  const ways = [
    suggestion === undefined ? "" : `did you mean ${suggestion}?`,
    environment === undefined || environment === place(source) ? "" : `its variable is ${environment}`
  ]
  const lines = [message, together(facts, "; "), together(ways, "  ")]
  return [`  ${head}`, ...lines.filter((line) => line !== "").map((line) => `    ${line}`)].join("\n")
}

const together = (parts: ReadonlyArray<string>, between: string) => parts.filter((part) => part !== "").join(between)

/** `novacron.yaml:4:14`, `NOVACRON_LOG_LEVEL`, `-s log_level`, `variant pool/large`, `template hybrid`, `default`. */
export const place = (source: Source | undefined): string => {
  if (source === undefined) return ""
  switch (source._tag) {
    case "Flag":
      return source.written ?? `-s ${source.name}`
    case "Environment":
      return source.name
    case "Variant":
      return `variant ${source.experiment}/${source.variant}`
    case "File":
      return `${source.file}:${source.line}:${source.column}`
    case "Template":
      return `template ${source.name}`
    case "Default":
      return "default"
  }
}

/** Why a file cannot be read, for whoever made it. */
export const unread = ({
  reason
}: PlatformError.PlatformError): { readonly why: string; readonly isForbidden?: true } => {
  if (reason._tag === "PermissionDenied") return { why: "This user may not read it.", isForbidden: true }
  return { why: reason._tag === "NotFound" ? "It does not exist." : "Is it a file?" }
}

/** The one of `candidates` that somebody who wrote `name` may have meant: a letter or two away, or a part of it. */
export const didYouMean = (name: string, candidates: Iterable<string>): string | undefined => {
  let best: { readonly candidate: string; readonly distance: number } | undefined
  const wanted = name.toLowerCase()
  for (const candidate of candidates) {
    const limit = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3))
    if (Math.abs(wanted.length - candidate.length) > limit) continue
    const distance = distanceOf(wanted, candidate.toLowerCase())
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { candidate, distance }
  }
  return best?.candidate
}

/** How many letters to add, drop, change or swap (Damerau, neighbours only). */
const distanceOf = (a: string, b: string): number => {
  let twoAgo: ReadonlyArray<number> = []
  let before: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min((row[j - 1] ?? 0) + 1, (before[j] ?? 0) + 1, (before[j - 1] ?? 0) + same)
      const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) cost = Math.min(cost, (twoAgo[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    twoAgo = before
    before = row
  }
  return before[b.length] ?? 0
}
