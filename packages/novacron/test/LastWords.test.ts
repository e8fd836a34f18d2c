import type { BootEvent } from "@novacron/boot/model"
import { Report } from "@novacron/boot/model"
import { assert, describe, it } from "vitest"
import * as LastWords from "../src/LastWords.ts"

type Event = BootEvent.BootEvent

/** A database that was not reachable, three times, and somebody who needed it. */
const failed = (message: string, tag = "DatabaseUnreachable"): Report.Report => {
  const failure = { kind: "error", tag, message, severity: "critical" } as const
  const attempt = (n: number, atMs: number): ReadonlyArray<Event> => [
    { _tag: "ComponentStarted", atMs, component: "database", variant: 0, attempt: n },
    { _tag: "AttemptFailed", atMs: atMs + 10, component: "database", attempt: n, failure, retryInMs: n < 3 ? 1 : null },
    { _tag: "AttemptClosed", atMs: atMs + 10, component: "database", closing: "clean" }
  ]
  return Report.fromEvents([
    {
      _tag: "BootStarted",
      atMs: 0,
      version: 1,
      bootId: "b",
      nodeId: "n",
      environment: "hybrid",
      configVersion: "",
      startedAt: 0,
      concurrency: 4,
      worstCaseMs: 1_000,
      components: [
        { name: "database", phase: "core", severity: "critical", needs: [], fallbacks: [] },
        { name: "orchestration", phase: "service", severity: "critical", needs: ["database"], fallbacks: [] }
      ]
    },
    ...attempt(1, 0),
    ...attempt(2, 1_100),
    ...attempt(3, 3_100),
    { _tag: "ComponentFailed", atMs: 3_110, component: "database", failure },
    { _tag: "RollbackStarted", atMs: 3_110, why: "failed", because: "database", budgetMs: 1 },
    {
      _tag: "ComponentSkipped",
      atMs: 3_111,
      component: "orchestration",
      reason: { _tag: "RolledBack", because: "database" }
    },
    { _tag: "BootEnded", atMs: 3_150, outcome: "failed", clean: true }
  ])
}

const explain = (setting: string) =>
  setting === "database.url" ? "database.url from NOVACRON_DATABASE_URL (overrides novacron.yaml:14)" : undefined

describe("the last words of a failed boot", () => {
  it("say component, cause, what was tried, who needed it, which setting from where, what was undone, what to do", () => {
    const text = LastWords.text(failed("connect ECONNREFUSED 127.0.0.1:5432"), "plain", { exit: 69, explain })
    const lines = text.split("\n")
    assert.match(lines[0] ?? "", /^BOOT FAILED {2}critical component "database" did not start {2,}NVC-2103 {2}exit 69$/)
    const keys = lines.slice(1).map((line) => line.slice(2, 11).trim())
    assert.deepStrictEqual(keys, ["cause", "tried", "needed by", "config", "undone", "do"])
    assert.include(text, "  tried     3 times over 3.1 s (0.0 s · 1.1 s · 3.1 s), in phase core")
    assert.include(text, "  needed by orchestration (1 not started)")
    assert.include(text, "  config    database.url from NOVACRON_DATABASE_URL (overrides novacron.yaml:14)")
    assert.include(lines.at(-1) ?? "", "novacron explain NVC-2103")
  })

  it("name the setting of the port that is taken, and not another port of the same part", () => {
    const explain = (key: string) => `${key} by default`
    for (const setting of ["api.port", "api.grpc.port"]) {
      const error = { _tag: "ApiPortTaken", message: `Port 8444 is taken. Stop it, or set ${setting}.` }
      const boot = LastWords.text(failed(error.message, error._tag), "plain", { exit: 73, explain })
      const command = LastWords.ofError(error, "plain", { exit: 73, explain })
      for (const text of [boot, command]) assert.include(text, `  config    ${setting} by default\n`)
    }
  })

  it("name the setting of the deadline that was over", () => {
    const said = (scope: string) =>
      LastWords.text(failed(`database did not become ready within 300 ms (deadline of the ${scope})`), "plain", {
        exit: 124,
        explain: (key) => `${key} by default`
      })
    assert.include(said("boot"), "  config    system.boot_timeout by default")
    assert.notInclude(said("component"), "system.boot_timeout")
  })

  it("leave out the setting when nothing is known of it", () => {
    const text = LastWords.text(failed("no"), "plain", { exit: 69, explain: () => undefined })
    assert.notInclude(text, "config    ")
    assert.include(text, "NVC-2103")
  })

  it("obey nothing that an error says", () => {
    const text = LastWords.text(failed("\u001b[2J\u0007 no\nBOOT READY"), "plain", { exit: 69, explain })
    assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u)
    assert.notMatch(text, /^BOOT READY/m)
  })

  it("are in colour where there are colours", () => {
    const text = LastWords.text(failed("no"), "colour", { exit: 69, explain })
    assert.isTrue(text.startsWith("\u001b[31mBOOT FAILED"))
  })
})

describe("the words for an error beside a boot", () => {
  it("have the same tone", () => {
    const error = { _tag: "AlreadyRunning", code: "NVC-3001", message: "A node with pid 7 uses it.\nsecond line" }
    const text = LastWords.ofError(error, "plain", { exit: 73, explain: (key) => `${key} by default` })
    assert.match(text, /^BOOT FAILED {2}before anything was started +NVC-3001 {2}exit 73\n/)
    assert.include(text, "  cause     A node with pid 7 uses it.\n            second line\n")
    assert.include(text, "  config    system.data_dir by default\n")
    assert.match(text, / {2}do {8}.*novacron explain NVC-3001$/)
  })

  it("say the reason behind it, once", () => {
    const cause = new Error("EROFS: read-only file system, open '/data/lock'")
    const ofError = (message: string) =>
      LastWords.ofError({ _tag: "LockUnusable", message, cause }, "plain", { exit: 73, explain: () => undefined })
    assert.include(ofError("The lock cannot be had."), `  reason    ${cause.message}\n`)
    assert.notInclude(ofError(`It cannot be had: ${cause.message}`), "  reason    ")
  })

  it("do without a code when there is none", () => {
    const text = LastWords.ofError({ _tag: "Other", message: "no" }, "plain", { exit: 70, explain: () => undefined })
    assert.notInclude(text, "NVC-")
    assert.include(text, "exit 70")
  })
})
