import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Frame from "../../src/network/Frame.ts"

const encode = ({ kind, payload }: Frame.Frame): Uint8Array =>
  Buffer.concat([Frame.head(kind, payload.length), payload])

const frame = fc.record({
  kind: fc.constantFrom<Frame.Kind>("Hello", "Data", "Drain", "Refused"),
  payload: fc.uint8Array({ maxLength: 40 })
})

/** What comes out when the bytes come in pieces of these sizes, and then the rest. */
const inPieces = (bytes: Uint8Array, sizes: ReadonlyArray<number>, max = 40) => {
  const decoder = Frame.decoder(max)
  const frames: Array<Frame.Frame> = []
  let at = 0
  for (const size of [...sizes, bytes.length]) {
    const pushed = decoder.push(bytes.subarray(at, at + size))
    frames.push(...pushed.frames)
    if (pushed.problem !== undefined) return { frames, problem: pushed.problem, pending: decoder.pending() }
    at += size
  }
  return { frames, problem: undefined, pending: decoder.pending() }
}

const plain = (frames: ReadonlyArray<Frame.Frame>) => frames.map(({ kind, payload }) => [kind, [...payload]])

describe("frames", () => {
  it("come out as they went in, in whatever pieces", () => {
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.integer({ min: 0, max: 30 })), (frames, sizes) => {
        const result = inPieces(Buffer.concat(frames.map(encode)), sizes)
        assert.isUndefined(result.problem)
        assert.strictEqual(result.pending, 0)
        assert.deepStrictEqual(plain(result.frames), plain(frames))
      })
    )
  })

  it("do not share memory with what is still to come", () => {
    const decoder = Frame.decoder(100)
    const chunk = encode({ kind: "Data", payload: Buffer.from("first") })
    const { frames } = decoder.push(chunk)
    chunk.fill(0)
    assert.strictEqual(Buffer.from(frames[0]?.payload ?? []).toString(), "first")
  })

  it("are not read any more after one that is too large, and those before it are", () => {
    fc.assert(
      fc.property(
        fc.array(frame),
        fc.integer({ min: 41, max: 2 ** 32 - 2 }),
        fc.array(fc.nat(30)),
        (frames, size, sizes) => {
          const bytes = Buffer.concat([...frames.map(encode), Frame.head("Data", size), Buffer.alloc(9)])
          const result = inPieces(bytes, sizes)
          assert.deepStrictEqual(result.problem, { _tag: "TooLarge", bytes: size })
          assert.deepStrictEqual(plain(result.frames), plain(frames))
          // Nothing is kept of it.
          assert.strictEqual(result.pending, 0)
        }
      )
    )
  })

  it("of no kind, or of no length, make no sense", () => {
    for (const bytes of [
      [0, 0, 0, 1, 9],
      [0, 0, 0, 0, 1]
    ]) {
      assert.deepStrictEqual(inPieces(Uint8Array.from(bytes), []).problem, { _tag: "Nonsense" })
    }
    const decoder = Frame.decoder(10)
    decoder.push(Uint8Array.from([0, 0, 0, 1, 9]))
    assert.deepStrictEqual(decoder.push(encode({ kind: "Data", payload: Buffer.from("a") })).frames, [])
  })

  it("say how much of one is here that is not whole", () => {
    const decoder = Frame.decoder(100)
    decoder.push(encode({ kind: "Data", payload: Buffer.from("abc") }).subarray(0, 7))
    assert.strictEqual(decoder.pending(), 7)
  })
})
