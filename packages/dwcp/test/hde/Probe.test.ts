import { assert, describe, it } from "@effect/vitest"
import * as Probe from "../../src/hde/Probe.ts"
import { memory, noise, text } from "./fixtures/contents.ts"

const look = (bytes: Buffer): Probe.Probe => Probe.look(Probe.sample(bytes))

describe("a look at content", () => {
  it("tells what it is", () => {
    const zeros = Buffer.alloc(500_000)
    zeros[77] = 1
    assert.deepStrictEqual(
      [Buffer.alloc(0), zeros, text(500_000, 1), noise(500_000, 1), memory(2_000_000, 1)].map((it) => look(it).class),
      ["empty", "zeros", "text", "noise", "mixed"]
    )
  })

  it("is not misled by a head of zeros before noise, nor by a head of noise before text", () => {
    assert.strictEqual(look(Buffer.concat([Buffer.alloc(4096), noise(1_000_000, 1)])).class, "noise")
    assert.strictEqual(look(Buffer.concat([noise(4096, 1), text(4_000_000, 1)])).class, "text")
  })

  it("looks at 64 KiB however much there is, evenly over all of it", () => {
    for (const size of [0, 1, 65_536, 65_537, 3_000_000_000_000]) {
      let end = 0
      let sum = 0
      for (const [at, length] of Probe.places(size)) {
        assert.isAtLeast(at, end)
        assert.isAtMost(at - end, size / 16)
        end = at + length
        sum += length
      }
      assert.isAtMost(sum, 65_536)
      assert.isAtMost(end, size)
      assert.isAtLeast(end, size - size / 16)
    }
    assert.strictEqual(Probe.sample(noise(1_000_000, 1)).length, 65_536)
  })

  it("measures what the codecs make of it", () => {
    const { ratios } = look(text(1_000_000, 1))
    assert.isAbove(ratios["zstd-3"]!, ratios["lz4"]!)
    assert.isAbove(ratios["lz4"]!, 1)
    assert.strictEqual(ratios["none"], 1)
  })
})
