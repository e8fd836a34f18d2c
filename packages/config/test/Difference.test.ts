import { assert, layer } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { Difference, Encryption } from "../src/index.ts"
import { load, layer as world } from "./fixtures/shop.ts"

layer(world)("the difference", (it) => {
  const between = (a: string, b: string) =>
    Effect.map(Effect.all([load({ text: a, resources: "skip" }), load({ text: b, resources: "skip" })]), ([a, b]) =>
      Difference.between(a, b)
    )

  it.effect("of two settings names each key that changed, came or went", () =>
    Effect.gen(function* () {
      const a = "system: { ratio: 0.25, peers: [a] }\nflags: { beta: { percentage: 1 } }"
      const b = "system: { ratio: 0.5, peers: [a, b] }\ntls: { cert_path: /x }"
      const differences = yield* between(a, b)
      const text = Difference.text(differences)
      assert.include(text, "~ system.ratio: 0.25 → 0.5")
      assert.include(text, '~ system.peers: ["a"] → ["a","b"]')
      assert.include(text, '+ tls.cert_path: "/x"')
      assert.include(text, "- flags.beta.percentage: 1")
      assert.strictEqual(differences.find(({ key }) => key === "tls.min_version")?.to, '"1.2"')
    })
  )

  it.effect("is nothing when only the writing differs", () =>
    Effect.gen(function* () {
      const differences = yield* between(
        "system: { shutdown_timeout: 90s, min_memory: 1024 MiB, max_concurrency: 1000 }",
        "# other\nsystem:\n  min_memory: 1 GiB\n  shutdown_timeout: 1m 30s"
      )
      assert.deepStrictEqual(differences, [])
      assert.strictEqual(Difference.text(differences), "")
      assert.strictEqual((yield* between("system: { ratio: 1 }", "system: { ratio: 2 }")).length, 1)
    })
  )

  it.effect("of a secret says that it changed, and not from what to what", () =>
    Effect.gen(function* () {
      const differences = yield* between("database: { password: open sesame }", "database: { password: close sesame }")
      assert.strictEqual(Difference.text(differences), "~ database.password: ****** → ******")
      const keyring = Encryption.newKey()
      const ring = Result.getOrThrow(Encryption.parseKeyring(Redacted.make(keyring)))
      const sealed = Encryption.encrypt(ring, "system.node_id", Redacted.make("sesame"))
      const plain = yield* load({ text: "system: { node_id: old sesame }" })
      const hidden = yield* load({
        text: `system: { node_id: "${sealed}" }`,
        keyring: { _tag: "Environment", name: "KEY" },
        environment: { KEY: keyring }
      })
      for (const [a, b] of [[plain, hidden] as const, [hidden, plain] as const]) {
        assert.strictEqual(Difference.text(Difference.between(a, b)), "~ system.node_id: ****** → ******")
      }
      const came = yield* between("{}", "database: { password: close sesame }")
      assert.strictEqual(Difference.text(came), "+ database.password: ******")
    })
  )
})
