import { zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { varints } from "../../src/hde/Bytes.ts"
import * as Delta from "../../src/hde/Delta.ts"
import { Refused } from "../../src/hde/Refused.ts"
import { anyPair, chance, later, memory, noise } from "./fixtures/contents.ts"

const effort = { elsewhereFrom: 0 }

describe("a difference", () => {
  it("makes the target out of the base again, whatever was edited", () => {
    fc.assert(
      fc.property(anyPair(80_000), ([base, target]) => {
        const { bytes } = Delta.encode(target, base, 0, effort)
        assert.isTrue(Delta.decode(bytes, base, target.length).equals(target))
      }),
      { numRuns: 200 }
    )
  })

  it("is small when little changed", () => {
    const base = memory(1 << 21, 1)
    const target = later(base, 100, 2)
    const { bytes, isAligned } = Delta.encode(target, base, 0, { elsewhereFrom: 1 / 8 })
    assert.isTrue(isAligned)
    assert.isBelow(bytes.length * 50, target.length)
    assert.isTrue(Delta.decode(bytes, base, target.length).equals(target))
  })

  it("reads a base that begins like a dictionary of zstd as plain bytes", () => {
    const base = Buffer.concat([Buffer.from([0x37, 0xa4, 0x30, 0xec]), memory(200_000, 1)])
    const target = later(base, 5, 3)
    const { bytes } = Delta.encode(target, base, 0, effort)
    assert.isTrue(Delta.decode(bytes, base, target.length).equals(target))
  })

  it("with another base is refused, or makes something else, and never more than was announced", () => {
    const base = memory(200_000, 1)
    const target = later(base, 5, 3)
    const { bytes } = Delta.encode(target, base, 0, effort)
    for (const other of [Buffer.alloc(0), Buffer.alloc(base.length), noise(base.length, 9)]) {
      try {
        const made = Delta.decode(bytes, other, target.length)
        assert.strictEqual(made.length, target.length)
        assert.isFalse(made.equals(target))
      } catch (error) {
        assert.instanceOf(error, Refused)
      }
    }
  })

  it("that was cut or changed is refused or of the announced size, and is nothing else", () => {
    const base = memory(60_000, 1)
    const target = later(base, 4, 3)
    const { bytes } = Delta.encode(target, base, 0, effort)
    const next = chance(11)
    const tries = [
      ...Array.from({ length: 200 }, () => bytes.subarray(0, next() % bytes.length)),
      ...Array.from({ length: 400 }, () => {
        const changed = Buffer.from(bytes)
        changed[next() % (next() % 2 === 0 ? 60 : bytes.length)]! ^= 1 << (next() % 8)
        return changed
      }),
      ...Array.from({ length: 200 }, () => noise(next() % 300, next()))
    ]
    let refused = 0
    for (const hostile of tries) {
      try {
        assert.strictEqual(Delta.decode(hostile, base, target.length).length, target.length)
      } catch (error) {
        assert.instanceOf(error, Refused)
        refused++
      }
    }
    assert.isAbove(refused, 300)
  })

  it("is refused before its list of copies could take more memory than what they make", () => {
    const zeros = zstdCompressSync(Buffer.alloc(700_000_000 / 10))
    const bomb = (count: number, rows: number) =>
      Buffer.concat([varints([count, rows, 1, zeros.length]), zeros, varints([0, 0])])
    assert.throws(() => Delta.decode(bomb(2 ** 24, 70_000_000), Buffer.alloc(9), 2 ** 24), Refused, /too many/)
    assert.throws(() => Delta.decode(bomb(2 ** 18, 70_000_000), Buffer.alloc(9), 2 ** 24), Refused, /too many/)
    assert.throws(() => Delta.decode(bomb(1000, 24_000), Buffer.alloc(9), 2 ** 24), Refused)
  })

  it("has no copy that is shorter than the format allows", () => {
    const rows = varints([0, 0, 63, 0])
    const short = Buffer.concat([varints([1, rows.length, 0, rows.length]), rows, varints([0, 0])])
    assert.throws(() => Delta.decode(short, Buffer.alloc(100), 64), Refused)
    const long = varints([0, 0, 64, 0])
    const fits = Buffer.concat([varints([1, long.length, 0, long.length]), long, varints([0, 0])])
    assert.isTrue(Delta.decode(fits, Buffer.alloc(100, 7), 64).equals(Buffer.alloc(64, 7)))
  })
})
