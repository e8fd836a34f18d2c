import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Result, Schema } from "effect"
import { Settings } from "../../src/ass/Settings.ts"

const decode = Schema.decodeUnknownResult(Settings)

describe("the settings of ASS", () => {
  it("may all be left out: the node is alone then, and nothing goes without TLS", () => {
    const settings = Result.getOrThrow(decode({}))
    assert.strictEqual(settings.environment, "alone")
    assert.isFalse(settings.etcd.insecure)
    assert.isUndefined(settings.gossip.secret)
    const spans = [settings.budget, settings.gossip.interval, settings.lease].map(Duration.toMillis)
    assert.deepStrictEqual(spans, [100, 5000, 10_000])
    assert.strictEqual(settings.gossip.fanout, 3)
  })

  it("refuse what makes no sense", () => {
    const wrong = [
      { environment: "mars" },
      { namespace: "" },
      { maxValue: "much" },
      { gossip: { fanout: 0 } },
      { gossip: { interval: "soon" } },
      { etcd: { endpoints: "one" } }
    ]
    for (const given of wrong) assert.isTrue(Result.isFailure(decode(given)), JSON.stringify(given))
  })

  it("do not show the secret", () => {
    const { gossip } = Result.getOrThrow(decode({ gossip: { secret: "swordfish and chips" } }))
    assert.notInclude(`${inspect(gossip)} ${JSON.stringify(gossip.secret)}`, "swordfish")
  })
})
