import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Transcript from "../../src/orchestration/Transcript.ts"

const of = (keep: number, from = 0) => Transcript.make({ task: "t", fence: "1", from, keep })

const textOf = (pieces: ReadonlyArray<{ readonly text: string }>) => pieces.map(({ text }) => text).join("")

describe("Transcript", () => {
  it("keeps the text of a stream, however its bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 200 }),
        fc.array(fc.nat(40), { maxLength: 50 }),
        (text, cuts) => {
          const transcript = of(1_000_000)
          const bytes = Buffer.from(text)
          let at = 0
          for (const size of [...cuts, Infinity]) {
            transcript.print("stdout", bytes.subarray(at, at + size))
            at += size
          }
          transcript.close()
          assert.strictEqual(textOf(transcript.take(Infinity).pieces), text.replaceAll("\0", "\uFFFD"))
        }
      )
    )
  })

  it("counts the bytes of both streams together, without a gap, from where the last attempt ended", () => {
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.array(fc.tuple(fc.constantFrom("stdout" as const, "stderr" as const), fc.uint8Array({ maxLength: 100 }))),
        (from, prints) => {
          const transcript = of(1_000_000, from)
          for (const [stream, bytes] of prints) transcript.print(stream, bytes)
          transcript.close()
          let expected = from
          for (const { position, size, text } of transcript.take(Infinity).pieces) {
            assert.strictEqual(position, expected)
            assert.strictEqual(size, Buffer.byteLength(text))
            assert.notInclude(text, "\0")
            expected += size
          }
        }
      )
    )
  })

  it("holds no more than is kept, and of that the latest", () => {
    const transcript = of(32 * 1024)
    for (let i = 0; i < 2_000; i++) transcript.print("stdout", Buffer.from(`line ${i} ${"x".repeat(200)}\n`))
    transcript.print("stderr", Buffer.from("an error"))
    const { pieces } = transcript.take(Infinity)
    const kept = pieces.filter(({ stream }) => stream === "stdout")
    assert.isAtMost(
      kept.reduce((sum, { size }) => sum + size, 0),
      32 * 1024
    )
    assert.isTrue(textOf(kept).endsWith(`line 1999 ${"x".repeat(200)}\n`))
    assert.strictEqual(textOf(pieces.filter(({ stream }) => stream === "stderr")), "an error")
    assert.isTrue(transcript.isEmpty())
  })

  it("keeps the latest of what comes in one go and is more than is kept", () => {
    fc.assert(
      fc.property(fc.nat(300_000), fc.nat(300_000), fc.integer({ min: 1, max: 150_000 }), (before, size, keep) => {
        const transcript = of(keep)
        transcript.print("stdout", Buffer.alloc(before, "a"))
        transcript.print("stdout", Buffer.from(`${"x".repeat(size)}the end`))
        transcript.close()
        const { pieces } = transcript.take(Infinity)
        const text = textOf(pieces)
        const all = `${"a".repeat(before)}${"x".repeat(size)}the end`
        assert.isTrue(all.endsWith(text))
        // Parts of 64 KiB go as a whole.
        assert.isAtLeast(text.length, Math.min(all.length, keep) - 64 * 1024)
        assert.isAtLeast(text.length, Math.min("the end".length, keep))
        assert.isAtMost(text.length, keep)
        const last = pieces.at(-1)
        assert.strictEqual((last?.position ?? 0) + (last?.size ?? 0), all.length)
      })
    )
  })

  it("says what may go of what was kept before, when there is more than is kept", () => {
    const transcript = of(32 * 1024)
    const table = new Map<number, number>()
    for (let i = 0; i < 100; i++) {
      transcript.print("stdout", Buffer.alloc(4_000, "a"))
      const { cuts, pieces } = transcript.take(Infinity)
      for (const { before } of cuts) for (const position of table.keys()) if (position < before) table.delete(position)
      for (const { position, size } of pieces) table.set(position, size)
      assert.isAtMost(
        [...table.values()].reduce((sum, size) => sum + size, 0),
        32 * 1024
      )
    }
    assert.isTrue(table.has(396_000))
    assert.isAtLeast(table.size, 8)
  })

  it("leaves a gap for what did not come", () => {
    const transcript = of(1_000_000)
    transcript.print("stdout", Buffer.from("before"))
    transcript.skip("stdout", 1_000)
    transcript.print("stdout", Buffer.from("after"))
    assert.deepStrictEqual(
      transcript.take(Infinity).pieces.map(({ position, text }) => [position, text]),
      [
        [0, "before"],
        [1_006, "after"]
      ]
    )
  })

  it("cuts a line that never ends into pieces, between characters", () => {
    const transcript = of(1_000_000)
    const text = "😀".repeat(50_000)
    transcript.print("stdout", Buffer.from(text))
    const { pieces } = transcript.take(Infinity)
    assert.isAbove(pieces.length, 10)
    assert.isTrue(pieces.every(({ size, text }) => size <= 16 * 1024 && text.isWellFormed()))
    assert.strictEqual(textOf(pieces), text)
  })
})
