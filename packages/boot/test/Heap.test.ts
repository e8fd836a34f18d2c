import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Heap from "../src/Heap.ts"

const ascending = (a: number, b: number) => a < b

describe("Heap", () => {
  it("gives back what was put in, first things first, however puts and takes are mixed", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 20 }))), (steps) => {
        const heap: Array<number> = []
        const model: Array<number> = []
        for (const step of steps) {
          if (step === null) {
            const expected = model.sort((a, b) => a - b).shift()
            assert.strictEqual(Heap.pop(heap, ascending), expected)
          } else {
            Heap.push(heap, ascending, step)
            model.push(step)
          }
          assert.strictEqual(heap.length, model.length)
          assert.strictEqual(heap[0], model.length === 0 ? undefined : Math.min(...model))
        }
      })
    )
  })

  it("has nothing to give when it is empty", () => {
    assert.isUndefined(Heap.pop([], ascending))
  })
})
