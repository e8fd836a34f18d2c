import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Mask from "../src/Mask.ts"

describe("what is shown", () => {
  it("is short, and on one line", () => {
    assert.strictEqual(Mask.show("a\nb"), '"a\\nb"')
    assert.strictEqual(Mask.show(undefined), "nothing")
    assert.deepStrictEqual([1.5, Infinity, -Infinity, Number.NaN].map(Mask.show), [
      "1.5",
      "Infinity",
      "-Infinity",
      "NaN"
    ])
    assert.isAtMost(Mask.shorten(Mask.show("x".repeat(10_000))).length, 130)
  })

  it("has no password of a URL in it", () => {
    assert.strictEqual(Mask.show("postgres://me:sesame@host:1/x"), '"postgres://me:******@host:1/x"')
    assert.strictEqual(Mask.withoutCredentials("redis://:sesame@host"), "redis://:******@host")
    assert.strictEqual(Mask.withoutCredentials("http://me:p@ss@host/a"), "http://me:******@host/a")
    assert.strictEqual(Mask.withoutCredentials("http://host:80/a?b=c"), "http://host:80/a?b=c")
    assert.deepStrictEqual(Mask.clean({ a: ["x://a:sesame@h"], b: 1 }), { a: ["x://a:******@h"], b: 1 })
  })

  it("has none of the secrets in it, as it is and in quotes", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 4, unit: "binary" }), fc.string(), (before, secret, after) => {
        fc.pre(!Mask.hidden.includes(secret))
        const quoted = JSON.stringify(`${before}${secret}${after}`)
        const clean = Mask.scrub(`${before}${secret}${after} ${quoted}`, new Set([secret]))
        assert.include(clean, Mask.hidden)
        assert.notInclude(clean.replaceAll(Mask.hidden, "\u0000"), secret)
      })
    )
    assert.strictEqual(Mask.scrub("Open SESAME", new Set(["sesame"])), "Open ******")
    assert.strictEqual(Mask.scrub("a cat", new Set(["a"])), "a cat")
  })

  it("is a kind, where the value may be anything", () => {
    assert.deepStrictEqual([null, [], {}, "x", 1, true].map(Mask.kindOf), [
      "nothing (null)",
      "a list",
      "a mapping",
      "a text",
      "a number",
      "a boolean"
    ])
  })
})
