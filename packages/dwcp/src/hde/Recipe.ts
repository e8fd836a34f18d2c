/**
 * Content as the list of its chunks: whoever has some of them, from whatever content, needs only the rest.
 *
 * **Details**
 *
 * The sender cuts, the receiver says which addresses it lacks, the sender gathers these, each once however often it
 * occurs, and encodes them as one message; the receiver assembles. Each chunk is held against its address, and the whole
 * against its hash: a store that rotted or a peer that lies is a failure, and never wrong content.
 */
import { createHash } from "node:crypto"
import { Schema } from "effect"
import * as Chunks from "./Chunks.ts"
import { corrupt, tooLarge } from "./Refused.ts"

const Hash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
const Length = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Chunks.sizes.most }))

/** What is sent first. A million chunks are 64 GiB most of the time. */
export const Recipe = Schema.Struct({
  /** SHA-256 of all of the content. */
  hash: Hash,
  chunks: Schema.Array(Schema.Struct({ hash: Hash, length: Length })).check(Schema.isMaxLength(2 ** 20))
})
export type Recipe = typeof Recipe.Type

export const of = (content: Uint8Array): Recipe => ({
  hash: createHash("sha256").update(content).digest("hex"),
  chunks: Chunks.cut(content).map(({ hash, length }) => ({ hash, length }))
})

/** The addresses that a node lacks, each once, in order: what it answers. */
export const lacking = ({ chunks }: Recipe, has: (hash: string) => boolean): ReadonlyArray<string> => [
  ...new Set(chunks.map(({ hash }) => hash).filter((hash) => !has(hash)))
]

/** The chunks that are lacked, one behind the other. Addresses that the recipe does not have are nobody's business. */
export const gather = (content: Uint8Array, { chunks }: Recipe, wanted: ReadonlyArray<string>): Buffer => {
  const left = new Set(wanted)
  const parts: Array<Uint8Array> = []
  let at = 0
  for (const { hash, length } of chunks) {
    if (left.delete(hash)) parts.push(content.subarray(at, at + length))
    at += length
  }
  return Buffer.concat(parts)
}

/**
 * The content again, from the chunks that were gathered and those that `find` has. Throws `HdeCorrupt` where a chunk is
 * missing or not what its address says, and `TooLarge` above the limit, before anything is allocated.
 */
export const assemble = (
  recipe: Recipe,
  gathered: Uint8Array,
  find: (hash: string) => Uint8Array | undefined,
  limit: number
): Buffer => {
  const size = recipe.chunks.reduce((sum, { length }) => sum + length, 0)
  if (size > limit) throw tooLarge("Content", size, limit)
  const fresh = new Map<string, Uint8Array>()
  let taken = 0
  const parts = recipe.chunks.map(({ hash, length }) => {
    const known = fresh.get(hash) ?? find(hash)
    if (known !== undefined && known.length === length && isNamed(known, hash)) return known
    const next = gathered.subarray(taken, taken + length)
    if (next.length !== length || !isNamed(next, hash)) throw corrupt(`chunk ${hash.slice(0, 16)} of it is missing`)
    taken += length
    fresh.set(hash, next)
    return next
  })
  if (taken !== gathered.length) throw corrupt("it comes with chunks that it does not have")
  const content = Buffer.concat(parts)
  if (!isNamed(content, recipe.hash)) throw corrupt("its chunks make something else")
  return content
}

const isNamed = (bytes: Uint8Array, hash: string): boolean => createHash("sha256").update(bytes).digest("hex") === hash
