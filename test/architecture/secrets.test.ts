/** Nothing that opens a door lies in the repository, and the audit of dependencies means what it says. */
import { execFileSync } from "node:child_process"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { judge } from "../../scripts/audit.ts"

const root = join(import.meta.dirname, "../..")

/** What keys and tokens look like that programs give out. Spelled so that this file does not look like one. */
const shapes: ReadonlyArray<readonly [string, RegExp]> = [
  ["a private key", /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*[A-Za-z0-9+/=]{16}/],
  ["an access key of AWS", /\bAKIA[0-9A-Z]{16}\b/],
  ["a token of GitHub", /\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{60}/],
  ["a token of npm", /\bnpm_[A-Za-z0-9]{36}\b/],
  ["a token of Slack", /\bxox[abprs]-[A-Za-z0-9-]{20}/],
  ["a token of Vault", /\bhvs\.[A-Za-z0-9_-]{40}/],
  ["a signed JWT", /\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{30,}/]
]

const found = (text: string): ReadonlyArray<string> =>
  shapes.flatMap(([name, shape]) => (shape.test(text) ? [name] : []))

describe("the repository", () => {
  it("has no key and no token in any file", () => {
    const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0").filter(Boolean)
    assert.isAbove(files.length, 500)
    const suspicious = files.flatMap((file) => {
      const path = join(root, file)
      // What was deleted and not yet committed is listed; pictures and models are no text.
      const isText = statSync(path, { throwIfNoEntry: false })?.isFile() && !/\.(?:png|bin|woff2)$/.test(file)
      return isText ? found(readFileSync(path, "utf8")).map((what) => `${file}: ${what}`) : []
    })
    assert.deepStrictEqual(suspicious, [])
  })

  it("would be found to have one", () => {
    const planted = [
      `-----BEGIN ${"PRIVATE"} KEY-----\nMIGHAgEAMBMGByqGSM49`,
      `AKIA${"ABCDEFGHIJKLMNOP"}`,
      `ghp_${"a".repeat(36)}`,
      `npm_${"b".repeat(36)}`,
      `xoxb-${"1".repeat(24)}`,
      `hvs.${"c".repeat(48)}`,
      `eyJ${"h".repeat(24)}.eyJ${"p".repeat(24)}.${"s".repeat(40)}`
    ]
    assert.deepStrictEqual(
      planted.flatMap(found),
      shapes.map(([name]) => name)
    )
  })
})

describe("the audit of dependencies", () => {
  const advisory = (severity: string) => ({ "1": { module_name: "left", severity, title: "reads too far" } })

  it("fails for what is high or critical, and for nothing else", () => {
    assert.deepStrictEqual(judge(JSON.stringify({ advisories: {} }), ""), { _tag: "Clean", lower: 0 })
    assert.deepStrictEqual(judge(JSON.stringify({ advisories: advisory("moderate") }), ""), { _tag: "Clean", lower: 1 })
    for (const severity of ["high", "critical"]) {
      const names = [`left: ${severity}, reads too far`]
      assert.deepStrictEqual(judge(JSON.stringify({ advisories: advisory(severity) }), ""), {
        _tag: "Vulnerable",
        names
      })
    }
  })

  it("does not take silence for an all-clear", () => {
    const silent = { _tag: "Unanswered", why: "ERR_PNPM_AUDIT_BAD_RESPONSE" } as const
    assert.deepStrictEqual(judge("", "Error: ERR_PNPM_AUDIT_BAD_RESPONSE"), silent)
    assert.deepStrictEqual(judge(`{"error":{"code":"ERR_PNPM_AUDIT_BAD_RESPONSE"}}`, ""), silent)
  })
})
