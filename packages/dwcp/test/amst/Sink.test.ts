import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Bitmap from "../../src/amst/Bitmap.ts"
import * as Digest from "../../src/amst/Digest.ts"
import * as Sink from "../../src/amst/Sink.ts"
import { chunksOf, type Open } from "../../src/amst/Wire.ts"
import { dice } from "./fixtures/dice.ts"
import { noise } from "./fixtures/worlds.ts"

const shape = (size: number, chunk: number): Open => ({
  kind: "file",
  size,
  chunk,
  priority: "normal",
  name: "f",
  fingerprint: "one",
  floor: 0
})

const inFolder = async (use: (folder: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "amst-sink-"))
  try {
    await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const write = (sink: Sink.Sink, of: Open, bytes: Buffer, order: ReadonlyArray<number>) =>
  Promise.all(
    order.map(
      (index) =>
        new Promise<void>((resolve, reject) => {
          const chunk = bytes.subarray(index * of.chunk, (index + 1) * of.chunk)
          sink.write(index, chunk, (failed) => (failed === undefined ? resolve() : reject(failed)))
        })
    )
  )

const shuffled = (count: number, seed: number): Array<number> => {
  const roll = dice(seed)
  const list = Array.from({ length: count }, (_, k) => k)
  for (let k = count - 1; k > 0; k--) {
    const other = roll(k + 1)
    ;[list[k], list[other]] = [list[other]!, list[k]!]
  }
  return list
}

describe("Sink", () => {
  it("makes the same file of chunks in any order, and the same hash", () =>
    inFolder(async (folder) => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 300_000 }),
          fc.integer({ min: 999, max: 50_000 }),
          fc.nat(),
          async (size, chunk, seed) => {
            const of = shape(size, chunk)
            const bytes = noise(size)
            const expected = Digest.tag("s", 1)
            expected.update(bytes)
            const hash = createHash("sha256").update(bytes).digest()
            const tagged = Sink.toBytes(of, chunksOf(of), Digest.tag("s", 1))
            const older = Sink.toBytes(of, chunksOf(of), Digest.tag("s", 1)) // whose sender has a hash
            const clear = Sink.toBytes(of, chunksOf(of), undefined)
            for (const sink of [await Sink.toFile(of, chunksOf(of), folder), clear, tagged, older]) {
              await write(sink, of, bytes, shuffled(chunksOf(of), seed))
              assert.isTrue((await sink.digest(sink === tagged)).equals(sink === tagged ? expected.end() : hash))
              if ("commit" in sink) assert.isTrue(readFileSync(await sink.commit()).equals(bytes))
              else assert.isTrue("bytes" in sink && bytes.equals(sink.bytes))
            }
          }
        ),
        { numRuns: 15 }
      )
    }))

  it("knows again what it had, but only of the same file", () =>
    inFolder(async (folder) => {
      const of = shape(100_000, 10_000)
      const bytes = noise(100_000)
      const first = await Sink.toFile(of, 10, folder)
      await write(first, of, bytes, [7, 2, 3])
      await first.suspend()
      const again = await Sink.toFile(of, 10, folder)
      assert.deepStrictEqual(
        [...Array(10).keys()].filter((k) => Bitmap.has(again.bitmap, k)),
        [2, 3, 7]
      )
      await write(again, of, bytes, [9, 8, 6, 5, 4, 1, 0])
      assert.isTrue((await again.digest(false)).equals(createHash("sha256").update(bytes).digest()))
      await again.suspend()
      const other = await Sink.toFile({ ...of, fingerprint: "two" }, 10, folder)
      assert.strictEqual(other.bitmap.held, 0)
      await other.discard()
      assert.deepStrictEqual(readdirSync(folder), [])
    }))

  it("leaves nothing beside the file when its map could not be written, nor what a process that was killed left", () =>
    inFolder(async (folder) => {
      const of = shape(20, 10)
      const sink = await Sink.toFile(of, 2, folder)
      await write(sink, of, noise(20), [0])
      symlinkSync("/dev/full", join(folder, ".f.map.new"))
      const error = await sink.checkpoint().then(
        () => undefined,
        (cause: unknown) => cause
      )
      assert.propertyVal(error, "code", "ENOSPC")
      assert.deepStrictEqual(readdirSync(folder), [".f.part"])
      await write(sink, of, noise(20), [1])
      writeFileSync(join(folder, ".f.map.new"), "half")
      await sink.commit()
      assert.deepStrictEqual(readdirSync(folder), ["f"])
    }))

  it("writes for its owner only, and through no link", () =>
    inFolder(async (folder) => {
      const of = shape(10, 10)
      writeFileSync(join(folder, "victim"), "safe")
      symlinkSync(join(folder, "victim"), join(folder, ".f.part"))
      const error = await Sink.toFile(of, 1, folder).then(
        () => undefined,
        (cause: unknown) => cause
      )
      assert.instanceOf(error, Error)
      assert.strictEqual(readFileSync(join(folder, "victim"), "utf8"), "safe")
      rmSync(join(folder, ".f.part"))
      const sink = await Sink.toFile(of, 1, folder)
      await write(sink, of, noise(10), [0])
      assert.strictEqual(statSync(await sink.commit()).mode & 0o777, 0o600)
    }))

  it("takes no name that leads elsewhere", () => {
    for (const name of ["image.qcow2", "a b", "ü", "x".repeat(240)]) assert.isTrue(Sink.isSafeName(name))
    for (const name of ["", ".", "..", "../f", "a/b", "a\\b", ".f.part", "a\0b", "a\nb", "x".repeat(241)]) {
      assert.isFalse(Sink.isSafeName(name))
    }
  })
})
