import { chmodSync, existsSync, statSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import * as LocalAccess from "../../src/api/LocalAccess.ts"

const access: LocalAccess.LocalAccess = {
  url: "https://127.0.0.1:8443",
  grpc: null,
  serverName: "node-1",
  ca: "-----BEGIN CERTIFICATE-----",
  token: "nvc_something"
}

describe("LocalAccess", () => {
  it.effect(
    "is there for the user of the node alone, as long as the API is, and nobody believes one that others can write",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* Effect.flatMap(FileSystem.FileSystem, (it) => it.makeTempDirectoryScoped())
        const path = `${dataDir}/api/local.json`
        assert.deepStrictEqual(yield* LocalAccess.find(dataDir), Option.none())
        yield* Effect.gen(function* () {
          yield* LocalAccess.publish(dataDir, access)
          assert.strictEqual(statSync(path).mode & 0o777, 0o600)
          assert.strictEqual(statSync(`${dataDir}/api`).mode & 0o777, 0o700)
          assert.deepStrictEqual(yield* LocalAccess.find(dataDir), Option.some(access))
          chmodSync(path, 0o666)
          assert.strictEqual((yield* Effect.flip(LocalAccess.find(dataDir)))._tag, "KeyMaterialExposed")
        }).pipe(Effect.scoped)
        assert.isFalse(existsSync(path))
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
