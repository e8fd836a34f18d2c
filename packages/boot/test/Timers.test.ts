import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Timers from "../src/Timers.ts"

const always = () => true

/** Takes all timers out, in the order in which they come. */
const drain = (timers: Timers.Timers, counts: Timers.Counts<undefined> = always): ReadonlyArray<Timers.Timer> => {
  const taken: Array<Timers.Timer> = []
  for (let next = Timers.peek(timers, undefined, counts); next; next = Timers.peek(timers, undefined, counts)) {
    taken.push(next)
    Timers.pop(timers)
  }
  return taken
}

const moments = fc.array(fc.integer({ min: 0, max: 9 }))

describe("Timers", () => {
  it("come by moment, and those of one moment in the order in which they were set", () => {
    fc.assert(
      fc.property(moments, (moments) => {
        const timers = Timers.make()
        moments.forEach((atMs, subject) => Timers.push(timers, atMs, 0, subject, 0))
        const expected = moments
          .map((atMs, subject) => ({ atMs, subject }))
          .sort((a, b) => a.atMs - b.atMs || a.subject - b.subject)
        assert.deepStrictEqual(
          drain(timers).map(({ atMs, subject }) => ({ atMs, subject })),
          expected
        )
      })
    )
  })

  it("come in the same order whether they are looked at in between or not", () => {
    fc.assert(
      fc.property(moments, fc.array(fc.boolean()), (moments, looks) => {
        const [watched, alone] = [Timers.make(), Timers.make()]
        moments.forEach((atMs, subject) => {
          for (const timers of [watched, alone]) Timers.push(timers, atMs, 0, subject, 0)
          if (looks[subject] === true) Timers.peek(watched, undefined, always)
        })
        const subjects = (timers: Timers.Timers) => drain(timers).map(({ atMs, subject }) => [atMs, subject])
        assert.deepStrictEqual(subjects(watched), subjects(alone))
      })
    )
  })

  it("do not come when they no longer count", () => {
    const timers = Timers.make()
    for (const subject of [1, 2, 3, 4]) Timers.push(timers, 10 - subject, 0, subject, 0)
    const odd = drain(timers, (_, __, subject) => subject % 2 === 1)
    assert.deepStrictEqual(
      odd.map(({ subject }) => subject),
      [3, 1]
    )
  })

  it("never come at an infinite moment", () => {
    const timers = Timers.make()
    Timers.push(timers, Infinity, 0, 1, 0)
    assert.isUndefined(Timers.peek(timers, undefined, always))
  })

  it("are independent in a copy", () => {
    const timers = Timers.make()
    Timers.push(timers, 1, 0, 1, 0)
    const copy = Timers.copy(timers)
    Timers.push(copy, 0, 0, 2, 0)
    assert.strictEqual(drain(copy).length, 2)
    assert.strictEqual(drain(timers).length, 1)
  })
})
