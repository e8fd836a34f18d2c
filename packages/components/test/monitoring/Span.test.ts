import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Span from "../../src/monitoring/Span.ts"

describe("the trace that a span belongs to", () => {
  it("is none when it is not written as W3C has it", () => {
    assert.isDefined(Span.parseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
    for (const wrong of [
      "",
      "00-4bf9-00f067aa0ba902b7-01",
      `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
      `00-4bf92f3577b34da6a3ce929d0e0e4736-${"0".repeat(16)}-01`,
      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"
    ]) {
      assert.isUndefined(Span.parseTraceparent(wrong), wrong)
    }
  })

  it("writes what it reads as W3C context", () => {
    const hex = (length: number) =>
      fc
        .array(
          fc.nat(15).map((digit) => digit.toString(16)),
          { minLength: length, maxLength: length }
        )
        .map((all) => `1${all.join("").slice(1)}`)
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, isSampled) => {
        const parent = { traceId, spanId, isSampled }
        assert.deepStrictEqual(Span.parseTraceparent(Span.traceparent(parent)), parent)
      })
    )
  })
})
