import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Duration, Exit, Redacted, Schema } from "effect"
import { Settings } from "../../src/cache/Settings.ts"

const decode = Schema.decodeUnknownSync(Settings)

describe("the settings of the cache", () => {
  it("have a default for everything but the address of Redis", () => {
    const settings = decode({})
    assert.isUndefined(settings.url)
    assert.strictEqual(Duration.toMillis(settings.ttl), 3_600_000)
    assert.strictEqual(ByteSize.toNumberUnsafe(settings.maxMemory), 64 * 2 ** 20)
    assert.deepInclude(settings, { maxEntries: 100_000, retries: 3, prefix: "novacron:", trust: "node" })
  })

  it("keep the address to themselves: there may be a password in it", () => {
    const settings = decode({ url: "redis://:canary-4711@localhost" })
    assert.notInclude(`${inspect(settings, { depth: 9 })}${JSON.stringify(settings.url)}`, "canary-4711")
    assert.include(Redacted.value(settings.url ?? Redacted.make("")), "canary-4711")
  })

  it("refuse what cannot be", () => {
    for (const fields of [{ retries: 0 }, { maxEntries: 0 }, { ttl: "soon" }, { prefix: "x".repeat(65) }]) {
      assert.isTrue(Exit.isFailure(Schema.decodeUnknownExit(Settings)(fields)), JSON.stringify(fields))
    }
  })

  it("describe each of their fields", () => {
    for (const [name, field] of Object.entries(Settings.fields)) {
      assert.isString(Schema.resolveAnnotations(field)?.description, name)
    }
  })
})
