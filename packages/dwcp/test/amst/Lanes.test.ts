import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Lanes from "../../src/amst/Lanes.ts"

/** What each priority has had after `turns` chunks, given who has something to send at each. */
const run = (turns: number, waiting: (priority: Lanes.Priority, turn: number) => boolean) => {
  let lanes = Lanes.initial
  const had = { critical: 0, normal: 0, background: 0 }
  for (let turn = 0; turn < turns; turn++) {
    const [after, priority] = Lanes.next(lanes, (each) => waiting(each, turn))
    lanes = after
    if (priority === undefined) continue
    had[priority]++
    lanes = Lanes.charge(lanes, priority, 65_536)
  }
  return had
}

describe("Lanes", () => {
  it("share a busy link 50 : 30 : 20", () =>
    assert.deepStrictEqual(
      run(1_000, () => true),
      { critical: 500, normal: 300, background: 200 }
    ))

  it("leave nothing unused: who is alone has all", () => {
    assert.deepStrictEqual(
      run(100, (priority) => priority === "background"),
      { critical: 0, normal: 0, background: 100 }
    )
    fc.assert(
      fc.property(fc.array(fc.subarray([...Lanes.priorities]), { minLength: 1, maxLength: 200 }), (busy) => {
        const had = run(busy.length, (priority, turn) => busy[turn]!.includes(priority))
        assert.strictEqual(had.critical + had.normal + had.background, busy.filter((some) => some.length > 0).length)
      })
    )
  })

  it("give nobody a claim on the time in which it was idle", () => {
    const had = run(1_100, (priority, turn) => priority === "background" || (priority === "critical" && turn >= 1_000))
    assert.isAtMost(had.critical, 75)
    assert.isAtLeast(had.critical, 65)
  })
})
