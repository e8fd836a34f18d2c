import { assert, describe, it } from "@effect/vitest"
import { Exit, Schema } from "effect"
import { Settings } from "../../src/resources/Settings.ts"

describe("the settings of resources", () => {
  it("demand 4 cores, 8 GB, 100 GB and 1 Gbit/s, and only warn, unless they are told otherwise", () => {
    const { minBandwidth, minCores, minDisk, minMemory, policy } = Schema.decodeUnknownSync(Settings)({})
    assert.deepStrictEqual([minCores, Number(minMemory), Number(minDisk), minBandwidth], [4, 8e9, 100e9, 1_000])
    assert.strictEqual(policy, "warn")
  })

  it("refuse what is no size and no policy", () => {
    const decode = Schema.decodeUnknownExit(Settings)
    assert.isTrue(Exit.isSuccess(decode({ minMemory: "16 GiB", policy: "enforce" })))
    assert.isTrue(Exit.isFailure(decode({ minMemory: "much" })))
    assert.isTrue(Exit.isFailure(decode({ policy: "maybe" })))
  })
})
