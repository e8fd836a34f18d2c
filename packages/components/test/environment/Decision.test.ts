import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Decision from "../../src/environment/Decision.ts"

const rtt = fc.double({ min: 0, max: 200, noNaN: true })
const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
const someFacts = fc.record({
  peerRttMs: maybe(rtt),
  gatewayRttMs: maybe(rtt),
  linkMbps: maybe(fc.constantFrom(10, 100, 999, 1_000, 10_000, 100_000)),
  loss: maybe(fc.double({ min: 0, max: 1, noNaN: true })),
  rdmaDevices: maybe(fc.nat(4))
})
const known = { peerRttMs: 0.2, linkMbps: 25_000, loss: 0, rdmaDevices: 2 }

describe("the decision where a node is", () => {
  it("is datacenter for near peers on a fast link, also without RDMA and loss", () => {
    assert.strictEqual(Decision.decide(known).kind, "datacenter")
    assert.deepStrictEqual(Decision.decide(known).scores, { datacenter: 1, internet: 0 })
    const just = Decision.decide({ peerRttMs: 10, linkMbps: 1_000 })
    assert.strictEqual(just.kind, "datacenter")
    assert.strictEqual(just.scores.datacenter, 0.7)
  })

  it("is internet for far peers on a slow or lossy link", () => {
    assert.strictEqual(Decision.decide({ peerRttMs: 80, linkMbps: 100, loss: 0.02, rdmaDevices: 0 }).scores.internet, 1)
    assert.strictEqual(Decision.decide({ peerRttMs: 50, linkMbps: 999 }).kind, "internet")
    assert.strictEqual(Decision.decide({ peerRttMs: 80, loss: 0.02, rdmaDevices: 0 }).kind, "internet")
  })

  it("is hybrid in between, and when the facts contradict each other", () => {
    assert.strictEqual(Decision.decide({ peerRttMs: 30, linkMbps: 10_000, loss: 0, rdmaDevices: 1 }).kind, "hybrid")
    assert.strictEqual(Decision.decide({ peerRttMs: 80, linkMbps: 10_000, loss: 0, rdmaDevices: 0 }).kind, "hybrid")
  })

  it("is hybrid when nothing is known, and says of each fact that it is unknown", () => {
    const { evidence, kind, scores } = Decision.decide({})
    assert.strictEqual(kind, "hybrid")
    assert.deepStrictEqual(scores, { datacenter: 0, internet: 0 })
    assert.deepStrictEqual(
      evidence.map(({ measured }) => measured),
      ["unknown", "unknown", "unknown", "unknown"]
    )
  })

  it("takes a far gateway for far peers, and a near one for nothing", () => {
    assert.strictEqual(Decision.decide({ gatewayRttMs: 600, linkMbps: 50 }).kind, "internet")
    assert.strictEqual(Decision.decide({ gatewayRttMs: 0.3, linkMbps: 10_000 }).kind, "hybrid")
    assert.strictEqual(Decision.decide({ gatewayRttMs: 600, peerRttMs: 1, linkMbps: 10_000 }).kind, "datacenter")
  })

  it("needs the way to the gateway exactly where some answer of it would change the verdict", () => {
    assert.isTrue(Decision.needsGateway({ linkMbps: 50 }))
    assert.isFalse(Decision.needsGateway({ rdmaDevices: 0 }))
    assert.isFalse(Decision.needsGateway(known))
    fc.assert(
      fc.property(someFacts, fc.array(rtt, { minLength: 1 }), (some, answers) => {
        const facts = { ...some, gatewayRttMs: undefined }
        const without = Decision.decide(facts).kind
        const kinds = [...answers, 200].map((gatewayRttMs) => Decision.decide({ ...facts, gatewayRttMs }).kind)
        assert.strictEqual(
          Decision.needsGateway(facts),
          kinds.some((kind) => kind !== without)
        )
      })
    )
  })

  it("has scores from 0 to 1 that never both reach what is enough", () => {
    fc.assert(
      fc.property(someFacts, (facts) => {
        const { kind, scores } = Decision.decide(facts)
        assert.isTrue(scores.datacenter >= 0 && scores.internet >= 0 && scores.datacenter + scores.internet <= 1)
        assert.strictEqual(kind === "datacenter", scores.datacenter >= 0.7)
        assert.strictEqual(kind === "internet", scores.internet >= 0.7)
      })
    )
  })

  it("is only strengthened by learning: a fact that becomes known takes no points from anybody", () => {
    fc.assert(
      fc.property(someFacts, fc.constantFrom("peerRttMs", "linkMbps", "loss", "rdmaDevices"), (facts, learned) => {
        // A peer corrects what the gateway made believe, so the gateway is left out here.
        const after = { ...facts, gatewayRttMs: undefined }
        const before = Decision.decide({ ...after, [learned]: undefined }).scores
        const { scores } = Decision.decide(after)
        assert.isTrue(scores.datacenter >= before.datacenter && scores.internet >= before.internet)
      })
    )
  })

  it("never moves away from the datacenter because a peer came nearer, nor back", () => {
    fc.assert(
      fc.property(someFacts, rtt, rtt, (facts, a, b) => {
        const [near, far] = [Math.min(a, b), Math.max(a, b)].map((peerRttMs) =>
          Decision.decide({ ...facts, peerRttMs })
        )
        assert.isAtLeast(near!.scores.datacenter, far!.scores.datacenter)
        assert.isAtMost(near!.scores.internet, far!.scores.internet)
      })
    )
  })

  it("reads as a sentence", () => {
    assert.strictEqual(
      Decision.describe(Decision.decide({ peerRttMs: 0.2, linkMbps: 25_000, rdmaDevices: 0 })),
      "datacenter (datacenter 0.7, internet 0.1, 0.7 needed): latency 0.2 ms to the nearest peer → datacenter; " +
        "bandwidth 25000 Mbit/s link → datacenter; loss unknown; rdma no device → internet"
    )
  })
})
