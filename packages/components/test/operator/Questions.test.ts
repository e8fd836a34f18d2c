import { assert, describe, it } from "@effect/vitest"
import { Report } from "@novacron/boot/model"
import { Effect, Schema } from "effect"
import * as Wire from "../../src/operator/Wire.ts"
import { ask, type Asking, enter, post, scene, story } from "./Scene.ts"

const asking = (url: string, path: string, init?: Asking) => Effect.promise(() => ask(url, path, init))

const reads = ["node", "report", "why?component=cache", "health", "settings", "boots", "boot?id=last", "events"]

describe("what is asked at the dashboard", () => {
  it.live("is for whoever has a link, once, and for nobody else", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene()
      for (const path of reads) {
        const { status, text } = yield* asking(dashboard.url, `/api/${path}`)
        assert.strictEqual(status, 401, path)
        assert.notInclude(text, "node-1")
      }
      const { cookie, reply } = yield* enter(dashboard)
      assert.strictEqual(reply.status, 204)
      assert.match(`${reply.headers["set-cookie"]?.[0]}`, /; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/)
      assert.strictEqual((yield* asking(dashboard.url, "/api/node", { headers: { cookie } })).status, 200)
      const wrong = yield* Effect.promise(() => post(dashboard.url, "/api/session", { token: "guess" }))
      assert.strictEqual(wrong.status, 401)
      assert.isUndefined(wrong.headers["set-cookie"])
    })
  )

  it.live("tells nobody anything as it happens any more when the session is over", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene({ settings: { session: "3s" } })
      const { headers } = yield* enter(dashboard)
      // Completes when the stream ends.
      const { status, text } = yield* asking(dashboard.url, "/api/events", { headers })
      assert.strictEqual(status, 200)
      assert.include(text, "event: ")
      assert.strictEqual((yield* asking(dashboard.url, "/api/events", { headers })).status, 401)
    })
  )

  it.live("answers what its schemas say", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene()
      const { headers } = yield* enter(dashboard)
      const told = (path: string) =>
        Effect.map(asking(dashboard.url, path, { headers }), ({ text }) => JSON.parse(text))
      const decode = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S, value: unknown) =>
        Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(value)
      assert.strictEqual(decode(Wire.Node, yield* told("/api/node")).pid, 7)
      assert.strictEqual(decode(Report.Report, yield* told("/api/report")).bootId, "boot-1")
      assert.strictEqual(decode(Wire.Opened, yield* told("/api/boot?id=last")).events.length, story.length)
      assert.deepStrictEqual(decode(Wire.Boots, yield* told("/api/boots")), { boots: [], total: 0 })
      assert.match((yield* told("/api/why?component=api"))[0], /^api is still starting/)
      assert.strictEqual(decode(Wire.Restore, yield* told("/api/restore?component=cache")).isBegun, false)
      assert.strictEqual((yield* told("/api/difference?a=last&b=last")).deltaMs, 0)
      const unknown = yield* asking(dashboard.url, "/api/boot?id=none", { headers })
      assert.deepStrictEqual([unknown.status, JSON.parse(unknown.text)], [409, { error: "There is no such boot." }])
    })
  )

  it.live("restores what somebody has confirmed on a page of its own, and nothing else", () =>
    Effect.gen(function* () {
      const { dashboard, restored } = yield* scene()
      const { cookie } = yield* enter(dashboard)
      const body = { component: "cache", confirmed: true }
      const attempt = (change: { body?: unknown; headers?: { [name: string]: string } }) =>
        Effect.promise(() => post(dashboard.url, "/api/restore", change.body ?? body, { cookie, ...change.headers }))
      const foreign = { origin: "http://evil.example" }
      assert.strictEqual((yield* attempt({ headers: foreign })).status, 403)
      assert.strictEqual((yield* attempt({ headers: { "sec-fetch-site": "cross-site" } })).status, 403)
      assert.strictEqual((yield* attempt({ headers: { "content-type": "text/plain" } })).status, 415)
      assert.strictEqual((yield* attempt({ headers: { cookie: "" } })).status, 401)
      assert.strictEqual((yield* attempt({ body: { component: "cache" } })).status, 400)
      assert.strictEqual((yield* attempt({ body: { component: "cache", confirmed: false } })).status, 400)
      assert.strictEqual(
        (yield* asking(dashboard.url, "/api/restore?component=cache", { headers: { cookie } })).status,
        200
      )
      assert.deepStrictEqual(restored, [])
      assert.strictEqual((yield* attempt({})).status, 200)
      assert.deepStrictEqual(restored, ["cache"])
    })
  )

  it.live("knows no other name than its own, so that no other site can be a name for it", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene({ settings: { names: ["Proxy.Example"] } })
      const { cookie } = yield* enter(dashboard)
      for (const host of ["evil.example", "127.0.0.1.evil.example", "nova"]) {
        for (const path of ["/", "/api/node"]) {
          assert.strictEqual((yield* asking(dashboard.url, path, { headers: { cookie, host } })).status, 421, host)
        }
      }
      const proxied = yield* asking(dashboard.url, "/api/node", { headers: { cookie, host: "proxy.example" } })
      assert.strictEqual(proxied.status, 200)
    })
  )

  it.live("gives each answer a policy that lets nothing in or out", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene()
      for (const path of ["/", "/nothing", "/api/node"]) {
        const { headers } = yield* asking(dashboard.url, path)
        const policy = String(headers["content-security-policy"])
        assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';/, path)
        assert.notMatch(policy, /unsafe|https?:|\*/)
        assert.include(policy, "frame-ancestors 'none'")
        assert.strictEqual(headers["x-content-type-options"], "nosniff")
        assert.strictEqual(headers["referrer-policy"], "no-referrer")
      }
    })
  )

  it.live("takes no request that is larger than one needs to be", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene()
      const { cookie, headers } = yield* enter(dashboard)
      assert.strictEqual((yield* asking(dashboard.url, `/${"x".repeat(2_000)}`)).status, 414)
      const large = yield* Effect.promise(() =>
        post(dashboard.url, "/api/session", { token: "x".repeat(5_000) }, { cookie }).catch(() => ({ status: 413 }))
      )
      assert.strictEqual(large.status, 413)
      assert.strictEqual((yield* asking(dashboard.url, "/api/node", { headers, method: "PUT" })).status, 405)
      for (const path of [
        "/../../etc/passwd",
        "/%2e%2e/secret",
        "//evil.example/",
        "/assets/",
        "/api/",
        "/api/session/x"
      ]) {
        assert.include([404, 421], (yield* asking(dashboard.url, path, { headers })).status, path)
      }
    })
  )

  it.live("says nothing of a mistake of its own but that there was one", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene({ sources: { boots: () => Effect.die(new Error("secret at /var/lib")) } })
      const { headers } = yield* enter(dashboard)
      const { status, text } = yield* asking(dashboard.url, "/api/boots", { headers })
      assert.strictEqual(status, 500)
      assert.notInclude(text, "secret")
    })
  )
})
