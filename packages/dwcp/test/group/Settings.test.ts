import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Schema } from "effect"
import { switchesOf } from "../../src/group/Group.ts"
import * as Features from "../../src/group/Features.ts"
import { Settings } from "../../src/group/Settings.ts"

const read = Schema.decodeUnknownExit(Settings)
const decoded = Schema.decodeUnknownSync(Settings)

describe("Settings of DWCP", () => {
  it("speak v3 and fall back to v1 when nothing is said", () => {
    const settings = decoded({})
    assert.strictEqual(settings.fallback, "v1")
    assert.strictEqual(settings.listenAddress, "127.0.0.1")
    assert.strictEqual(Duration.toSeconds(settings.drain), 10)
    assert.strictEqual(Duration.toSeconds(settings.detectionInterval), 30)
    const { enabled, killed, percentage } = switchesOf(settings)
    assert.deepStrictEqual([enabled.size, killed, percentage], [Features.all.length, false, 100])
  })

  it("have a flag for each feature", () => {
    const some = switchesOf(decoded({ enableV3Transport: false, enableV3Consensus: false, v3RolloutPercentage: 10 }))
    assert.deepStrictEqual([...some.enabled], ["compression", "prediction", "stateSync", "congestion", "placement"])
    assert.strictEqual(some.percentage, 10)
  })

  it("refuse what cannot be meant", () => {
    const wrong = [
      { v3RolloutPercentage: 150 },
      { v3RolloutPercentage: -1 },
      { fallback: "v2" },
      { forcedMode: "mars" },
      { detectionInterval: "100ms" },
      { bindPort: 70_000 },
      { gates: { errors: 2 } },
      { gates: { latency: 0.5 } },
      { supervision: { intensity: 0 } },
      { maxPeers: 0 },
      { transport: { streams: 0 } },
      { listenAddress: " " }
    ]
    for (const each of wrong) assert.isTrue(Exit.isFailure(read(each)), JSON.stringify(each))
  })
})
