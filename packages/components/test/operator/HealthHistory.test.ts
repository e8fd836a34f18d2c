import { assert, describe, it } from "@effect/vitest"
import type { Health } from "@novacron/boot"
import { DateTime, Schema } from "effect"
import * as HealthHistory from "../../src/operator/HealthHistory.ts"

const report = (parts: { readonly [name: string]: Health.Status }): Health.HealthReport => ({
  status: "healthy",
  at: DateTime.makeUnsafe(0),
  components: Object.entries(parts).map(([name, status]) => ({
    name,
    critical: false,
    status,
    latencyMs: 1.23456,
    message: "",
    dependencies: {}
  }))
})

describe("the history of health", () => {
  it("tells what was, in order, with what was not known", () => {
    const history = HealthHistory.make()
    history.note(report({ a: "unknown" }), 1)
    history.note(report({ a: "healthy", b: "degraded" }), 2)
    history.note(report({ b: "unhealthy" }), 3)
    const told = history.told()
    assert.deepStrictEqual(told.times, [1, 2, 3])
    assert.deepStrictEqual(told.parts, [
      { name: "a", statuses: "?h-", latenciesMs: [1.235, 1.235, null] },
      { name: "b", statuses: "-du", latenciesMs: [null, 1.235, 1.235] }
    ])
    assert.deepStrictEqual(Schema.decodeUnknownSync(HealthHistory.Told)(JSON.parse(JSON.stringify(told))), told)
  })

  it("keeps the last notes, however many there were", () => {
    const history = HealthHistory.make(3)
    for (let at = 0; at < 10; at++) history.note(report({ a: at % 2 === 0 ? "healthy" : "unhealthy" }), at)
    assert.deepStrictEqual(history.told().times, [7, 8, 9])
    assert.strictEqual(history.told().parts[0]?.statuses, "uhu")
  })

  it("does not grow with the number of names", () => {
    const history = HealthHistory.make(4, 2)
    for (let at = 0; at < 50; at++) history.note(report({ [`part${at}`]: "healthy" }), at)
    assert.strictEqual(history.told().parts.length, 2)
  })
})
