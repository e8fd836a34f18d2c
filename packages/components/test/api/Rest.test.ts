import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ask, environment, start, submission, tokenOf } from "./fixtures/server.ts"

describe("REST", () => {
  it.live(
    "submits a task, shows it, and lists it",
    () =>
      Effect.gen(function* () {
        const running = yield* start()
        const admin = { token: tokenOf("admin") }
        const made = yield* ask(running, "/v1/tasks", { ...admin, method: "POST", body: submission })
        assert.strictEqual(made.status, 201, made.text)
        console.log(made.headers, made.text)
        const list = yield* ask(running, "/v1/tasks", admin)
        assert.strictEqual(list.status, 200, list.text)
        for (const path of [
          "/v1/node",
          "/v1/node/report",
          "/v1/node/health",
          "/v1/nodes",
          "/v1/tokens",
          "/nowhere",
          "/v1/tasks/xx",
          "/v1/tasks?limit=0&foo=1",
          "/",
          "/v1/events"
        ]) {
          const r = yield* ask(running, path, admin)
          console.log(path, r.status, r.headers["content-type"], r.text.slice(0, 300))
        }
        const nobody = yield* ask(running, "/v1/tasks")
        console.log(nobody.status, nobody.headers, nobody.text)
        for (const body of ["{", "x".repeat(2_000_000), JSON.stringify({ a: 1 })]) {
          const r = yield* ask(running, "/v1/tasks", { ...admin, method: "POST", body })
          console.log(r.status, r.text.slice(0, 400))
        }
        const c = yield* ask(running, "/v1/tasks", {
          ...admin,
          method: "POST",
          body: "x".repeat(2_000_000),
          headers: { "transfer-encoding": "chunked" }
        })
        console.log(c.status, c.text.slice(0, 400))
        const d = yield* ask(running, "/v1/tasks", { ...admin, method: "DELETE" })
        console.log(d.status, d.headers, d.text.slice(0, 400))
        const e = yield* ask(running, "/v1/tasks", {
          ...admin,
          method: "POST",
          body: "a=b",
          headers: { "content-type": "text/plain" }
        })
        console.log(e.status, e.text.slice(0, 400))
      }).pipe(Effect.scoped, Effect.provide(environment)),
    60_000
  )
})
