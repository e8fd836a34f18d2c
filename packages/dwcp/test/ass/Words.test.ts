import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as fc from "fast-check"
import * as Words from "../../src/ass/Words.ts"

const words: fc.Arbitrary<Words.Words> = fc.oneof(
  fc.record({ _tag: fc.constant("Delta" as const), changes: fc.uint8Array() }),
  fc.record({
    _tag: fc.constant("Digest" as const),
    version: fc.uint8Array(),
    answer: fc.boolean(),
    nodes: fc.array(
      fc.record({ peer: fc.string(), addresses: fc.array(fc.string(), { maxLength: Words.maxAddresses }) }),
      {
        maxLength: 5
      }
    )
  })
)

describe("words", () => {
  it("are heard as they were said", () => {
    fc.assert(
      fc.property(words, (said) => {
        const heard = Option.getOrThrow(Words.decode(Words.encode(said)))
        assert.deepStrictEqual(Words.encode(heard), Words.encode(said))
        assert.strictEqual(heard._tag, said._tag)
      })
    )
  })

  it("that make no sense are not heard, and never end a node", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void Words.decode(bytes)))
    for (const wrong of ["", "\u0001", "\u0001{}", `\u0001{"version":1}`, "\u0009x"]) {
      assert.isTrue(Option.isNone(Words.decode(Buffer.from(wrong))), JSON.stringify(wrong))
    }
  })

  it("name no more nodes and addresses than are remembered", () => {
    const node = { peer: "p", addresses: ["/ip4/1.2.3.4/tcp/1"] }
    const digest = (nodes: ReadonlyArray<Words.Node>): Buffer =>
      Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify({ version: "", answer: false, nodes }))])
    assert.isTrue(Option.isSome(Words.decode(digest([node]))))
    assert.isTrue(Option.isNone(Words.decode(digest(Array.from({ length: Words.maxNodes + 1 }, () => node)))))
    const many = Array.from({ length: Words.maxAddresses + 1 }, () => "a")
    assert.isTrue(Option.isNone(Words.decode(digest([{ peer: "p", addresses: many }]))))
    assert.isTrue(Option.isNone(Words.decode(digest([{ peer: "p", addresses: ["x".repeat(300)] }]))))
  })
})
