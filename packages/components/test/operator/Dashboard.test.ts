import { readFileSync, statSync, chmodSync } from "node:fs"
import { createServer, get } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Scope } from "effect"
import * as Dashboard from "../../src/operator/Dashboard.ts"
import { ask, type Asking, enter, scene, story } from "./Scene.ts"

const asking = (url: string, path: string, init?: Asking) => Effect.promise(() => ask(url, path, init))

describe("the dashboard", () => {
  it.live("survives what is no HTTP", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene()
      for (const text of [
        "\u0016\u0003\u0001 hello\r\n\r\n",
        "GET http://[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "x".repeat(20_000)
      ]) {
        yield* Effect.callback<void>((resume) => {
          const socket = connect(dashboard.port, "127.0.0.1", () => socket.end(text))
          socket.on("error", () => resume(Effect.void)).on("close", () => resume(Effect.void))
          socket.resume()
        })
      }
      assert.strictEqual((yield* asking(dashboard.url, "/")).status, 200)
    })
  )

  it.live("tells events as they happen, and the last ones before it closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { dashboard } = yield* Scope.provide(scene(), scope)
      const { headers } = yield* enter(dashboard)
      for (const event of story.slice(0, 2)) dashboard.observe(event)
      const began = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<string>()
      let text = ""
      get(`${dashboard.url}/api/events`, { headers }, (response) => {
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString()
          if (text.includes("ComponentStarted")) Deferred.doneUnsafe(began, Effect.void)
        })
        response.on("end", () => Deferred.doneUnsafe(ended, Effect.succeed(text)))
      })
      yield* Deferred.await(began)
      dashboard.observe({ _tag: "BootEnded", atMs: 9, outcome: "failed", clean: true })
      yield* Scope.close(scope, Exit.void)
      assert.include(yield* Deferred.await(ended), `"_tag":"BootEnded"`)
    })
  )

  it.live("finds another port when its own is taken", () =>
    Effect.gen(function* () {
      const other = createServer()
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void other.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => other.close())
      )
      const address = other.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const { dashboard } = yield* scene({ settings: { port } })
      assert.isAbove(dashboard.port, 0)
      assert.notStrictEqual(dashboard.port, port)
      assert.include((yield* dashboard.link()).url, `:${dashboard.port}/#token=`)
    })
  )

  it.live("does not serve beyond this machine without a certificate", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(scene({ settings: { host: "0.0.0.0" } }))
      assert.instanceOf(error, Dashboard.DashboardUnavailable)
      assert.include(error.message, "has no certificate to show")
    })
  )

  it.live("keeps its key from others, knows its sessions after a restart, and makes another when one was seen", () =>
    Effect.gen(function* () {
      const { dashboard, dataDir } = yield* scene()
      const path = join(dataDir, "dashboard.key")
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      const key = readFileSync(path)
      const { cookie } = yield* enter(dashboard)
      const again = yield* scene({ options: { dataDir } })
      const renamed = cookie.replace(`${dashboard.port}`, `${again.dashboard.port}`)
      const known = yield* asking(again.dashboard.url, "/api/node", { headers: { cookie: renamed } })
      assert.strictEqual(known.status, 200)
      chmodSync(path, 0o644)
      const third = yield* scene({ options: { dataDir } })
      assert.notDeepEqual(readFileSync(path), key)
      const other = cookie.replace(`${dashboard.port}`, `${third.dashboard.port}`)
      assert.strictEqual((yield* asking(third.dashboard.url, "/api/node", { headers: { cookie: other } })).status, 401)
    })
  )
})
