import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Words from "../src/Words.ts"

describe("a duration", () => {
  it.each([
    [0, "0 ms"],
    [0.44, "0.4 ms"],
    [9.94, "9.9 ms"],
    [12.3, "12 ms"],
    [999.4, "999 ms"],
    [3_141, "3.1 s"],
    [119_949, "119.9 s"],
    [150_000, "2 min 30 s"],
    [93_900_000, "26 h 5 min"]
  ])("of %s ms reads %s", (ms, text) => assert.strictEqual(Words.duration(ms), text))
})

describe("text of unknown origin", () => {
  it("is one line without control characters or halves of characters, and of bounded length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.integer({ min: 1, max: 400 }), (text, limit) => {
        const line = Words.visible(`\u001b[2J${text}\u0007\ud83d`, limit)
        assert.notMatch(line, /[\p{Cc}\p{Cf}\u2028\u2029]/u)
        assert.isTrue(line.isWellFormed())
        assert.isAtMost(line.length, limit)
      })
    )
  })

  it("is all there when nobody asks for less, and harmless text stays as it is", () => {
    assert.strictEqual(Words.visible("a\r\n  b\u0007\ud83d"), "a b\\u{7}\\u{d83d}")
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9 .,:äß✓]*$/), (text) => assert.strictEqual(Words.visible(text), text))
    )
  })
})
