import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { readFileSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { amst, both, folder, noise } from "./fixtures/worlds.ts"

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("Amst", () => {
  it.live("carries messages of any size whole, and says what they hash to", () =>
    Effect.gen(function* () {
      const { link, listener } = yield* both()
      for (const size of [0, 1, 31, 65_536, 262_144, 262_145, 3_000_001, 20_000_000]) {
        const bytes = noise(size)
        const receipt = yield* link.send(bytes, { name: `m${size}` })
        const message = yield* listener.take
        assert.strictEqual(receipt.hash, sha(bytes))
        assert.strictEqual(message.name, `m${size}`)
        assert.isTrue(bytes.equals(message.bytes))
      }
    }).pipe(Effect.provide(amst()))
  )

  it.live("carries files, and leaves nothing beside them", () =>
    Effect.gen(function* () {
      const [from, to] = [yield* folder, yield* folder]
      const { link, listener } = yield* both({ directory: to })
      for (const size of [0, 1, 5_000_000, 40_000_123]) {
        const bytes = noise(size)
        const path = join(from, `f${size}`)
        writeFileSync(path, bytes)
        const receipt = yield* link.sendFile(path)
        assert.strictEqual(receipt.hash, sha(bytes))
        const file = yield* listener.takeFile
        assert.strictEqual(file.hash, receipt.hash)
        assert.isTrue(bytes.equals(readFileSync(file.path)))
      }
      assert.deepStrictEqual(readdirSync(to).toSorted(), ["f0", "f1", "f40000123", "f5000000"])
    }).pipe(Effect.provide(amst()))
  )
})
