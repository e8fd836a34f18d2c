import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, PubSub, Stream } from "effect"
import { connect } from "node:tls"
import { join } from "node:path"
import { Amst } from "../../src/amst/index.ts"
import * as Features from "../../src/group/Features.ts"
import * as Envelope from "../../src/group/Envelope.ts"
import { amst } from "../amst/fixtures/worlds.ts"
import { authority, doorOf, eventually, folder, type Identity } from "./fixtures/nodes.ts"

const within = 60_000
const hello = { node: "b", features: new Set(Features.all), maxMessage: 1 << 20 }

/** What a peer is told by ALPN, or how it is sent away. */
const asks = (port: number, identity: Identity | undefined, protocols: ReadonlyArray<string>, ca = identity?.ca) =>
  Effect.callback<string>((resume) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      servername: "localhost",
      ALPNProtocols: [...protocols],
      ...(ca === undefined ? {} : { ca }),
      ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key })
    })
    let spoken = "refused"
    socket.on("error", () => undefined)
    socket.once("secureConnect", () => {
      spoken = `${socket.alpnProtocol}, by ${String(socket.getPeerCertificate().subject.CN)}`
      socket.write("?")
      // One without a certificate is cut off only after the handshake.
      setTimeout(() => resume(Effect.succeed(socket.destroyed ? "refused" : spoken)), 300)
    })
    socket.once("close", () => resume(Effect.succeed(spoken === "refused" ? spoken : "closed")))
    return Effect.sync(() => socket.destroy())
  })

describe("Door", () => {
  it.live(
    "speaks by ALPN what the node has on: hellos and v3, or v1 and nothing else",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const door = yield* doorOf(issue("b"), yield* folder)
        const a = issue("a")
        assert.strictEqual(yield* asks(door.port, a, ["dwcp-hello/3", "dwcp/1"]), "dwcp/1, by b")
        yield* door.advertise(hello)
        assert.strictEqual(yield* asks(door.port, a, ["dwcp/3"]), "dwcp/3, by b")
        assert.strictEqual(yield* asks(door.port, a, ["dwcp/1"]), "dwcp/1, by b")
        assert.strictEqual(yield* asks(door.port, a, ["http/1.1"]), "refused")
        yield* door.advertise(undefined)
        assert.strictEqual(yield* asks(door.port, a, ["dwcp-hello/3"]), "refused")
      }).pipe(Effect.scoped),
    within
  )

  it.live(
    "lets nobody in without a certificate of its authority, nor whom it is told not to",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const strange = yield* authority
        const door = yield* doorOf(issue("b"), yield* folder, {
          admit: ({ commonName }) => (commonName === "banned" ? Effect.fail("no") : Effect.succeed(commonName))
        })
        const { ca } = issue("a")
        assert.notInclude(yield* asks(door.port, undefined, ["dwcp/1"], ca), "by b")
        assert.notInclude(yield* asks(door.port, strange("a"), ["dwcp/1"], ca), "by b")
        assert.notInclude(yield* asks(door.port, issue("banned"), ["dwcp/1"]), "by b")
        assert.strictEqual(yield* asks(door.port, issue("c"), ["dwcp/1"]), "dwcp/1, by b")
        yield* eventually(Effect.map(door.counters, ({ refused }) => assert.isAtLeast(refused, 3)))
      }).pipe(Effect.scoped),
    within
  )

  it.live(
    "says from whom a message is by the certificate, and keeps files of each in a folder of its own",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const directory = yield* folder
        const door = yield* doorOf(issue("b"), directory)
        yield* door.advertise(hello)
        const streams = yield* Amst
        const path = join(yield* folder, "file")
        yield* Effect.promise(async () => (await import("node:fs/promises")).writeFile(path, "content"))
        for (const name of ["a", "../c"]) {
          const identity = issue(name === "a" ? "a" : "c")
          const tls = { ...identity, servername: "localhost" }
          // A sender of AMST that is no node: it knows no ALPN.
          const link = yield* streams.connect({ host: "127.0.0.1", port: door.port, tls })
          const envelope = { sender: "0".repeat(32), number: 0, floor: 0, channel: "x", encoding: "plain" as const }
          yield* link.send(Buffer.from("!"), { name: Envelope.write(envelope) })
          const arrived = yield* door.inbox.take(
            "x",
            ({ bytes }) => Effect.succeed(bytes),
            () => Effect.void
          )
          assert.strictEqual(arrived.from, name === "a" ? "a" : "c")
          yield* link.sendFile(path)
          const file = yield* door.takeFile
          assert.strictEqual(file.path, join(directory, "files", arrived.from, "file"))
          // What is no envelope is nobody's message.
          yield* link.send(Buffer.from("!"), { name: "nonsense" })
        }
        yield* eventually(Effect.map(door.counters, ({ refused }) => assert.strictEqual(refused, 2)))
      }).pipe(Effect.scoped, Effect.provide(amst())),
    within
  )

  it.live(
    "shows its new certificate after a renewal, and cannot be opened twice at one port",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        let identity = issue("b")
        const renewed = yield* PubSub.unbounded<void>()
        const directory = yield* folder
        const door = yield* doorOf(identity, directory, {
          tls: Effect.sync(() => ({ ...identity, requestCert: true, rejectUnauthorized: true })),
          renewals: Stream.fromPubSub(renewed)
        })
        assert.strictEqual(yield* asks(door.port, issue("a"), ["dwcp/1"]), "dwcp/1, by b")
        identity = issue("b2")
        yield* PubSub.publish(renewed, undefined)
        yield* eventually(
          Effect.map(asks(door.port, issue("a"), ["dwcp/1"]), (said) => assert.strictEqual(said, "dwcp/1, by b2"))
        )
        const again = yield* Effect.exit(Effect.scoped(doorOf(identity, directory, { port: door.port })))
        assert.isTrue(Exit.isFailure(again))
        assert.strictEqual(
          (yield* Effect.flip(Effect.scoped(doorOf(identity, directory, { port: door.port })))).code,
          "NVC-2601"
        )
      }).pipe(Effect.scoped),
    within
  )

  it.live(
    "gives its port back, whoever is still connected",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const directory = yield* folder
        const port = yield* Effect.scoped(
          Effect.gen(function* () {
            const door = yield* doorOf(issue("b"), directory)
            yield* Effect.forkChild(asks(door.port, issue("a"), ["dwcp/1"]))
            yield* eventually(Effect.map(door.counters, ({ connections }) => assert.strictEqual(connections, 1)))
            return door.port
          })
        )
        const waiting = yield* Effect.forkChild(Effect.scoped(doorOf(issue("b"), directory, { port })))
        assert.strictEqual((yield* Fiber.join(waiting)).port, port)
      }).pipe(Effect.scoped),
    within
  )
})
