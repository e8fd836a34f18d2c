import { assert, describe, it } from "vitest"
import { messageStyleOf, paint, styleOf, visible } from "../src/Terminal.ts"

describe("the style of a stream", () => {
  const cases: ReadonlyArray<readonly [boolean, { readonly [name: string]: string }, string]> = [
    [true, {}, "colour"],
    [false, {}, "json"],
    [true, { NO_COLOR: "1" }, "plain"],
    [true, { NO_COLOR: "" }, "colour"],
    [true, { TERM: "dumb" }, "plain"],
    [true, { CI: "true" }, "plain"],
    [false, { CI: "true" }, "json"],
    [false, { FORCE_COLOR: "1" }, "colour"],
    [false, { FORCE_COLOR: "0" }, "json"],
    [true, { FORCE_COLOR: "0" }, "plain"],
    [true, { FORCE_COLOR: "1", CI: "true" }, "colour"],
    [false, { FORCE_COLOR: "1", NO_COLOR: "1" }, "plain"]
  ]
  it.each(cases)("is, for a terminal (%s) with %o, %s", (isTerminal, env, style) => {
    assert.strictEqual(styleOf({ isTerminal, env }), style)
  })

  it("is JSON when that was asked for, whatever the stream is", () => {
    assert.strictEqual(styleOf({ isTerminal: true, env: { FORCE_COLOR: "1" } }, true), "json")
  })

  it("of messages is never JSON", () => {
    assert.strictEqual(messageStyleOf({ isTerminal: false, env: {} }), "plain")
    assert.strictEqual(messageStyleOf({ isTerminal: true, env: {} }), "colour")
  })
})

describe("text", () => {
  it("has colours only where there are colours", () => {
    assert.strictEqual(paint("colour", "red", "x"), "\u001b[31mx\u001b[0m")
    assert.strictEqual(paint("plain", "red", "x"), "x")
    assert.strictEqual(paint("json", "red", "x"), "x")
  })

  it("of unknown origin is one line, and of bounded length", () => {
    assert.strictEqual(visible("\u001b[2J\na"), "\\u{1b}[2J a")
    assert.strictEqual(visible("x".repeat(3_000)).length, 2_000)
  })
})
