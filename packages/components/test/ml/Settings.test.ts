import { assert, describe, it } from "@effect/vitest"
import { Duration, Option, Result, Schema } from "effect"
import { Settings } from "../../src/ml/Settings.ts"

describe("the settings of the ML engine", () => {
  it("use what comes with the program, unless told otherwise", () => {
    const { bandwidth, directory, watch } = Result.getOrThrow(Schema.decodeUnknownResult(Settings)({}))
    assert.deepStrictEqual([bandwidth, directory, Duration.toSeconds(watch)], [undefined, "", 30])
    assert.isTrue(Option.isNone(Schema.decodeUnknownOption(Settings)({ bandwidth: "" })))
  })
})
