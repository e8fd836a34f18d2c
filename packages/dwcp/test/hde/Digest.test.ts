import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Digest from "../../src/hde/Digest.ts"
import { noise } from "./fixtures/contents.ts"

describe("a digest", () => {
  it.effect("is the SHA-256 of few bytes, of many, and of those in shared memory", () =>
    Effect.gen(function* () {
      for (const size of [0, 1, 65_536, 65_537, 1_000_000]) {
        const bytes = noise(size, size)
        const shared = new Uint8Array(new SharedArrayBuffer(size))
        shared.set(bytes)
        const wanted = createHash("sha256").update(bytes).digest("hex")
        assert.strictEqual(yield* Digest.of(bytes), wanted)
        assert.strictEqual(yield* Digest.of(shared), wanted)
        assert.strictEqual(yield* Digest.of(Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)), wanted)
      }
    })
  )
})
