import { assert, describe, it } from "@effect/vitest"
import { Preference } from "../../src/acp/index.ts"

describe("Preference", () => {
  it("is a list by environment, or one name", () => {
    assert.deepStrictEqual(Preference.listOf("auto", "internet"), ["bbr", "cubic"])
    assert.deepStrictEqual(Preference.listOf("auto", "datacenter"), ["dctcp", "bbr", "cubic"])
    assert.deepStrictEqual(Preference.listOf("reno", "internet"), ["reno"])
  })

  it("knows who backs off at every loss", () => {
    assert.isTrue(Preference.yieldsToLoss("cubic"))
    assert.isTrue(Preference.yieldsToLoss("unavailable"))
    assert.isFalse(Preference.yieldsToLoss("bbr"))
  })
})
