import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { crc32 } from "node:zlib"
import { LineBytes, sealLength } from "../src/LineBytes.ts"

const textOf = (write: (lines: LineBytes) => unknown): string => {
  const lines = new LineBytes()
  lines.room(1024)
  write(lines)
  return Buffer.from(lines.written).toString("utf8")
}
/** Names as people give them, and any other text. */
const AnyName = Schema.Union([
  Schema.String,
  Schema.Literals(["", "database", "dwcp/amst", 'a"b', "a\\b", "ü", "\u007f", " "])
])

describe("LineBytes", () => {
  it.prop("writes numbers as JSON does, again too", [Schema.Finite, Schema.Finite], ([a, b]) => {
    const numbers = [a, a, b, a, 0, -0]
    assert.deepStrictEqual(
      textOf((lines) => numbers.forEach((n) => lines.number(n))),
      numbers.map((n) => JSON.stringify(n)).join("")
    )
  })

  it.prop("writes whole numbers as JSON does", [Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))], ([n]) => {
    for (const whole of [n, 0, 9, 10, 99, 100, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      assert.strictEqual(
        textOf((lines) => lines.whole(whole)),
        JSON.stringify(whole)
      )
    }
  })

  it.prop(
    "puts in quotes what JSON leaves as it is, and says of anything else that it does not",
    [AnyName],
    ([name]) => {
      let isPlain = false
      const written = textOf((lines) => {
        lines.room(3 * name.length)
        lines.begin()
        isPlain = lines.quoted(name)
        if (!isPlain) lines.takeBack()
      })
      assert.strictEqual(isPlain, /^[ !#-[\]-~]*$/.test(name))
      if (isPlain) assert.strictEqual(written.slice(sealLength), JSON.stringify(name))
      else assert.strictEqual(written, "")
    }
  )

  it.prop("seals each line with the checksum of all up to it", [Schema.Array(Schema.String)], ([texts]) => {
    const lines = new LineBytes()
    let crc = 0
    let told = 0
    let expected = ""
    for (const text of texts) {
      lines.room(3 * text.length + 64)
      lines.begin()
      lines.text(text)
      crc = lines.seal(crc)
      told = crc32(Buffer.from(text), told)
      expected += `${told.toString(16).padStart(8, "0")} ${Buffer.from(text).toString("utf8")}\n`
      assert.strictEqual(crc, told)
    }
    assert.strictEqual(Buffer.from(lines.written).toString("utf8"), expected)
  })

  it("keeps what is there when it grows, and begins anew when it is told to", () => {
    const lines = new LineBytes()
    const long = "x".repeat(100_000)
    lines.text("before ")
    lines.text(long)
    lines.room(16)
    lines.part(new TextEncoder().encode(" after"))
    lines.ascii("!")
    assert.strictEqual(Buffer.from(lines.written).toString("utf8"), `before ${long} after!`)
    lines.clear()
    lines.text("anew")
    assert.strictEqual(Buffer.from(lines.written).toString("utf8"), "anew")
  })
})
