import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Exchange from "../../src/ass/Exchange.ts"
import { order, simulate, type Told } from "./fixtures/epidemic.ts"

const settings = { fanout: 3 }
const version = (writes: { readonly [writer: string]: number }): Told => new Map(Object.entries(writes))
const step = (state: Exchange.State<Told>, event: Exchange.Event<Told>, mine: Told) =>
  Exchange.step(state, event, mine, order, settings)

describe("an exchange", () => {
  const joined = ["a", "b", "c", "d"].reduce<Exchange.State<Told>>(
    (state, peer) => step(state, { _tag: "Joined", peer }, version({}))[0],
    Exchange.initial()
  )

  it("compares with a new neighbour at once, and with some others with each tick, none twice", () => {
    const [, first] = step(Exchange.initial(), { _tag: "Joined", peer: "a" }, version({}))
    assert.deepStrictEqual(first, [{ _tag: "SendDigest", to: "a", answer: false }])
    for (const chance of [0, 0.5, 0.999, 1]) {
      const [, actions] = step(joined, { _tag: "Tick", chance: () => chance }, version({}))
      assert.strictEqual(new Set(actions.map(({ to }) => to)).size, 3)
    }
    const [left] = step(joined, { _tag: "Left", peer: "a" }, version({}))
    const [, actions] = step(left, { _tag: "Tick", chance: () => 0 }, version({}))
    assert.deepStrictEqual(actions.map(({ to }) => to).toSorted(), ["b", "c", "d"])
  })

  it("sends what the other lacks, asks for what it lacks itself, and says nothing when both are alike", () => {
    const digest = (given: Told, answer = false): Exchange.Event<Told> => ({
      _tag: "Digest",
      from: "a",
      version: given,
      answer
    })
    const mine = version({ x: 2, y: 1 })
    const said = (event: Exchange.Event<Told>) => step(joined, event, mine)[1].map(({ _tag }) => _tag)
    assert.deepStrictEqual(said(digest(version({ x: 2, y: 1 }))), [])
    assert.deepStrictEqual(said(digest(version({ x: 1 }))), ["SendDelta"])
    assert.deepStrictEqual(said(digest(version({ x: 2, y: 2 }))), ["SendDigest"])
    assert.deepStrictEqual(said(digest(version({ x: 3 }))), ["SendDelta", "SendDigest"])
    assert.deepStrictEqual(said(digest(version({ x: 3 }), true)), ["SendDelta"])
  })

  it("makes everybody alike, whatever is lost, doubled or late, once messages arrive again", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.integer(),
        fc.double({ min: 0, max: 0.6, noNaN: true }),
        (n, seed, loss) => {
          const result = simulate({ nodes: n, seed, loss, fanout: 3, writers: n, until: 200 })
          assert.isTrue(result.alike, `not alike after ${result.rounds} rounds`)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("spreads news over a thousand nodes in at most two rounds for each doubling", () => {
    for (const seed of [1, 2, 3]) {
      const { alike, rounds } = simulate({ nodes: 1000, seed, loss: 0.05, fanout: 3, writers: 1, until: 40 })
      assert.isTrue(alike)
      assert.isAtMost(rounds, 2 * Math.log2(1000))
      assert.isAtLeast(rounds, 3)
    }
  }, 60_000)

  it("keeps two halves apart while nothing passes between them, and makes them one afterwards", () => {
    const result = simulate({ nodes: 60, seed: 4, loss: 0, fanout: 3, writers: 60, until: 60, splitUntil: 20 })
    assert.isTrue(result.apartAtSplit)
    assert.isTrue(result.alike)
    assert.isAtMost(result.rounds - 20, 2 * Math.log2(60))
  })
})
