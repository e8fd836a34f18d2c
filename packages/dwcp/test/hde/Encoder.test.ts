import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Encoder from "../../src/hde/Encoder.ts"
import * as Frame from "../../src/hde/Frame.ts"
import * as Pool from "../../src/hde/Pool.ts"
import * as Shelf from "../../src/hde/Shelf.ts"
import * as Source from "../../src/hde/Source.ts"
import { inserted, later, memory, noise } from "./fixtures/contents.ts"

const choice = { algorithm: "zstd", level: 1 } as const
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const frameOf = (parts: ReadonlyArray<Encoder.Part>): Buffer => Buffer.concat(parts.flatMap(({ bytes }) => bytes))

describe("the parts of a frame", () => {
  const before = memory(36_000_000, 1)
  const after = later(inserted(before, 20_000_001, noise(300_000, 2)), 200, 3)

  it.live("come in order, and say how much of the content they are", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make(2)
      const base = { source: Source.memory(before), hash: Effect.succeed(sha(before)) }
      const parts = yield* Stream.runCollect(Encoder.parts(pool, Source.memory(after), { choice, base }))
      assert.strictEqual(
        parts.reduce((sum, { size }) => sum + size, 0),
        after.length
      )
      assert.strictEqual(parts.at(-1)?.hash, sha(after))
      const { blocks, end, head } = Frame.read(frameOf(parts), Frame.limits)
      assert.deepStrictEqual(head.base, { size: before.length, hash: sha(before) })
      assert.strictEqual(end.blocks, Math.ceil(after.length / 2 ** 23))
      assert.isTrue(blocks.every(({ block }) => block.kind === "delta"))
      assert.strictEqual(
        parts.reduce((sum, { stored }) => sum + stored, 0),
        frameOf(parts).length
      )
    }).pipe(Effect.scoped)
  )

  it.live("of a message are the same with memory from a shelf, however often it is used", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make(2)
      const shelf = Shelf.make(2 ** 24)
      const [small, smaller] = [before.subarray(0, 500_000), later(before.subarray(0, 500_000), 9, 1)]
      const base = { source: Source.memory(small), hash: Effect.succeed(sha(small)) }
      const frames: Array<string> = []
      for (let k = 0; k < 3; k++) {
        frames.push(sha(frameOf(yield* Encoder.message(pool, shelf, smaller, { choice, base }))))
        yield* Encoder.message(pool, shelf, noise(400_000, k), { choice, base })
      }
      assert.strictEqual(new Set(frames).size, 1)
      const plain = frameOf(yield* Encoder.message(pool, shelf, smaller, { choice, base: undefined }))
      assert.isUndefined(Frame.read(plain, Frame.limits).head.base)
    }).pipe(Effect.scoped)
  )
})
