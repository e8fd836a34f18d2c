import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Measurements from "../../src/security/Measurements.ts"

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"))
const measurement = fc.record({
  what: fc.constantFrom("program", "settings", "component/a", "component/b", "z"),
  digest
})
const measured = fc.uniqueArray(measurement, { selector: ({ what }) => what, minLength: 1 })

describe("a measured boot", () => {
  it("ends in the same digest whatever the order in which things came up", () => {
    fc.assert(
      fc.property(measured, fc.infiniteStream(fc.nat()), (some, chance) => {
        const shuffled = some.map((one) => ({ one, at: chance.next().value })).toSorted((a, b) => a.at - b.at)
        const other = Measurements.log(shuffled.map(({ one }) => one))
        assert.deepStrictEqual(other, Measurements.log(some))
        assert.strictEqual(Measurements.final(other), Measurements.final(Measurements.log(some)))
      })
    )
  })

  it("ends in another digest when one bit of one measurement is another, and says which", () => {
    fc.assert(
      fc.property(measured, fc.nat(), fc.nat(255), (some, which, bit) => {
        const log = Measurements.log(some)
        const index = which % log.length
        const tampered = log.map((one, i) => {
          if (i !== index) return one
          const bytes = Buffer.from(one.digest, "hex")
          bytes[bit >> 3]! ^= 1 << (bit & 7)
          return { ...one, digest: bytes.toString("hex") }
        })
        assert.notStrictEqual(Measurements.final(tampered), Measurements.final(log))
        assert.deepStrictEqual(Measurements.differences(log, tampered), [log[index]!.what])
      })
    )
  })

  it("ends in another digest when something is missing, or there that was not", () => {
    fc.assert(
      fc.property(measured, (some) => {
        const log = Measurements.log(some)
        assert.notStrictEqual(Measurements.final(log.slice(1)), Measurements.final(log))
        assert.deepStrictEqual(Measurements.differences(log, log.slice(1)), [log[0]!.what])
      })
    )
  })

  it("extends as a TPM does: the hash of what was there and what comes", () => {
    const one = Measurements.digestOf("one")
    const expected = createHash("sha256").update(Buffer.alloc(32)).update(Buffer.from(one, "hex")).digest("hex")
    assert.strictEqual(Measurements.final([{ what: "one", digest: one }]), expected)
    assert.strictEqual(Measurements.final([]), Measurements.zero)
  })

  it("counts what is measured twice once, as it was the last time", () => {
    const [a, b] = ["1", "2"].map(Measurements.digestOf)
    assert.deepStrictEqual(
      Measurements.log([
        { what: "x", digest: a! },
        { what: "x", digest: b! }
      ]),
      [{ what: "x", digest: b! }]
    )
  })
})
