import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Detector } from "../../src/mode/index.ts"
import { type Link, links } from "./fixtures/links.ts"

const second = 1_000

/** Every sample, one a second, from the first. */
const watch = (samples: ReadonlyArray<Detector.Sample>, everyMillis = second) => {
  let state = Detector.initial
  const changes: Array<{ readonly at: number; readonly to: Detector.Mode }> = []
  samples.forEach((sample, k) => {
    const [next, finding] = Detector.step(state, sample, k * everyMillis)
    state = next
    if (finding._tag === "Changed") changes.push({ at: k * everyMillis, to: finding.to })
  })
  return { state, changes }
}

const near: Detector.Sample = { rttMillis: 0.3, throughput: 9e9, loss: 0, rdma: false }
const far: Detector.Sample = { rttMillis: 80, throughput: 9e7, loss: 0.01, rdma: false }
const repeat = <A>(n: number, value: A) => Array.from({ length: n }, () => value)

describe("Detector", () => {
  it("claims nothing before anything was measured", () => {
    const { state } = watch(repeat(20, {}))
    assert.strictEqual(state.mode, "hybrid")
    assert.deepStrictEqual(state.evidence.scores, { datacenter: 0, internet: 0 })
  })

  for (const link of Object.keys(links) as Array<Link>) {
    it(`finds the ${link} link, of which samples were recorded, to be one`, () => {
      const { state } = watch(links[link])
      assert.isAtLeast(state.evidence.samples, Detector.settings.confident)
      assert.strictEqual(state.mode, link)
    })
  }

  it("says what it saw", () => {
    const { evidence } = watch(repeat(10, far)).state
    assert.deepStrictEqual(
      { rtt: evidence.rttMillis, rate: evidence.throughput, loss: Math.round(evidence.loss! * 1e6) / 1e6 },
      { rtt: 80, rate: 9e7, loss: 0.01 }
    )
    assert.isAtLeast(evidence.scores.internet, 0.7)
    assert.isBelow(evidence.scores.datacenter, 0.7)
  })

  it("finds a link that became slow to be the internet, after the dwell", () => {
    const { changes } = watch([...repeat(20, near), ...repeat(100, far)])
    assert.deepStrictEqual(
      changes.map(({ to }) => to),
      ["datacenter", "internet"]
    )
    assert.isAtLeast(changes[1]!.at - changes[0]!.at, Detector.settings.dwellMillis)
  })

  it("stays with a datacenter up to 12 ms when the limit is 10", () => {
    const latency = (rttMillis: number) => Detector.weigh(repeat(10, { rttMillis }))
    const narrow = { ...Detector.settings, farMillis: 10.001 }
    assert.strictEqual(Detector.classify(latency(11.9), "datacenter", narrow), "datacenter")
    assert.notStrictEqual(Detector.classify(latency(11.9), "hybrid", narrow), "datacenter")
    assert.notStrictEqual(Detector.classify(latency(12.1), "datacenter", narrow), "datacenter")
  })

  it("does not hold an idle link for a slow one", () => {
    const idle = { ...near, throughput: 1_000, appLimited: true }
    assert.strictEqual(watch(repeat(10, idle)).state.mode, "datacenter")
  })

  it("switches at most once per cooldown, however the link swings", () => {
    const swinging = fc.array(
      fc.record({ sample: fc.constantFrom(near, far), times: fc.integer({ min: 1, max: 40 }) }),
      {
        minLength: 1,
        maxLength: 40
      }
    )
    let switched = 0
    fc.assert(
      fc.property(swinging, fc.integer({ min: 50, max: 5_000 }), (swings, everyMillis) => {
        const { changes } = watch(
          swings.flatMap(({ sample, times }) => repeat(times, sample)),
          everyMillis
        )
        switched += changes.length
        for (let k = 1; k < changes.length; k++) {
          assert.isAtLeast(changes[k]!.at - changes[k - 1]!.at, Detector.settings.cooldownMillis)
        }
      })
    )
    assert.isAbove(switched, 100) // a detector that never switches would pass as well
  })

  it("does not switch at all when a link trembles around a limit", () => {
    const trembling = fc.array(fc.double({ min: 9.5, max: 11.5, noNaN: true }), { minLength: 150, maxLength: 300 })
    fc.assert(
      fc.property(trembling, (rtts) => {
        const { changes } = watch([...repeat(10, near), ...rtts.map((rttMillis) => ({ ...near, rttMillis }))])
        assert.deepStrictEqual(
          changes.map(({ to }) => to),
          ["datacenter"]
        )
      }),
      { numRuns: 30 }
    )
  })
})
