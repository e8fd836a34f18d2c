import { assert, describe, it } from "@effect/vitest"
import { Exit, Schema } from "effect"
import { Settings } from "../../src/logger/Settings.ts"

describe("the settings of the log", () => {
  it("have a value without a file", () => {
    const settings = Schema.decodeUnknownSync(Settings)({})
    assert.deepInclude(settings, { level: "info", format: "auto", output: "stderr", maxFiles: 5, recent: 500 })
    assert.strictEqual(Number(settings.maxSize), 64 * 1024 * 1024)
    assert.isUndefined(settings.file)
  })

  it("know no other levels", () => {
    const decode = Schema.decodeUnknownExit(Settings)
    assert.isTrue(Exit.isSuccess(decode({ level: "fatal" })))
    assert.isTrue(Exit.isFailure(decode({ level: "bogus" })))
    assert.isTrue(Exit.isFailure(decode({ maxFiles: 0 })))
  })
})
