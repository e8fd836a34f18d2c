import { assert, describe, it } from "@effect/vitest"
import { Gantt, GanttPage } from "@novacron/boot/model"
import * as fc from "fast-check"
import type { Span, Trace } from "../../src/trace/Received.ts"
import * as TraceChart from "../../src/trace/TraceChart.ts"

const began = 1_790_000_000_000
const span = (
  spanId: string,
  parentSpanId: string | undefined,
  fromMs: number,
  toMs: number,
  fields: Partial<Span> = {}
): Span => ({
  spanId,
  parentSpanId,
  name: spanId,
  service: "shop",
  startMs: began + fromMs,
  endMs: began + toMs,
  isError: false,
  statusMessage: "",
  attributes: [],
  events: [],
  links: 0,
  ...fields
})
const trace = (spans: ReadonlyArray<Span>): Trace => ({
  traceId: "a".repeat(32),
  spans: new Map(spans.map((one) => [one.spanId, one])),
  dropped: 0,
  weight: 0,
  heard: 0
})

const request = trace([
  span("request", undefined, 0, 100),
  span("auth", "request", 0, 20),
  span("query", "request", 20, 90, { isError: true, statusMessage: "timeout", attributes: [["db", "postgres"]] }),
  span("cache", "request", 20, 30),
  span("parse", "query", 20, 25),
  span("render", "request", 90, 98)
])

describe("TraceChart", () => {
  it("shows spans below their parents, in the order in which they began, with the critical path", () => {
    const chart = TraceChart.toChart(request)
    assert.deepStrictEqual(
      chart.rows.map(({ depth, isCritical, name }) => `${isCritical ? "*" : " "}${"  ".repeat(depth)}${name}`),
      ["*request", "*  auth", "*  query", "*    parse", "   cache", "*  render"]
    )
    assert.deepInclude(chart, { fromMs: 0, toMs: 100, omitted: 0 })
    assert.strictEqual(chart.lines[0], "6 spans · 100 ms · 1 failed · shop · 2026-09-21T14:13:20.000Z")
    const query = chart.rows.find(({ name }) => name === "query")
    assert.deepInclude(query, { isWrong: true, note: "70 ms timeout" })
    assert.include(query?.facts.join("\n") ?? "", "db = postgres")
    assert.include(Gantt.toText(chart, { width: 80 }), "█")
  })

  it("shows each span once, whatever the parents are", () => {
    const any = fc.array(fc.tuple(fc.nat(8), fc.option(fc.nat(8)), fc.nat(100), fc.nat(100)), {
      minLength: 1,
      maxLength: 9
    })
    fc.assert(
      fc.property(any, (all) => {
        const one = trace(
          all.map(([id, parent, from, ms]) => span(`${id}`, parent === null ? undefined : `${parent}`, from, from + ms))
        )
        const chart = TraceChart.toChart(one)
        assert.sameMembers(
          chart.rows.map(({ name }) => name),
          [...one.spans.keys()]
        )
        assert.isTrue(chart.rows.some(({ isCritical }) => isCritical))
        for (const { bars } of chart.rows) {
          assert.isTrue(bars.every(({ fromMs, toMs }) => fromMs >= 0 && toMs <= chart.toMs && fromMs <= toMs))
        }
      }),
      { numRuns: 300 }
    )
  })

  it("goes through a trace of 100,000 spans, one below the other or all beside each other", () => {
    for (const parent of [
      (k: number) => (k === 0 ? undefined : `${k - 1}`),
      (k: number) => (k === 0 ? undefined : "0")
    ]) {
      const many = trace(Array.from({ length: 100_000 }, (_, k) => span(`${k}`, parent(k), k, 200_000 - k)))
      const chart = TraceChart.toChart(many)
      assert.strictEqual(chart.rows.length, 1_000)
      assert.strictEqual(chart.omitted, 99_000)
      assert.isBelow(GanttPage.toHtml(chart).length, 1_500_000)
    }
  })

  it("names the service of each span when there are several", () => {
    const chart = TraceChart.toChart(trace([span("a", undefined, 0, 10), span("b", "a", 2, 8, { service: "stock" })]))
    assert.deepStrictEqual(
      chart.rows.map(({ note }) => note),
      ["10 ms shop", "6 ms stock"]
    )
  })

  it("shows a trace without spans, and one of a time that no calendar has", () => {
    assert.deepStrictEqual(TraceChart.toChart(trace([])).rows, [])
    const odd = TraceChart.toChart(trace([span("a", undefined, 1.8e13, 1.8e13)]))
    assert.strictEqual(odd.rows.length, 1)
    assert.strictEqual(TraceChart.moment(9e15), "")
  })
})
