import { Report, Status } from "@novacron/boot/model"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Words from "../src/Words.ts"

/** Any character there is, those that only do something as likely as the others. */
const character = fc
  .oneof(fc.integer({ min: 0, max: 0x20ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code))

describe("the words of the pages", () => {
  it("say durations with two or three digits that mean something", () => {
    const said = [
      0, 0.0004, 0.84, 4.06, 81.4, 999.4, 999.6, 1_240, 9_994, 10_000, 59_949, 60_000, 200_000, 7_500_000, 522_000_000
    ]
    assert.deepStrictEqual(said.map(Words.duration), [
      "0 ms",
      "1 µs",
      "840 µs",
      "4.1 ms",
      "81 ms",
      "999 ms",
      "1.00 s",
      "1.24 s",
      "9.99 s",
      "10.0 s",
      "59.9 s",
      "1 min",
      "3 min 20 s",
      "2 h 5 min",
      "6 d 1 h"
    ])
    assert.deepStrictEqual([NaN, -120].map(Words.duration), ["–", "−120 ms"])
    assert.deepStrictEqual([0, 120, -1_300].map(Words.difference), ["±0", "+120 ms", "−1.30 s"])
    assert.deepStrictEqual([40_900, 61_000].map(Words.elapsed), ["40 s", "1 min 1 s"])
  })

  it("show control characters, and obey none", () =>
    fc.assert(
      fc.property(fc.string({ unit: character }), (text) => {
        const shown = Words.visible(text, 10_000)
        return (
          !/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u.test(shown) && Words.visible(text, 8).length <= 8
        )
      })
    ))

  it("have a tone and a shape for each state and each outcome", () => {
    for (const state of Object.keys(Status.transitions)) {
      assert.property(Words.shapes, Words.toneOf(state as Words.State), state)
    }
    assert.strictEqual(Words.toneOf("backoff"), "busy")
    assert.strictEqual(Words.toneOfHealth("something new"), "held")
  })

  it("mark an axis with round numbers, no more than there is room for", () => {
    assert.deepStrictEqual(Words.ticks(2_900, 6), [0, 500, 1_000, 1_500, 2_000, 2_500])
    assert.deepStrictEqual(Words.ticks(0, 6), [0])
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e9, noNaN: true }), fc.integer({ min: 1, max: 40 }), (toMs, atMost) => {
        const all = Words.ticks(toMs, atMost)
        return (
          all.length <= atMost + 1 && all.every((at, i) => at <= toMs * 1.000001 && (i === 0 || at > (all[i - 1] ?? 0)))
        )
      })
    )
  })

  it("sum up a boot that has not begun, and one that is under way", () => {
    const empty = Report.fromEvents([])
    assert.strictEqual(Words.summary(empty, 0), "about to boot")
    const member = (name: string) => ({ name, phase: "core", severity: "critical", needs: [], fallbacks: [] }) as const
    const booting = Report.fromEvents([
      {
        _tag: "BootStarted",
        atMs: 0,
        version: 1,
        bootId: "b",
        nodeId: "n",
        environment: "",
        configVersion: "",
        startedAt: 0,
        concurrency: 1,
        worstCaseMs: 1,
        components: [member("a"), member("b"), member("a/inside")]
      },
      { _tag: "ComponentStarted", atMs: 1, component: "a", variant: 0, attempt: 1 },
      { _tag: "ComponentReady", atMs: 5, component: "a" }
    ])
    assert.strictEqual(Words.summary(booting, 1_200), "1 of 2 up after 1.20 s")
  })
})

describe("amounts", () => {
  it("have few digits, and the unit that fits", () => {
    assert.deepStrictEqual([0, 0.25, 3.14159, 128, 1_024].map(Words.amount), ["0", "0.25", "3.14", "128", "1024"])
    assert.deepStrictEqual([0, 512, 1_536, 65_536, 2_097_152].map(Words.memory), [
      "0 MiB",
      "512 MiB",
      "1.5 GiB",
      "64 GiB",
      "2 TiB"
    ])
    assert.deepStrictEqual([0, 1_023, 16_384, 3_145_728].map(Words.bytes), ["0 B", "1023 B", "16 KiB", "3 MiB"])
    assert.deepStrictEqual([200, 12_300, 200_000].map(Words.ago), ["just now", "12 s ago", "3 min 20 s ago"])
  })
})

describe("the tones of the work", () => {
  it("alarm only where something went wrong, and know every state", () => {
    const tones = ["queued", "placed", "running", "waiting", "succeeded", "failed", "cancelled", "new"].map(
      Words.toneOfTask
    )
    assert.deepStrictEqual(tones, ["held", "busy", "busy", "held", "up", "failed", "gone", "held"])
    assert.deepStrictEqual(["up", "draining", "down", "new"].map(Words.toneOfNode), [
      "up",
      "degraded",
      "failed",
      "held"
    ])
  })
})
