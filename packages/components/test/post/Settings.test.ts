import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Schema } from "effect"
import { HealthSettings, ReadySettings, SystemHealthSettings } from "../../src/post/Settings.ts"

describe("the settings of what comes last", () => {
  it("have a value without a file: loopback, 8080, 5 seconds of cache, 10 to 100 per cent in 30 seconds", () => {
    const health = Schema.decodeUnknownSync(HealthSettings)({})
    assert.deepInclude(health, { host: "127.0.0.1", port: 8080, rampFrom: 10, maxConnections: 256 })
    assert.strictEqual(Duration.toMillis(health.cacheInterval), 5_000)
    assert.strictEqual(Duration.toMillis(health.ramp), 30_000)
    assert.deepStrictEqual(Schema.decodeUnknownSync(ReadySettings)({}), { notify: true })
    assert.strictEqual(Duration.toMillis(Schema.decodeUnknownSync(SystemHealthSettings)({}).deadline), 2_000)
  })

  it("refuse a port beyond 65535 and a share beyond 100 per cent", () => {
    const decode = Schema.decodeUnknownExit(HealthSettings)
    assert.isTrue(Exit.isFailure(decode({ port: 70_000 })))
    assert.isTrue(Exit.isFailure(decode({ rampFrom: 101 })))
  })
})
