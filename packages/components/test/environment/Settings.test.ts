import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Schema } from "effect"
import { Settings } from "../../src/environment/Settings.ts"

describe("the settings of the environment", () => {
  it("measure within 2 seconds unless they are told: 10 ms, 1 Gbit/s, 50 ms", () => {
    const settings = Schema.decodeUnknownSync(Settings)({})
    assert.deepInclude(settings, { kind: "auto", peers: [], fastLink: 1_000 })
    const { budget, farLatency, nearLatency } = settings
    assert.deepStrictEqual([budget, nearLatency, farLatency].map(Duration.toMillis), [2_000, 10, 50])
  })

  it("know three environments, and peers as host and port", () => {
    const decode = Schema.decodeUnknownExit(Settings)
    assert.isTrue(Exit.isSuccess(decode({ kind: "hybrid", peers: ["db1:9090", "[::1]:9090", "10.0.0.1:1"] })))
    assert.isTrue(Exit.isFailure(decode({ kind: "mars" })))
    assert.isTrue(Exit.isFailure(decode({ peers: ["db1"] })))
  })
})
