import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Queue, References, Scope } from "effect"
import * as Ping from "../../src/network/Ping.ts"
import { authority, type Identity } from "./fixtures/authority.ts"
import { eventually, hears, isClosed, listening, peer, plain, refusals, secure, shows } from "./fixtures/listeners.ts"

const text = (message: Option.Option<Uint8Array>) =>
  Option.match(message, { onNone: () => "none", onSome: (bytes) => Buffer.from(bytes).toString() })
const ping = { ALPNProtocols: [Ping.protocol] }

describe("a listener", () => {
  it.live("answers a peer of its authority, and knows who it is", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      assert.notStrictEqual(port, 0)
      const other = yield* peer(yield* issue("node-2"))
      const seen = yield* Queue.unbounded<string>()
      yield* network.onConnection("test/echo", ({ peer, protocol, receive, send }) =>
        Effect.gen(function* () {
          yield* Queue.offer(seen, `${protocol} ${peer.principal.name} ${peer.principal.by} ${peer.address.host}`)
          for (let message = yield* receive; Option.isSome(message); message = yield* receive)
            yield* send(message.value)
        })
      )
      const to = { host: "127.0.0.1", port, serverName: "localhost", protocol: "test/echo" }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* other.connect(to)
          assert.strictEqual(connection.peer.principal.name, "node-1")
          yield* connection.send(Buffer.from("hello"))
          assert.strictEqual(text(yield* connection.receive), "hello")
          const large = Buffer.alloc(1_000_000, "x")
          yield* connection.send(large)
          assert.strictEqual(text(yield* connection.receive).length, large.length)
          yield* shows(network, { open: 1, byNode: { "node-2": 1 }, accepted: 1 })
        })
      )
      assert.strictEqual(yield* Queue.take(seen), "test/echo node-2 mtls 127.0.0.1")
      yield* shows(network, { open: 0, entering: 0, byNode: {} })
      assert.deepStrictEqual(yield* refusals(network), {})
    }).pipe(Effect.scoped)
  )

  it.live("has one handler for a protocol, as long as the scope of that handler is open", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      const identity = yield* issue("node-2")
      const scope = yield* Scope.make()
      const hello = network.onConnection("test/hello", ({ send }) => send(Buffer.from("hello")))
      yield* Scope.provide(hello, scope)
      const error = yield* Effect.flip(Effect.scoped(hello))
      assert.strictEqual(error.protocol, "test/hello")
      const client = yield* secure(port, identity, { ALPNProtocols: ["test/hello"] })
      yield* hears(client, ["Data hello"])
      yield* Scope.close(scope, Exit.void)
      const late = yield* secure(port, identity, { ALPNProtocols: ["test/hello"] })
      yield* isClosed(late)
      assert.deepStrictEqual(late.frames, [])
    }).pipe(Effect.scoped)
  )

  it.live("ends one connection when its handler fails or has a bug, and goes on with the others", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      const identity = yield* issue("node-2")
      yield* network.onConnection("test/fails", () => Effect.fail("no"))
      yield* network.onConnection("test/dies", () => Effect.die(new Error("a bug")))
      const good = yield* secure(port, identity, ping)
      for (const protocol of ["test/fails", "test/dies"]) {
        yield* isClosed(yield* secure(port, identity, { ALPNProtocols: [protocol] }))
      }
      yield* good.send("Data", "still there?")
      yield* hears(good, ["Data still there?"])
      yield* shows(network, { open: 1 })
    }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"))
  )
})

describe("the limits of a listener", () => {
  it.live("keep out a denied network before it has said anything, and let in only what is allowed", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ allow: ["127.0.0.0/30"], deny: ["127.0.0.2/32"] })
      const identity = yield* issue("node-2")
      for (const localAddress of ["127.0.0.2", "127.0.0.5"]) {
        const client = yield* secure(port, identity, { ...ping, localAddress })
        yield* isClosed(client)
        assert.match(client.error(), /ECONNRESET|disconnected/)
      }
      const client = yield* secure(port, identity, { ...ping, localAddress: "127.0.0.3" })
      yield* client.send("Data", "a")
      yield* hears(client, ["Data a"])
      assert.deepStrictEqual(yield* refusals(network), { denied: 2 })
      yield* network.check
    }).pipe(Effect.scoped)
  )

  it.live("hold for all connections, and are free again when one has ended; the node can still probe itself", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ maxConnections: 2 })
      const identity = yield* issue("node-2")
      const [first, second] = [yield* secure(port, identity, ping), yield* secure(port, identity, ping)]
      yield* shows(network, { open: 2 })
      yield* isClosed(yield* secure(port, identity, ping))
      assert.include((yield* network.check).detail, "2 connections")
      assert.deepStrictEqual(yield* refusals(network), { limit: 1 })
      first.socket.destroy()
      yield* shows(network, { open: 1 })
      const third = yield* secure(port, identity, ping)
      for (const client of [second, third]) {
        yield* client.send("Data", "a")
        yield* hears(client, ["Data a"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("hold for each address, and for each node whatever its addresses", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ maxPerAddress: 2, maxPerNode: 3 })
      const [one, two] = [yield* issue("node-2"), yield* issue("node-3")]
      const from = (identity: Identity, localAddress: string) => secure(port, identity, { ...ping, localAddress })
      yield* from(one, "127.0.0.1")
      yield* from(one, "127.0.0.1")
      yield* shows(network, { open: 2 })
      yield* isClosed(yield* from(two, "127.0.0.1"))
      yield* from(one, "127.0.0.2")
      yield* shows(network, { open: 3, byNode: { "node-2": 3 } })
      const fourth = yield* from(one, "127.0.0.2")
      yield* hears(fourth, ["Refused this node has too many connections already"])
      yield* shows(network, { entering: 0 })
      yield* from(two, "127.0.0.2")
      yield* shows(network, { open: 4, byNode: { "node-2": 3, "node-3": 1 } })
      assert.deepStrictEqual(yield* refusals(network), { limit: 2 })
    }).pipe(Effect.scoped)
  )

  it.live("end whoever announces a frame above the limit, before it is kept", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ maxFrame: "1 KiB" })
      const identity = yield* issue("node-2")
      const first = yield* secure(port, identity)
      yield* first.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0]))
      yield* isClosed(first)
      const later = yield* secure(port, identity, ping)
      yield* later.send("Data", "x".repeat(64))
      yield* hears(later, [`Data ${"x".repeat(64)}`])
      yield* later.write(Buffer.from([0, 0, 4, 2, 1]))
      yield* isClosed(later)
      yield* shows(network, { open: 0, entering: 0 })
      assert.deepStrictEqual(yield* refusals(network), { oversized: 2 })
    }).pipe(Effect.scoped)
  )

  it.live("end whoever says nothing for too long, and a byte now and then does not count", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ idleTimeout: "300ms" })
      const identity = yield* issue("node-2")
      const silent = yield* secure(port, identity, ping)
      const dripping = yield* secure(port, identity, ping)
      yield* dripping.write(Buffer.from([0, 0, 60, 0, 1]))
      const drip = Effect.andThen(Effect.sleep("50 millis"), dripping.write(Buffer.from([65])))
      yield* Effect.forkScoped(Effect.forever(drip))
      const lively = yield* secure(port, identity, ping)
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("50 millis"), lively.send("Data", "a"))))
      for (const client of [silent, dripping]) yield* isClosed(client)
      assert.isFalse(lively.isClosed())
      assert.isAbove(lively.frames.length, 3)
      assert.deepStrictEqual(yield* refusals(network), { idle: 2 })
    }).pipe(Effect.scoped)
  )

  it.live("do not read more than two frames ahead of whoever receives", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ maxFrame: "16 KiB" })
      const received = yield* Queue.unbounded<number>()
      const gate = yield* Queue.unbounded<void>()
      yield* network.onConnection("test/slow", ({ receive }) =>
        Effect.gen(function* () {
          yield* Queue.take(gate)
          for (let message = yield* receive; Option.isSome(message); message = yield* receive) {
            yield* Queue.offer(received, message.value.length)
          }
        })
      )
      const client = yield* secure(port, yield* issue("node-2"), { ALPNProtocols: ["test/slow"] })
      // Far more than what the kernel keeps on both sides.
      const total = 1_500
      for (let i = 0; i < total; i++) yield* client.send("Data", "x".repeat(16_000))
      yield* shows(network, { open: 1 })
      yield* Effect.sleep("300 millis")
      assert.isAbove(client.socket.writableLength, 8e6)
      yield* Queue.offer(gate, undefined)
      for (let i = 0; i < total; i++) assert.strictEqual(yield* Queue.take(received), 16_000)
      assert.strictEqual(client.socket.writableLength, 0)
    }).pipe(Effect.scoped)
  )

  it.live("make a sender wait for whoever does not read, and give up after a while", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ connTimeout: "300ms" })
      const outcome = yield* Queue.unbounded<string>()
      let sent = 0
      yield* network.onConnection("test/flood", ({ receive, send }) =>
        Effect.gen(function* () {
          yield* receive
          const error = yield* Effect.flip(
            Effect.forever(
              Effect.andThen(
                send(Buffer.alloc(100_000)),
                Effect.sync(() => sent++)
              )
            )
          )
          yield* Queue.offer(outcome, error.message)
        })
      )
      const client = yield* secure(port, yield* issue("node-2"), { ALPNProtocols: ["test/flood"] })
      yield* client.send("Data", "go")
      yield* shows(network, { open: 1 })
      client.socket.pause()
      assert.include(yield* Queue.take(outcome), "it does not read")
      // What the kernel keeps on both sides, and not what a process could.
      assert.isBelow(sent, 200)
      assert.isAbove(sent, 0)
    }).pipe(Effect.scoped)
  )
})

describe("a listener that drains", () => {
  it.live("lets who is at work finish, ends who only waits, cuts off who does not end, and lets nobody in", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening({ drainTimeout: "600ms" })
      const identity = yield* issue("node-2")
      yield* network.onConnection("test/work", ({ receive, send }) =>
        Effect.gen(function* () {
          for (let message = yield* receive; Option.isSome(message); message = yield* receive) {
            yield* Effect.sleep("300 millis")
            yield* send(Buffer.from("done"))
          }
        })
      )
      yield* network.onConnection("test/stubborn", () => Effect.never)
      const idle = yield* secure(port, identity, ping)
      const busy = yield* secure(port, identity, { ALPNProtocols: ["test/work"] })
      const stubborn = yield* secure(port, identity, { ALPNProtocols: ["test/stubborn"] })
      const undecided = yield* secure(port, identity)
      yield* busy.send("Data", "work")
      yield* shows(network, { open: 3, entering: 1 })
      yield* Effect.sleep("50 millis")

      const draining = yield* Effect.forkChild(network.drain)
      for (const client of [idle, undecided]) yield* isClosed(client)
      assert.isFalse(busy.isClosed())
      yield* isClosed(yield* plain(port))
      yield* hears(idle, ["Drain"])
      yield* hears(busy, ["Drain", "Data done"])
      yield* isClosed(busy)
      assert.isFalse(stubborn.isClosed())
      assert.deepStrictEqual(yield* Fiber.join(draining), { finished: 2, cutOff: 1 })
      yield* isClosed(stubborn)
      yield* hears(stubborn, ["Drain"])
      assert.deepStrictEqual(yield* network.drain, { finished: 2, cutOff: 1 })
      yield* shows(network, { open: 0, entering: 0 })
      assert.strictEqual((yield* Effect.flip(network.check)).code, "NVC-2305")
    }).pipe(Effect.scoped)
  )

  it.live("tells handlers, and peers, that they should begin nothing new", () =>
    Effect.gen(function* () {
      const { issue, network, port } = yield* listening()
      const ours = yield* peer(yield* issue("node-2"))
      const told = yield* Queue.unbounded<string>()
      yield* network.onConnection("test/watch", ({ draining }) =>
        Effect.andThen(draining, Effect.asVoid(Queue.offer(told, "handler")))
      )
      const connection = yield* ours.connect({
        host: "127.0.0.1",
        port,
        serverName: "localhost",
        protocol: "test/watch"
      })
      yield* Effect.forkScoped(Effect.andThen(connection.draining, Queue.offer(told, "peer")))
      yield* shows(network, { open: 1 })
      assert.deepStrictEqual(yield* network.drain, { finished: 1, cutOff: 0 })
      assert.sameMembers([yield* Queue.take(told), yield* Queue.take(told)], ["handler", "peer"])
    }).pipe(Effect.scoped)
  )

  it.live("leaves no socket, and its port free for the next one", () =>
    Effect.gen(function* () {
      yield* Effect.sleep("100 millis")
      const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length
      const before = sockets()
      const { issue } = yield* authority("the authority")
      const identity = yield* issue("node-2")
      let bindPort = 0
      for (let round = 0; round < 3; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const network = yield* peer(identity, { bindPort })
            bindPort = network.address.port
            yield* network.check
            const client = yield* secure(bindPort, identity, ping)
            yield* secure(bindPort, undefined, { trust: identity.ca })
            yield* plain(bindPort)
            yield* client.send("Data", "a")
            yield* hears(client, ["Data a"])
          })
        )
      }
      yield* eventually(() => assert.isAtMost(sockets(), before))
    }).pipe(Effect.scoped)
  )
})
