import { assert, describe, it } from "@effect/vitest"
import { Duration, Exit, Schema } from "effect"
import { Settings } from "../../src/preflight/Settings.ts"

describe("the settings of the pre-flight", () => {
  it("ask nobody without a file, and warn after 2 seconds unless they are told otherwise", () => {
    assert.deepStrictEqual(Schema.decodeUnknownSync(Settings)({}), { enabled: true, endpoints: [] })
    const [endpoint] = Schema.decodeUnknownSync(Settings)({
      endpoints: [{ name: "db", host: "db", port: 5432 }]
    }).endpoints
    assert.deepInclude(endpoint, { name: "db", host: "db", port: 5432, policy: "warn" })
    assert.strictEqual(Duration.toMillis(endpoint!.timeout), 2_000)
  })

  it("want a host with a port, or a path", () => {
    const decode = Schema.decodeUnknownExit(Settings)
    assert.isTrue(Exit.isSuccess(decode({ endpoints: [{ name: "db", path: "/run/db.sock" }] })))
    assert.isTrue(Exit.isFailure(decode({ endpoints: [{ name: "db", host: "db" }] })))
    assert.isTrue(Exit.isFailure(decode({ endpoints: [{ host: "db", port: 1 }] })))
  })
})
