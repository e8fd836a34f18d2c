import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Queue, Scope, Stream } from "effect"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as Peers from "../../src/pbft/Peers.ts"
import { authority, type Identity, platform } from "../group/fixtures/nodes.ts"

const patience = 30_000

const options = (tls: Peers.Tls | undefined): Peers.Options => ({
  self: 0,
  members: [{ host: "127.0.0.1", port: 0 }],
  listen: { host: "127.0.0.1", port: 0 },
  tls,
  maxFrameBytes: 1_000,
  onFrame: () => true
})

/** Whose certificate is shown at that port to one who shows this. */
const shownAt = (port: number, identity: Identity) =>
  Effect.callback<string>((resume) => {
    const socket = Tls.connect({ ...identity, port, host: "127.0.0.1" }, () => {
      const { CN } = socket.getPeerCertificate().subject
      socket.destroy()
      resume(Effect.succeed(String(CN)))
    })
    socket.on("error", () => resume(Effect.succeed("nothing")))
  })

describe("peers", () => {
  it.live(
    "show the certificate that was renewed to who connects from then on",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const renewed = yield* Queue.unbounded<void>()
        const before = issue("before")
        let current = before
        const taken = yield* Deferred.make<void>()
        const { port } = yield* Peers.make(
          options({
            server: Effect.suspend(() => {
              if (current !== before) Deferred.doneUnsafe(taken, Effect.void)
              return Effect.succeed({ ...current, requestCert: true, rejectUnauthorized: true })
            }),
            client: () => Effect.succeed({ ...current }),
            admit: () => Effect.void,
            renewals: Stream.fromQueue(renewed)
          })
        )
        const mine = issue("mine")
        assert.strictEqual(yield* shownAt(port, mine), "before")
        current = issue("after")
        yield* Queue.offer(renewed, undefined)
        yield* Deferred.await(taken)
        yield* Effect.yieldNow
        assert.strictEqual(yield* shownAt(port, mine), "after")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    patience
  )

  it.live(
    "read nothing of who may not come, whatever certificate they show",
    () =>
      Effect.gen(function* () {
        const issue = yield* authority
        const heard: Array<string> = []
        const { port } = yield* Peers.make({
          ...options({
            ...Peers.fixed(issue("peer")),
            admit: ({ commonName, fingerprint256 }) =>
              commonName === "stolen" && /^[0-9A-F:]{95}$/.test(fingerprint256) ? Effect.fail("revoked") : Effect.void
          }),
          onFrame: (bytes) => heard.push(bytes.toString()) > 0
        })
        /** Says its name until it is hung up on, or was heard. */
        const say = (name: string) =>
          Effect.callback<"heard" | "hung up on">((resume) => {
            const socket = Tls.connect({ ...issue(name), port, host: "127.0.0.1" }, () => {
              const frame = Buffer.from(`\0\0\0${String.fromCharCode(name.length)}${name}`)
              socket.write(frame)
              const asking = setInterval(() => heard.includes(name) && resume(Effect.succeed("heard")), 5)
              socket.once("close", () => clearInterval(asking))
            })
            socket.once("close", () => resume(Effect.succeed("hung up on")))
            socket.on("error", () => undefined)
            return Effect.sync(() => socket.destroy())
          })
        assert.strictEqual(yield* say("known"), "heard")
        assert.strictEqual(yield* say("stolen"), "hung up on")
        assert.strictEqual(yield* say("other"), "heard")
        assert.deepStrictEqual(heard, ["known", "other"])
      }).pipe(Effect.scoped, Effect.provide(platform)),
    patience
  )

  it.live(
    "stop at once although somebody has connected and says nothing",
    () =>
      Effect.gen(function* () {
        const identity = (yield* authority)("peer")
        const scope = yield* Scope.make()
        const { port } = yield* Effect.provideService(Peers.make(options(Peers.fixed(identity))), Scope.Scope, scope)
        const silent = yield* Effect.callback<Net.Socket>((resume) => {
          const socket = Net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
          socket.on("error", () => undefined)
        })
        const gone = new Promise((resume) => silent.once("close", resume))
        yield* Scope.close(scope, Exit.void)
        yield* Effect.promise(() => gone)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    patience
  )
})
