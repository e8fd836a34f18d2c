import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import * as Chunks from "../../src/hde/Chunks.ts"
import * as Recipe from "../../src/hde/Recipe.ts"
import { Refused } from "../../src/hde/Refused.ts"
import { anyPair, inserted, noise } from "./fixtures/contents.ts"

const limit = 1 << 28

/** What a node has that has some content. */
const storeOf = (content: Buffer): ReadonlyMap<string, Buffer> =>
  new Map(Chunks.cut(content).map(({ at, hash, length }) => [hash, content.subarray(at, at + length)]))

/** All the way: cut, ask, gather, assemble. */
const sent = (content: Buffer, store: ReadonlyMap<string, Buffer>) => {
  const recipe = Schema.decodeUnknownSync(Recipe.Recipe)(JSON.parse(JSON.stringify(Recipe.of(content))))
  const gathered = Recipe.gather(
    content,
    recipe,
    Recipe.lacking(recipe, (hash) => store.has(hash))
  )
  return { recipe, gathered, content: Recipe.assemble(recipe, gathered, (hash) => store.get(hash), limit) }
}

describe("content as a list of chunks", () => {
  it("comes back, whatever the other side has", () => {
    fc.assert(
      fc.property(anyPair(400_000), ([base, target]) => {
        assert.isTrue(sent(target, storeOf(base)).content.equals(target))
        assert.isTrue(sent(target, new Map()).content.equals(target))
      }),
      { numRuns: 20 }
    )
  })

  it("costs only the chunks beside what changed", () => {
    const before = noise(6_000_000, 1)
    const { gathered } = sent(inserted(before, 2_500_000, noise(777, 2)), storeOf(before))
    assert.isBelow(gathered.length, 4 * Chunks.sizes.most)
    assert.isAbove(gathered.length, 777)
    assert.strictEqual(sent(before, storeOf(before)).gathered.length, 0)
  })

  it("costs a part once that occurs three times, however far apart", () => {
    const part = noise(3_000_000, 3)
    const { gathered } = sent(Buffer.concat([part, noise(500_000, 4), part, part]), new Map())
    assert.isBelow(gathered.length, 4_300_000)
  })

  it("is refused when a chunk is missing, rotten, too many or in the wrong place", () => {
    const before = noise(2_000_000, 1)
    const { content, gathered, recipe } = sent(before, new Map())
    assert.isTrue(content.equals(before))
    const none = () => undefined
    const rotten = (hash: string) =>
      hash === recipe.chunks[0]!.hash ? Buffer.alloc(recipe.chunks[0]!.length) : undefined
    const swapped = { ...recipe, chunks: [recipe.chunks[1]!, recipe.chunks[0]!, ...recipe.chunks.slice(2)] }
    const store = storeOf(before)
    const refuses = (make: () => unknown) => assert.throws(make, Refused)
    refuses(() => Recipe.assemble(recipe, gathered.subarray(1), none, limit))
    refuses(() => Recipe.assemble(recipe, gathered.subarray(0, -1), none, limit))
    refuses(() => Recipe.assemble(recipe, Buffer.concat([gathered, Buffer.alloc(1)]), none, limit))
    refuses(() => Recipe.assemble(swapped, Buffer.alloc(0), (hash) => store.get(hash), limit))
    refuses(() => Recipe.assemble(recipe, gathered, none, before.length - 1))
    // What rotted in a store is made good by what was sent.
    assert.isTrue(Recipe.assemble(recipe, gathered, rotten, limit).equals(before))
  })

  it("does not give away what the recipe does not have", () => {
    const before = noise(1_000_000, 1)
    assert.strictEqual(Recipe.gather(before, Recipe.of(before), ["00".repeat(32)]).length, 0)
  })
})
