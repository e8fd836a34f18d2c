import { assert, describe, it } from "@effect/vitest"
import { Duration, Option, Redacted } from "effect"
import * as fc from "fast-check"
import * as Redaction from "../../src/logger/Redaction.ts"

const redactor = Redaction.make()
const canary = 'c4n4ry/+ "with" bits'

describe("Redaction", () => {
  it("takes out what is Redacted, wherever it is", () => {
    const secret = Redacted.make("hunter2hunter2")
    assert.deepStrictEqual(redactor.value({ a: [secret], b: Option.some(secret), c: new Map([["x", secret]]) }), {
      a: ["<redacted>"],
      b: "<redacted>",
      c: { x: "<redacted>" }
    })
  })

  it("takes out what stands under the name of a secret, and leaves facts about it", () => {
    for (const key of ["password", "DB_PASSWORD", "clientSecret", "api-key", "Authorization", "set-cookie", "dsn"]) {
      assert.isTrue(Redaction.namesSecret(key), key)
      assert.deepStrictEqual(redactor.value({ [key]: "x", deep: { [key]: ["x"] } }), {
        [key]: "<redacted>",
        deep: { [key]: "<redacted>" }
      })
    }
    for (const key of ["passwordFile", "token_count", "keyboard", "secret_provider", "component", "tokenExpiresAt"]) {
      assert.isFalse(Redaction.namesSecret(key), key)
    }
    assert.deepStrictEqual(redactor.value({ maxTokens: 5 }), { maxTokens: 5 })
  })

  it("takes a planted value out of texts, keys, errors and their causes, in all the forms it may have", () => {
    const redactor = Redaction.make()
    redactor.hide(canary)
    const everything = {
      text: `before ${canary} after`,
      url: `https://h/?q=${encodeURIComponent(canary)}`,
      base64: Buffer.from(canary).toString("base64"),
      json: JSON.stringify({ canary }),
      error: new Error(`failed with ${canary}`, { cause: new TypeError(canary) }),
      [canary]: 1
    }
    const written = JSON.stringify(redactor.value(everything))
    assert.include(written, "before <redacted> after")
    for (const part of ["c4n4ry", Buffer.from(canary).toString("base64").slice(0, 8)]) assert.notInclude(written, part)
  })

  it("leaves no planted value in anything", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4 }), fc.object({ maxDepth: 4 }), (secret, object) => {
        const redactor = Redaction.make()
        redactor.hide(secret)
        fc.pre(!"<redacted>".includes(secret) && !secret.includes("<") && !secret.includes(">"))
        const texts: Array<string> = []
        const collect = (value: unknown): void => {
          if (typeof value === "string") texts.push(value)
          else if (typeof value === "object" && value !== null)
            for (const [key, one] of Object.entries(value)) {
              texts.push(key)
              collect(one)
            }
        }
        collect(redactor.value({ object, message: `x${secret}y`, [`k${secret}`]: [secret] }))
        assert.isAbove(texts.length, 2)
        for (const text of texts) assert.notInclude(text.replaceAll("<redacted>", "\u0000"), secret)
      })
    )
  })

  it("finds passwords in URLs, bearer tokens and private keys by their form", () => {
    assert.strictEqual(redactor.text("postgres://app:hunter2@db:5432/x"), "postgres://app:<redacted>@db:5432/x")
    assert.strictEqual(redactor.text("GET / Bearer abc.def-ghi"), "GET / Bearer <redacted>")
    const pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----"
    assert.strictEqual(redactor.text(`key: ${pem}!`), "key: <redacted>!")
    assert.strictEqual(redactor.text(pem.slice(0, 40)), "<redacted>")
  })

  it("does not shred texts for a value that is too short to be one", () => {
    const redactor = Redaction.make()
    redactor.hide("")
    redactor.hide("ab")
    assert.strictEqual(redactor.text("a table, about"), "a table, about")
  })

  it("ends what has no end: cycles, depth, breadth, length", () => {
    const cycle: { [key: string]: unknown } = {}
    cycle["self"] = cycle
    assert.deepStrictEqual(redactor.value(cycle), { self: "<circular>" })
    let deep: unknown = "bottom"
    for (let i = 0; i < 20_000; i++) deep = { deep }
    assert.include(JSON.stringify(redactor.value(deep)), "<object>")
    assert.strictEqual((redactor.value(Array.from({ length: 5_000 })) as ReadonlyArray<unknown>).length, 101)
    assert.isBelow(redactor.text("x".repeat(1_000_000)).length, 8_300)
  })

  it("never throws, and what it makes is JSON", () => {
    const nasty = {
      get broken() {
        throw new Error("no")
      }
    }
    assert.strictEqual(redactor.value(nasty), "<unreadable>")
    assert.deepStrictEqual(redactor.value({ n: 1n, f: () => 1, s: Symbol("s"), x: NaN, d: Duration.seconds(2) }), {
      n: "1",
      f: "<function f>",
      s: "Symbol(s)",
      x: "NaN",
      d: "2s"
    })
    fc.assert(fc.property(fc.anything(), (value) => void JSON.stringify(redactor.value(value))))
  })
})

describe("harmless", () => {
  it("text and JSON hold nothing that acts on a terminal or ends a line", () => {
    const acting = "\u001b[31m red \r\n next \u0000 \u007f \u009b \u2028 \u202e"
    const text = Redaction.harmlessText(acting)
    assert.strictEqual(text, "\\u001b[31m red \\r\\n next \\u0000 \\u007f \\u009b \\u2028 \\u202e")
    assert.deepStrictEqual(JSON.parse(Redaction.harmlessJson({ acting })), { acting })
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (any) => {
        // eslint-disable-next-line no-control-regex
        const acts = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/
        assert.notMatch(Redaction.harmlessText(any), acts)
        assert.notMatch(Redaction.harmlessJson({ any }), acts)
        assert.strictEqual((JSON.parse(Redaction.harmlessJson({ any })) as { any: string }).any, any)
      })
    )
  })
})
