import { assert, describe, it } from "@effect/vitest"
import { codes, ConfigInvalid, describe as say, type Problem } from "../src/index.ts"
import { didYouMean } from "../src/Problem.ts"

const problem: Problem = {
  code: codes.notAllowed,
  key: "system.log_level",
  message: "This is not allowed.",
  source: { _tag: "File", file: "shop.yaml", line: 4, column: 14 },
  found: '"wran"',
  allowed: '"info" | "warn"',
  suggestion: '"warn"',
  environment: "SHOP_SYSTEM_LOG_LEVEL"
}

describe("a problem", () => {
  it("is told with its place, what was found, what is allowed, and what to do", () => {
    assert.strictEqual(
      say(problem),
      [
        "  shop.yaml:4:14  system.log_level  NVC-1004",
        "    This is not allowed.",
        '    found "wran"; allowed: "info" | "warn"',
        '    did you mean "warn"?  its variable is SHOP_SYSTEM_LOG_LEVEL'
      ].join("\n")
    )
    const fromThere: Problem = { ...problem, source: { _tag: "Environment", name: "SHOP_SYSTEM_LOG_LEVEL" } }
    assert.notInclude(say(fromThere), "its variable is")
    const bare: Problem = { code: codes.unreadable, key: "", message: "It is not there.", source: undefined }
    assert.strictEqual(say(bare), "  NVC-1001\n    It is not there.")
  })

  it("ends with 78, with 65 when a signature is bad, and with 69 when another try may go better", () => {
    const error = new ConfigInvalid({ problems: [problem, problem] })
    assert.strictEqual(error.exitCode, 78)
    assert.strictEqual(error.code, "NVC-1004")
    assert.match(error.message, /^The configuration has 2 problems\. Nothing of it was used\.\n/)
    assert.strictEqual(new ConfigInvalid({ problems: [{ ...problem, code: codes.signature }] }).exitCode, 65)
    assert.strictEqual(new ConfigInvalid({ problems: [{ ...problem, code: codes.silent }] }).exitCode, 69)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(error)).problems, [problem, problem])
  })

  it("has a code of its own for each kind", () => {
    const all = Object.values(codes)
    assert.strictEqual(new Set(all).size, all.length)
    for (const code of all) assert.match(code, /^NVC-10\d\d$/)
  })
})

describe("did you mean", () => {
  const names = ["log_level", "max_concurrency", "node_id", "on"]
  it("finds what is a letter or two away, and the nearest of them", () => {
    assert.strictEqual(didYouMean("log_levl", names), "log_level")
    assert.strictEqual(didYouMean("LOG-LEVEL", names), "log_level")
    assert.strictEqual(didYouMean("ndoe_id", names), "node_id")
    assert.strictEqual(didYouMean("no", names), "on")
    assert.strictEqual(didYouMean("maxconcurrency", names), "max_concurrency")
  })
  it("says nothing rather than something else", () => {
    for (const name of ["", "x", "database", "loglevelofall"]) assert.isUndefined(didYouMean(name, names), name)
  })
})
