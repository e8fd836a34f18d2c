import { ByteSize, Duration, Schema } from "effect"
import { assert, describe, it } from "vitest"
import { Settings } from "../../src/api/Settings.ts"

describe("the section api", () => {
  it("is safe when nothing is said: this machine alone, limits on everything", () => {
    const settings = Schema.decodeUnknownSync(Settings)({})
    assert.containSubset(settings, {
      host: "127.0.0.1",
      port: 8_443,
      grpc: { enabled: true, port: 8_444 },
      rate: { perMinute: 1_000, burst: 100 },
      tokens: { store: "database" },
      origins: []
    })
    assert.strictEqual(ByteSize.toNumberUnsafe(settings.maxBody), 1_048_576)
    assert.strictEqual(Duration.toMillis(settings.requestTimeout), 30_000)
  })

  it("refuses what cannot be meant", () => {
    for (const wrong of [{ port: 70_000 }, { rate: { burst: 0 } }, { tokens: { store: "memory" } }, { host: "" }]) {
      assert.throws(() => Schema.decodeUnknownSync(Settings)(wrong))
    }
  })
})
