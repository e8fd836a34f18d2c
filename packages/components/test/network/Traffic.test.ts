import { assert, describe, it } from "@effect/vitest"
import * as Traffic from "../../src/network/Traffic.ts"

describe("traffic", () => {
  it("is what has happened since it was read before", () => {
    const traffic = Traffic.make(1_000)
    for (let i = 0; i < 30; i++) traffic.succeeded()
    for (let i = 0; i < 10; i++) traffic.failed()
    assert.deepStrictEqual(traffic.read(3_000, 4, "well"), {
      latencyMs: 4,
      throughput: 15,
      errorRate: 0.25,
      detail: "well"
    })
    assert.deepStrictEqual(traffic.read(4_000, 4, "well"), {
      latencyMs: 4,
      throughput: 0,
      errorRate: 0,
      detail: "well"
    })
  })

  it("is a number even when no time has passed", () => {
    const traffic = Traffic.make(0)
    traffic.succeeded()
    assert.isTrue(Number.isFinite(traffic.read(0, 0, "").throughput))
  })
})
