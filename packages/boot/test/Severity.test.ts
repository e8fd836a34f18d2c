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

  it("says what several failures of one thing were, by the first of them", () => {
    const tried = new AggregateError([
      new Error("connect ECONNREFUSED ::1:1"),
      new Error("connect ECONNREFUSED 127.0.0.1:1")
    ])
    assert.strictEqual(Severity.messageOf(tried), "AggregateError: connect ECONNREFUSED ::1:1")
    assert.strictEqual(Severity.messageOf(new AggregateError([])), "AggregateError")
  })

  it("has a text and a tag for whatever a start may fail with", () => {
    const refuse = (): never => {
      throw new Error("not readable")
    }
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const failures: ReadonlyArray<readonly [failure: unknown, tag: string, text: string]> = [
      [undefined, "undefined", "undefined"],
      [null, "object", "object"],
      [0, "number", "number"],
      [Symbol("odd"), "symbol", "symbol"],
      [proxy, "object", "object"],
      [Object.defineProperty({}, "_tag", { get: refuse }), "object", "object"],
      [Object.defineProperty(new Error("x"), "message", { get: refuse }), "Error", "Error"],
      [Object.assign(new Error("x"), { message: { code: 1 } }), "Error", "Error"],
      [Object.assign(new Error("odd name"), { name: Symbol("odd") }), "object", "odd name"],
      [new Error("outer", { cause: proxy }), "Error", "outer: object"]
    ]
    for (const [failure, tag, text] of failures) {
      assert.strictEqual(Severity.tagOf(failure), tag)
      assert.strictEqual(Severity.messageOf(failure), text)
    }
  })

  it("knows an error by its tag, or by the name of its class, or by its type", () => {
    assert.strictEqual(Severity.tagOf(new Down({ password: "" })), "Down")
    assert.strictEqual(Severity.tagOf(new TypeError("x")), "TypeError")
    assert.strictEqual(Severity.tagOf("no gpu"), "no gpu")
    assert.strictEqual(Severity.tagOf(undefined), "undefined")
  })
})
