import { assert, describe, it } from "@effect/vitest"
import type { Health } from "@novacron/boot"
import { DateTime, Schema } from "effect"
import * as fc from "fast-check"
import * as HealthView from "../../src/post/HealthView.ts"

const at = DateTime.makeUnsafe("2026-11-22T18:00:00Z")
const part = (name: string, more: Partial<Health.ComponentHealth> = {}): Health.ComponentHealth => ({
  name,
  critical: true,
  status: "healthy",
  message: "healthy",
  dependencies: {},
  ...more
})
const situation = (
  report: Omit<Health.HealthReport, "at">,
  more: Partial<HealthView.Situation> = {}
): HealthView.Situation => ({
  report: { at, ...report },
  isReady: true,
  weight: 100,
  reason: "",
  details: {},
  requestsPerSecond: 7,
  ...more
})

const statuses = ["unknown", "healthy", "degraded", "unhealthy"] as const
const someComponent = fc.record({
  name: fc.string(),
  critical: fc.boolean(),
  status: fc.constantFrom(...statuses),
  message: fc.string(),
  latencyMs: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined }),
  throughput: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined }),
  errorRate: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  lastCheckedAt: fc.constantFrom(undefined, at),
  dependencies: fc.dictionary(fc.string(), fc.constantFrom(...statuses))
})
const someSituation = fc
  .record({ components: fc.array(someComponent), status: fc.constantFrom(...statuses), isReady: fc.boolean() })
  .map(({ components, isReady, status }) => situation({ status, components }, { isReady }))

describe("the weight of a node", () => {
  it("is 10 per cent the moment it becomes ready, 55 half way up, and 100 in the end", () => {
    const ramp = { from: 10, overMs: 30_000 }
    assert.deepStrictEqual(
      [0, 15_000, 30_000, 31_000].map((ms) => HealthView.weight(ramp, 1_000, 1_000 + ms)),
      [10, 55, 100, 100]
    )
  })

  it("is nothing while the node is not ready, and all at once without a ramp", () => {
    assert.strictEqual(HealthView.weight({ from: 10, overMs: 30_000 }, undefined, 5_000), 0)
    assert.strictEqual(HealthView.weight({ from: 10, overMs: 0 }, 5_000, 5_000), 100)
  })

  it("never falls while the node stays ready, and stays between where it begins and 100", () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(60_000), fc.nat(90_000), fc.nat(90_000), (from, overMs, a, b) => {
        const [early, late] = [Math.min(a, b), Math.max(a, b)].map((ms) => HealthView.weight({ from, overMs }, 0, ms))
        assert.isTrue(from <= early! && early! <= late! && late! <= 100)
        if (b >= overMs) assert.strictEqual(HealthView.weight({ from, overMs }, 0, b), 100)
      })
    )
  })
})

describe("the bodies", () => {
  it("tell how components, phases and the node are: a phase is as its critical ones, and degraded when others suffer", () => {
    const details = Object.fromEntries(
      Object.entries({ lock: "pre", database: "core", cache: "core", api: "service", ml: "service", jobs: "post" }).map(
        ([name, phase]) => [name, { phase }]
      )
    )
    const one = situation(
      {
        status: "unhealthy",
        components: [
          part("lock"),
          part("database", { status: "unhealthy" }),
          part("cache", { critical: false, status: "degraded" }),
          part("api"),
          part("ml", { critical: false, status: "unhealthy" }),
          part("jobs", { status: "unknown" }),
          part("nowhere")
        ]
      },
      { details }
    )
    const phases = { pre: "healthy", core: "unhealthy", service: "degraded", post: "unknown" } as const
    assert.deepInclude(HealthView.health(one), { status: "unhealthy", phases })
    const { components, ...node } = HealthView.components(one)
    assert.deepInclude(node, { status: "unhealthy", phases })
    assert.deepInclude(components[1], { name: "database", status: "unhealthy", phase: "core" })
    assert.deepStrictEqual(HealthView.health({ ...one, details: {} }).phases, {})
  })

  it("fit their schemas, whatever the components say", () => {
    fc.assert(
      fc.property(someSituation, (one) => {
        const sent = (body: object): unknown => JSON.parse(JSON.stringify(body))
        Schema.decodeUnknownSync(HealthView.HealthBody, { onExcessProperty: "error" })(sent(HealthView.health(one)))
        Schema.decodeUnknownSync(HealthView.ReadyBody, { onExcessProperty: "error" })(sent(HealthView.ready(one)))
        const rows = Schema.decodeUnknownSync(HealthView.ComponentsBody, { onExcessProperty: "error" })(
          sent(HealthView.components(one))
        )
        assert.strictEqual(rows.components.length, one.report.components.length)
      })
    )
  })

  it("give the slowest latency, the sum of throughputs and the highest error rate that components report", () => {
    const body = HealthView.health(
      situation({
        status: "healthy",
        components: [
          part("database", { latencyMs: 3.00049, throughput: 40, errorRate: 0.01 }),
          part("api", { latencyMs: 12, throughput: 2, errorRate: 0.25 }),
          part("network")
        ]
      })
    )
    assert.deepInclude(body, { status: "healthy", latency: 12, throughput: 42, errorRate: 0.25, message: "" })
  })

  it("give what the server answered and the share of the unhealthy where no component reports", () => {
    const components = [part("database", { status: "unhealthy", message: "refused" }), part("api"), part("network")]
    const body = HealthView.health(situation({ status: "unhealthy", components }))
    assert.deepInclude(body, { status: "unhealthy", throughput: 7, errorRate: 0.333, message: "database: refused" })
    assert.deepStrictEqual(body.dependencies, { database: "unhealthy", api: "healthy", network: "healthy" })
  })

  it("name the worst components first", () => {
    const components = [
      part("ml", { critical: false, status: "unhealthy", message: "no model" }),
      part("api", { status: "degraded", message: "database is unhealthy" }),
      part("database", { status: "unhealthy", message: "refused" }),
      part("cache", { critical: false, status: "unknown", message: "not checked yet" })
    ]
    assert.strictEqual(
      HealthView.ready(situation({ status: "unhealthy", components }, { isReady: false })).reason,
      "database: refused; api: database is unhealthy; ml: no model, and 1 more"
    )
  })

  it("count a node that nothing is known of as unhealthy and not ready", () => {
    const one = situation({ status: "unknown", components: [] }, { isReady: false })
    assert.strictEqual(HealthView.health(one).status, "unhealthy")
    assert.deepStrictEqual(HealthView.ready(one), { ready: false, weight: 0, reason: "nothing has been checked yet" })
  })
})
