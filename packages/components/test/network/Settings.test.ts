import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Duration, Exit, Schema } from "effect"
import { Settings } from "../../src/network/Settings.ts"

const decode = Schema.decodeUnknownSync(Settings)

describe("the settings of the network", () => {
  it("have a default each: this machine alone, and bounds for everything", () => {
    const settings = decode({})
    assert.deepInclude(settings, { listenAddress: "127.0.0.1", bindPort: 9090, maxConnections: 10_000 })
    assert.strictEqual(Duration.toMillis(settings.connTimeout), 30_000)
    assert.strictEqual(Duration.toMillis(settings.handshakeTimeout), 10_000)
    assert.strictEqual(ByteSize.toNumberUnsafe(settings.maxFrame), 2 ** 20)
    assert.deepStrictEqual([settings.allow, settings.deny], [[], []])
  })

  it("take networks of both families", () => {
    const { allow, deny } = decode({ allow: ["10.0.0.0/8", "fd00::/8"], deny: ["10.1.0.0/16"] })
    assert.deepStrictEqual(
      [...allow, ...deny].map(({ family, prefix }) => [family, prefix]),
      [
        [4, 8],
        [6, 8],
        [4, 16]
      ]
    )
  })

  it("refuse what cannot be", () => {
    const wrong = [
      { bindPort: 65_536 },
      { listenAddress: " " },
      { maxConnections: 0 },
      { allow: ["10.0.0.1/8"] },
      { idleTimeout: "a while" },
      { serverName: "" }
    ]
    for (const fields of wrong)
      assert.isTrue(Exit.isFailure(Schema.decodeUnknownExit(Settings)(fields)), JSON.stringify(fields))
  })

  it("describe each of their fields", () => {
    for (const [name, field] of Object.entries(Settings.fields)) {
      assert.isString(Schema.resolveAnnotations(field)?.description, name)
    }
  })
})
