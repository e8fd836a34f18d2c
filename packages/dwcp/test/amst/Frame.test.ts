import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { FrameRefused } from "../../src/amst/Failures.ts"
import * as Frame from "../../src/amst/Frame.ts"
import { dice } from "./fixtures/dice.ts"

const header = fc.record({
  kind: fc.constantFrom<Frame.Kind>("chunk", "ack", "open", "echo"),
  id: fc.maxSafeNat(),
  index: fc.nat(0xff_ff_ff_ff),
  count: fc.nat(0xff_ff_ff_ff)
})
const frame = fc.tuple(header, fc.uint8Array({ maxLength: 700 }))

const readAll = (bytes: Buffer, cuts: ReadonlyArray<number>): ReadonlyArray<Frame.Frame> => {
  const frames: Array<Frame.Frame> = []
  const { read } = Frame.reader((each) => void frames.push(each))
  let at = 0
  for (const cut of cuts) {
    read(bytes.subarray(at, at + cut))
    at += cut
  }
  read(bytes.subarray(at))
  return frames
}

describe("Frame", () => {
  it("comes out as it went in, wherever the stream was cut", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(90), { maxLength: 80 }), (given, cuts) => {
        const frames = readAll(Buffer.concat(given.map(([of, payload]) => Frame.encode(of, payload))), cuts)
        assert.deepStrictEqual(
          frames.map(({ count, id, index, kind }) => ({ kind, id, index, count })),
          given.map(([of]) => of)
        )
        frames.forEach((each, k) => assert.isTrue(each.payload.equals(Buffer.from(given[k]![1]))))
      })
    )
  })

  it("is whole after a payload that arrives byte by byte", () => {
    const payload = Buffer.alloc(70_000, 7)
    const bytes = Frame.encode({ kind: "chunk", id: 1, index: 0, count: 1 }, payload)
    const frames = readAll(bytes, new Array<number>(bytes.length).fill(1))
    assert.isTrue(frames[0]!.payload.equals(payload))
  })

  it("is refused for its length before any of its payload came", () => {
    const bytes = Frame.encode({ kind: "chunk", id: 1, index: 0, count: 1 }, Buffer.alloc(8))
    bytes.writeUInt32BE(Frame.maxChunkBytes + 1, 24)
    assert.throws(() => readAll(bytes.subarray(0, Frame.headerBytes), []), FrameRefused)
  })

  it("goes without a checksum of its payload only where TLS has one", () => {
    const payload = Buffer.alloc(100, 1)
    const of: Frame.Header = { kind: "chunk", id: 1, index: 0, count: 1 }
    const sealed = Buffer.concat([Frame.header(of, payload, true), payload])
    const frames: Array<Frame.Frame> = []
    Frame.reader((each) => void frames.push(each), { encrypted: true }).read(sealed)
    assert.isTrue(frames[0]!.payload.equals(payload))
    assert.throws(() => readAll(sealed, []), FrameRefused)
    sealed[20]! ^= 1 // the header has its own
    assert.throws(() => Frame.reader(() => {}, { encrypted: true }).read(sealed), FrameRefused)
  })

  it("is never read as another one, whatever was done to it", () => {
    const roll = dice(Number(process.env["FRAMES_SEED"] ?? 5))
    const frames = 100_000 * Number(process.env["SEEDS"] ?? 1)
    const kinds = Object.keys(Frame.kinds) as Array<Frame.Kind>
    let [refused, cut] = [0, 0]
    for (let k = 0; k < frames; k++) {
      const payload = Buffer.alloc(roll(64), roll(256))
      const of: Frame.Header = { kind: kinds[roll(kinds.length)]!, id: roll(1e9), index: roll(1e6), count: roll(1e6) }
      const bytes = Frame.encode(
        of,
        of.kind === "alive" || of.kind === "withdraw" ? new Uint8Array(0) : payload.subarray(0, 32)
      )
      const changed = Buffer.from(bytes)
      const how = roll(3)
      if (how === 0) changed[roll(changed.length)]! ^= 1 << roll(8)
      else if (how === 1) changed.writeUInt32BE(roll(0xff_ff_ff_ff), roll(changed.length - 4))
      const given = how === 2 ? changed.subarray(0, roll(changed.length)) : changed
      try {
        const read = readAll(given, [roll(given.length + 1)])
        if (read.length === 0) cut++
        else assert.isTrue(bytes.equals(given))
      } catch (error) {
        if (!(error instanceof FrameRefused)) throw error
        refused++
      }
    }
    assert.isAbove(refused, frames / 3)
    assert.isAbove(cut, frames / 5)
  })
})
