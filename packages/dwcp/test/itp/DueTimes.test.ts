import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as DueTimes from "../../src/itp/DueTimes.ts"

describe("DueTimes", () => {
  it("always knows what is due next, however often times are changed or taken out", () => {
    const change = fc.record({ thing: fc.nat(40), time: fc.oneof(fc.nat(1_000), fc.constant(Infinity)) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const due = DueTimes.make(4)
        const model = new Map<number, number>()
        for (const { thing, time } of changes) {
          due.set(thing, time)
          if (time === Infinity) model.delete(thing)
          else model.set(thing, time)
          const first = due.first()
          assert.strictEqual(first === -1, model.size === 0)
          if (first >= 0) assert.strictEqual(model.get(first), Math.min(...model.values()))
          assert.strictEqual(due.time(thing), time)
        }
      })
    )
  })
})
