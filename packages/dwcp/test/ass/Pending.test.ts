import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as fc from "fast-check"
import * as Pending from "../../src/ass/Pending.ts"

const value = (text: string): Uint8Array => new TextEncoder().encode(text)
const record = (change: Partial<Pending.Record>): Pending.Record => ({
  key: "k",
  base: 1n,
  order: 1,
  node: "a",
  id: "a1",
  after: [],
  value: value("a"),
  ...change
})
const agreed = (change: Partial<Pending.Agreed>): Pending.Agreed => ({
  version: 1n,
  value: value("0"),
  by: undefined,
  ...change
})

describe("records of pending writes", () => {
  it("are read back as they were written, and nothing else is", () => {
    const records = fc.record({
      key: fc.string(),
      base: fc.oneof(fc.bigInt({ min: 0n }), fc.constant("absent" as const), fc.constant("unknown" as const)),
      order: fc.nat(),
      node: fc.string(),
      id: fc.string(),
      after: fc.array(fc.string()),
      value: fc.option(fc.uint8Array(), { nil: undefined })
    })
    fc.assert(
      fc.property(records, (given) => {
        const back = Option.getOrThrow(Pending.decode(Pending.encode(given)))
        assert.deepStrictEqual(
          { ...back, value: back.value && [...back.value] },
          {
            ...given,
            value: given.value && [...given.value]
          }
        )
      })
    )
    for (const wrong of ["", "{}", `{"base":"x"}`, "\u0000"]) assert.isTrue(Option.isNone(Pending.decode(value(wrong))))
  })

  it("are written when the key is still as their writer knew it", () => {
    const verdict = Pending.judge([record({})], agreed({}))
    assert.deepInclude(verdict, { _tag: "Write", lost: [] })
    assert.strictEqual(
      Pending.judge([record({ base: "absent" })], agreed({ version: "absent", value: undefined }))._tag,
      "Write"
    )
    assert.strictEqual(
      Pending.judge([record({ base: "unknown" })], agreed({ version: "absent", value: undefined }))._tag,
      "Write"
    )
  })

  it("are overruled by what was agreed on meanwhile, and are not lost", () => {
    const verdict = Pending.judge([record({})], agreed({ version: 2n, value: value("b") }))
    assert.strictEqual(verdict._tag === "Overruled" && verdict.lost.length, 1)
    const unknown = Pending.judge([record({ base: "unknown" })], agreed({ version: 2n, value: value("b") }))
    assert.strictEqual(unknown._tag, "Overruled")
  })

  it("are written over a record that they replace, which others have brought before the majority", () => {
    const second = Pending.next({ key: "k", base: 1n, node: "a", id: "a2", value: value("2") }, [record({})])
    assert.strictEqual(Pending.judge([second], agreed({ version: 5n, value: value("a"), by: "a1" }))._tag, "Write")
    assert.strictEqual(Pending.judge([second], agreed({ version: 5n, value: value("a"), by: "z9" }))._tag, "Overruled")
  })

  it("need nothing more when it is so already, be it that they were written twice", () => {
    assert.strictEqual(Pending.judge([record({})], agreed({ version: 9n, value: value("a") }))._tag, "Settled")
    assert.strictEqual(
      Pending.judge([record({ value: undefined })], agreed({ version: "absent", value: undefined }))._tag,
      "Settled"
    )
    assert.strictEqual(
      Pending.judge([record({})], agreed({ version: 9n, value: value("z"), by: "a1" }))._tag,
      "Settled"
    )
  })

  it("that did not know of each other are told apart: one stands, the others are kept, the same everywhere", () => {
    const ids = fc.uniqueArray(fc.constantFrom("a1", "b1", "c1", "d1"), { minLength: 2 })
    fc.assert(
      fc.property(ids, fc.array(fc.nat({ max: 3 }), { minLength: 4, maxLength: 4 }), (given, orders) => {
        const records = given.map((id, i) => record({ id, node: id, order: orders[i] ?? 0, value: value(id) }))
        const verdict = Pending.judge(records, agreed({}))
        const reversed = Pending.judge(records.toReversed(), agreed({}))
        assert.deepStrictEqual(verdict, reversed)
        assert.strictEqual(verdict._tag === "Write" && verdict.lost.length, records.length - 1)
      })
    )
  })

  it("replace those that their writer knew of, in whichever order they arrive", () => {
    const second = Pending.next({ key: "k", base: 1n, node: "b", id: "b2", value: value("2") }, [record({})])
    for (const records of [
      [record({}), second],
      [second, record({})]
    ]) {
      assert.deepStrictEqual(Pending.ranked(records), [second])
    }
    assert.deepStrictEqual([second.order, second.base], [2, 1n])
  })
})
