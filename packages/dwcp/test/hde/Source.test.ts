import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Source from "../../src/hde/Source.ts"
import { noise } from "./fixtures/contents.ts"

const folder = mkdtempSync(join(tmpdir(), "hde-source-"))
afterAll(() => rmSync(folder, { recursive: true }))

describe("a source", () => {
  const bytes = noise(3_000_001, 1)
  const path = join(folder, "bytes")
  writeFileSync(path, bytes)
  const sources = { memory: Source.memory(bytes), file: Source.file(path, bytes.length) }

  for (const [name, source] of Object.entries(sources)) {
    it(`in ${name} gives any part of its bytes, and all of them in order`, () => {
      Source.using(source, (open) => {
        assert.isTrue(open.read(1234, 5678).equals(bytes.subarray(1234, 1234 + 5678)))
        const space = Source.space()
        for (const length of [100, 50, 5000]) {
          assert.isTrue(open.read(bytes.length - length, length, space).equals(bytes.subarray(-length)))
        }
      })
      const pieces: Array<Buffer> = []
      Source.each(source, (piece, at) => {
        assert.strictEqual(
          at,
          pieces.reduce((sum, { length }) => sum + length, 0)
        )
        pieces.push(Buffer.from(piece))
      })
      assert.isTrue(Buffer.concat(pieces).equals(bytes))
    })
  }

  it("has the same hash wherever it is", () => {
    assert.strictEqual(Source.hash(sources.memory), Source.hash(sources.file))
  })

  it("that shrinks while it is read is not read on", () => {
    assert.throws(() => Source.hash(Source.file(path, bytes.length + 1)), /became shorter/)
  })

  it("of shared memory is not copied", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(10))
    const source = Source.memory(shared)
    assert.isTrue(source._tag === "Memory" && source.bytes === shared)
  })
})
