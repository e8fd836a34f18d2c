import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Metadata, Server, ServerCredentials, status, type sendUnaryData } from "@grpc/grpc-js"
import { Duration, Effect, Redacted, Schema, type Scope } from "effect"
import * as Exporter from "../../src/monitoring/Exporter.ts"
import * as OtlpGrpc from "../../src/monitoring/OtlpGrpc.ts"
import * as OtlpWire from "../../src/monitoring/OtlpWire.ts"
import { TracesSettings } from "../../src/monitoring/Settings.ts"
import { decode, encode, encodeResponse, hex, spansOf } from "./fixtures/Decoder.ts"
import * as Spans from "./fixtures/Spans.ts"
import { pki } from "./fixtures/Pki.ts"

const path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

type Reply = (body: Buffer, metadata: Metadata, done: sendUnaryData<Buffer>) => void

interface Collector {
  readonly bodies: Array<Buffer>
  readonly metadata: Array<Metadata>
  reply: Reply
}

/** A collector that speaks gRPC by the official library. `up` on a port; 0 for any. */
const up = (
  collector: Collector,
  port = 0,
  credentials = ServerCredentials.createInsecure()
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new Server()
      server.addService(
        {
          Export: {
            path,
            requestStream: false,
            responseStream: false,
            requestSerialize: (bytes: Buffer) => bytes,
            requestDeserialize: (bytes: Buffer) => bytes,
            responseSerialize: (bytes: Buffer) => bytes,
            responseDeserialize: (bytes: Buffer) => bytes
          }
        },
        {
          Export: (call: { readonly request: Buffer; readonly metadata: Metadata }, done: sendUnaryData<Buffer>) => {
            collector.bodies.push(call.request)
            collector.metadata.push(call.metadata)
            collector.reply(call.request, call.metadata, done)
          }
        }
      )
      const real = await new Promise<number>((resolve, reject) =>
        server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
          error === null ? resolve(bound) : reject(error)
        )
      )
      return { server, real }
    }),
    ({ server }) => Effect.sync(() => server.forceShutdown())
  ).pipe(Effect.map(({ real }) => real))

const well: Reply = (_body, _metadata, done) => done(null, Buffer.alloc(0))
const make = (): Collector => ({ bodies: [], metadata: [], reply: well })

const optionsFor = (port: number) => ({
  endpoint: `http://127.0.0.1:${port}`,
  timeout: Duration.seconds(5),
  maxBackoff: Duration.millis(200)
})

const body = encode({ resourceSpans: [] })

describe("OtlpGrpc", () => {
  it("connects to the port that is named, also when it is the usual one of https or http", () => {
    assert.strictEqual(OtlpGrpc.addressOf("https://otlp.example.com:443"), "otlp.example.com:443")
    assert.strictEqual(OtlpGrpc.addressOf("http://[::1]:80/"), "[::1]:80")
    assert.strictEqual(OtlpGrpc.addressOf("HTTPS://Otlp.example.com:8443/x"), "otlp.example.com:8443")
    assert.strictEqual(OtlpGrpc.addressOf("https://otlp.example.com"), "otlp.example.com:4317")
    assert.strictEqual(OtlpGrpc.addressOf("http://[::1]"), "[::1]:4317")
  })

  it.live("sends a request with what authorizes it, and hears what was not taken", () =>
    Effect.gen(function* () {
      const collector = make()
      const send = yield* OtlpGrpc.make({ ...optionsFor(yield* up(collector)), authorization: "Bearer s3cret" })
      assert.deepStrictEqual(yield* send(body), { _tag: "Taken", rejected: 0, why: "" })
      assert.deepStrictEqual(collector.metadata[0]?.get("authorization"), ["Bearer s3cret"])
      const partial = Buffer.from(encodeResponse({ partialSuccess: { rejectedSpans: "7", errorMessage: "too old" } }))
      collector.reply = (_body, _metadata, done) => done(null, partial)
      assert.deepStrictEqual(yield* send(body), { _tag: "Taken", rejected: 7, why: "too old" })
    }).pipe(Effect.scoped)
  )

  it.live("speaks TLS to whom it is told to trust, and to nobody else", () =>
    Effect.gen(function* () {
      const { ca, cert, key } = yield* pki
      const collector = make()
      const credentials = ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }])
      const port = yield* up(collector, 0, credentials)
      const secure = { ...optionsFor(port), endpoint: `https://127.0.0.1:${port}` }
      const trusting = yield* OtlpGrpc.make({ ...secure, ca: readFileSync(ca) })
      assert.deepStrictEqual(yield* trusting(body), { _tag: "Taken", rejected: 0, why: "" })
      const careful = yield* OtlpGrpc.make(secure)
      assert.strictEqual((yield* careful(body))._tag, "Again")
      const plain = yield* OtlpGrpc.make({ ...optionsFor(port), timeout: Duration.seconds(2) })
      assert.strictEqual((yield* plain(body))._tag, "Again")
      assert.lengthOf(collector.bodies, 1)
    }).pipe(Effect.scoped)
  )

  it.live("knows which refusals are for good", () =>
    Effect.gen(function* () {
      const collector = make()
      const send = yield* OtlpGrpc.make(optionsFor(yield* up(collector)))
      const answers: Array<readonly [number, string]> = [
        [status.UNAVAILABLE, "Again"],
        [status.INTERNAL, "Broke"],
        [status.ABORTED, "Again"],
        [status.RESOURCE_EXHAUSTED, "TooLarge"],
        [status.UNAUTHENTICATED, "Refused"],
        [status.INVALID_ARGUMENT, "Refused"],
        [status.UNIMPLEMENTED, "Refused"]
      ]
      for (const [code, tag] of answers) {
        collector.reply = (_body, _metadata, done) => done({ code, details: "no" })
        assert.strictEqual((yield* send(body))._tag, tag, `${code}`)
      }
      const details = new Metadata()
      const retryInfo = Buffer.concat([Buffer.from([0x0a, 2, 0x08, 3])])
      const type = Buffer.from("type.googleapis.com/google.rpc.RetryInfo")
      const any = Buffer.concat([
        Buffer.from([0x0a, type.length]),
        type,
        Buffer.from([0x12, retryInfo.length]),
        retryInfo
      ])
      details.set("grpc-status-details-bin", Buffer.concat([Buffer.from([0x08, 8, 0x1a, any.length]), any]))
      collector.reply = (_body, _metadata, done) =>
        done({ code: status.RESOURCE_EXHAUSTED, details: "later", metadata: details })
      assert.deepStrictEqual(yield* send(body), {
        _tag: "Again",
        afterMs: 3_000,
        why: "RESOURCE_EXHAUSTED: later"
      })
    }).pipe(Effect.scoped)
  )

  it.live("comes again to who is not there, never answers, or is no gRPC at all", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.scoped(up(make()))
      const nobody = yield* OtlpGrpc.make(optionsFor(closed))
      assert.strictEqual((yield* nobody(body))._tag, "Again")
      const collector = make()
      collector.reply = () => undefined
      const silent = yield* OtlpGrpc.make({ ...optionsFor(yield* up(collector)), timeout: Duration.millis(200) })
      assert.strictEqual((yield* silent(body))._tag, "Again")
      const babbler = createServer((socket) =>
        socket
          .on("error", () => undefined)
          .resume()
          .end("%%% no HTTP\r\n\r\n")
      )
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => babbler.listen(0, "127.0.0.1", resolve))),
        () => Effect.sync(() => babbler.close())
      )
      const { port } = babbler.address() as AddressInfo // it listens on a port
      const mad = yield* OtlpGrpc.make({ ...optionsFor(port), timeout: Duration.seconds(1) })
      assert.strictEqual((yield* mad(body))._tag, "Again")
    }).pipe(Effect.scoped)
  )

  it.live("loses no span of the exporter to a collector that comes late, is full, and is killed and back", () =>
    Effect.gen(function* () {
      const collector = make()
      const port = yield* Effect.scoped(up(collector))
      const got = new Set<string>()
      const taking: Reply = (bytes, _metadata, done) => {
        for (const one of spansOf(decode(bytes))) got.add(hex(one.spanId))
        done(null, Buffer.alloc(0))
      }
      collector.reply = taking
      const endpoint = `http://127.0.0.1:${port}`
      const settings = Schema.decodeUnknownSync(TracesSettings)({
        endpoint,
        protocol: "grpc",
        interval: "20ms",
        timeout: "1s",
        maxBackoff: "100ms",
        batch: 16,
        stopBudget: "10s"
      })
      const exporter = yield* Exporter.make({
        ...settings,
        endpoint,
        authorization: Redacted.make("Bearer x")
      })
      exporter.push(Spans.resource, Spans.make(40))
      yield* until(() => exporter.statistics().failures > 0)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* up(collector, port)
          collector.reply = (bytes, metadata, done) =>
            spansOf(decode(bytes)).length > 4
              ? done({ code: status.RESOURCE_EXHAUSTED, details: "too many" })
              : taking(bytes, metadata, done)
          exporter.push(Spans.resource, Spans.make(20))
          yield* until(() => got.size >= 30)
        })
      )
      exporter.push(Spans.resource, Spans.make(10))
      collector.reply = taking
      yield* up(collector, port)
      yield* until(() => exporter.statistics().waiting === 0)
      assert.strictEqual(got.size, 70)
      assert.deepStrictEqual(exporter.statistics().dropped, { full: 0, refused: 0, lost: 0 })
      const [first] = collector.bodies
      const read = OtlpWire.readRequest(first ?? Buffer.alloc(0))
      assert.include(JSON.stringify(read), "service.instance.id")
    }).pipe(Effect.scoped)
  )
})

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), until(isSo)))).pipe(
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die(new Error("it did not come to that")) })
  )
