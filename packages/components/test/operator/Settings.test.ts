import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Settings } from "../../src/operator/Settings.ts"

const decode = Schema.decodeUnknownSync(Settings)

describe("the settings of the dashboard", () => {
  it("serve it on this machine alone, unless they say otherwise", () => {
    assert.deepInclude(decode({}), { enabled: true, host: "127.0.0.1", port: 9092, names: [] })
  })

  it("take no port that does not exist, and no empty address", () => {
    for (const wrong of [{ port: 70_000 }, { port: -1 }, { host: "" }, { session: "soon" }, { maxConnections: 0 }]) {
      assert.throws(() => decode(wrong))
    }
  })
})
