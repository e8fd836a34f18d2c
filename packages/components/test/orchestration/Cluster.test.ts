import { connect } from "node:tls"
import { createServer } from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Logger } from "effect"
import { Sharding } from "effect/cluster"
import { Boot, Component, Policy } from "@novacron/boot"
import { freePort } from "../../../../test/fixtures/Ports.ts"
import { Orchestration } from "../../src/index.ts"
import * as Cluster from "../../src/orchestration/Cluster.ts"
import { patience } from "../../src/orchestration/Component.ts"
import { Security } from "../../src/security/Security.ts"
import { Postgres } from "../database/Postgres.ts"
import { authority, type Identity, securityOf } from "../network/fixtures/authority.ts"
import { database, settingsOf, tables } from "./fixtures/nodes.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const quick = { serverName: "localhost", lockRefresh: "200ms", lockExpiration: "2s" }

/** Completes when a singleton of that name runs on this sharding. */
const singleton = (sharding: Sharding.Sharding["Service"], name: string) =>
  Effect.gen(function* () {
    const runs = yield* Deferred.make<void>()
    yield* sharding.registerSingleton(name, Deferred.succeed(runs, undefined))
    return Deferred.await(runs)
  })

const sharding = (
  identity: Identity,
  cluster: NonNullable<(typeof Orchestration.Settings.Encoded)["cluster"]>,
  banned: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    const { sql } = yield* tables(server.url())
    const { cluster: settings } = settingsOf({ cluster })
    return Context.get(
      yield* Layer.build(Cluster.layer(settings, sql, securityOf(identity, { banned }))),
      Sharding.Sharding
    )
  })

/** What becomes of a connection with this certificate, or with none. */
const knock = (port: number, identity?: Identity): Effect.Effect<"closed" | "open"> =>
  Effect.callback((resume) => {
    const options = identity === undefined ? {} : { cert: identity.cert, key: identity.key }
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options })
    socket.on("error", () => undefined)
    socket.once("close", () => resume(Effect.succeed("closed")))
    // With TLS 1.3 a client learns only afterwards that it was refused.
    socket.once("secureConnect", () => setTimeout(() => resume(Effect.succeed("open")), 1_000))
    return Effect.sync(() => socket.destroy())
  })

const quiet = <A>(body: Effect.Effect<A, unknown>) => Effect.provide(body, Logger.layer([]))

describe("Cluster", () => {
  it.live("runs singletons on a node that is alone", () =>
    quiet(
      Effect.scoped(
        Effect.gen(function* () {
          const { issue } = yield* authority("a cluster")
          yield* yield* singleton(yield* sharding(yield* issue("a"), {}), "alone")
        })
      )
    )
  )

  it.live(
    "runs a singleton in a cluster, and lets nobody speak to it who is not of its authority, or was revoked",
    () =>
      quiet(
        Effect.scoped(
          Effect.gen(function* () {
            const { issue } = yield* authority("a cluster")
            const stranger = yield* authority("another one")
            const port = yield* Effect.promise(freePort)
            const one = yield* sharding(yield* issue("a"), { ...quick, enabled: true, port }, ["stolen"])
            yield* yield* singleton(one, "together")
            assert.strictEqual(yield* knock(port), "closed")
            assert.strictEqual(yield* knock(port, yield* stranger.issue("a")), "closed")
            assert.strictEqual(yield* knock(port, yield* issue("stolen")), "closed")
            assert.strictEqual(yield* knock(port, yield* issue("b")), "open")
          })
        )
      )
  )

  it.live("says that the database is away when that begins and when it ends, and not with each look", () =>
    Effect.suspend(() => {
      const said: Array<string> = []
      const told = Logger.layer([
        Logger.make(({ logLevel, message }) => void said.push(`${logLevel} ${String(message)}`))
      ])
      const count = (line: string) => said.filter((it) => it.startsWith(line)).length
      const until = (line: string) =>
        Effect.repeat(Effect.sleep("20 millis"), { until: () => Effect.succeed(count(line) > 0) })
      const again = "Warn Shard lock storage is still unhealthy"
      return Effect.gen(function* () {
        const { issue } = yield* authority("a cluster")
        const port = yield* Effect.promise(freePort)
        yield* yield* singleton(yield* sharding(yield* issue("a"), { ...quick, enabled: true, port }), "patient")
        yield* Effect.promise(() => server.down("SIGKILL"))
        yield* until("Error Shard lock storage is unhealthy")
        yield* until(again)
        // It looks five times a second.
        yield* Effect.sleep("2 seconds")
        assert.strictEqual(count(again), 1)
        yield* Effect.promise(() => server.up())
        yield* until("Info Shard lock storage has recovered")
      }).pipe(
        Effect.scoped,
        Effect.ensuring(Effect.promise(() => server.down().then(() => server.up()))),
        Effect.provide(told)
      )
    })
  )

  it.live("tries again when its port is taken, and says who has it: an instance that ends gives it back", () =>
    quiet(
      Effect.scoped(
        Effect.gen(function* () {
          const { issue } = yield* authority("a cluster")
          const identity = yield* issue("a")
          const other = yield* Effect.acquireRelease(
            Effect.sync(() => createServer()),
            (it) => Effect.sync(() => it.close())
          )
          const taken = yield* Effect.callback<number>((resume) => {
            other.listen(0, "127.0.0.1", () => {
              const address = other.address()
              resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
            })
          })
          const parts = [
            Component.make(Security, { start: Effect.succeed(securityOf(identity)), health: (it) => it.check }),
            database(server.url()),
            Orchestration.component(settingsOf({ cluster: { ...quick, enabled: true, port: taken } }), {
              nodeId: "a",
              environment: "datacenter",
              version: "test",
              host: process
            })
          ] as const
          const failures: Array<string> = []
          yield* Boot.make(parts, {
            observe: (event) => {
              if (event._tag !== "AttemptFailed") return
              failures.push(event.failure.message)
              other.close()
            }
          })
          assert.strictEqual(failures.length, 1)
          assert.include(failures[0], `127.0.0.1:${taken}, which process ${process.pid} (node in `)
        })
      )
    )
  )

  it("is tried three times for a port that is taken, and once where this machine has no such address", () => {
    const attempts = (code: string) => {
      const cause = Object.assign(new Error(`listen ${code}`), { code })
      const error = new Orchestration.CannotMeet({ host: "192.0.2.1", port: 9097, cause })
      return [Policy.forError(patience, error).attempts, error.message]
    }
    assert.deepStrictEqual(attempts("EADDRINUSE")[0], 3)
    assert.deepStrictEqual(attempts("EADDRNOTAVAIL"), [
      1,
      "Orchestration cannot listen at 192.0.2.1:9097 (listen EADDRNOTAVAIL), so the nodes of the cluster cannot reach this " +
        "one. Set orchestration.cluster.listen_address and port to what this machine has."
    ])
  })
})
