import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { ask, type Asking, scene } from "./Scene.ts"

const asking = (url: string, path: string, init?: Asking) => Effect.promise(() => ask(url, path, init))

describe("the pages", () => {
  it.live("wait until they are built, once for all who ask, and say what went wrong", () =>
    Effect.gen(function* () {
      let built = 0
      const ready = yield* Deferred.make<void>()
      const build = Effect.andThen(
        Effect.sync(() => void built++),
        Deferred.await(ready)
      )
      const { dashboard, dataDir } = yield* scene({ options: { build } })
      const waiting = [1, 2].map(() => ask(dashboard.url, "/"))
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => built > 0, times: 500 })
      writeFileSync(join(dataDir, "site/index.html"), "<p>built")
      yield* Deferred.succeed(ready, undefined)
      const replies = yield* Effect.promise(() => Promise.all(waiting))
      assert.deepStrictEqual(
        replies.map(({ text }) => text),
        ["<p>built", "<p>built"]
      )
      assert.strictEqual(built, 1)
      const broken = yield* scene({
        options: { site: "/nowhere", build: Effect.fail({ message: "It cannot be built." }) }
      })
      const reply = yield* asking(broken.dashboard.url, "/")
      assert.deepStrictEqual([reply.status, JSON.parse(reply.text)], [503, { error: "It cannot be built." }])
    })
  )

  it.live("are not sent again to a browser that has them, and come packed to one that can unpack them", () =>
    Effect.gen(function* () {
      const { dashboard, dataDir } = yield* scene()
      mkdirSync(join(dataDir, "site/assets"))
      writeFileSync(join(dataDir, "site/assets/index-AbCd1234.js"), "let a = 1")
      writeFileSync(join(dataDir, "site/assets/index-AbCd1234.js.br"), "packed")
      const first = yield* asking(dashboard.url, "/")
      assert.strictEqual(first.headers["cache-control"], "no-cache")
      const etag = String(first.headers.etag)
      const again = yield* asking(dashboard.url, "/", { headers: { "if-none-match": etag } })
      assert.deepStrictEqual([again.status, again.text, again.headers.etag], [304, "", etag])
      const path = "/assets/index-AbCd1234.js"
      const packed = yield* asking(dashboard.url, path, { headers: { "accept-encoding": "br" } })
      assert.deepStrictEqual([packed.text, packed.headers["content-encoding"]], ["packed", "br"])
      assert.match(String(packed.headers["cache-control"]), /immutable/)
      const plain = yield* asking(dashboard.url, path)
      assert.deepStrictEqual([plain.text, plain.headers["content-encoding"]], ["let a = 1", undefined])
    })
  )

  it.live("are to be read and nothing else", () =>
    Effect.gen(function* () {
      const { dashboard } = yield* scene()
      assert.strictEqual((yield* asking(dashboard.url, "/", { method: "POST" })).status, 405)
      assert.strictEqual((yield* asking(dashboard.url, "/none.js")).status, 404)
    })
  )
})
