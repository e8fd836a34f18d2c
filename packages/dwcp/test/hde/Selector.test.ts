import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import * as Codec from "../../src/hde/Codec.ts"
import * as Probe from "../../src/hde/Probe.ts"
import * as Selector from "../../src/hde/Selector.ts"
import { chance, noise, text } from "./fixtures/contents.ts"

const goals = ["datacenter", "internet", "hybrid"] as const
const alike: Probe.Probe = { class: "text", ratios: { none: 1, lz4: 2.4, "zstd-3": 3.6 } }
const random: Probe.Probe = { class: "noise", ratios: { none: 1, lz4: 1, "zstd-3": 1 } }
const size = 10_000_000

const chosen = (state: Selector.State, probe: Probe.Probe, goal: Selector.Goal, bandwidth: number): string =>
  Codec.nameOf(Selector.choose(state, probe, goal, { bandwidth, size }).choice)

const seen = (choice: Codec.Choice, ratio: number, speed: number): Selector.Seen => ({ ...alike, choice, ratio, speed })

describe("the choice of a codec", () => {
  it("is the one that is over first: less effort on a faster link", () => {
    assert.strictEqual(chosen(Selector.empty, alike, "hybrid", 1.25e9), "none")
    assert.strictEqual(chosen(Selector.empty, alike, "internet", 1e5), "zstd-19")
    const efforts = [1e5, 1e6, 1e7, 1e8, 1e9, 1e10].map(
      (bandwidth) => Selector.choose(Selector.empty, alike, "hybrid", { bandwidth, size }).ratio
    )
    assert.deepStrictEqual(
      efforts,
      efforts.toSorted((a, b) => b - a)
    )
    assert.isAbove(efforts[0]!, efforts[5]!)
  })

  it("never takes longer than to send the content as it is", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...goals),
        fc.double({ min: 1, max: 1e11, noNaN: true }),
        fc.double({ min: 1, max: 100, noNaN: true }),
        (goal, bandwidth, ratio) => {
          const probe = { class: "binary", ratios: { lz4: ratio * 0.8, "zstd-3": ratio } } as const
          const { secondsPerByte } = Selector.choose(Selector.empty, probe, goal, { bandwidth, size })
          assert.isAtMost(secondsPerByte, 1 / bandwidth)
        }
      )
    )
  })

  it("leaves alone what does not shrink, and what is tiny", () => {
    for (const goal of goals) {
      assert.strictEqual(chosen(Selector.empty, random, goal, 1000), "none")
      const few = Selector.choose(Selector.empty, alike, goal, { bandwidth: 1000, size: 100 })
      assert.strictEqual(few.choice.algorithm, "none")
    }
  })

  it("follows what is learned about a class of content, and about no other", () => {
    const bandwidth = 2e7
    assert.strictEqual(chosen(Selector.empty, alike, "internet", bandwidth), "zstd-3")
    let state = Selector.empty
    for (let k = 0; k < 20; k++) {
      state = Selector.learn(state, seen({ algorithm: "zstd", level: 3 }, 3.6, 1e7))
      state = Selector.learn(state, seen({ algorithm: "zstd", level: 6 }, 5, 3e8))
    }
    assert.strictEqual(chosen(state, alike, "internet", bandwidth), "zstd-6")
    assert.strictEqual(chosen(state, { ...alike, class: "binary" }, "internet", bandwidth), "zstd-3")
  })

  it("is not upset by one odd measurement, nor by an impossible one", () => {
    let state = Selector.empty
    const zstd3 = { algorithm: "zstd", level: 3 } as const
    for (let k = 0; k < 20; k++) state = Selector.learn(state, seen(zstd3, 3.6, 2.8e8))
    const before = state.classes["text"]!["zstd-3"]!.speed
    const after = Selector.learn(state, seen(zstd3, 3.6, 1e6)).classes["text"]!["zstd-3"]!.speed
    assert.isAbove(after, before * 0.85)
    for (const [ratio, speed] of [
      [0, 1e6],
      [3, 0],
      [3, Infinity],
      [Number.NaN, 1e6]
    ] as const) {
      assert.strictEqual(Selector.learn(state, seen(zstd3, ratio, speed)), state)
    }
  })
})

describe("exploring", () => {
  it("happens as often as it should, and tries what is known least", () => {
    const next = chance(1)
    let state = Selector.empty
    const tries = new Map<string, number>()
    let count = 0
    for (let k = 0; k < 20_000; k++) {
      const choice = Selector.explore(state, "text", "hybrid", next() / 2 ** 32)
      if (choice === undefined) continue
      count++
      tries.set(Codec.nameOf(choice), (tries.get(Codec.nameOf(choice)) ?? 0) + 1)
      state = Selector.learn(state, seen(choice, 3, 1e8))
    }
    assert.isAbove(count, 20_000 * Selector.curiosity * 0.8)
    assert.isBelow(count, 20_000 * Selector.curiosity * 1.2)
    assert.strictEqual(tries.size, Selector.candidates.hybrid.length - 1)
    assert.isAtMost(Math.max(...tries.values()) - Math.min(...tries.values()), 1)
  })

  it("finds the codec that the priors underrate", () => {
    const truth = (choice: Codec.Choice): Selector.Seen =>
      Codec.nameOf(choice) === "zstd-9" ? seen(choice, 8, 4e8) : seen(choice, 3.6, 1e8)
    const next = chance(3)
    let state = Selector.empty
    assert.notStrictEqual(chosen(state, alike, "hybrid", 1e7), "zstd-9")
    for (let k = 0; k < 4000; k++) {
      const choice = Selector.explore(state, "text", "hybrid", next() / 2 ** 32)
      if (choice !== undefined) state = Selector.learn(state, truth(choice))
    }
    assert.strictEqual(chosen(state, alike, "hybrid", 1e7), "zstd-9")
  })
})

describe("what was learned", () => {
  it("is plain JSON that comes back", () => {
    const state = Selector.learn(Selector.empty, seen({ algorithm: "lz4", level: 0 }, 2, 5e8))
    const read = Schema.decodeUnknownSync(Schema.fromJsonString(Selector.State))(JSON.stringify(state))
    assert.deepStrictEqual(read, state)
  })

  it("is not taken from somewhere else", () => {
    for (const other of [
      "",
      "{}",
      `{"version":2,"classes":{}}`,
      `{"version":1,"classes":{"text":{"lz4":{"seen":1}}}}`
    ]) {
      const read = Schema.decodeUnknownResult(Schema.fromJsonString(Selector.State))(other)
      assert.isTrue(Result.isFailure(read), other)
    }
  })

  it("of samples agrees with the content they are of", () => {
    for (const bytes of [text(1_000_000, 1), noise(300_000, 1)]) {
      const probe = Probe.look(Probe.sample(bytes))
      const whole = Probe.ratioOf(bytes, { algorithm: "zstd", level: 3 })
      const expected = Selector.expect(Selector.empty, probe, { algorithm: "zstd", level: 3 }, 1e7).ratio
      assert.isBelow(Math.abs(expected / whole - 1), 0.3)
    }
  })
})
