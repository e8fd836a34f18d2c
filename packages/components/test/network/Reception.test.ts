import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Stream } from "effect"
import * as Ping from "../../src/network/Ping.ts"
import { authority, type Identity } from "./fixtures/authority.ts"
import { hears, isClosed, listening, plain, refusals, secure, shows } from "./fixtures/listeners.ts"

const ping = { ALPNProtocols: [Ping.protocol] }

describe("the reception", () => {
  it.live("lets a client name its protocol in the first frame when it cannot in TLS", () =>
    Effect.gen(function* () {
      const { issue, port } = yield* listening()
      const client = yield* secure(port, yield* issue("node-2"))
      yield* client.send("Hello", Ping.protocol)
      yield* client.send("Data", "are you there?")
      yield* hears(client, ["Data are you there?"])
    }).pipe(Effect.scoped)
  )

  it.live("refuses whoever shows no certificate, one of another authority, or one that has run out", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      const stranger = yield* (yield* authority("another authority")).issue("node-2")
      const known = yield* issue("node-2")
      const late = yield* issue("node-3", ["localhost"], -1_000)
      for (const identity of [undefined, stranger, late]) {
        const client = yield* secure(port, identity, { trust: known.ca, ...ping })
        yield* client.send("Data", "let me in")
        yield* isClosed(client)
        assert.deepStrictEqual(client.frames, [])
      }
      yield* shows(network, { open: 0, entering: 0, accepted: 3 })
      assert.deepStrictEqual(yield* refusals(network), { handshake: 3 })
      // With the right one it would have been answered.
      const client = yield* secure(port, known, ping)
      yield* client.send("Data", "let me in")
      yield* hears(client, ["Data let me in"])
    }).pipe(Effect.scoped)
  )

  it.live("refuses a client that speaks no TLS, and one whose TLS is too old", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      const client = yield* plain(port)
      yield* client.send("Hello", Ping.protocol)
      yield* isClosed(client)
      assert.deepStrictEqual(client.frames, [])
      const old = yield* secure(port, yield* issue("node-2"), { ...ping, maxVersion: "TLSv1.1", minVersion: "TLSv1" })
      yield* isClosed(old)
      yield* shows(network, { entering: 0 })
      assert.deepStrictEqual(yield* refusals(network), { handshake: 2 })
    }).pipe(Effect.scoped)
  )

  it.live("refuses a node that its security does not know, and says so", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({}, { banned: ["node-2"] })
      const client = yield* secure(port, yield* issue("node-2"), ping)
      yield* hears(client, ["Refused it is not known here"])
      yield* isClosed(client)
      assert.deepStrictEqual(yield* refusals(network), { unauthenticated: 1 })
    }).pipe(Effect.scoped)
  )

  it.live("refuses a protocol that nobody offers, in TLS and in the first frame", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      const identity = yield* issue("node-2")
      const inTls = yield* secure(port, identity, { ALPNProtocols: ["test/unknown"] })
      yield* isClosed(inTls)
      assert.match(inTls.error(), /no application protocol/i)
      const inFrame = yield* secure(port, identity)
      yield* inFrame.send("Hello", "test/unknown")
      yield* hears(inFrame, ["Refused nobody here speaks that protocol"])
      const rude = yield* secure(port, identity)
      yield* rude.send("Data", "no hello")
      yield* hears(rude, ["Refused the first frame has to be a hello"])
      assert.deepStrictEqual(yield* refusals(network), { handshake: 1, protocol: 2 })
    }).pipe(Effect.scoped)
  )

  it.live("shows a renewed certificate to whoever comes after it", () =>
    Effect.gen(function* () {
      const renewals = yield* Queue.unbounded<Identity>()
      const { issue, port } = yield* listening({}, { renewed: Stream.fromQueue(renewals) })
      const identity = yield* issue("node-2")
      const nameOf = Effect.gen(function* () {
        const client = yield* secure(port, identity, ping)
        yield* client.send("Data", "a")
        yield* hears(client, ["Data a"])
        return client.socket.getPeerCertificate().subject.CN
      })
      assert.strictEqual(yield* nameOf, "node-1")
      yield* Queue.offer(renewals, yield* issue("node-1 renewed"))
      yield* Effect.sleep("50 millis")
      assert.strictEqual(yield* nameOf, "node-1 renewed")
    }).pipe(Effect.scoped)
  )

  it.live("end whoever says nothing, or too little at a time, before it has proved who it is", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ minRate: "4 KiB" })
      const silent = yield* plain(port)
      // The beginning of a handshake, and then a byte now and then.
      const slow = yield* plain(port)
      yield* slow.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("100 millis"), slow.write(Buffer.from([0])))))
      // All of the handshake, and then its first frame a byte at a time.
      const late = yield* secure(port, yield* issue("node-2"))
      yield* late.write(Buffer.from([0, 0, 0, 100, 0]))
      yield* Effect.forkScoped(
        Effect.forever(Effect.andThen(Effect.sleep("100 millis"), late.write(Buffer.from([65]))))
      )
      for (const client of [silent, slow, late]) yield* isClosed(client)
      yield* shows(network, { entering: 0, open: 0 })
      assert.deepStrictEqual(yield* refusals(network), { slow: 3 })
    }).pipe(Effect.scoped)
  )

  it.live("end whoever takes too long to prove who it is, or to say what it wants", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ handshakeTimeout: "200ms" })
      const mute = yield* plain(port)
      const undecided = yield* secure(port, yield* issue("node-2"))
      for (const client of [mute, undecided]) yield* isClosed(client)
      assert.deepStrictEqual(yield* refusals(network), { slow: 2 })
    }).pipe(Effect.scoped)
  )
})
