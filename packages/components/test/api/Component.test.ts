import { createServer } from "node:net"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Boot, Component, Policy, Severity } from "@novacron/boot"
import { Context, Deferred, Effect, Exit, Fiber, Option, Schema } from "effect"
import { Api } from "../../src/api/Api.ts"
import * as ApiComponent from "../../src/api/Component.ts"
import * as NodeView from "../../src/api/NodeView.ts"
import { ApiPortTaken } from "../../src/api/Ports.ts"
import { Settings } from "../../src/api/Settings.ts"
import { Database } from "../../src/database/Database.ts"
import { Orchestration } from "../../src/orchestration/Orchestration.ts"
import * as SecurityComponent from "../../src/security/Component.ts"
import * as MemoryOrchestration from "./fixtures/MemoryOrchestration.ts"
import * as LocalAccess from "../../src/api/LocalAccess.ts"
import { ask, environment, securitySettings, tokenOf } from "./fixtures/server.ts"

/** A database that never comes: the API must do without for as long as it takes. */
const noDatabase = Component.make(Database, {
  name: "database",
  severity: "Warning",
  start: Effect.fail(new Error("there is none")),
  health: () => Effect.void
}).pipe(Component.optional)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-api-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const admin = { token: tokenOf("admin") }

const parts = (
  dataDir: string,
  view: NodeView.NodeView,
  orchestration: Effect.Effect<Orchestration["Service"]>,
  settings: typeof Settings.Encoded = {},
  attempts = 50
) =>
  [
    SecurityComponent.component(securitySettings, { dataDir, nodeId: "node-1", environment: {} }),
    noDatabase,
    Component.make(Orchestration, {
      name: "orchestration",
      phase: "service",
      start: orchestration,
      health: () => Effect.void
    }),
    ApiComponent.component(
      Schema.decodeUnknownSync(Settings)({ port: 0, grpc: { port: 0 }, tokens: { store: "file" }, ...settings }),
      { dataDir, view },
      {
        retry: Policy.perError(Policy.never, {
          ApiPortTaken: Policy.make({ name: "soon", attempts, delay: "50 millis" })
        })
      }
    )
  ] as const

describe("the component api", () => {
  it.live(
    "listens while the orchestration starts, answers with 503 until it is up, and tells of the boot all the while",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* folder
        const view = NodeView.make({ nodeId: "node-1", version: "0.1.0" })
        const ready = yield* Deferred.make<void>()
        const memory = yield* MemoryOrchestration.make()
        const slow = Effect.as(Deferred.await(ready), memory.service)
        const booting = yield* Effect.forkScoped(
          Boot.make(parts(dataDir, view, slow), { observe: view.observe, deadline: "50 seconds" })
        )
        const access = yield* LocalAccess.find(dataDir).pipe(
          Effect.delay("20 millis"),
          Effect.repeat({ until: Option.isSome })
        )
        const at = { access: Option.getOrThrow(access) }
        const early = yield* ask(at, "/v1/tasks", admin)
        assert.strictEqual(early.status, 503)
        assert.strictEqual(early.headers["retry-after"], "1")
        const status = yield* ask(at, "/v1/node", admin)
        assert.containSubset(status.json, { outcome: "booting", accepting: false })
        const why = yield* ask(at, "/v1/node/components/orchestration/why", admin)
        assert.strictEqual(why.status, 200, why.text)
        assert.strictEqual((yield* ask(at, "/v1/node/health", admin)).status, 503)

        yield* Deferred.succeed(ready, undefined)
        const running = yield* Fiber.join(booting)
        view.adopt(running)
        assert.strictEqual((yield* ask(at, "/v1/tasks", admin)).status, 200)
        assert.containSubset((yield* ask(at, "/v1/node", admin)).json, { outcome: "ready", accepting: true })
        assert.containSubset((yield* ask(at, "/v1/node/health", admin)).json, { ready: true })
        const impact = yield* ask(at, "/v1/node/components/security/impact", admin)
        assert.containSubset(impact.json, { component: "security", restoring: false })
        const { concerned } = JSON.parse(impact.text)
        assert.deepInclude(concerned, { component: "api", effect: "fails-boot" })
        const restored = yield* ask(at, "/v1/node/components/api/restore", { ...admin, method: "POST" })
        assert.strictEqual(restored.status, 409, restored.text)
        const again = yield* ask(at, "/v1/node/components/database/restore", { ...admin, method: "POST" })
        assert.strictEqual(again.status, 202, again.text)
        assert.strictEqual((yield* ask(at, "/v1/node/components/nothing/why", admin)).status, 404)
        assert.include((yield* ask(at, "/v1/node/report", admin)).text, '"name":"api"')
      }).pipe(Effect.scoped, Effect.provide(environment)),
    60_000
  )

  it.live(
    "tries again when its port is taken, and says which one it is when it stays so",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* folder
        const view = NodeView.make({ nodeId: "node-1", version: "0.1.0" })
        const { service } = yield* MemoryOrchestration.make()
        const other = createServer()
        const port = yield* Effect.callback<number>((resume) => {
          other.listen(0, "127.0.0.1", () => {
            const address = other.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        })
        // Nobody gives it back: that port and its setting are named, after all the attempts that there are.
        const failures: Array<string> = []
        const refused = yield* Effect.flip(
          Effect.scoped(
            Boot.make(parts(dataDir, view, Effect.succeed(service), { port }, 3), {
              deadline: "50 seconds",
              observe: (event) => {
                if (event._tag === "AttemptFailed" && event.component === "api") failures.push(event.failure.tag)
              }
            })
          )
        )
        assert.deepStrictEqual(failures, ["ApiPortTaken", "ApiPortTaken", "ApiPortTaken"])
        const taken = refused instanceof Severity.Critical ? refused.cause : refused
        assert.instanceOf(taken, ApiPortTaken)
        assert.include(taken.message, `Port ${port} on 127.0.0.1 is taken`)
        assert.include(taken.message, "set api.port")

        const seen = yield* Deferred.make<void>()
        const booting = yield* Effect.forkScoped(
          Boot.make(parts(dataDir, view, Effect.succeed(service), { port }), {
            deadline: "50 seconds",
            observe: (event) => {
              view.observe(event)
              if (event._tag === "AttemptFailed" && event.component === "api") Deferred.doneUnsafe(seen, Exit.void)
            }
          })
        )
        yield* Deferred.await(seen)
        yield* Effect.callback<void>((resume) => void other.close(() => resume(Effect.void)))
        const running = yield* Fiber.join(booting)
        assert.strictEqual(Context.get(running.services, Api).port, port)
      }).pipe(Effect.scoped, Effect.provide(environment)),
    60_000
  )
})
