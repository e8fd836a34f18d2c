import { createHash } from "node:crypto"
import { crc32, zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Refused } from "../../src/hde/Refused.ts"
import * as Frame from "../../src/hde/Frame.ts"
import { chance, noise } from "./fixtures/contents.ts"

const choice = { algorithm: "zstd", level: 3 } as const
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const plainHead: Frame.Head = { choice, size: 0, blockLimit: 1 << 20, baseLimit: 0, base: undefined }

/** A frame of blocks that are stored as they are, 100 bytes each. */
const frameOf = (content: Buffer, base?: Frame.Baseline): Buffer => {
  const pieces = Array.from({ length: Math.ceil(content.length / 100) }, (_, i) =>
    content.subarray(i * 100, i * 100 + 100)
  )
  return Buffer.concat([
    Frame.head({ ...plainHead, size: content.length, base }),
    ...pieces.flatMap((stored) => [Frame.blockHead({ kind: "none", size: stored.length, stored }), stored]),
    Frame.end({ blocks: pieces.length, hash: sha(content) })
  ])
}

const readable = (frame: Buffer): boolean => {
  try {
    Frame.read(frame, Frame.limits)
    return true
  } catch (error) {
    if (error instanceof Refused) return false
    throw error
  }
}

describe("a frame", () => {
  const content = noise(1234, 1)
  const base = { size: 5_000_000_000, hash: sha(content) }

  it("says of itself all that went into it", () => {
    const { blocks, end, head } = Frame.read(frameOf(content, base), Frame.limits)
    assert.deepStrictEqual(head, { ...plainHead, size: content.length, base })
    assert.strictEqual(end.hash, sha(content))
    assert.isTrue(Buffer.concat(blocks.map(({ block }) => block.stored)).equals(content))
    assert.deepStrictEqual(
      blocks.map(({ at }) => at),
      blocks.map((_, i) => i * 100)
    )
  })

  it("adds no more than it says that it adds", () => {
    for (const named of [undefined, base]) {
      const frame = frameOf(content, named)
      assert.isAtMost(frame.length, content.length + Frame.overhead.frame + 13 * Frame.overhead.block)
    }
  })

  it("of nothing is a frame", () => {
    assert.strictEqual(Frame.read(frameOf(Buffer.alloc(0)), Frame.limits).blocks.length, 0)
  })

  it("may arrive in pieces of any length", () => {
    const frame = frameOf(content, base)
    for (const length of [1, 7, 16, 100, 117, 5000]) {
      const reader = new Frame.Reader(Frame.limits)
      const got: Array<Buffer> = []
      let isOver = false
      for (let at = 0; at < frame.length; at += length) {
        reader.push(frame.subarray(at, at + length))
        for (let part = reader.next(); part !== undefined; part = reader.next()) {
          if (part._tag === "Block") got.push(Buffer.from(part.block.stored))
          isOver ||= part._tag === "End"
        }
      }
      reader.close()
      assert.isTrue(isOver && Buffer.concat(got).equals(content))
    }
  })

  it("is refused wherever it is cut, and with anything behind it", () => {
    const frame = frameOf(content, base)
    assert.isTrue(readable(frame))
    for (let length = 0; length < frame.length; length++) assert.isFalse(readable(frame.subarray(0, length)))
    assert.isFalse(readable(Buffer.concat([frame, Buffer.alloc(1)])))
    assert.isFalse(readable(Buffer.concat([frame, frame])))
  })

  it("is refused with any bit flipped", () => {
    const frame = frameOf(content, base)
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const changed = Buffer.from(frame)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      assert.isFalse(readable(changed), `bit ${bit}`)
    }
  })

  it("is refused with blocks that are missing, double or in another place", () => {
    const frame = frameOf(content)
    const headLength = 28
    const blockLength = 116
    const block = (i: number) => frame.subarray(headLength + i * blockLength, headLength + (i + 1) * blockLength)
    const rest = (i: number) => frame.subarray(headLength + i * blockLength)
    const head = frame.subarray(0, headLength)
    assert.isFalse(readable(Buffer.concat([head, rest(1)])))
    assert.isFalse(readable(Buffer.concat([head, block(0), rest(0)])))
    // Blocks of one size may change places; the hash of the content is there for that.
    assert.isTrue(readable(Buffer.concat([head, block(1), block(0), rest(2)])))
  })

  it("that announces too much is refused before anything is allocated for it", () => {
    const lying = (at: number, size: bigint | number): Buffer => {
      const head = Frame.head({ ...plainHead, size: 100 })
      if (typeof size === "bigint") head.writeBigUInt64LE(size, at)
      else head.writeUInt32LE(size, at)
      head.writeUInt32LE(crc32(head.subarray(0, -4)), head.length - 4)
      return head
    }
    assert.throws(() => Frame.read(lying(8, 2n ** 64n - 1n), Frame.limits), Refused, /Content of 18446744073709552000/)
    assert.throws(() => Frame.read(lying(8, 2n ** 45n), Frame.limits), Refused, /of \d+ bytes/)
    assert.throws(() => Frame.read(lying(16, 0xffffffff), Frame.limits), Refused, /of \d+ bytes/)
    assert.throws(() => Frame.read(lying(20, 0xffffffff), Frame.limits), Refused, /of \d+ bytes/)
    assert.throws(() => Frame.read(lying(8, 101n), { ...Frame.limits, content: 100 }), Refused, /of \d+ bytes/)
  })

  it("with a block that does not fit its head is refused", () => {
    const bomb = zstdCompressSync(Buffer.alloc(10_000))
    const block = Frame.blockHead({ kind: "zstd", size: 10_000, stored: bomb })
    const frame = (size: number, blockLimit: number) =>
      Buffer.concat([Frame.head({ ...plainHead, size, blockLimit }), block, bomb])
    assert.throws(() => Frame.read(frame(10_000, 9_999), Frame.limits), Refused, /of \d+ bytes/)
    assert.throws(() => Frame.read(frame(9_999, 10_000), Frame.limits), Refused, /sizes/)
    const difference = Frame.blockHead({ kind: "delta", size: 10_000, stored: bomb })
    assert.throws(
      () => Frame.read(Buffer.concat([Frame.head({ ...plainHead, size: 10_000 }), difference, bomb]), Frame.limits),
      Refused,
      /no baseline/
    )
  })

  it("made by somebody hostile is refused, SEEDS times", () => {
    const frame = frameOf(noise(300, 2), base)
    const next = chance(Number(process.env["SEED_FROM"] ?? 1))
    const seeds = Number(process.env["SEEDS"] ?? 20_000)
    let refused = 0
    for (let seed = 0; seed < seeds; seed++) {
      const hostile = Buffer.from(frame)
      for (let k = next() % 4; k >= 0; k--) {
        const at = next() % hostile.length
        if (next() % 2 === 0) hostile[at] = next()
        else hostile.fill(next(), at, Math.min(hostile.length, at + (next() % 20)))
      }
      // A liar computes the checksums too: those of the head, so that what stands there is read.
      if (next() % 2 === 0) hostile.writeUInt32LE(crc32(hostile.subarray(0, 64)), 64)
      if (!readable(hostile.subarray(0, next() % 3 === 0 ? next() % hostile.length : hostile.length))) refused++
    }
    assert.isAbove(refused, seeds * 0.9)
  })
})
