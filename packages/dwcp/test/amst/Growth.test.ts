import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Growth from "../../src/amst/Growth.ts"

interface Link {
  /** Bytes a millisecond that a link with so many streams delivers. */
  readonly rate: (streams: number) => number
  readonly inflation?: (streams: number) => number
  readonly starved?: (streams: number) => boolean
  readonly full?: boolean
}

/** A minute of a link, ten looks a second. */
const minute = (link: Link, first = 4, limits = Growth.limits) => {
  let state = Growth.initial(first)
  let delivered = 0
  let most = first
  for (let now = 0; now < 60_000; now += 100) {
    delivered += link.rate(state.target) * 100
    const starved = link.starved?.(state.target) ?? false
    state = Growth.step(
      state,
      {
        nowMillis: now,
        delivered,
        ready: state.target,
        srttMillis: 80,
        inflation: link.inflation?.(state.target) ?? 1,
        lossy: starved,
        starved,
        full: link.full ?? false,
        backlog: true
      },
      limits
    )
    most = Math.max(most, state.target)
  }
  return { state, most }
}

describe("Growth", () => {
  it("gives a link that loses at random as many streams as it takes to fill it, and stops there", () => {
    const { most, state } = minute({
      rate: (n) => Math.min(12_000, n * 200),
      starved: (n) => n * 200 < 12_000
    })
    assert.isAtLeast(state.target * 200, 12_000)
    assert.isAtMost(most, 128)
  })

  it("adds none where a queue stands: the link is full", () =>
    assert.strictEqual(minute({ rate: () => 12_000, inflation: () => 1.8 }).most, 4))

  it("adds none for as long as the link counts as full", () =>
    assert.strictEqual(minute({ rate: () => 12_000, full: true }).most, 4))

  it("takes back what did not bring 5 %", () => {
    const { most, state } = minute({ rate: () => 12_000 })
    assert.isAbove(most, 4) // it was tried
    assert.strictEqual(state.target, 4)
  })

  it("keeps what did, up to its limits", () =>
    assert.strictEqual(minute({ rate: (n) => n * 100 }, 4, { ...Growth.limits, max: 64 }).state.target, 64))

  it("changes nothing while nothing waits", () => {
    const idle = {
      nowMillis: 0,
      delivered: 0,
      ready: 4,
      srttMillis: 80,
      inflation: 1,
      lossy: true,
      starved: true,
      full: false
    }
    let state = Growth.initial(4)
    for (let now = 0; now < 10_000; now += 100) state = Growth.step(state, { ...idle, nowMillis: now, backlog: false })
    assert.strictEqual(state.target, 4)
  })

  it("stays within its limits whatever it sees", () => {
    const seen = fc.record({
      delivered: fc.nat(1e9),
      ready: fc.nat(600),
      srttMillis: fc.nat(500),
      inflation: fc.double({ min: 1, max: 5, noNaN: true }),
      lossy: fc.boolean(),
      starved: fc.boolean(),
      full: fc.boolean(),
      backlog: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(seen, { maxLength: 100 }), (list) => {
        let state = Growth.initial(4)
        list.forEach((each, k) => {
          state = Growth.step(state, { ...each, nowMillis: k * 500 })
          assert.isTrue(state.target >= Growth.limits.min && state.target <= Growth.limits.max)
        })
      })
    )
  })

  it("shares a start over a long link by more streams, and one over a short link by those that were asked for", () => {
    assert.strictEqual(Growth.firstStreams(4, 80), 4)
    assert.isAbove(Growth.firstStreams(4, 150), 4)
  })

  it("sizes buffers by what is on its way, and leaves short links to the kernel", () => {
    assert.isUndefined(Growth.sendBufferBytes(12_000_000, 1))
    assert.isAtLeast(Growth.sendBufferBytes(12_000_000, 150)!, 12_000_000 * 0.15 * 4)
    assert.isAtMost(Growth.sendBufferBytes(12_000_000_000, 150)!, 64 << 20)
  })

  it("makes chunks small on a long link, and few enough of the largest file", () => {
    assert.strictEqual(Growth.chunkBytes(1e8, false), 65_536)
    assert.strictEqual(Growth.chunkBytes(1e8, true), 262_144)
    assert.isAtMost(4e12 / Growth.chunkBytes(4e12, false), 8_388_608)
  })

  it("paces streams so that together they carry a little more than is advised, and who carries more keeps more", () => {
    const all = [1, 9, 290, 700]
    assert.deepStrictEqual(Growth.paces(1_000, all, false), [275, 275, 275, 275]) // a clean link is shared equally
    assert.deepStrictEqual(Growth.paces(1_000, all, true), [193, 193, 224, 540])
    assert.deepStrictEqual(Growth.paces(1_000, [0, 0, 0, 0], true), [288, 288, 288, 288])
    assert.deepStrictEqual(Growth.paces(1_000, [5], true), [1_000])
    fc.assert(
      fc.property(fc.array(fc.nat(1e6), { minLength: 2, maxLength: 64 }), fc.boolean(), (rates, lossy) => {
        const paces = Growth.paces(1e7, rates, lossy)
        const sum = paces.reduce((sum, pace) => sum + pace, 0)
        assert.approximately(sum, lossy ? 1.15e7 : 1.1e7, rates.length)
        assert.isAtLeast(Math.min(...paces), (1e7 / rates.length) * 0.5) // nobody is kept from coming up
      })
    )
  })
})
