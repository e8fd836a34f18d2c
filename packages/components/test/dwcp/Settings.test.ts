import { assert, describe, it } from "@effect/vitest"
import { Config, Field } from "@novacron/config"
import { Schema } from "effect"
import { Settings } from "../../src/dwcp/Settings.ts"

describe("the section dwcp", () => {
  it("is written in files under the names of the specification", () => {
    const hot = [
      ...["transport", "compression", "prediction", "state_sync", "consensus", "congestion", "placement"].map(
        (feature) => `dwcp.enable_v3_${feature}`
      ),
      ...["v3_rollout_percentage", "force_v1_mode", "forced_mode", "detection_interval", "fallback"].map(
        (it) => `dwcp.${it}`
      )
    ]
    // Throws where one of them is no key.
    const section = Field.withDefault(Settings, {})
    const definition = Config.define({ name: "novacron", schema: Schema.Struct({ dwcp: section }), hot })
    assert.deepStrictEqual(definition.hot, hot)
    const decoded = Schema.decodeUnknownSync(Settings)({ forcedMode: "internet", enableV3Transport: false })
    assert.strictEqual(decoded.forcedMode, "internet")
    assert.isFalse(decoded.enableV3Transport)
    assert.isTrue(decoded.enableV3Compression)
  })
})
