import { assert, describe, it } from "@effect/vitest"
import { Replay, Simulate } from "@novacron/simulation"
import { Result } from "effect"
import { kept, stray } from "./heartbeat.ts"

describe("a heartbeat", () => {
  it("that belongs to nobody is found, made small, and found again from a file", () => {
    const { violations } = Simulate.simulate([stray], { seeds: 100 })
    const [found] = violations
    if (found === undefined) return assert.fail("nothing was found")
    assert.strictEqual(found.promise, "nothing is left behind")
    assert.deepStrictEqual(found.replay.case.faults, [])

    const file = Replay.encode(found.replay)
    const replay = Result.getOrThrow(Replay.decode(file))
    assert.isTrue(Replay.run([stray], replay).reproduced)
    assert.isFalse(Replay.run([kept], replay).reproduced)
  })

  it("that is kept by its scope keeps every promise", () => {
    assert.deepStrictEqual(Simulate.simulate([kept], { seeds: 100 }).violations, [])
  })
})
