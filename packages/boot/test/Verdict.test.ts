import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect } from "effect"
import type { Build } from "../src/Recipe.ts"
import * as Policy from "../src/Policy.ts"
import { Defect, TimedOut, Unhealthy } from "../src/Severity.ts"
import { complaintOf, failureOf, record } from "../src/Verdict.ts"

class Down extends Data.TaggedError("Down")<{ readonly password: string }> {
  override get message() {
    return "the server is down"
  }
}

const build: Build = {
  name: "database",
  start: Effect.void,
  yields: "service",
  probe: () => Effect.void,
  table: { Down: "Degraded", Bad: "Critical" },
  policy: Policy.never,
  timeoutMs: 1,
  deadlineMs: Infinity
}
const plain = (text: string) => text

describe("Verdict", () => {
  it("takes the component's own error as it is", () => {
    const down = new Down({ password: "secret" })
    assert.strictEqual(failureOf("database", Cause.fail(down)), down)
  })

  it("names the component of a defect, and keeps the defect, even beside an error", () => {
    const bug = new Error("bug")
    const found = failureOf("database", Cause.combine(Cause.fail("late"), Cause.die(bug)))
    assert.instanceOf(found, Defect)
    assert.strictEqual(found.component, "database")
    assert.strictEqual(found.cause, bug)
  })

  it("takes a start that interrupts itself for the bug that it is", () => {
    assert.instanceOf(failureOf("database", Cause.interrupt()), Defect)
  })

  it("makes a complaint of what a probe fails with, and a defect of what it dies of", () => {
    const complaint = complaintOf("database", Cause.fail("no answer"))
    assert.instanceOf(complaint, Unhealthy)
    assert.strictEqual(complaint.cause, "no answer")
    assert.instanceOf(complaintOf("database", Cause.die("bug")), Defect)
  })

  it("records kind, tag, text and severity, and no field of the error", () => {
    const down = record(build, new Down({ password: "secret" }), plain)
    assert.deepStrictEqual(down, { kind: "error", tag: "Down", message: "the server is down", severity: "degraded" })
    const late = new TimedOut({ component: "database", scope: "attempt", afterMs: 5, during: "start" })
    assert.deepInclude(record(build, late, plain), { kind: "timeout", severity: "degraded" })
    assert.deepInclude(record(build, new Unhealthy({ component: "database", cause: "no" }), plain), {
      kind: "unhealthy",
      severity: "degraded"
    })
    assert.deepInclude(record(build, new Defect({ component: "database", cause: "bug" }), plain), {
      kind: "defect",
      severity: "critical"
    })
  })

  it("lets a secret be taken out of the text", () => {
    const redact = (text: string) => text.replaceAll("hunter2", "***")
    assert.strictEqual(record(build, new Error("bad password hunter2"), redact).message, "bad password ***")
    const { message, tag } = record(build, "bad password hunter2", redact)
    assert.deepStrictEqual([tag, message], ["bad password ***", "bad password ***"])
  })
})
