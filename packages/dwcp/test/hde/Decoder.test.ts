import { createHash } from "node:crypto"
import { existsSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Frame from "../../src/hde/Frame.ts"
import { chance, later, memory, noise, text } from "./fixtures/contents.ts"
import { withHde } from "./fixtures/service.ts"

const bytesOf = (bytes: Uint8Array) => ({ _tag: "Bytes", bytes }) as const

/** A frame as a socket would give it. */
const arriving = (frame: Uint8Array, length: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(frame.length / length) }, (_, i) => frame.subarray(i * length, (i + 1) * length))
  )

/** A frame whose checksums are all right, whatever its blocks say. */
const sealed = (head: Frame.Head, blocks: ReadonlyArray<Frame.Block>, hash: string): Buffer =>
  Buffer.concat([
    Frame.head(head),
    ...blocks.flatMap((block) => [Frame.blockHead(block), block.stored]),
    Frame.end({ blocks: blocks.length, hash })
  ])

describe("decoding", () => {
  it.live(
    "a liar whose checksums are right is refused, SEEDS times, and never believed",
    () =>
      withHde((hde) =>
        Effect.gen(function* () {
          const before = memory(30_000, 1)
          const after = later(before, 3, 2)
          const base = bytesOf(before)
          const frames = [
            (yield* hde.encode(after, { base })).frame,
            (yield* hde.encode(after, { choice: { algorithm: "lz4", level: 0 } })).frame,
            (yield* hde.encode(text(9000, 1), { choice: { algorithm: "zstd", level: 3 } })).frame
          ].map((frame) => Frame.read(Buffer.from(frame), Frame.limits))
          const next = chance(Number(process.env["SEED_FROM"] ?? 1))
          const seeds = Number(process.env["SEEDS"] ?? 3000)
          let refused = 0
          for (let seed = 0; seed < seeds; seed++) {
            const { blocks, end, head } = frames[next() % frames.length]!
            const block = blocks[0]!.block
            const stored = Buffer.from(block.stored)
            for (let k = next() % 3; k >= 0; k--)
              stored[next() % Math.min(stored.length, 40 + (next() % 4000))] = next()
            const cut = next() % 4 === 0 ? stored.subarray(0, next() % stored.length) : stored
            const size = next() % 8 === 0 ? next() % 70_000 : block.size
            const kind = next() % 8 === 0 ? (["none", "lz4", "zstd", "delta"] as const)[next() % 4]! : block.kind
            const limit = Math.max(size, head.blockLimit)
            const lie = sealed({ ...head, size, blockLimit: limit }, [{ kind, size, stored: cut }], end.hash)
            const result = yield* Effect.result(hde.decode(lie, base))
            if (result._tag === "Success") {
              // The lie was none: the byte was what it had been.
              assert.strictEqual(createHash("sha256").update(result.success.content).digest("hex"), end.hash)
            } else {
              assert.include(["HdeCorrupt", "TooLarge"], result.failure._tag)
              refused++
            }
          }
          assert.isAbove(refused, seeds * 0.95)
        })
      ),
    600_000
  )

  it.live("a bomb takes no more memory than it may", () =>
    withHde(
      (hde) =>
        Effect.gen(function* () {
          // 16 MB of zeros in a block that claims to be 1,000 bytes, and one that is honest about it.
          const zeros = Buffer.alloc(16_000_000)
          const { blocks, end, head } = Frame.read(Buffer.from((yield* hde.encode(zeros)).frame), Frame.limits)
          const { stored } = blocks[0]!.block
          const lie = sealed({ ...head, size: 9000 }, [{ kind: "zstd", size: 9000, stored }], end.hash)
          assert.strictEqual((yield* Effect.flip(hde.decode(lie)))._tag, "HdeCorrupt")
          const honest = sealed(
            head,
            blocks.map(({ block }) => block),
            end.hash
          )
          assert.strictEqual((yield* hde.decode(honest)).content.length, zeros.length)
          const many = Array.from({ length: 3 }, () => blocks[0]!.block)
          const more = sealed({ ...head, size: 3 * zeros.length }, many, end.hash)
          assert.strictEqual((yield* Effect.flip(hde.decode(more)))._tag, "TooLarge")
        }),
      { maxMessage: "20 MB" }
    )
  )

  it.live("goes on while a frame arrives in pieces of any length", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        const before = memory(300_000, 1)
        const after = later(before, 4, 2)
        const { frame } = yield* hde.encode(after, { base: bytesOf(before) })
        for (const length of [17, 1000, 1_000_000]) {
          const received = yield* hde.receive(arriving(frame, length), join(folder, "output"), bytesOf(before))
          assert.strictEqual(received.hash, createHash("sha256").update(after).digest("hex"))
          assert.strictEqual(statSync(join(folder, "output")).size, after.length)
        }
      })
    )
  )

  it.live("ends with the failure of whoever sends, and leaves nothing", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        const { frame } = yield* hde.encode(noise(100_000, 1))
        const cut = Stream.concat(arriving(frame.subarray(0, 50_000), 1000), Stream.fail("the link is down"))
        assert.strictEqual(yield* Effect.flip(hde.receive(cut, join(folder, "output"))), "the link is down")
        assert.isFalse(existsSync(join(folder, "output")) || existsSync(join(folder, "output.part")))
      })
    )
  )

  it.live("to where nothing can be written is a failure that names the place", () =>
    withHde((hde, folder) =>
      Effect.gen(function* () {
        const { frame } = yield* hde.encode(noise(100_000, 1))
        const failure = yield* Effect.flip(hde.receive(arriving(frame, 1000), join(folder, "nowhere/output")))
        assert.strictEqual(failure._tag, "HdeUnavailable")
        assert.include(failure.message, "nowhere/output")
        writeFileSync(join(folder, "file"), "")
        const below = yield* Effect.flip(hde.receive(arriving(frame, 1000), join(folder, "file/output")))
        assert.strictEqual(below._tag, "HdeUnavailable")
      })
    )
  )
})
