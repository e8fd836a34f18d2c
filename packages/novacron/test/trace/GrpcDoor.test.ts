import { connect as connectHttp2 } from "node:http2"
import { connect } from "node:net"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Receiver from "../../src/trace/Receiver.ts"

const path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

interface Answer {
  readonly status: unknown
  readonly grpcStatus: unknown
  readonly body: Buffer
}

/** One call, with any body and headers: what a client of a library would not send. */
const call = (url: string, body: Buffer, headers: { readonly [name: string]: string } = {}) =>
  Effect.callback<Answer>((resume) => {
    const session = connectHttp2(url)
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers
    })
    let status: unknown
    let grpcStatus: unknown
    const chunks: Array<Buffer> = []
    stream.on("response", (got) => {
      status = got[":status"]
      grpcStatus = got["grpc-status"]
    })
    stream.on("trailers", (got) => (grpcStatus = got["grpc-status"]))
    stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    stream.on("error", () => undefined)
    stream.on("close", () => {
      session.destroy()
      resume(Effect.succeed({ status, grpcStatus, body: Buffer.concat(chunks) }))
    })
    stream.end(body)
  })

const message = (bytes: Buffer, packed = 0): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix[0] = packed
  prefix.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([prefix, bytes])
}

const inside = (field: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes])

/** A request with one span, by the letter of protobuf. */
const span = (traceId: string) =>
  Buffer.concat([
    inside(1, Buffer.from(traceId, "hex")),
    inside(2, Buffer.from("00f067aa0ba902b7", "hex")),
    inside(5, Buffer.from("query")),
    Buffer.from([0x39, 0, 0, 0, 0, 0, 0, 0, 1, 0x41, 0, 0, 0, 0, 0, 0, 0, 1])
  ])
const request = (traceId: string) => inside(1, inside(2, inside(2, span(traceId))))

describe("GrpcDoor", () => {
  it.live("takes spans over gRPC on the port of the pages, and says what it did not take", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0 })
      const taken = yield* call(url, message(request("4bf92f3577b34da6a3ce929d0e0e4736")))
      assert.deepStrictEqual([taken.status, taken.grpcStatus, taken.body.toString("hex")], [200, "0", "0000000000"])
      assert.strictEqual(store.spans, 1)
      const packed = message(gzipSync(request("5bf92f3577b34da6a3ce929d0e0e4736")), 1)
      assert.strictEqual((yield* call(url, packed, { "grpc-encoding": "gzip" })).grpcStatus, "0")
      assert.strictEqual(store.spans, 2)
      const partial = yield* call(url, message(request("00")))
      assert.strictEqual(partial.grpcStatus, "0")
      assert.include(partial.body.toString("latin1"), "a span has no traceId")
      const text = yield* Effect.promise(() => fetch(url).then((response) => response.text()))
      assert.include(text, "query")
    }).pipe(Effect.scoped)
  )

  it.live("refuses in the words of gRPC what is no request, is too long, or asks for something else", () =>
    Effect.gen(function* () {
      const { store, url } = yield* Receiver.serve({ port: 0, bodyBytes: 10_000 })
      const statusOf = (body: Buffer, headers = {}) => Effect.map(call(url, body, headers), (it) => it.grpcStatus)
      assert.strictEqual(yield* statusOf(message(Buffer.from("garbage"))), "3")
      assert.strictEqual(yield* statusOf(Buffer.from([0, 0, 0])), "3")
      assert.strictEqual(yield* statusOf(Buffer.concat([message(Buffer.alloc(0)), Buffer.from("more")])), "3")
      assert.strictEqual(yield* statusOf(message(Buffer.alloc(20_000))), "8")
      assert.strictEqual(yield* statusOf(message(Buffer.from("no gzip"), 1), { "grpc-encoding": "gzip" }), "3")
      const bomb = message(gzipSync(Buffer.alloc(5_000_000)), 1)
      assert.isBelow(bomb.length, 10_000)
      assert.strictEqual(yield* statusOf(bomb, { "grpc-encoding": "gzip" }), "8")
      assert.strictEqual(yield* statusOf(bomb, { "grpc-encoding": "snappy" }), "12")
      assert.strictEqual(yield* statusOf(message(Buffer.alloc(0)), { ":path": "/a.b.C/Do" }), "12")
      assert.strictEqual((yield* call(url, Buffer.alloc(0), { "content-type": "text/html" })).status, 415)
      assert.strictEqual(store.spans, 0)
      assert.strictEqual(yield* statusOf(message(request("4bf92f3577b34da6a3ce929d0e0e4736"))), "0")
    }).pipe(Effect.scoped)
  )

  it.live("is closed with the receiver, whoever is still connected, and does not mind who goes in the middle", () =>
    Effect.gen(function* () {
      const sockets = yield* Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* Receiver.serve({ port: 0 })
          const port = Number(new URL(url).port)
          const gone = yield* open(port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
          gone.socket.destroy()
          const kept = [
            yield* open(port, ""),
            yield* open(port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            yield* open(port, "GET")
          ]
          const answer = yield* Effect.promise(() => fetch(url))
          assert.strictEqual(answer.status, 200)
          return kept
        })
      )
      for (const { closed } of sockets) yield* closed
    })
  )
})

const open = (port: number, said: string) =>
  Effect.callback<{ readonly socket: ReturnType<typeof connect>; readonly closed: Effect.Effect<void> }>((resume) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(said)
      resume(Effect.succeed({ socket, closed }))
    })
    const over = new Promise<void>((resolve) => socket.on("close", () => resolve()))
    socket.on("error", () => undefined)
    socket.resume()
    const closed = Effect.promise(() => over)
  })
