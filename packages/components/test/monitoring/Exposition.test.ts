import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import * as fc from "fast-check"
import * as Exposition from "../../src/monitoring/Exposition.ts"
import * as Tally from "../../src/monitoring/Tally.ts"
import { isThere, parse, promtool } from "./fixtures/Promtool.ts"

const gauge = (name: string, labels: Tally.Labels, value: number) => ({ name, labels, value })

describe("Exposition", () => {
  it("writes counters, gauges and histograms as the format has them", () => {
    const tally = Tally.make(10)
    tally.count("novacron_rollbacks_total", { reason: "failed" }, 0)
    tally.observe("novacron_rollback_duration_seconds", { reason: "failed" }, 0.02, 0)
    tally.observe("novacron_rollback_duration_seconds", { reason: "failed" }, 77, 0)
    const families = [...tally.families(), ...Exposition.ofFigures([gauge("novacron_shutdown_clean", {}, 1)])]
    const { dropped, text } = Exposition.write("text", families, 100)
    assert.strictEqual(dropped, 0)
    for (const line of [
      "# TYPE novacron_rollbacks_total counter",
      'novacron_rollbacks_total{reason="failed"} 1',
      'novacron_rollback_duration_seconds_bucket{reason="failed",le="0.01"} 0',
      'novacron_rollback_duration_seconds_bucket{reason="failed",le="0.025"} 1',
      'novacron_rollback_duration_seconds_bucket{reason="failed",le="1"} 1',
      'novacron_rollback_duration_seconds_bucket{reason="failed",le="+Inf"} 2',
      'novacron_rollback_duration_seconds_sum{reason="failed"} 77.02',
      'novacron_rollback_duration_seconds_count{reason="failed"} 2',
      "# TYPE novacron_shutdown_clean gauge",
      "novacron_shutdown_clean 1"
    ]) {
      assert.include(text.split("\n"), line)
    }
  })

  it("writes OpenMetrics with exemplars, units and an end, and the same text without them", () => {
    const tally = Tally.make(10)
    const trace = { traceId: "a".repeat(32), spanId: "b".repeat(16) }
    tally.count("novacron_rollbacks_total", { reason: "failed" }, 1_500, trace)
    tally.observe("novacron_rollback_duration_seconds", { reason: "failed" }, 0.7, 1_500, trace)
    const { text } = Exposition.write("openmetrics", tally.families(), 100)
    const exemplar = `# {trace_id="${trace.traceId}",span_id="${trace.spanId}"}`
    const lines = text.split("\n")
    assert.include(lines, "# TYPE novacron_rollbacks counter")
    assert.include(lines, `novacron_rollbacks_total{reason="failed"} 1 ${exemplar} 1 1.500`)
    assert.include(lines, `novacron_rollback_duration_seconds_bucket{reason="failed",le="1.0"} 1 ${exemplar} 0.7 1.500`)
    assert.include(lines, "# UNIT novacron_rollback_duration_seconds seconds")
    assert.isTrue(text.endsWith("\n# EOF\n"))
    assert.notInclude(Exposition.write("text", tally.families(), 100).text, "trace_id")
    assert.isAbove(parse(text).samples.filter((one) => one.exemplar !== undefined).length, 1)
  })

  it.effect("writes every kind of metric of Effect's registry, whatever it is called", () =>
    Effect.gen(function* () {
      yield* Metric.update(Metric.counter("requests", { incremental: true, description: 'how "many"\n\\' }), 3)
      yield* Metric.update(Metric.counter("balance"), -3)
      yield* Metric.update(Metric.gauge("poolSize"), 7)
      yield* Metric.update(Metric.withAttributes(Metric.gauge("depth_total"), { queueName: 'a"\\\n' }), 1)
      yield* Metric.update(Metric.frequency("fruit"), "plum")
      yield* Metric.update(Metric.histogram("size_bytes", { boundaries: [1, 10] }), 5)
      yield* Metric.update(Metric.summary("latency_seconds", { maxAge: "1 minute", maxSize: 9, quantiles: [0.5] }), 2)
      const families = Exposition.ofRegistry(yield* Metric.snapshot)
      const { text } = Exposition.write("text", families, 100)
      const { samples, types } = parse(text)
      const of = (name: string) => samples.find((one) => one.name === name)
      assert.strictEqual(of("requests_total")?.value, 3)
      assert.strictEqual(types.get("balance"), "gauge")
      assert.strictEqual(of("balance")?.value, -3)
      assert.strictEqual(of("pool_size")?.value, 7)
      assert.deepStrictEqual(of("depth")?.labels, { queue_name: 'a"\\\\n' })
      assert.deepStrictEqual(of("fruit_total")?.labels, { key: "plum" })
      assert.strictEqual(of("size_bytes_sum")?.value, 5)
      assert.deepStrictEqual(of("latency_seconds")?.labels, { quantile: "0.5" })
      assert.strictEqual(of("latency_seconds_count")?.value, 1)
      if (isThere("promtool")) assert.strictEqual(promtool(["check", "metrics"], text), "")
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it("stays readable whatever names, labels and numbers come in", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string(),
      fc.constantFrom("le", "quantile", "__name__", "", "a_total")
    )
    const figure = fc.record({
      name: anything,
      labels: fc.dictionary(anything, anything, { maxKeys: 4 }),
      value: fc.double()
    })
    let written = 0
    fc.assert(
      fc.property(
        fc.array(figure, { maxLength: 20 }),
        fc.constantFrom("text" as const, "openmetrics" as const),
        (all, format) => {
          const { dropped, text } = Exposition.write(format, Exposition.ofFigures(all), 1_000)
          const { samples } = parse(text)
          written += samples.length - 1
          assert.strictEqual(samples.length - 1 + dropped, all.length)
          // eslint-disable-next-line no-control-regex
          assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
          assert.isTrue(text.isWellFormed())
        }
      )
    )
    assert.isAbove(written, 100)
  })

  it("writes HTML, ANSI escapes and newlines as one line that does nothing, and keeps two long names apart", () => {
    const long = "x".repeat(5_000)
    const all = [
      gauge("novacron_component_health_status", { component: '<script>"\u001b[31m\nup 1\\' }, 1),
      gauge("novacron_component_health_status", { component: `${long}1` }, 1),
      gauge("novacron_component_health_status", { component: `${long}2` }, 1)
    ]
    const { dropped, text } = Exposition.write("text", Exposition.ofFigures(all), 100)
    assert.strictEqual(dropped, 0)
    assert.include(text, String.raw`{component="<script>\"\\u001b[31m\\nup 1\\"} 1`)
    const components = parse(text).samples.flatMap(({ labels }) => labels["component"] ?? [])
    assert.strictEqual(new Set(components).size, 3)
    assert.isTrue(components.every(({ length }) => length < 250))
    if (isThere("promtool")) assert.strictEqual(promtool(["check", "metrics"], text), "")
  })

  it("leaves out what is there already, contradicts another, or is too much, and counts it", () => {
    const many = Array.from({ length: 50 }, (_, i) => gauge("busy", { who: `${i}` }, 1))
    const other = {
      name: "busy",
      type: "counter" as const,
      help: "",
      points: [{ labels: {}, value: 1 }],
      distributions: []
    }
    const twice = [gauge("idle", {}, 1), gauge("idle", {}, 2)]
    const { dropped, text } = Exposition.write(
      "text",
      [...Exposition.ofFigures([...many, ...twice]), { ...other, name: "busy" }],
      10
    )
    const { samples } = parse(text)
    assert.strictEqual(samples.filter(({ name }) => name === "busy").length, 10)
    assert.strictEqual(samples.find(({ name }) => name === "idle")?.value, 1)
    assert.strictEqual(dropped, 41)
    assert.strictEqual(samples.find(({ name }) => name === "novacron_monitoring_dropped_series")?.value, 41)
  })

  it("speaks what is asked for with the higher weight", () => {
    const prometheus = [
      "application/openmetrics-text;version=1.0.0",
      "application/openmetrics-text;version=0.0.1;q=0.75",
      "text/plain;version=0.0.4;q=0.5",
      "*/*;q=0.1"
    ].join(",")
    assert.strictEqual(Exposition.negotiate(prometheus), "openmetrics")
    assert.strictEqual(Exposition.negotiate(undefined), "text")
    assert.strictEqual(Exposition.negotiate("*/*"), "text")
    assert.strictEqual(Exposition.negotiate("text/plain;q=0.9, application/openmetrics-text;q=0.2"), "text")
    assert.strictEqual(Exposition.negotiate("application/openmetrics-text;q=0"), "text")
    assert.strictEqual(Exposition.negotiate("application/openmetrics-text;version=9.9.9"), "text")
  })
})
