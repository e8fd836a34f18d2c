import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import * as Coding from "../../src/group/Coding.ts"

describe("zstd-3, instead of HDE", () => {
  it.live("is smaller where that can be, there and back", () =>
    Effect.gen(function* () {
      const words = Buffer.from("what stands in ".repeat(1_000))
      const { bytes, codec, encoding } = yield* Coding.zstd3.encode(words, undefined)
      assert.deepStrictEqual([encoding, codec], ["zstd", "zstd-3"])
      assert.isBelow(bytes.length, words.length / 20)
      assert.isTrue(words.equals(yield* Coding.unpackZstd(bytes, 1e6)))
      const noise = randomBytes(1_000)
      const plain = yield* Coding.zstd3.encode(noise, undefined)
      assert.deepStrictEqual([plain.encoding, plain.bytes], ["plain", noise])
    })
  )

  it.live("makes nothing of what says that it is large, is cut, or is something else", () =>
    Effect.gen(function* () {
      const bomb = yield* Coding.packZstd(Buffer.alloc(10_000_000))
      const refused = yield* Effect.flip(Coding.unpackZstd(bomb, 1e6))
      assert.include(String(refused), "10000000")
      const lie = Buffer.from(bomb)
      lie.writeUInt32BE(1_000, 0)
      for (const bytes of [lie, bomb.subarray(0, 20), Buffer.from("no"), Buffer.alloc(0), randomBytes(100)]) {
        yield* Effect.flip(Coding.unpackZstd(bytes, 1e8))
      }
      yield* Effect.flip(Coding.zstd3.decode(bomb))
    })
  )
})
