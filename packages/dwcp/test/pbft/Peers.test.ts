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
