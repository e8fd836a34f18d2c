import { createHash } from "node:crypto"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeHttpClient, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@novacron/api"
import { Api, Database } from "@novacron/components"
import { Context, Effect, Layer, Logger, Option, Redacted, Schedule } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import * as App from "../src/App.ts"
import { Contract } from "../src/Contract.ts"
import * as Embedded from "../src/Embedded.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-example-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** The application on a bare directory, and its client. */
const started = Effect.fnUntraced(function* (dataDir: string) {
  const free = { database: { pool: { min: 1, max: 8 } }, api: { port: 0, grpc: { enabled: false } } } as const
  const all = yield* Layer.build(App.layer(0).pipe(Layer.provideMerge(Embedded.layer(dataDir, free))))
  const baseUrl = HttpServer.formatAddress(Context.get(all, HttpServer.HttpServer).address)
  const { checksums } = yield* Effect.provide(HttpApiClient.make(Contract, { baseUrl }), FetchHttpClient.layer)
  return { checksums, sql: Context.get(all, Database.Database).sql }
})

/** How programs of this machine ask the API of the node inside of it. */
const asColleague = Effect.fnUntraced(function* (dataDir: string) {
  const { ca, serverName, token, url } = Option.getOrThrow(yield* Api.LocalAccess.find(dataDir))
  const trusting = yield* Layer.build(NodeHttpClient.layerNodeHttpOptions({ ca, servername: serverName }))
  return yield* Effect.provide(Client.make({ url, token: Redacted.make(token) }), trusting)
})

describe("an application with parts of a node inside", () => {
  it.live(
    "runs its work as tasks, keeps results in its own table, and the API of the node tells of them",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* folder
        const file = join(yield* folder, "a file")
        writeFileSync(file, "hello\n")
        chmodSync(join(file, ".."), 0o755) // tasks run as a user of their own
        const sha256 = createHash("sha256").update("hello\n").digest("hex")

        const id = yield* Effect.scoped(
          Effect.gen(function* () {
            const { checksums } = yield* started(dataDir)
            const asked = yield* checksums.request({ payload: { path: file } })
            assert.deepInclude(asked, { path: file, sha256: null })
            const found = yield* checksums
              .find({ params: { id: asked.id } })
              .pipe(Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: (it) => it.sha256 !== null }))
            assert.deepStrictEqual(found, { id: asked.id, path: file, state: "succeeded", sha256 })
            const unknown = yield* Effect.flip(checksums.find({ params: { id: "nothing" } }))
            assert.strictEqual(unknown._tag, "NotFound")

            const node = yield* asColleague(dataDir)
            const health = yield* node.node.health({})
            assert.deepStrictEqual([health.status, health.ready], ["healthy", true])
            assert.sameMembers(
              health.components.map(({ name }) => name),
              ["security", "database", "orchestration"]
            )
            const task = yield* node.tasks.get({ params: { id: asked.id } })
            assert.deepInclude(task, { name: "sha256", state: "succeeded", submittedBy: "checksums" })
            assert.containSubset(yield* node.node.status({}), { node: "checksums", accepting: true })
            return asked.id
          })
        )
        // Nobody asks for this one.
        const other = yield* Effect.scoped(
          Effect.gen(function* () {
            const { checksums } = yield* started(dataDir)
            const { id } = yield* checksums.request({ payload: { path: file } })
            const node = yield* asColleague(dataDir)
            yield* node.tasks
              .get({ params: { id } })
              .pipe(
                Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ state }) => state === "succeeded" })
              )
            return id
          })
        )
        // Everything was closed, the database too; what it knew is there with the next start.
        const { checksums, sql } = yield* started(dataDir)
        rmSync(file)
        assert.deepInclude(yield* checksums.find({ params: { id } }), { sha256 })
        const kept = yield* sql`SELECT sha256 FROM checksums WHERE task = ${other}`.pipe(
          Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ length }) => length > 0 })
        )
        assert.deepStrictEqual(kept, [{ sha256 }])
      }).pipe(Effect.scoped, Effect.provide([NodeServices.layer, Logger.layer([])])),
    60_000
  )
})
