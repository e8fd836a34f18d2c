import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bitmap from "../../src/amst/Bitmap.ts"
import * as Ledger from "../../src/amst/Ledger.ts"

const bytes = Buffer.alloc(10)
const chunks = 40

describe("Ledger", () => {
  it("loses no chunk and counts none twice, however streams die and answers repeat", () => {
    const event = fc.record({
      what: fc.constantFrom("send", "ack", "die", "hedge"),
      stream: fc.nat(3),
      index: fc.nat(chunks - 1)
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const ledger = Ledger.make<number>(chunks)
        let next = 0
        let landed = 0
        for (const { index, stream, what } of events) {
          if (what === "send") {
            const chunk = Ledger.nextAgain(ledger) ?? (next < chunks ? { index: next++, bytes } : undefined)
            if (chunk !== undefined) Ledger.sent(ledger, chunk, stream, 0)
          } else if (what === "ack") {
            if (index < next && Ledger.landed(ledger, index) !== undefined) landed++
          } else if (what === "die") Ledger.lost(ledger, stream)
          else for (const flight of Ledger.late(ledger, 1, 1)) Ledger.sent(ledger, flight, (stream + 1) % 4, 0)

          // Each chunk that was ever sent is on its way, about to go again, or there.
          const again = new Set(ledger.again.map((chunk) => chunk.index))
          for (let each = 0; each < next; each++) {
            const places = [ledger.flights.has(each), again.has(each), Bitmap.has(ledger.arrived, each)].filter(Boolean)
            assert.isAtLeast(places.length, 1)
            assert.isFalse(ledger.flights.has(each) && Bitmap.has(ledger.arrived, each))
          }
          assert.strictEqual(ledger.flightBytes, ledger.flights.size * bytes.length)
        }
        assert.isAtMost(landed, ledger.arrived.held)
      })
    )
  })

  it("sends what is late on a second stream, and not on a third", () => {
    const ledger = Ledger.make<string>(2)
    Ledger.sent(ledger, { index: 0, bytes }, "a", 10)
    Ledger.sent(ledger, { index: 1, bytes }, "a", 90)
    assert.deepStrictEqual(
      Ledger.late(ledger, 50, 5).map(({ index }) => index),
      [0]
    )
    Ledger.sent(ledger, { index: 0, bytes }, "b", 50)
    assert.deepStrictEqual(Ledger.late(ledger, 50, 5), [])
    Ledger.lost(ledger, "a") // still on b
    assert.deepStrictEqual(
      ledger.again.map(({ index }) => index),
      [1]
    )
  })
})
