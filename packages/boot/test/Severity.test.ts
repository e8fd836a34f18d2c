import { assert, describe, it } from "@effect/vitest"
import { Data } from "effect"
import * as Severity from "../src/Severity.ts"

class Down extends Data.TaggedError("Down")<{ readonly password: string }> {
  override get message() {
    return "the server is down"
  }
}

const timedOut = new Severity.TimedOut({ component: "cache", scope: "attempt", afterMs: 2_000, during: "probe" })
const unhealthy = new Severity.Unhealthy({ component: "cache", cause: new Down({ password: "secret" }) })
const defect = new Severity.Defect({ component: "cache", cause: new Error("bug") })

describe("Severity", () => {
  it("classifies an error by its tag", () => {
    const table = { Down: "Degraded", Bad: "Critical" } as const
    assert.strictEqual(Severity.classify(table, new Down({ password: "" })), "Degraded")
    assert.strictEqual(Severity.classify(table, { _tag: "Bad" }), "Critical")
    assert.strictEqual(Severity.classify("Warning", "anything"), "Warning")
  })

  it("takes a tag that the table does not know for critical", () => {
    assert.strictEqual(Severity.classify({ Down: "Warning" }, { _tag: "Unheard" }), "Critical")
    assert.strictEqual(Severity.classify({ Down: "Warning" }, { _tag: "toString" }), "Critical")
  })

  it("counts deadlines and probes with the mildest severity of the table, unless the table says otherwise", () => {
    assert.strictEqual(Severity.classify({ Down: "Degraded", Bad: "Critical" }, timedOut), "Degraded")
    assert.strictEqual(Severity.classify({ Down: "Warning", Bad: "Degraded" }, unhealthy), "Warning")
    assert.strictEqual(Severity.classify({ Down: "Degraded", TimedOut: "Critical" }, timedOut), "Critical")
    assert.strictEqual(Severity.mildest({ Down: "Degraded", TimedOut: "Warning" }), "Degraded")
  })

  it("takes a defect for critical whatever the table says", () => {
    assert.strictEqual(Severity.classify("Warning", defect), "Critical")
    assert.strictEqual(Severity.classify({ Defect: "Warning" }, defect), "Critical")
  })

  it("wraps an error into the class of its severity and keeps it as the cause", () => {
    const down = new Down({ password: "secret" })
    const failure = Severity.wrap("Degraded", "cache", down)
    assert.instanceOf(failure, Severity.Degraded)
    assert.strictEqual(failure.cause, down)
    assert.include(failure.message, "cache")
    assert.instanceOf(Severity.wrap("Critical", "cache", down), Severity.Critical)
    assert.instanceOf(Severity.wrap("Warning", "cache", down), Severity.Warning)
  })

  it("says what went wrong and why, and no field of any error", () => {
    assert.strictEqual(Severity.messageOf(unhealthy), "cache was acquired but is not healthy: the server is down")
    assert.notInclude(Severity.messageOf(unhealthy), "secret")
    assert.strictEqual(Severity.messageOf("plain text"), "plain text")
    const quoting = new Error("no database: connection refused. Is it up?", { cause: new Error("connection refused") })
    assert.strictEqual(Severity.messageOf(quoting), quoting.message)
    const sentence = new Error("Port 80 is taken. Set another one.", { cause: new Error("listen EADDRINUSE") })
    assert.strictEqual(Severity.messageOf(sentence), "Port 80 is taken. Set another one. Reason: listen EADDRINUSE")
    assert.strictEqual(Severity.messageOf({ password: "secret" }), "object")
    assert.strictEqual(Severity.messageOf({ message: "secret" }), "object")
    assert.strictEqual(Severity.messageOf({ _tag: "ConfigError", message: "PORT is no number" }), "PORT is no number")
    assert.strictEqual(Severity.messageOf(timedOut), timedOut.message)
  })

  it("ends when causes go round in a circle", () => {
    const error = new Error("round")
    error.cause = error
    assert.strictEqual(Severity.messageOf(error), "round")
  })

  it("knows an error by its tag, or by the name of its class, or by its type", () => {
    assert.strictEqual(Severity.tagOf(new Down({ password: "" })), "Down")
    assert.strictEqual(Severity.tagOf(new TypeError("x")), "TypeError")
    assert.strictEqual(Severity.tagOf("no gpu"), "no gpu")
    assert.strictEqual(Severity.tagOf(undefined), "undefined")
  })
})
