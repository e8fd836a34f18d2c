import { createServer, get } from "node:http"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Schema, Scope } from "effect"
import * as Reply from "../../src/operator/Reply.ts"
import { ask } from "./Scene.ts"

/** A server that answers every request in one way, until the scope closes. */
const serving = (answer: (asked: Reply.Asked) => void, isSecure = false) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => answer({ house: { isSecure }, request, response }))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("an answer", () => {
  it.live("is packed when it is large and whoever asks can unpack it, and is bare for HEAD", () =>
    Effect.gen(function* () {
      const value = { text: "x".repeat(10_000) }
      const { url } = yield* serving((asked) => Reply.json(asked, 200, value))
      const plain = yield* Effect.promise(() => ask(url, "/"))
      assert.isUndefined(plain.headers["content-encoding"])
      assert.deepStrictEqual(JSON.parse(plain.text), value)
      const head = yield* Effect.promise(() =>
        ask(url, "/", { method: "HEAD", headers: { "accept-encoding": "gzip" } })
      )
      assert.deepStrictEqual([head.status, head.text], [200, ""])
      const bytes = yield* packed(url)
      assert.isBelow(bytes.length, 1_000)
      assert.deepStrictEqual(JSON.parse(gunzipSync(bytes).toString()), value)
    }).pipe(Effect.scoped)
  )

  it.live("of no says why, and says to browsers that TLS is spoken where it is", () =>
    Effect.gen(function* () {
      const { url } = yield* serving(({ house, response }) => Reply.refuse(house, response, 403, 'Not "you".'), true)
      const { headers, status, text } = yield* Effect.promise(() => ask(url, "/"))
      assert.deepStrictEqual([status, JSON.parse(text)], [403, { error: 'Not "you".' }])
      assert.strictEqual(headers["strict-transport-security"], "max-age=31536000")
      assert.strictEqual(headers["cache-control"], "no-store")
    }).pipe(Effect.scoped)
  )

  it.live("to a body needs one that is JSON, small, and what is wanted; else nothing is done", () =>
    Effect.gen(function* () {
      const done: Array<number> = []
      const { url } = yield* serving((asked) =>
        Reply.withBody(asked, Schema.Struct({ count: Schema.Int }), ({ count }) => {
          done.push(count)
          Reply.send(asked.house, asked.response, 204, "", {})
        })
      )
      const send = (body: string, type = "application/json") =>
        Effect.promise(() =>
          ask(url, "/", { method: "POST", body, headers: { "content-type": type } }).catch(() => ({ status: 413 }))
        )
      assert.strictEqual((yield* send(`{"count":1}`, "text/plain")).status, 415)
      assert.strictEqual((yield* send(`{"count":1.5}`)).status, 400)
      assert.strictEqual((yield* send(`{"count":`)).status, 400)
      assert.strictEqual((yield* send("")).status, 400)
      assert.strictEqual((yield* send(`{"count":1,"more":"${"x".repeat(8_000)}"}`)).status, 413)
      assert.deepStrictEqual(done, [])
      assert.strictEqual((yield* send(`{"count":7}`)).status, 204)
      assert.deepStrictEqual(done, [7])
    }).pipe(Effect.scoped)
  )

  it.live("that is being worked on when the server goes is given up, and said to be", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const run = yield* Scope.provide(Reply.runner, scope)
      const ended = yield* Deferred.make<Exit.Exit<void>>()
      run(Effect.never, (exit) => Deferred.doneUnsafe(ended, Effect.succeed(exit)))
      yield* Scope.close(scope, Exit.void)
      const exit = yield* Deferred.await(ended)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
    })
  )
})

/** The bytes as they come over the wire. */
const packed = (url: string): Effect.Effect<Uint8Array> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    get(url, { headers: { "accept-encoding": "gzip" } }, (response) => {
      response.on("data", (chunk: Buffer) => void chunks.push(chunk))
      response.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
    })
  })
