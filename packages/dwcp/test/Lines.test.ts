import { Readable } from "node:stream"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Lines from "../src/Lines.ts"

class Refused extends Error {}

const read = async (input: Readable): Promise<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  for await (const line of Lines.read(input, (problem) => new Refused(problem))) lines.push(line)
  return lines
}

/** In pieces of so many bytes, as a pipe may have them. */
const pieces = (data: Buffer, size: number): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size)
    })()
  )

describe("Lines", () => {
  const text = "one\n\nzwölf €\nthe last"

  for (const size of [1, 2, 3, 7, 1_000]) {
    it(`are the same in pieces of ${size} bytes, zipped or not`, async () => {
      const expected = text.split("\n")
      assert.deepStrictEqual(await read(pieces(Buffer.from(text), size)), expected)
      assert.deepStrictEqual(await read(pieces(gzipSync(text), size)), expected)
      assert.deepStrictEqual(await read(pieces(Buffer.from(`${text}\n`), size)), expected)
    })
  }

  it("are those of each member where archives follow each other", async () => {
    const both = Buffer.concat([gzipSync("a\nb"), gzipSync("c\n")])
    assert.deepStrictEqual(await read(pieces(both, 5)), ["a", "bc"])
  })

  it("are none of nothing, and one of a single byte", async () => {
    assert.deepStrictEqual(await read(Readable.from([])), [])
    assert.deepStrictEqual(await read(Readable.from(["x"])), ["x"])
  })

  it("cost what is read: a long one in small pieces is put together once", async () => {
    // Copied at each piece it would be 50,000 times 8 MB: minutes.
    const [line] = await read(pieces(Buffer.alloc(16 * 1024 * 1024, "x"), 336))
    assert.strictEqual(line?.length, 16 * 1024 * 1024)
  })

  it("end with a refusal where one is too long, or where an archive breaks off", async () => {
    const failure = (input: Readable) =>
      read(input).then(
        () => "it went well",
        (error: unknown) => (error instanceof Refused ? error.message : `something else: ${String(error)}`)
      )
    const long = Readable.from(
      (function* () {
        for (let k = 0; k <= 64; k++) yield Buffer.alloc(1024 * 1024, "x")
      })()
    )
    assert.strictEqual(await failure(long), "a line is longer than 67108864 characters")
    const zipped = gzipSync("a\nb\nc")
    assert.strictEqual(await failure(pieces(zipped.subarray(0, -4), 4)), "it breaks off or is damaged")
  })

  it("leave alone what the reader throws, and close what is read", async () => {
    const input = pieces(Buffer.from("a\nb\n"), 1)
    const thrown = await (async () => {
      for await (const line of Lines.read(input, (problem) => new Refused(problem))) throw new RangeError(line)
    })().catch((error: unknown) => error)
    assert.instanceOf(thrown, RangeError)
    assert.isTrue(input.destroyed)
  })
})
