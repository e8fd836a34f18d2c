import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Records from "../../src/group/Records.ts"

describe("Records", () => {
  it("are read as they were written, however they are cut", () => {
    const record = fc.record({ kind: fc.nat(255), body: fc.uint8Array({ maxLength: 300 }) })
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), fc.array(fc.nat(40), { minLength: 1 }), (records, cuts) => {
        const bytes = Buffer.concat(
          records.map(({ body, kind }) => Records.write(kind, body.subarray(0, 7), body.subarray(7)))
        )
        const read: Array<Records.Record> = []
        const push = Records.reader(1_000, (one) => void read.push(one))
        for (let at = 0, k = 0; at < bytes.length; k++) {
          const end = at + 1 + cuts[k % cuts.length]!
          assert.isTrue(push(bytes.subarray(at, end)))
          at = end
        }
        assert.deepStrictEqual(
          read.map(({ body, kind }) => [kind, body.toString("hex")]),
          records.map(({ body, kind }) => [kind, Buffer.from(body).toString("hex")])
        )
      })
    )
  })

  it("end a stream that says a length beyond the limit, or none", () => {
    const refused = (length: number) => {
      const head = Buffer.alloc(5)
      head.writeUInt32BE(length)
      return !Records.reader(1_000, () => undefined)(head)
    }
    assert.isTrue(refused(0))
    assert.isTrue(refused(997))
    assert.isTrue(refused(2 ** 32 - 1))
    assert.isFalse(refused(996))
  })
})
