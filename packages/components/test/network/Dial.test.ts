import { type AddressInfo, createServer, type Server } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { CannotConnect, ConnectionLost, MessageTooLarge } from "../../src/network/Network.ts"
import * as Ping from "../../src/network/Ping.ts"
import { authority } from "./fixtures/authority.ts"
import { listening, peer, shows } from "./fixtures/listeners.ts"

describe("a connection to a peer", () => {
  const to = { host: "127.0.0.1", serverName: "localhost", protocol: Ping.protocol }

  it.live("is refused by this side when the peer is not who it should be", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      const ours = yield* peer(yield* issue("node-2"))
      yield* Effect.flatMap(ours.connect({ ...to, port }), Ping.ask)
      const { issue: theirs } = yield* authority("another authority")
      const stranger = yield* peer(yield* theirs("node-1"))
      const attempts = {
        "wrong name": ours.connect({ ...to, port, serverName: "elsewhere" }),
        "wrong authority": ours.connect({ ...to, port: stranger.address.port }),
        "no such protocol": ours.connect({ ...to, port, protocol: "test/unknown" })
      }
      for (const [why, attempt] of Object.entries(attempts)) {
        assert.instanceOf(yield* Effect.flip(attempt), CannotConnect, why)
      }
      yield* network.drain
      const error = yield* Effect.flip(ours.connect({ ...to, port }))
      assert.include(String(error.cause), "ECONNREFUSED")
    }).pipe(Effect.scoped)
  )

  it.live("does not wait longer than it may for a peer that says nothing", () =>
    Effect.gen(function* () {
      const { issue } = yield* authority("the authority")
      const mute = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      mute.on("connection", (socket) => socket.on("error", () => undefined).resume())
      const ours = yield* peer(yield* issue("node-2"), { connTimeout: "200ms" })
      const { port } = mute.address() as AddressInfo
      const error = yield* Effect.flip(ours.connect({ ...to, port }))
      assert.include(String(error.cause), "too long")
    }).pipe(Effect.scoped)
  )

  it.live("is refused by this side when the peer does not say that it speaks the protocol", () =>
    Effect.gen(function* () {
      const { issue } = yield* authority("the authority")
      const { ca, cert, key } = yield* issue("node-1")
      const other = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createTlsServer({ ca, cert, key, requestCert: true })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const ours = yield* peer(yield* issue("node-2"))
      const { port } = other.address() as AddressInfo
      const error = yield* Effect.flip(ours.connect({ ...to, port }))
      assert.include(String(error.cause), `does not speak ${Ping.protocol}`)
    }).pipe(Effect.scoped)
  )

  it.live("says so when it is lost, when it is refused, and when a message is too large", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ maxFrame: "1 KiB" }, { banned: ["node-3"] })
      const ours = yield* peer(yield* issue("node-2"))
      yield* network.onConnection("test/hangs-up", () => Effect.void)
      yield* network.onConnection("test/waits", () => Effect.never)
      const short = yield* ours.connect({ ...to, port, protocol: "test/hangs-up" })
      assert.isTrue(Option.isNone(yield* short.receive))
      const long = yield* ours.connect({ ...to, port, protocol: "test/waits" })
      const large = yield* Effect.flip(long.send(Buffer.alloc(2 ** 20 + 1)))
      assert.instanceOf(large, MessageTooLarge)
      yield* shows(network, { open: 1 })
      assert.deepStrictEqual(yield* network.drain, { finished: 0, cutOff: 1 })
      assert.instanceOf(yield* Effect.flip(long.receive), ConnectionLost)

      const elsewhere = yield* listening({}, { banned: ["node-9"] })
      const banned = yield* peer(yield* elsewhere.issue("node-9"))
      const refused = yield* banned.connect({ ...to, port: elsewhere.port })
      assert.include((yield* Effect.flip(refused.receive)).message, "it is not known here")
    }).pipe(Effect.scoped)
  )
})
