import { createServer, type IncomingHttpHeaders } from "node:http"
import { createServer as createTls } from "node:https"
import { type AddressInfo, createServer as createTcp } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Outgoing from "../../src/monitoring/Outgoing.ts"
import { pki } from "./fixtures/Pki.ts"

interface Heard {
  readonly body: string
  readonly headers: IncomingHttpHeaders
}

/** A server that answers as it is told to, and remembers what it heard. */
const server = (answer: (heard: Heard) => { readonly status: number; readonly body: string; readonly to?: string }) =>
  Effect.gen(function* () {
    const heard: Array<Heard> = []
    const made = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const one = { body: Buffer.concat(chunks).toString(), headers: request.headers }
        heard.push(one)
        const { body, status, to } = answer(one)
        response.writeHead(status, { "retry-after": "7", ...(to === undefined ? {} : { location: to }) })
        response.end(body)
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void made.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.sync(() => {
          made.close()
          made.closeAllConnections()
        })
    )
    return { heard, url: `http://127.0.0.1:${(made.address() as AddressInfo).port}/x` } // it listens on a port
  })

const body = Buffer.from("{}")

describe("Outgoing", () => {
  it.live("posts what it is given, and yields what is answered, whatever that is", () =>
    Effect.gen(function* () {
      const { heard, url } = yield* server(() => ({ status: 503, body: "later" }))
      const reply = yield* Outgoing.post(url, { authorization: "Bearer x", "content-type": "application/json" }, body)
      assert.deepStrictEqual([reply.status, reply.headers["retry-after"], reply.body.toString()], [503, "7", "later"])
      assert.strictEqual(heard[0]?.body, "{}")
      assert.deepInclude(heard[0]?.headers, { authorization: "Bearer x", "content-length": "2" })
    }).pipe(Effect.scoped)
  )

  it.live("goes nowhere else, and reads no more than the beginning of what has no end", () =>
    Effect.gen(function* () {
      const { heard, url } = yield* server(({ body }) =>
        body === "{}"
          ? { status: 302, body: "", to: "http://127.0.0.1:1/" }
          : { status: 200, body: "x".repeat(5_000_000) }
      )
      assert.strictEqual((yield* Outgoing.post(url, {}, body)).status, 302)
      assert.lengthOf(heard, 1)
      const long = yield* Outgoing.post(url, {}, Buffer.from("long"))
      assert.strictEqual(long.status, 200)
      assert.isAtMost(long.body.length, 64 * 1024)
    }).pipe(Effect.scoped)
  )

  it.live("fails where nobody is, with who speaks no HTTP, and with an answer that is cut off", () =>
    Effect.gen(function* () {
      for (const said of ["%%% no HTTP\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"]) {
        const made = createTcp((socket) =>
          socket
            .on("error", () => undefined)
            .resume()
            .end(said)
        )
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => void made.listen(0, "127.0.0.1", () => resume(Effect.void))),
          () => Effect.sync(() => made.close())
        )
        const { port } = made.address() as AddressInfo // it listens on a port
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Outgoing.post(`http://127.0.0.1:${port}/`, {}, body))), said)
      }
      const nobody = yield* Effect.flip(Outgoing.post("http://127.0.0.1:1/", {}, body))
      assert.include(nobody.message, "ECONNREFUSED")
    }).pipe(Effect.scoped)
  )

  it.live("trusts whom it is told to trust, and nobody else", () =>
    Effect.gen(function* () {
      const { ca, cert, key } = yield* pki
      const made = createTls({ cert, key }, (_, response) => void response.end("well"))
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void made.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () =>
          Effect.sync(() => {
            made.close()
            made.closeAllConnections()
          })
      )
      const url = `https://127.0.0.1:${(made.address() as AddressInfo).port}/` // it listens on a port
      const authorities = yield* Outgoing.authorities(ca)
      assert.strictEqual((yield* Outgoing.post(url, {}, body, authorities)).body.toString(), "well")
      assert.match((yield* Effect.flip(Outgoing.post(url, {}, body))).message, /certificate/)
      const error = yield* Effect.flip(Outgoing.authorities("/nowhere/ca.pem"))
      assert.include(error.message, "The authorities in /nowhere/ca.pem cannot be read, so nothing is sent.")
      assert.isUndefined(yield* Outgoing.authorities(undefined))
    }).pipe(Effect.scoped)
  )

  it.live("is given up when it is interrupted", () =>
    Effect.gen(function* () {
      const made = createServer(() => undefined)
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void made.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () =>
          Effect.sync(() => {
            made.close()
            made.closeAllConnections()
          })
      )
      const closed = new Promise<void>((resolve) => {
        made.on("connection", (socket) => socket.on("close", () => resolve()))
      })
      const { port } = made.address() as AddressInfo // it listens on a port
      const late = Effect.timeoutOption(Outgoing.post(`http://127.0.0.1:${port}/`, {}, body), "100 millis")
      assert.strictEqual((yield* late)._tag, "None")
      yield* Effect.promise(() => closed)
    }).pipe(Effect.scoped)
  )
})
