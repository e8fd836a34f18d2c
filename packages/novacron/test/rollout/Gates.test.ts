import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Gates from "../../src/rollout/Gates.ts"

const answered = (ms: number): Gates.Outcome => ({ _tag: "Answered", ms })
const failed: Gates.Outcome = { _tag: "Failed", why: "503 Service Unavailable" }
const seen = (outcomes: ReadonlyArray<Gates.Outcome>): Gates.Seen => outcomes.reduce(Gates.add, Gates.nothing)
const times = <A>(n: number, one: A): ReadonlyArray<A> => Array.from({ length: n }, () => one)

const outcomes = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 500 }).map((ms) => answered(ms)),
    fc.constant(failed)
  ),
  { maxLength: 60 }
)

describe("the gates", () => {
  it("let go on what answers as well as the old one", () => {
    const both = seen(times(20, answered(10)))
    assert.deepStrictEqual(Gates.judge(Gates.usual, both, both), { _tag: "Well" })
  })

  it("wait until they have seen enough", () => {
    const few = seen(times(19, answered(10)))
    assert.deepStrictEqual(Gates.judge(Gates.usual, few, few), { _tag: "TooEarly", missing: 1 })
    assert.deepStrictEqual(Gates.judge(Gates.usual, Gates.nothing, Gates.nothing), { _tag: "TooEarly", missing: 20 })
  })

  it("close at more errors than are allowed, and say how many and which", () => {
    const one = seen([...times(99, answered(10)), failed])
    assert.strictEqual(Gates.judge(Gates.usual, one, one)._tag, "Well")
    const two = seen([...times(97, answered(10)), failed, answered(10), failed])
    const verdict = Gates.judge(Gates.usual, two, one)
    assert.deepInclude(verdict, { _tag: "Bad" })
    assert.match(JSON.stringify(verdict), /2 of 100 requests failed, 2\.0 % with 1 % allowed: 503 Service Unavailable/)
  })

  it("close before enough was seen, when it could not become well any more", () => {
    const early = seen([failed, ...times(4, answered(10))])
    assert.strictEqual(Gates.judge(Gates.usual, early, early)._tag, "Bad")
  })

  it("close at failures in a row, however many were well before", () => {
    const long = seen([...times(10_000, answered(1)), ...times(3, failed)])
    assert.strictEqual(Gates.judge(Gates.usual, long, long)._tag, "Bad")
  })

  it("count connections that a switch has lost", () => {
    const well = Gates.count(seen(times(20, answered(10))), 1_000, 10)
    assert.strictEqual(Gates.judge(Gates.usual, well, well)._tag, "Well")
    const lost = Gates.count(seen(times(20, answered(10))), 1_000, 11)
    assert.strictEqual(Gates.judge(Gates.usual, lost, well)._tag, "Bad")
  })

  it("close at answers that are slow, and slower than those of the old one by more than is allowed", () => {
    const [quick, slow, both] = [5, 250, 130].map((ms) => seen(times(20, answered(ms))))
    if (quick === undefined || slow === undefined || both === undefined) throw new Error("three")
    assert.match(JSON.stringify(Gates.judge(Gates.usual, slow, quick)), /within 250 ms .* the old one within 5 ms/)
    // As slow as the old one, or not worth a word.
    assert.strictEqual(Gates.judge(Gates.usual, slow, both)._tag, "Well")
    assert.strictEqual(Gates.judge(Gates.usual, seen(times(20, answered(90))), quick)._tag, "Well")
  })

  it("never open for more errors: what is bad stays bad with one failure more", () => {
    const holds = fc.property(outcomes, outcomes, (mine, theirs) => {
      const [young, old] = [seen(mine), seen(theirs)]
      if (Gates.judge(Gates.usual, young, old)._tag !== "Bad") return
      assert.strictEqual(Gates.judge(Gates.usual, Gates.add(young, failed), old)._tag, "Bad")
    })
    fc.assert(holds)
  })
})
