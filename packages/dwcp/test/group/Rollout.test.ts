import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Features from "../../src/group/Features.ts"
import * as Rollout from "../../src/group/Rollout.ts"

const all: Rollout.Switches = { enabled: new Set(Features.all), percentage: 100, killed: false, except: [] }

describe("Rollout", () => {
  it("puts a node where the architecture review says", () => {
    const buckets = { "": 61, a: 20, "node-1": 87, "node-2": 6, "novacron-node-1": 64, "node-123": 60, "node-456": 67 }
    for (const [node, bucket] of Object.entries(buckets)) {
      assert.strictEqual(Rollout.decide(node, all).bucket, bucket, node)
    }
    const share = (percentage: number) =>
      Array.from({ length: 10_000 }, (_, k) => Rollout.decide(`node-${k}`, { ...all, percentage })).filter(
        ({ features }) => features.has("transport")
      ).length / 100
    assert.strictEqual(share(10), 9.71)
    assert.strictEqual(share(50), 49.46)
  })

  it("has nobody at 0 and everybody at 100, and whoever has it keeps it as the share grows", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(100), fc.nat(100), (node, p, q) => {
        assert.strictEqual(Rollout.decide(node, { ...all, percentage: 0 }).features.size, 0)
        assert.strictEqual(Rollout.decide(node, { ...all, percentage: 100 }).features.size, Features.all.length)
        const few = Rollout.decide(node, { ...all, percentage: Math.min(p, q) }).features
        const more = Rollout.decide(node, { ...all, percentage: Math.max(p, q) }).features
        assert.isTrue([...few].every((feature) => more.has(feature)))
      })
    )
  })

  it("brings features in stages, and says of each that is off why", () => {
    // Bucket 6.
    const at = (percentage: number) => Rollout.decide("node-2", { ...all, percentage })
    assert.deepStrictEqual([...at(10).features], ["transport", "compression"])
    assert.deepStrictEqual([...at(50).features], ["transport", "compression", "prediction", "stateSync"])
    assert.strictEqual(at(10).because.placement, "its stage is 100 %")
    assert.strictEqual(
      Rollout.decide("node-1", { ...all, percentage: 50 }).because.transport,
      "bucket 87 is not below 50 %"
    )
  })

  it("is nothing under the kill switch, for a node that is excluded, or where flags are off", () => {
    assert.strictEqual(Rollout.decide("a", { ...all, killed: true }).features.size, 0)
    assert.strictEqual(Rollout.decide("a", { ...all, except: ["a"] }).because.transport, "this node is excluded")
    const few = Rollout.decide("a", { ...all, enabled: new Set(["consensus", "placement"]) })
    assert.deepStrictEqual([...few.features], ["placement"])
    assert.strictEqual(few.because.consensus, "the flag of state synchronisation is off")
  })

  it("leaves off what was taken back, and nothing else", () => {
    const hold: Rollout.Hold = { feature: "compression", because: "it was slow", atMillis: 1 }
    const { because, features } = Rollout.decide("a", all, [hold])
    assert.strictEqual(features.size, Features.all.length - 1)
    assert.deepStrictEqual(because, { compression: "it was slow" })
  })
})
