import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Shelf from "../../src/hde/Shelf.ts"
import type * as Source from "../../src/hde/Source.ts"
import { noise } from "./fixtures/contents.ts"

const lent = (source: Source.Source) => {
  assert(source._tag === "Memory")
  return source.bytes
}

describe("a shelf of shared memory", () => {
  it.effect("lends a copy, and the same memory to the next one who asks", () =>
    Effect.gen(function* () {
      const shelf = Shelf.make(1 << 24)
      const bytes = noise(700_000, 1)
      const first = yield* Effect.scoped(
        Effect.map(shelf.lend(bytes), (source) => {
          assert.isTrue(bytes.equals(lent(source)))
          return lent(source).buffer
        })
      )
      const second = yield* Effect.scoped(Effect.map(shelf.lend(noise(600_000, 2)), (source) => lent(source)))
      assert.strictEqual(second.buffer, first)
      assert.strictEqual(second.length, 600_000)
    })
  )

  it.effect("lends to two at once without mixing them up", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const shelf = Shelf.make(1 << 24)
        const [a, b] = [yield* shelf.lend(noise(1000, 1)), yield* shelf.lend(noise(1000, 2))]
        assert.notStrictEqual(lent(a).buffer, lent(b).buffer)
        assert.isTrue(noise(1000, 1).equals(lent(a)))
      })
    )
  )

  it.effect("keeps no more than its limit", () =>
    Effect.gen(function* () {
      const shelf = Shelf.make(1 << 20)
      const take = (size: number) =>
        Effect.scoped(Effect.map(shelf.lend(Buffer.alloc(size)), (source) => lent(source).buffer))
      const large = yield* take(5_000_000)
      assert.notStrictEqual(yield* take(5_000_000), large)
    })
  )
})
