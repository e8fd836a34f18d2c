import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Gantt from "../src/Gantt.ts"
import { hostileNames } from "./fixtures/hostile.ts"

const row = (fields: Partial<Gantt.Row>): Gantt.Row => ({
  name: "database",
  depth: 0,
  bars: [],
  isCritical: false,
  isWrong: false,
  note: "",
  facts: [],
  ...fields
})

const chart = (fields: Partial<Gantt.Chart>): Gantt.Chart => ({
  title: "boot 1",
  lines: [],
  footnotes: [],
  fromMs: 0,
  toMs: 100,
  marks: [],
  rows: [],
  omitted: 0,
  ...fields
})

const bar = (paint: Gantt.Paint, fromMs: number, toMs: number): Gantt.Bar => ({ paint, fromMs, toMs })

/** Everything that would make a terminal do something: control, formatting and surrogate characters. */
const active = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u

describe("Gantt", () => {
  it("draws waiting, queued, running, closing and backoff, each by its glyph", () => {
    const bars = [
      bar("waiting", 0, 20),
      bar("queued", 20, 30),
      bar("running", 30, 50),
      bar("closing", 50, 60),
      bar("backoff", 60, 80),
      bar("running", 80, 100)
    ]
    const rows = [row({ bars, isCritical: true, note: "70 ms" }), row({ name: "cache", bars: [bar("running", 0, 50)] })]
    assert.strictEqual(
      Gantt.toText(chart({ rows, lines: ["ready"], footnotes: ["the end"] }), { width: 59 }),
      [
        "boot 1",
        "ready",
        "            0 ms             50 ms            100 ms",
        "* database  ········▒▒▒▒████████▓▓▓▓░░░░░░░░████████  70 ms",
        "  cache     ████████████████████",
        "the end",
        "  · waiting   ▒ queued   ░ backoff   ▓ closing   █ running…"
      ].join("\n")
    )
  })

  it("holds every line within its width, and shows whatever ran, however short it was", () => {
    const kinds: ReadonlyArray<Gantt.Paint> = ["waiting", "running", "backoff", "up"]
    const part = fc.tuple(fc.constantFrom(...kinds), fc.double({ min: 0.001, max: 500, noNaN: true }))
    const bars = fc.array(part, { minLength: 1, maxLength: 12 }).map((parts) => {
      let at = 0
      return parts.map(([paint, ms]) => bar(paint, at, (at += ms)))
    })
    fc.assert(
      fc.property(bars, fc.integer({ min: 40, max: 160 }), fc.constantFrom(...hostileNames), (all, width, name) => {
        const toMs = all.at(-1)!.toMs
        const text = Gantt.toText(chart({ toMs, rows: [row({ name, bars: all, note: name })] }), { width })
        const [, , line = ""] = text.split("\n")
        for (const one of text.split("\n")) assert.isAtMost(Gantt.columnsOf(one), width)
        if (all.some(({ paint }) => paint === "running")) assert.include(line, "█")
      }),
      { numRuns: 150 }
    )
  })

  it("shows names and obeys none", () => {
    const rows = hostileNames.map((name) => row({ name, note: name, bars: [bar("running", 0, 5)] }))
    const text = Gantt.toText(chart({ title: hostileNames.join(), lines: [...hostileNames], rows }), { width: 120 })
    assert.notMatch(text, active)
    assert.strictEqual(text.split("\n").length, 1 + hostileNames.length + 1 + rows.length + 1)
    assert.include(text, "\\u{1b}[31mred")
  })

  it("has no colour codes unless they are asked for", () => {
    const rows = [row({ bars: [bar("running", 0, 50), bar("backoff", 50, 60)], isWrong: true })]
    assert.notInclude(Gantt.toText(chart({ rows })), "\u001b")
    const coloured = Gantt.toText(chart({ rows }), { colour: true })
    assert.include(coloured, "\u001b[32m")
    assert.strictEqual(
      coloured
        .split("\u001b")
        .map((part) => part.replace(/^\[\d+m/, ""))
        .join(""),
      Gantt.toText(chart({ rows }))
    )
  })

  it("takes any width, and a chart in which no time passes", () => {
    const rows = [row({ bars: [bar("running", 0, 0)] })]
    for (const width of [-1, 0, 3, NaN, Infinity, 1e9]) {
      const text = Gantt.toText(chart({ rows, toMs: 0 }), { width })
      assert.isAtMost(Math.max(...text.split("\n").map(Gantt.columnsOf)), 400)
    }
    assert.strictEqual(Gantt.toText(chart({})), "boot 1")
  })

  it("picks what weighs most, in the order that it has", () => {
    assert.deepStrictEqual(
      Gantt.pick([5, 1, 9, 3, 7], 3, (n) => n),
      [5, 9, 7]
    )
    assert.deepStrictEqual(
      Gantt.pick([5, 1], 3, (n) => n),
      [5, 1]
    )
  })

  it("draws so many bars and no more, and of those that share a pixel the one that matters most", () => {
    const bars = Array.from({ length: 100_000 }, (_, k) =>
      bar(k === 50_000 ? "running" : k % 2 === 0 ? "waiting" : "gone", k, k + 1)
    )
    const whole = chart({ toMs: 100_000, rows: [row({ bars })] })
    const shown = Gantt.drawn(bars, whole)
    assert.isBelow(shown.length, 4_000)
    assert.isTrue(shown.some(({ fromMs, paint, toMs }) => paint === "running" && fromMs <= 50_000 && toMs >= 50_001))
    for (const [k, one] of shown.entries()) assert.isAtMost(shown[k - 1]?.toMs ?? 0, one.fromMs)
    const many = chart({ toMs: 100_000, rows: Array.from({ length: 1_000 }, () => row({ bars })) })
    assert.isBelow(Gantt.drawn(bars, many).length, 200)
  })
})
