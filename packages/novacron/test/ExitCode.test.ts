import type { BootEvent } from "@novacron/boot/model"
import { Report } from "@novacron/boot/model"
import { assert, describe, it } from "vitest"
import * as ExitCode from "../src/ExitCode.ts"

type Event = BootEvent.BootEvent
const begun: Event = {
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
  components: [{ name: "database", phase: "core", severity: "critical", needs: [], fallbacks: ["spare"] }]
}
const ready = (outcome: "ready" | "degraded"): Event => ({ _tag: "BootReady", atMs: 2, outcome })
const rollback = (why: "failed" | "cancelled" | "deadline" | "stopped"): Event => ({
  _tag: "RollbackStarted",
  atMs: 3,
  why,
  because: "database",
  budgetMs: 1
})
const ended = (outcome: "failed" | "cancelled" | "stopped", clean = true): Event => ({
  _tag: "BootEnded",
  atMs: 4,
  outcome,
  clean
})
const failed = (tag: string, kind: "error" | "defect" | "timeout" = "error"): ReadonlyArray<Event> => [
  { _tag: "ComponentStarted", atMs: 1, component: "database", variant: 0, attempt: 1 },
  {
    _tag: "ComponentFailed",
    atMs: 2,
    component: "database",
    failure: { kind, tag, message: "no", severity: "critical" }
  },
  rollback("failed"),
  ended("failed")
]

const cases: ReadonlyArray<{
  readonly title: string
  readonly events: ReadonlyArray<Event>
  readonly signal?: ExitCode.Ending
  readonly strict?: boolean
  readonly code: ExitCode.ExitCode
}> = [
  { title: "up", events: [ready("ready")], code: 0 },
  { title: "up but degraded", events: [ready("degraded")], code: 0 },
  { title: "up but degraded, and strict", events: [ready("degraded")], strict: true, code: 75 },
  { title: "up, and strict", events: [ready("ready")], strict: true, code: 0 },
  { title: "stopped when asked to", events: [ready("ready"), rollback("stopped"), ended("stopped")], code: 0 },
  {
    title: "stopped by SIGTERM after it was ready",
    events: [ready("ready"), rollback("stopped"), ended("stopped")],
    signal: "SIGTERM",
    code: 0
  },
  {
    title: "stopped, and not all was closed",
    events: [ready("ready"), rollback("stopped"), ended("stopped", false)],
    code: 70
  },
  { title: "cancelled by SIGTERM", events: [rollback("cancelled"), ended("cancelled")], signal: "SIGTERM", code: 143 },
  { title: "cancelled by SIGINT", events: [rollback("cancelled"), ended("cancelled")], signal: "SIGINT", code: 130 },
  {
    title: "cancelled, and not all was closed",
    events: [rollback("cancelled"), ended("cancelled", false)],
    signal: "SIGINT",
    code: 70
  },
  { title: "out of time", events: [rollback("deadline"), ended("failed")], code: 124 },
  { title: "not over", events: [], code: 70 },
  { title: "a database that is not reachable", events: failed("DatabaseUnreachable"), code: 69 },
  { title: "a login that is refused", events: failed("LoginRefused"), code: 77 },
  { title: "an address that is none", events: failed("BadDatabaseUrl"), code: 78 },
  { title: "a port that is taken", events: failed("PortTaken"), code: 73 },
  { title: "keys that are not what they were", events: failed("KeyMaterialUnusable"), code: 65 },
  { title: "an error that nobody knows", events: failed("Whatever"), code: 69 },
  { title: "settings of an unknown kind", events: failed("ConfigWhatever"), code: 78 },
  { title: "a defect", events: failed("Defect", "defect"), code: 70 },
  { title: "a deadline of a component", events: failed("TimedOut", "timeout"), code: 69 }
]

describe("a boot", () => {
  it.each(cases)("that is $title exits with $code", ({ code, events, signal, strict = false }) => {
    const report = Report.fromEvents([begun, ...events])
    assert.strictEqual(ExitCode.of({ report, signal, strict }), code)
  })
})

describe("an error before the boot", () => {
  it.each([
    [{ _tag: "ConfigInvalid", code: "NVC-1012", exitCode: 65 }, 65],
    [{ _tag: "ConfigInvalid", code: "NVC-1004", exitCode: 78 }, 78],
    [{ _tag: "ConfigInvalid", code: "NVC-1015", exitCode: 78 }, 77],
    [{ _tag: "LockHeld", code: "NVC-1101", exitCode: 73 }, 73],
    [{ _tag: "AlreadyRunning" }, 73],
    [{ _tag: "NoNode" }, 69],
    [{ _tag: "ConfigWhatever" }, 78],
    [new Error("a bug"), 70],
    ["a text", 70]
  ] as const)("%o exits with %s", (error, code) => assert.strictEqual(ExitCode.ofError(error), code))

  it("with a code that is not documented exits with 70", () => {
    assert.strictEqual(ExitCode.known(3), 70)
    assert.strictEqual(ExitCode.ofError({ exitCode: 3 }), 70)
  })
})
