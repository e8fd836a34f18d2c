import { assert, describe, it } from "@effect/vitest"
import * as Cache from "../../src/cache/Cache.ts"

describe("what goes wrong with a cache", () => {
  const why = { address: "localhost:6379/0", cause: new Error("a cause") }

  it("has a code when it halts a boot, and says what to do", () => {
    const errors = [
      new Cache.CacheMisconfigured({ reason: "it is no URL" }),
      new Cache.CacheRefused(why),
      new Cache.CacheUntrusted(why)
    ]
    assert.deepStrictEqual(
      errors.map(({ code }) => code),
      ["NVC-2201", "NVC-2202", "NVC-2203"]
    )
    for (const { message } of errors) assert.match(message, /cache\.(?:url|trust)/)
  })

  it("keeps its cause apart from its message", () => {
    const error = new Cache.CacheUnavailable(why)
    assert.strictEqual(error.cause, why.cause)
    assert.notInclude(error.message, "a cause")
    assert.include(error.message, "localhost:6379/0")
  })
})
