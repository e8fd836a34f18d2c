import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as fc from "fast-check"
import * as Envelope from "../../src/group/Envelope.ts"

const sender = "0123456789abcdef0123456789abcdef"
const envelope: Envelope.Envelope = { sender, number: 7, floor: 3, channel: "a/b", encoding: "hde" }

describe("Envelope", () => {
  it("is read as it was written", () => {
    assert.deepStrictEqual(Envelope.read(Envelope.write(envelope)), Option.some(envelope))
    assert.isAtMost(Envelope.write({ ...envelope, number: Number.MAX_SAFE_INTEGER }).length, Envelope.mostBytes)
  })

  it("is none where a peer writes something else", () => {
    const wrong = [
      "",
      "{}",
      "null",
      Envelope.write({ ...envelope, sender: "x" }),
      Envelope.write({ ...envelope, number: -1 }),
      Envelope.write({ ...envelope, number: 0.5 }),
      Envelope.write({ ...envelope, channel: "" }),
      Envelope.write({ ...envelope, channel: "a".repeat(65) }),
      Envelope.write({ ...envelope, channel: "a\nb" }),
      Envelope.write(envelope).replace("hde", "rar"),
      `${Envelope.write(envelope)}${" ".repeat(600)}`
    ]
    for (const text of wrong) assert.isTrue(Option.isNone(Envelope.read(text)), text)
    fc.assert(fc.property(fc.string(), (text) => Option.isNone(Envelope.read(text))))
  })
})

describe("what was seen", () => {
  it("lets each number through once, in whatever order and however often it comes", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ number: fc.nat(40), again: fc.boolean() }), { maxLength: 200 }), (arrivals) => {
        const seen = Envelope.seen()
        const through: Array<number> = []
        for (const { number } of arrivals) if (seen.first({ sender, number, floor: 0 })) through.push(number)
        assert.deepStrictEqual(
          through.toSorted((a, b) => a - b),
          [...new Set(arrivals.map(({ number }) => number))].toSorted((a, b) => a - b)
        )
      })
    )
  })

  it("forgets what is below the floor, and lets nothing of it through any more", () => {
    const seen = Envelope.seen({ senders: 2, numbers: 4 })
    assert.isTrue(seen.first({ sender, number: 1, floor: 0 }))
    assert.isTrue(seen.first({ sender, number: 9, floor: 9 }))
    assert.isFalse(seen.first({ sender, number: 2, floor: 0 }))
    assert.isFalse(seen.first({ sender, number: 9, floor: 9 }))
  })

  it("is bounded, whatever a sender says of its floor and however many there are", () => {
    const seen = Envelope.seen({ senders: 2, numbers: 4 })
    for (let number = 0; number < 1_000; number++) assert.isTrue(seen.first({ sender, number, floor: 0 }))
    assert.isFalse(seen.first({ sender, number: 3, floor: 0 }))
    for (let k = 0; k < 100; k++) seen.first({ sender: `s${k}`, number: 0, floor: 0 })
    assert.strictEqual(seen.senders(), 2)
  })
})
