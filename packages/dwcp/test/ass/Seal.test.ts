import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import * as fc from "fast-check"
import * as Seal from "../../src/ass/Seal.ts"

const secret = Redacted.make("a secret of the cluster")
const seal = Seal.make(secret, "room")
const words = new TextEncoder().encode("words")

describe("a seal", () => {
  it("is opened by who has the secret, as it was closed", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), fc.string(), (given, from, to) => {
        const opened = Seal.make(secret, "room").open(seal.close(given, from, to), from, to)
        assert.deepStrictEqual(opened._tag === "Opened" && [...opened.words], [...given])
      })
    )
  })

  it("is not opened with another secret, in another room, from another sender, nor for another receiver", () => {
    const closed = seal.close(words, "a", "b")
    const others = [
      Seal.make(Redacted.make("another secret"), "room").open(closed, "a", "b"),
      Seal.make(secret, "another").open(closed, "a", "b"),
      seal.open(closed, "x", "b"),
      seal.open(closed, "a", "x"),
      seal.open(closed, "b", "a"),
      seal.open(closed, "a", Seal.everybody)
    ]
    for (const opened of others) assert.strictEqual(opened._tag, "Forged")
  })

  it("is not opened when any bit of it was changed", () => {
    const closed = seal.close(words, "a", "b")
    for (let i = 0; i < closed.length * 8; i++) {
      const changed = Uint8Array.from(closed)
      changed[i >> 3] = (changed[i >> 3] ?? 0) ^ (1 << (i & 7))
      assert.notStrictEqual(seal.open(changed, "a", "b")._tag, "Opened", `bit ${i}`)
    }
  })

  it("shows nothing of the words", () => {
    const text = new TextEncoder().encode("a value that nobody else may see")
    assert.notInclude(Buffer.from(seal.close(text, "a", "b")).toString("latin1"), "value")
    assert.notDeepEqual(seal.close(text, "a", "b"), seal.close(text, "a", "b"))
  })

  it("says of a newer version that it is newer, and of what is cut off or foreign that it is damaged", () => {
    const newer = Uint8Array.from(seal.close(words, "a", "b"))
    newer[3] = 9
    assert.deepInclude(seal.open(newer, "a", "b"), { _tag: "NewerDocument", version: 9, known: 1 })
    assert.strictEqual(seal.open(seal.close(words, "a", "b").subarray(0, 20), "a", "b")._tag, "DocumentDamaged")
    assert.strictEqual(seal.open(new Uint8Array(), "a", "b")._tag, "DocumentDamaged")
    assert.strictEqual(seal.open(Buffer.from("GET / HTTP/1.1\r\n\r\n"), "a", "b")._tag, "DocumentDamaged")
  })
})
