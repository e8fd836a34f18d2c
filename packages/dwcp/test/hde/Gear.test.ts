import { assert, describe, it } from "@effect/vitest"
import * as Gear from "../../src/hde/Gear.ts"
import { noise } from "./fixtures/contents.ts"

const hashOf = (bytes: Uint8Array): number => bytes.reduce((hash, byte) => ((hash << 1) + Gear.table[byte]!) | 0, 0)

describe("the gear hash", () => {
  it("remembers 32 bytes and no more", () => {
    const bytes = noise(200, 1)
    assert.strictEqual(hashOf(bytes), hashOf(bytes.subarray(-Gear.width)))
    assert.notStrictEqual(hashOf(bytes), hashOf(bytes.subarray(1 - Gear.width)))
  })

  it("has 256 different numbers, always the same ones", () => {
    assert.strictEqual(new Set(Gear.table).size, 256)
    assert.deepStrictEqual([Gear.table[0], Gear.table[255]], [-641697380, -543099486])
  })

  it("picks one place in 128 of noise for a mask of 7 bits", () => {
    const bytes = noise(1 << 18, 7)
    let hash = 0
    let places = 0
    for (const byte of bytes) {
      hash = ((hash << 1) + Gear.table[byte]!) | 0
      if ((hash & Gear.highBits(7)) === 0) places++
    }
    assert.isAbove(places, 1500)
    assert.isBelow(places, 2700)
  })

  it("goes to a slot of the table", () => {
    for (const hash of [0, 1, -1, 1 << 30]) {
      assert.isAtLeast(Gear.slot(hash, 10), 0)
      assert.isBelow(Gear.slot(hash, 10), 1024)
    }
  })
})
