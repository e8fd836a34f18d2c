import { mkdtempSync, rmSync } from "node:fs"
import { get } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import * as NodeTls from "../../src/operator/NodeTls.ts"
import { Settings } from "../../src/security/Settings.ts"
import { scene } from "./Scene.ts"

const security = Schema.decodeUnknownSync(Settings)({})

describe("the certificate of the dashboard", () => {
  it.live("is that of the node, from before security has started, and the same afterwards", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const dataDir = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-tls-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const tls = NodeTls.make(security, dataDir, "node-1").pipe(
        Effect.provideService(FileSystem.FileSystem, fileSystem)
      )
      const first = yield* tls
      assert.deepStrictEqual((yield* tls).cert, first.cert)
      const { dashboard } = yield* scene({ settings: { host: "0.0.0.0" }, options: { tls } })
      assert.match(dashboard.url, /^https:\/\/localhost:/)
      const headers = yield* Effect.callback<{ readonly [name: string]: unknown }>((resume) => {
        const options = { ca: `${String(first.ca)}`, checkServerIdentity: () => undefined }
        get(`https://127.0.0.1:${dashboard.port}/`, options, (response) => {
          response.resume()
          resume(Effect.succeed({ ...response.headers, status: response.statusCode }))
        })
      })
      assert.strictEqual(headers["status"], 200)
      assert.include(String(headers["strict-transport-security"]), "max-age")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
