import { constants, zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Codec from "../../src/hde/Codec.ts"
import { Refused } from "../../src/hde/Refused.ts"
import { anyContent, memory, noise, text } from "./fixtures/contents.ts"

const choices: ReadonlyArray<Codec.Choice> = [
  { algorithm: "none", level: 0 },
  { algorithm: "lz4", level: 0 },
  ...[-5, 1, 3, 6, 9, 19].map((level) => ({ algorithm: "zstd" as const, level }))
]

const refusal = async (expand: () => Promise<unknown>): Promise<unknown> =>
  await expand().then(
    () => undefined,
    (error: unknown) => error
  )

describe("a codec", () => {
  it("gives back what it took, at once and from the thread pool", async () => {
    for (const choice of choices) {
      await fc.assert(
        fc.asyncProperty(anyContent(choice.level > 9 ? 20_000 : 200_000), async (bytes) => {
          const packed = Codec.compressSync(bytes, choice)
          assert.isTrue(Codec.expandSync(packed, choice.algorithm, bytes.length).equals(bytes))
          const later = await Codec.compress(bytes, choice)
          assert.isTrue((await Codec.expand(later, choice.algorithm, bytes.length)).equals(bytes))
        }),
        { numRuns: 12 }
      )
    }
  })

  it("compresses 40 MiB to all of it: no thread of its own cuts the output", async () => {
    const bytes = Buffer.concat(Array.from({ length: 5 }, (_, i) => memory(1 << 23, i)))
    const packed = await Codec.compress(bytes, { algorithm: "zstd", level: 1 })
    assert.isTrue((await Codec.expand(packed, "zstd", bytes.length)).equals(bytes))
  })

  it("is named by what it does", () => {
    assert.deepStrictEqual(choices.slice(0, 4).map(Codec.nameOf), ["none", "lz4", "zstd--5", "zstd-1"])
  })

  it("never expands to more or less than is expected", async () => {
    const bytes = text(50_000, 1)
    for (const choice of choices) {
      const packed = Codec.compressSync(bytes, choice)
      for (const size of [0, 1, bytes.length - 1, bytes.length + 1]) {
        assert.throws(() => Codec.expandSync(packed, choice.algorithm, size), Refused)
        assert.instanceOf(await refusal(() => Codec.expand(packed, choice.algorithm, size)), Refused)
      }
    }
  })

  it("stops a bomb at the announced size, and a window that nobody needs", () => {
    const bomb = zstdCompressSync(Buffer.alloc(1 << 26))
    assert.isBelow(bomb.length, 10_000)
    assert.throws(() => Codec.expandSync(bomb, "zstd", 4096), Refused)
    const wide = zstdCompressSync(noise(1000, 1), { params: { [constants.ZSTD_c_windowLog]: 27 } })
    assert.isAbove(wide.length, 0)
    assert.throws(() => Codec.expandWith(wide, Buffer.alloc(8), 500), Refused)
  })

  it("refuses lz4 that announces 4 GB", () => {
    const bomb = Buffer.alloc(100)
    bomb.writeUInt32LE(0xffffffff, 0)
    assert.throws(() => Codec.expandSync(bomb, "lz4", 100), Refused)
  })

  it("says less with a dictionary that both have", () => {
    const bytes = noise(100_000, 1)
    const packed = Codec.compressWith(bytes, Buffer.concat([Buffer.alloc(8), bytes]), 1)
    assert.isBelow(packed.length, 200)
    assert.isTrue(Codec.expandWith(packed, Buffer.concat([Buffer.alloc(8), bytes]), bytes.length).equals(bytes))
    assert.throws(() => Codec.expandWith(packed, Buffer.alloc(8), bytes.length), Refused)
  })
})
