import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Digest from "../../src/amst/Digest.ts"
import * as Source from "../../src/amst/Source.ts"
import { noise } from "./fixtures/worlds.ts"

/** Every chunk of a file, as they come. */
const drain = async (path: string, size: number, chunk: number, skip: (index: number) => boolean) => {
  const file = await open(path)
  let wake = () => {}
  let failed: unknown
  const onFailed = (cause: unknown) => {
    failed = cause
    wake()
  }
  const source = Source.ofFile(file, {
    size,
    chunk,
    skip,
    onReady: () => wake(),
    onFailed,
    unchanged: () => Promise.resolve()
  })
  const chunks: Array<Source.Chunk> = []
  while (failed === undefined && (source.waiting() || source.digest(false) === undefined)) {
    const woken = new Promise<void>((resolve) => (wake = resolve))
    const next = source.next()
    if (next !== undefined) chunks.push(next)
    else if (source.waiting()) await woken
  }
  const again = failed === undefined ? await source.read(0) : undefined
  await file.close()
  return { chunks, digest: source.digest(false), again, failed }
}

const inFile = async (bytes: Buffer, use: (path: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "amst-source-"))
  try {
    writeFileSync(join(folder, "f"), bytes)
    await use(join(folder, "f"))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe("Source", () => {
  it("gives the chunks that are wanted in order, and the hash of all", () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(4_000_000),
        fc.integer({ min: 10_000, max: 300_000 }),
        fc.nat(5),
        async (size, chunk, third) => {
          const bytes = noise(size)
          const count = Math.max(1, Math.ceil(size / chunk))
          const skip = (index: number) => index % 6 === third
          const wanted = Array.from({ length: count }, (_, k) => k).filter((index) => !skip(index))
          const digest = createHash("sha256").update(bytes).digest()
          await inFile(bytes, async (path) => {
            const read = await drain(path, size, chunk, skip)
            assert.deepStrictEqual(
              read.chunks.map(({ index }) => index),
              wanted
            )
            for (const each of read.chunks) {
              assert.isTrue(each.bytes.equals(bytes.subarray(each.index * chunk, (each.index + 1) * chunk)))
            }
            assert.isTrue(read.digest?.equals(digest))
            assert.isTrue(read.again?.equals(bytes.subarray(0, chunk)))
          })
          const tag = Digest.tag("s", 1)
          const expected = Digest.tag("s", 1)
          expected.update(bytes)
          const tagged = Source.ofBytes(bytes, { size, chunk, skip, tag })
          while (tagged.next() !== undefined);
          assert.isTrue(tagged.digest(true)?.equals(expected.end()))
          assert.isTrue(tagged.digest(false)?.equals(digest)) // for a peer that takes none
          const memory = Source.ofBytes(bytes, { size, chunk, skip, tag: undefined })
          const given: Array<number> = []
          for (let next = memory.next(); next !== undefined; next = memory.next()) given.push(next.index)
          assert.deepStrictEqual(given, wanted)
          assert.isTrue(memory.digest(true)?.equals(digest))
        }
      ),
      { numRuns: 15 }
    ))

  it("fails when the file became shorter than it was announced", () =>
    inFile(noise(3_000_000), async (path) => {
      truncateSync(path, 2_000_000)
      const { failed } = await drain(path, 3_000_000, 65_536, () => false)
      assert.instanceOf(failed, Error)
    }))
})
