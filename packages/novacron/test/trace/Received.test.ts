import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Timeline, TimelineView } from "@novacron/boot/model"
import * as fc from "fast-check"
import * as Received from "../../src/trace/Received.ts"
import { boot } from "./fixtures/journals.ts"

const id = (n: number, digits: number) => (n + 1).toString(16).padStart(digits, "0")
const span = (n: number, fields: object = {}) => ({
  traceId: id(1, 32),
  spanId: id(n, 16),
  name: `span ${n}`,
  kind: 1,
  startTimeUnixNano: "1790000000000000000",
  endTimeUnixNano: "1790000000500000000",
  ...fields
})
const request = (spans: ReadonlyArray<unknown>, service = "shop") => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
      scopeSpans: [{ scope: { name: "test" }, spans }]
    }
  ]
})

/** What a store says of itself is what it holds. */
const isSound = (store: Received.Store) => {
  const traces = [...store.traces.values()]
  assert.strictEqual(
    store.spans,
    traces.reduce((sum, { spans }) => sum + spans.size, 0)
  )
  assert.strictEqual(
    store.weight,
    traces.reduce((sum, { weight }) => sum + weight, 0)
  )
  assert.isAtMost(store.spans, store.limits.spans)
  assert.isAtMost(store.traces.size, store.limits.traces)
  assert.isAtMost(store.weight, store.limits.characters)
}

describe("Received", () => {
  it("keeps a span with its times, attributes, events and status", () => {
    const store = Received.make()
    const attributes = [
      { key: "http.method", value: { stringValue: "GET" } },
      { key: "count", value: { intValue: "7" } },
      { key: "share", value: { doubleValue: 0.5 } },
      { key: "list", value: { arrayValue: { values: [{ stringValue: "a" }, { boolValue: true }] } } },
      { key: "map", value: { kvlistValue: { values: [{ key: "k", value: { intValue: 3 } }] } } }
    ]
    const accepted = Received.accept(
      store,
      request([
        span(1, {
          parentSpanId: id(0, 16),
          attributes,
          status: { code: 2, message: "no route" },
          events: [{ timeUnixNano: "1790000000100000000", name: "retry", attributes: [attributes[1]] }],
          links: [{}, {}]
        })
      ])
    )
    assert.deepStrictEqual(accepted, { accepted: 1, rejected: 0, message: "" })
    assert.deepStrictEqual(store.traces.get(id(1, 32))?.spans.get(id(1, 16)), {
      spanId: id(1, 16),
      parentSpanId: id(0, 16),
      name: "span 1",
      service: "shop",
      startMs: 1_790_000_000_000,
      endMs: 1_790_000_000_500,
      isError: true,
      statusMessage: "no route",
      attributes: [
        ["http.method", "GET"],
        ["count", "7"],
        ["share", "0.5"],
        ["list", "[a, true]"],
        ["map", "{k: 3}"]
      ],
      events: [{ atMs: 1_790_000_000_100, name: "retry", text: "count=7" }],
      links: 2
    })
    isSound(store)
  })

  it("takes every span of a boot that novacron exports", () => {
    const store = Received.make()
    const timeline = Timeline.fromEvents(boot())
    let spans = 0
    for (const one of TimelineView.toOtlp(timeline)) {
      const accepted = Received.accept(store, JSON.parse(JSON.stringify(one)))
      assert.strictEqual(accepted?.rejected, 0)
      spans += accepted?.accepted ?? 0
    }
    assert.isAbove(spans, 8)
    assert.strictEqual(store.traces.get(TimelineView.traceId("boot-0001"))?.spans.size, spans)
  })

  it("has a span once, however often it is sent", () => {
    const store = Received.make()
    for (const name of ["first", "second"]) Received.accept(store, request([span(1, { name })]))
    assert.strictEqual(store.spans, 1)
    assert.strictEqual(store.traces.get(id(1, 32))?.spans.get(id(1, 16))?.name, "second")
    isSound(store)
  })

  it("rejects and counts what is no span, and takes the rest", () => {
    const store = Received.make()
    const bad = [
      null,
      7,
      {},
      span(1, { traceId: "0".repeat(32) }),
      span(1, { traceId: "xyz" }),
      span(1, { spanId: "abc" }),
      span(1, { startTimeUnixNano: "-5" }),
      span(1, { endTimeUnixNano: "99999999999999999999" }),
      span(1, { startTimeUnixNano: {} })
    ]
    const accepted = Received.accept(store, request([...bad, span(2, { traceId: id(1, 32).toUpperCase() })]))
    assert.deepInclude(accepted, { accepted: 1, rejected: bad.length })
    assert.match(accepted?.message ?? "", /a span has no traceId/)
    isSound(store)
  })

  it("takes anything without harm", () => {
    const store = Received.make()
    assert.isUndefined(Received.accept(store, "spans"))
    assert.isUndefined(Received.accept(store, []))
    assert.deepInclude(Received.accept(store, {}), { accepted: 0 })
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (one, other) => {
        Received.accept(store, one)
        Received.accept(
          store,
          request([span(1, { attributes: [{ key: "a", value: one }, other], events: other, status: one })])
        )
        isSound(store)
      }),
      { numRuns: 200 }
    )
    assert.isAbove(store.spans, 0)
  })

  it("gives up the oldest traces first, and keeps within every limit", () => {
    const store = Received.make({ traces: 5, spans: 40, spansPerTrace: 10, characters: 8_000 })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.nat(30), fc.nat(3_000)), { maxLength: 40 }), (all) => {
        for (const [trace, n, length] of all) {
          Received.accept(store, request([span(n, { traceId: id(trace, 32), name: "n".repeat(length) })]))
          isSound(store)
          const last = [...store.traces.keys()].at(-1)
          assert.strictEqual(last, id(trace, 32), "the one heard of last stays")
        }
      }),
      { numRuns: 60 }
    )
  })

  it("keeps nothing of a long text but what it shows: the rest of it would fill the memory uncounted", () => {
    setFlagsFromString("--expose-gc")
    const collect: () => void = runInNewContext("gc")
    const held = (): number => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const store = Received.make()
    const before = held()
    for (let n = 0; n < 40; n++) {
      const long = () => Buffer.alloc(1_000_000, 0x61 + (n % 26)).toString("latin1")
      const said = [
        { key: "plain", value: { stringValue: long() } },
        { key: "list", value: { arrayValue: { values: [{ stringValue: long() }, { stringValue: long() }] } } }
      ]
      const texts = { name: long(), status: { code: 2, message: long() }, attributes: said }
      const events = [{ name: long(), timeUnixNano: "1", attributes: said }]
      Received.accept(store, request([span(n, { traceId: id(n, 32), ...texts, events })], long()))
    }
    assert.strictEqual(store.spans, 40)
    assert.isBelow(held() - before, 20_000_000)
    isSound(store)
  })

  it("bounds what one trace and one span may hold", () => {
    const store = Received.make()
    const huge = "x".repeat(100_000)
    const attributes = Array.from({ length: 1_000 }, (_, k) => ({ key: `${k}${huge}`, value: { stringValue: huge } }))
    Received.accept(store, request([span(1, { name: huge, attributes, status: { message: huge } })]))
    assert.isBelow(store.weight, 30_000)
    const small = Received.make({ spansPerTrace: 100 })
    for (let k = 0; k < 1_000; k++) Received.accept(small, request([span(k)]))
    assert.deepInclude(small.traces.get(id(1, 32)), { dropped: 900 })
    isSound(small)
  })
})
