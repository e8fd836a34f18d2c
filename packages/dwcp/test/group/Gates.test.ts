import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Gates from "../../src/group/Gates.ts"

const sent = (version: "v1" | "v3", tookMillis: number, bytes = 100, ok = true, atMillis = 0): Gates.Sent => ({
  version,
  atMillis,
  tookMillis,
  bytes,
  ok
})

const after = (list: ReadonlyArray<Gates.Sent>) => Gates.observe(Gates.initial, list)

const many = (count: number, one: Gates.Sent) => Array.from({ length: count }, () => one)

const found = (list: ReadonlyArray<Gates.Sent>, now = 0) =>
  Gates.judge(Gates.settle(after(list), now), now).map(({ gate, severity }) => `${gate} ${severity}`)

describe("Gates", () => {
  it("find nothing where v3 does what v1 did", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 20, max: 200 }), (took, count) => {
        const small = [...many(count, sent("v1", took)), ...many(count, sent("v3", took))]
        const large = [...many(count, sent("v1", took, 1e6)), ...many(count, sent("v3", took, 1e6))]
        assert.deepStrictEqual(found([...small, ...large]), [])
      })
    )
  })

  it("take back what fails more often than one in a hundred", () => {
    assert.deepStrictEqual(found([...many(100, sent("v3", 1)), sent("v3", 1, 100, false)]), [])
    assert.deepStrictEqual(found([...many(98, sent("v3", 1)), ...many(2, sent("v3", 1, 100, false))]), [
      "errors rollBack"
    ])
    // Errors of v1 are nobody's fault here.
    assert.deepStrictEqual(found(many(100, sent("v1", 1, 100, false))), [])
  })

  it("take back what takes twice as long on small messages, whatever large ones take", () => {
    const base = many(40, sent("v1", 10))
    assert.deepStrictEqual(found([...base, ...many(40, sent("v3", 20))]), [])
    assert.deepStrictEqual(found([...base, ...many(40, sent("v3", 21))]), ["latency rollBack"])
    assert.deepStrictEqual(found([...base, ...many(40, sent("v3", 5_000, 1e7))]), [])
  })

  it("warn at 95 % of the rate of v1, and take back below 80 %", () => {
    const base = many(40, sent("v1", 100, 1e6))
    assert.deepStrictEqual(found([...base, ...many(40, sent("v3", 104, 1e6))]), [])
    assert.deepStrictEqual(found([...base, ...many(40, sent("v3", 110, 1e6))]), ["throughput alert"])
    assert.deepStrictEqual(found([...base, ...many(40, sent("v3", 130, 1e6))]), ["throughput rollBack"])
  })

  it("take back at the first message that was lost", () => {
    assert.deepStrictEqual(
      Gates.judge(Gates.lose(Gates.initial), 0).map(({ gate }) => gate),
      ["loss"]
    )
  })

  it("say nothing of a few messages, nor of what is long ago, and begin anew after a rollback", () => {
    assert.deepStrictEqual(found(many(19, sent("v3", 1, 100, false))), [])
    const bad = many(50, sent("v3", 1, 100, false))
    assert.deepStrictEqual(found(bad, 30_000), ["errors rollBack"])
    assert.deepStrictEqual(found(bad, 61_000), [])
    assert.deepStrictEqual(Gates.judge(Gates.forget(after(bad)), 0), [])
  })

  it("remember what v1 did after its messages are long gone", () => {
    const early = Gates.settle(after(many(40, sent("v1", 10))), 1_000)
    const late = many(40, sent("v3", 30, 100, true, 3_600_000))
    const state = Gates.settle(Gates.observe(early, late), 3_600_000)
    assert.isTrue(state.sent.every(({ version }) => version === "v3"))
    assert.deepStrictEqual(
      Gates.judge(state, 3_600_000).map((finding) => Gates.describe(finding)),
      ["the latency is 30.0 ms, 20.0 ms may be"]
    )
  })

  it("remember no more than they have to", () => {
    assert.strictEqual(after(many(5_000, sent("v3", 1))).sent.length, Gates.most)
  })
})
