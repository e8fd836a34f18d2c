import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted, Result, Schema } from "effect"
import { Settings } from "../../src/monitoring/Settings.ts"

const decode = Schema.decodeUnknownResult(Settings)

describe("the settings of monitoring", () => {
  it("listen on the loopback interface, and send no spans, unless told otherwise", () => {
    const settings = Result.getOrThrow(decode({}))
    assert.strictEqual(settings.host, "127.0.0.1")
    assert.strictEqual(settings.port, 9_091)
    assert.isUndefined(settings.traces.endpoint)
    assert.strictEqual(settings.traces.ratio, 1)
    assert.strictEqual(Duration.toMillis(settings.traces.stopBudget), 2_000)
  })

  it("keep what authorizes as a secret", () => {
    const { authorization } = Result.getOrThrow(decode({ traces: { authorization: "Bearer s3cret" } })).traces
    assert.isTrue(Redacted.isRedacted(authorization))
    assert.notInclude(JSON.stringify(authorization), "s3cret")
  })

  it("refuse what cannot be meant", () => {
    for (const wrong of [
      { traces: { ratio: 1.5 } },
      { traces: { ratio: -1 } },
      { traces: { endpoint: "ftp://collector" } },
      { traces: { protocol: "grpc" } },
      { traces: { capacity: 0 } },
      { maxSeries: 0 },
      { port: 70_000 },
      { host: "" }
    ]) {
      assert.isTrue(Result.isFailure(decode(wrong)), JSON.stringify(wrong))
    }
  })
})
