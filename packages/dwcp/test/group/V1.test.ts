import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { connect, createServer, type TLSSocket } from "node:tls"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"
import * as V1 from "../../src/group/V1.ts"
import { authority, eventually, type Identity, node, platform } from "./fixtures/nodes.ts"

const within = 60_000

/** A node of before: one port, one stream, records by hand; it knows nothing of what came after. */
const old = (identity: Identity, alpn: ReadonlyArray<string> | undefined) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const seen = {
        connections: 0,
        offered: [] as Array<string>,
        messages: [] as Array<Buffer>,
        envelopes: [] as Array<string>
      }
      const sockets = new Set<TLSSocket>()
      const server = createServer({
        ...identity,
        requestCert: true,
        ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] })
      })
      server.on("secureConnection", (socket) => {
        seen.connections++
        sockets.add(socket)
        let held = Buffer.alloc(0)
        socket.on("error", () => undefined)
        socket.on("data", (data) => {
          held = Buffer.concat([held, data])
          while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
            const record = held.subarray(4, 4 + held.readUInt32BE(0))
            held = held.subarray(4 + record.length)
            assert.strictEqual(record[0], 1)
            const end = 11 + record.readUInt16BE(9)
            seen.envelopes.push(record.toString("utf8", 11, end))
            const content = zstdDecompressSync(record.subarray(end))
            assert.strictEqual(content.length, record.readUInt32BE(5))
            const refused = content.toString("utf8", 0, 6) === "refuse"
            if (!refused) seen.messages.push(content)
            const answer = Buffer.from([0, 0, 0, 5, refused ? 3 : 2, 0, 0, 0, 0])
            record.copy(answer, 5, 1, 5)
            socket.write(answer)
          }
        })
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return { seen, server, sockets, peer: { host: "127.0.0.1", port } }
    }),
    ({ server, sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )

describe("DWCP v1", () => {
  for (const [what, alpn] of [
    ["by ALPN", [V1.protocol]],
    ["because it knows no ALPN", undefined]
  ] as const) {
    it.live(
      `is what a peer of v1 is spoken to in, ${what}: one TLS stream, zstd-3, one record for a message`,
      () =>
        Effect.gen(function* () {
          const issue = yield* authority
          const { dwcp } = yield* node("a", issue("a"))
          const { peer, seen } = yield* old(issue("old"), alpn)
          const sent = [Buffer.from("word ".repeat(10_000)), randomBytes(500_000), Buffer.alloc(0)]
          for (const bytes of sent) {
            const delivery = yield* dwcp.send(peer, bytes, { channel: "c" })
            assert.deepStrictEqual([delivery.version, delivery.codec, delivery.attempts], ["v1", "zstd-3", 1])
            if (bytes.length === 50_000) assert.isBelow(delivery.wireBytes, 500)
          }
          assert.strictEqual(seen.connections, 1)
          assert.isTrue(sent.every((bytes, k) => bytes.equals(seen.messages[k]!)))
          assert.include(seen.envelopes[0], `"c":"c"`)
          const refused = yield* Effect.flip(dwcp.send(peer, Buffer.from("refuse this")))
          assert.strictEqual(refused._tag, "MessageRefused")
          const [link] = (yield* dwcp.status).links
          assert.deepStrictEqual([link?.version, link?.streams, link?.features], ["v1", 1, []])
        }).pipe(Effect.scoped, Effect.provide(platform)),
      within
    )
  }

  it.live(
    "goes on over another stream when the one it had is cut, and nothing is lost",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const { dwcp } = yield* node("a", issue("a"))
        const { peer, seen, sockets } = yield* old(issue("old"), [V1.protocol])
        for (let k = 0; k < 30; k++) {
          if (k % 10 === 5) for (const socket of sockets) socket.destroy()
          yield* dwcp.send(peer, Buffer.from(`${k}`))
        }
        const numbers = new Set(seen.messages.map(String))
        assert.strictEqual(numbers.size, 30)
        assert.isAbove(seen.connections, 1)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "is taken from a peer that speaks nothing else, and hostile records cost it its stream or its message, and no more",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const { door, dwcp } = yield* node("a", issue("a"))
        const { ca, cert, key } = issue("old")
        const dial = Effect.acquireRelease(
          Effect.promise(
            () =>
              new Promise<{
                readonly socket: TLSSocket
                readonly answers: Array<Buffer>
                readonly isClosed: () => boolean
              }>((resolve) => {
                const answers: Array<Buffer> = []
                let closed = false
                const socket = connect({
                  host: "127.0.0.1",
                  port: door.port,
                  ca,
                  cert,
                  key,
                  servername: "localhost",
                  ALPNProtocols: [V1.protocol]
                })
                socket.on("error", () => undefined)
                socket.on("close", () => (closed = true))
                socket.on("data", (data) => void answers.push(data))
                socket.once("secureConnect", () => resolve({ socket, answers, isClosed: () => closed }))
              })
          ),
          ({ socket }) => Effect.sync(() => socket.destroy())
        )
        const envelope = (number: number) => JSON.stringify({ s: "0".repeat(32), n: number, f: 0, c: "c", e: "plain" })
        const record = (
          number: number,
          content: Buffer,
          size = content.length,
          text = envelope(number),
          packed = zstdCompressSync(content)
        ) => {
          const header = Buffer.from(text)
          const fixed = Buffer.alloc(15)
          fixed.writeUInt32BE(11 + header.length + packed.length, 0)
          fixed[4] = 1
          fixed.writeUInt32BE(number, 5)
          fixed.writeUInt32BE(size, 9)
          fixed.writeUInt16BE(header.length, 13)
          return Buffer.concat([fixed, header, packed])
        }
        const good = yield* dial
        good.socket.write(record(1, Buffer.from("hello")))
        const hello = yield* dwcp.take("c")
        assert.deepStrictEqual([hello.from, hello.version, Buffer.from(hello.bytes).toString()], ["old", "v1", "hello"])
        // The same again is there already.
        good.socket.write(record(1, Buffer.from("hello")))
        // A bomb, a lie, an envelope of nothing, and a content that is none: each refused by itself.
        good.socket.write(record(2, Buffer.alloc(50_000_000), 1_000))
        good.socket.write(record(3, Buffer.from("x"), 2 ** 31))
        good.socket.write(record(4, Buffer.from("x"), 1, "{}"))
        good.socket.write(record(5, Buffer.from("x"), 1, envelope(5), randomBytes(100)))
        good.socket.write(record(6, Buffer.from("goodbye")))
        assert.strictEqual(Buffer.from((yield* dwcp.take("c")).bytes).toString(), "goodbye")
        yield* eventually(
          Effect.sync(() => {
            const all = Buffer.concat(good.answers)
            const kinds: Array<number> = []
            for (let at = 0; at < all.length; at += 4 + all.readUInt32BE(at)) kinds.push(all[at + 4]!)
            assert.deepStrictEqual(kinds, [2, 2, 3, 3, 3, 3, 2])
          })
        )
        const bad = yield* dial
        bad.socket.write(randomBytes(1_000))
        yield* eventually(Effect.sync(() => assert.isTrue(bad.isClosed())))
        assert.isFalse(good.isClosed())
        assert.strictEqual((yield* dwcp.status).door.again, 1)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )
})
