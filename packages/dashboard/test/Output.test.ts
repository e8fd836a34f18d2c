import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Output from "../src/Output.ts"

const bytes = (text: string): number => Buffer.byteLength(text)

/** A task that prints these one after the other. */
const printed = (texts: ReadonlyArray<readonly [Output.Stream, string]>, limit?: number): Output.Output => {
  const output = Output.make(limit)
  let offset = 0
  for (const [stream, text] of texts) {
    output.add({ offset, stream, text })
    offset += bytes(text)
  }
  output.end()
  return output
}

const textOf = (output: Output.Output, stream?: Output.Stream): string =>
  output
    .blocks()
    .flatMap((block) => ("text" in block && (stream === undefined || block.stream === stream) ? [block.text] : []))
    .join("")

describe("the output of a task", () => {
  it("is what was printed, each stream apart, and knows where it goes on", () => {
    const output = printed([
      ["stdout", "one\n"],
      ["stdout", "two\n"],
      ["stderr", "zwä\n"],
      ["stdout", "three"]
    ])
    assert.deepStrictEqual(output.blocks(), [
      { stream: "stdout", text: "one\ntwo\n" },
      { stream: "stderr", text: "zwä\n" },
      { stream: "stdout", text: "three" }
    ])
    assert.strictEqual(output.next(), bytes("one\ntwo\nzwä\nthree"))
  })

  it("has no colours, and shows whatever else a terminal would obey", () => {
    const output = printed([
      ["stdout", "\u001b[1;31mred\u001b[0m \u001b[2J\u0007 \u202egnp.exe\tx\r\n"],
      ["stdout", "10 %\r20 %\r"]
    ])
    assert.strictEqual(textOf(output), "red \\u{1b}[2J\\u{7} \\u{202e}gnp.exe\tx\n10 %\n20 %\n")
  })

  it("is the same wherever it was cut into pieces", () => {
    const parts = fc.constantFrom("\u001b[31m", "\u001b[0m", "\r\n", "\r", "\n", "ä", "💡", "text ", "\u001b", "[")
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1, maxLength: 30 }), fc.array(fc.nat(80)), (all, cuts) => {
        const characters = Array.from(all.join(""))
        const at = [...new Set(cuts.filter((cut) => cut < characters.length))].toSorted((a, b) => a - b)
        const pieces = [0, ...at].map((from, i) => characters.slice(from, at[i] ?? characters.length).join(""))
        const whole = printed([["stdout", characters.join("")]])
        const cut = printed(pieces.map((text) => ["stdout", text] as const))
        assert.strictEqual(textOf(cut), textOf(whole))
        assert.strictEqual(cut.next(), whole.next())
      })
    )
  })

  it("shows that something is missing, and nothing twice", () => {
    const output = Output.make()
    output.add({ offset: 0, stream: "stdout", text: "begin\n" })
    output.add({ offset: 1_006, stream: "stdout", text: "latest\n" })
    output.add({ offset: 0, stream: "stdout", text: "begin\n" })
    assert.deepStrictEqual(output.blocks(), [
      { stream: "stdout", text: "begin\n" },
      { missing: 1_000 },
      { stream: "stdout", text: "latest\n" }
    ])
  })

  it("keeps the latest, however much comes, and counts what had to go", () => {
    const output = Output.make(20_000)
    let offset = 0
    for (let i = 0; i < 2_000; i++) {
      const text = `line ${i} ${"x".repeat(500)}\n`
      output.add({ offset, stream: i % 7 === 0 ? "stderr" : "stdout", text })
      offset += bytes(text)
    }
    const kept = textOf(output)
    assert.isAtMost(kept.length, 20_000)
    assert.include(kept, "line 1999 ")
    assert.strictEqual(kept.length + output.dropped(), offset)
    assert.isBelow(output.blocks().length, 60)
  })

  it("holds nothing back for a sequence that never ends", () => {
    const output = Output.make()
    output.add({ offset: 0, stream: "stdout", text: `\u001b[${"1;".repeat(100)}` })
    assert.include(textOf(output), "\\u{1b}[1;1;")
  })
})
