import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import * as Digest from "../../src/amst/Digest.ts"
import { dice } from "./fixtures/dice.ts"
import { noise } from "./fixtures/worlds.ts"

const session = "0123456789abcdef0123456789abcdef"
const tagOf = (pieces: ReadonlyArray<Uint8Array>, of = session, id = 1): string => {
  const tag = Digest.tag(of, id)
  for (const piece of pieces) tag.update(piece)
  return tag.end().toString("hex")
}

describe("Digest", () => {
  it("is the same wherever the bytes were cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.array(fc.nat(3_000), { maxLength: 6 }), (bytes, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut <= bytes.length).toSorted((a, b) => a - b), bytes.length]
        const pieces = at.slice(1).map((end, k) => bytes.subarray(at[k], end))
        assert.strictEqual(tagOf(pieces), tagOf([bytes]))
        const hash = Digest.sha256()
        for (const piece of pieces) hash.update(piece)
        const expected = createHash("sha256").update(bytes).digest()
        assert.isTrue(hash.end().equals(expected) && Digest.sha256Of(bytes).equals(expected))
      })
    )
  })

  it("is another one when a bit is, when chunks changed places, and when one came twice or not at all", () => {
    const roll = dice(3)
    for (let k = 0; k < 2_000; k++) {
      const bytes = noise(64 + roll(4_000))
      const [a, b] = [bytes.subarray(0, 32), bytes.subarray(32)]
      const whole = tagOf([a, b])
      const changed = Buffer.from(bytes)
      changed[roll(bytes.length)]! ^= 1 << roll(8)
      for (const pieces of [[changed], [b, a], [a, b, b], [a], []]) assert.notStrictEqual(tagOf(pieces), whole)
    }
  })

  it("is another one for another transfer and another session, of the same bytes", () => {
    const bytes = noise(1_000)
    const tags = [tagOf([bytes]), tagOf([bytes], session, 2), tagOf([bytes], session.replace("0", "f"), 1)]
    assert.strictEqual(new Set(tags).size, 3)
    assert.strictEqual(tags[0]!.length, 2 * Digest.tagBytes)
  })
})
