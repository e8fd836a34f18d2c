import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Digest from "../../src/hde/Digest.ts"
import * as Pool from "../../src/hde/Pool.ts"
import * as Shelf from "../../src/hde/Shelf.ts"
import { noise } from "./fixtures/contents.ts"

describe("a digest", () => {
  it.live("is the SHA-256 of few bytes, of many, and of those in shared memory, however busy the threads are", () =>
    Effect.gen(function* () {
      const shelf = Shelf.make(2 ** 22)
      const pool = yield* Pool.make(1)
      const of = (bytes: Uint8Array) => Digest.of(pool, shelf, bytes)
      const busy = { ...pool, isIdle: () => false }
      for (const size of [0, 1, 65_536, 65_537, 1_000_000]) {
        const bytes = noise(size, size)
        const shared = new Uint8Array(new SharedArrayBuffer(size))
        shared.set(bytes)
        const wanted = createHash("sha256").update(bytes).digest("hex")
        assert.strictEqual(yield* of(bytes), wanted)
        assert.strictEqual(yield* of(shared), wanted)
        assert.strictEqual(yield* of(Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)), wanted)
        for (const some of [bytes, shared]) assert.strictEqual(yield* Digest.of(busy, shelf, some), wanted)
      }
    }).pipe(Effect.scoped)
  )
})
