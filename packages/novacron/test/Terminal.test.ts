import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { duration, messageStyleOf, paint, styleOf, visible } from "../src/Terminal.ts"

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

  it("of unknown origin is one line without control characters, and of bounded length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const line = visible(`\u001b[2J${text}\u0007`, 100)
        assert.notMatch(line, /[\p{Cc}\p{Cf}\u2028\u2029]/u)
        assert.isAtMost(line.length, 100)
      })
    )
  })

  it("keeps what is harmless as it is", () => {
    fc.assert(fc.property(fc.stringMatching(/^[a-zA-Z0-9 .,:äß✓]*$/), (text) => visible(text) === text))
  })
})

describe("a duration", () => {
  it.each([
    [0.42, "0.4 ms"],
    [81.2, "81 ms"],
    [3_100, "3.1 s"],
    [150_000, "2 min 30 s"],
    [93_900_000, "26 h 5 min"]
  ])("of %s ms reads %s", (ms, text) => assert.strictEqual(duration(ms), text))
})
