import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Prevention } from "../../src/acp/index.ts"

const quiet: Prevention.Observation = {
  srttMicros: 82_000,
  minRttMicros: 80_000,
  deliveryRate: 12_000_000,
  sent: 1_200_000,
  retransmitted: 0,
  streams: 8
}
const queued = { ...quiet, srttMicros: 200_000 }

const repeat = <A>(n: number, value: A) => Array.from({ length: n }, () => value)

const after = (seen: ReadonlyArray<Prevention.Observation>) => {
  let state = Prevention.initial
  let advice: Prevention.Advice = { streams: undefined, pacing: undefined, reason: "free" }
  for (const observation of seen) [state, advice] = Prevention.step(state, observation)
  return { state, advice }
}

describe("Prevention", () => {
  it("paces a link at what it carries as soon as a queue stands, before anything was lost", () => {
    const { advice } = after([quiet, ...repeat(2, { ...quiet, srttMicros: 130_000 })])
    assert.deepStrictEqual(advice, { streams: undefined, pacing: quiet.deliveryRate, reason: "full" })
  })

  it("lowers streams and pacing when round trips still grow and deliveries do not", () => {
    const { advice } = after([quiet, ...repeat(7, queued)])
    assert.strictEqual(advice.reason, "congested")
    assert.isBelow(advice.streams!, 8)
    assert.isBelow(advice.pacing!, queued.deliveryRate)
  })

  it("keeps the last stream", () => {
    const { advice } = after([quiet, ...repeat(60, { ...queued, streams: 1 })])
    assert.strictEqual(advice.streams, 1)
    assert.isAbove(advice.pacing!, 0)
  })

  it("leaves a link alone that loses at random", () => {
    const lossy = { ...quiet, retransmitted: 24_000 }
    assert.isTrue(Prevention.losesAtRandom(lossy))
    assert.deepStrictEqual(after(Array.from({ length: 50 }, () => lossy)).advice, {
      streams: undefined,
      pacing: undefined,
      reason: "free"
    })
  })

  it("does not take a start-up for congestion: deliveries still grow", () => {
    const rising = Array.from({ length: 8 }, (_, k) => ({ ...queued, deliveryRate: 1_000_000 * 1.5 ** k }))
    assert.isUndefined(after(rising).advice.streams)
  })

  it("gives everything back once the queue is gone", () => {
    const eased = [quiet, ...repeat(7, queued)]
    assert.strictEqual(after(eased).advice.reason, "congested")
    const calm = repeat(100, { ...quiet, streams: 6 })
    assert.deepStrictEqual(after([...eased, ...calm]).advice, { streams: undefined, pacing: undefined, reason: "free" })
  })

  it("never asks for less than one stream or more than there are, nor for a rate of nothing", () => {
    const observation = fc.record({
      srttMicros: fc.nat(1_000_000),
      minRttMicros: fc.nat(500_000),
      deliveryRate: fc.nat(1_000_000_000),
      sent: fc.nat(100_000_000),
      retransmitted: fc.nat(100_000_000),
      streams: fc.integer({ min: 1, max: 512 })
    })
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 60 }), (seen) => {
        let state = Prevention.initial
        let most = 1
        for (const each of seen) {
          const [next, advice] = Prevention.step(state, each)
          state = next
          most = Math.max(most, each.streams)
          assert.isTrue(advice.streams === undefined || (advice.streams >= 1 && advice.streams <= most))
          assert.isTrue(advice.pacing === undefined || advice.pacing > 0)
        }
      })
    )
  })
})
