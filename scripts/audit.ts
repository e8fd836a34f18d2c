/**
 * `pnpm security:audit`: asks the package registry for known vulnerabilities of what the lockfile names, and fails when
 * one is high or critical.
 *
 * **Details**
 *
 * A registry without that service, or none that can be reached, is said and is no failure: it proves nothing either way.
 * Exit 0: nothing high or critical, or nobody to ask. Exit 1: something is.
 */
import { spawnSync } from "node:child_process"

/** What an answer of the registry says. */
type Verdict =
  | { readonly _tag: "Clean"; readonly lower: number }
  | { readonly _tag: "Vulnerable"; readonly names: ReadonlyArray<string> }
  | { readonly _tag: "Unanswered"; readonly why: string }

/** Reads what `pnpm audit --json` has printed. */
export const judge = (stdout: string, stderr: string): Verdict => {
  const answer = parsed(stdout)
  if (answer === undefined) {
    const [why = "it said nothing"] = `${stderr}\n${stdout}`.match(/ERR_PNPM_\w+|E[A-Z]{5,}/) ?? []
    return { _tag: "Unanswered", why }
  }
  const found = Object.values(answer.advisories ?? {})
  const severe = found.filter(({ severity }) => severity === "high" || severity === "critical")
  if (severe.length === 0) return { _tag: "Clean", lower: found.length }
  return { _tag: "Vulnerable", names: severe.map((one) => `${one.module_name}: ${one.severity}, ${one.title}`) }
}

interface Answer {
  readonly advisories?: {
    readonly [id: string]: { readonly module_name: string; readonly severity: string; readonly title: string }
  }
  readonly error?: unknown
}

const parsed = (text: string): Answer | undefined => {
  try {
    const answer: Answer = JSON.parse(text)
    return typeof answer === "object" && answer !== null && answer.error === undefined ? answer : undefined
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  const { stderr, stdout } = spawnSync("npx", ["-y", "pnpm@12", "audit", "--json", "--prod"], {
    encoding: "utf8",
    timeout: 60_000
  })
  const verdict = judge(stdout ?? "", stderr ?? "")
  switch (verdict._tag) {
    case "Clean":
      console.log(`No vulnerability that is high or critical is known; ${verdict.lower} lower.`)
      break
    case "Unanswered":
      console.log(`Not audited: the registry does not answer (${verdict.why}).`)
      break
    case "Vulnerable":
      console.error(verdict.names.join("\n"))
      process.exitCode = 1
  }
}
