import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as fc from "fast-check"
import { inspect } from "node:util"
import * as Address from "../../src/cache/Address.ts"

const parse = (url: string) => Address.parse(Redacted.make(url))
const addressOf = (url: string) => Result.getOrThrow(parse(url))

describe("an address of Redis", () => {
  it("says where, who and which database", () => {
    const address = addressOf("rediss://alice:p%40ss@cache.example:7000/3")
    assert.deepInclude(address, {
      host: "cache.example",
      port: 7000,
      username: "alice",
      database: 3,
      isEncrypted: true
    })
    assert.strictEqual(Redacted.value(address.password ?? Redacted.make("")), "p@ss")
    assert.deepInclude(addressOf("redis://[::1]"), { host: "::1", port: 6379, database: 0, isEncrypted: false })
    assert.strictEqual(Address.show(addressOf("redis://:secret@[::1]/2")), "[::1]:6379/2")
  })

  it("keeps any user and password that is written into it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (user, password) => {
        fc.pre(user.isWellFormed() && password.isWellFormed())
        const address = addressOf(`redis://${encodeURIComponent(user)}:${encodeURIComponent(password)}@localhost`)
        assert.strictEqual(address.username ?? "", user)
        assert.strictEqual(address.password === undefined ? "" : Redacted.value(address.password), password)
      })
    )
  })

  it("is refused with a reason and without its text when it cannot be right", () => {
    const wrong = {
      nonsense: "no URL",
      "http://localhost": "neither redis:// nor rediss://",
      "redis://": "no host",
      "redis://localhost:0": "port is 0",
      "redis://localhost/one": "number of a database",
      "redis://localhost/1/2": "number of a database",
      "redis://localhost?db=1": "behind ?",
      "redis://%zz@localhost": "hexadecimal"
    }
    for (const [url, reason] of Object.entries(wrong)) {
      const error = Result.getOrThrow(Result.flip(parse(url)))
      assert.include(error.message, reason, url)
      assert.strictEqual(error.code, "NVC-2201")
    }
    const secret = Result.getOrThrow(Result.flip(parse("redis//:canary-4711@localhost:1")))
    assert.notInclude(inspect(secret, { depth: 9 }), "canary-4711")
  })
})
