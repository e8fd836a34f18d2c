import { spawn } from "node:child_process"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe } from "vitest"
import { it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import { Context, Deferred, Effect, Exit, Fiber, Queue, Schema, Scope, Stream } from "effect"
import { Database } from "../../src/database/Database.ts"
import * as DatabaseComponent from "../../src/database/Component.ts"
import { migrations as own } from "../../src/database/NodeSchema.ts"
import * as Discovery from "../../src/discovery/Component.ts"
import * as Registry from "../../src/discovery/Registry.ts"
import { Settings } from "../../src/discovery/Settings.ts"
import { Postgres } from "../database/Postgres.ts"
import { connected, security, settings as databaseSettings } from "../database/Surroundings.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const settings = (encoded: typeof Settings.Encoded = {}) =>
  Schema.decodeUnknownSync(Settings)({ lease: "1s", interval: "50ms", ...encoded })

const database = () =>
  DatabaseComponent.component(databaseSettings({ url: server.url(), pool: { min: 1, max: 5 } }), {
    dataDir: "/nowhere",
    migrations: [...own, ...Registry.migrations]
  })

/** A node of which only the database and discovery are there. */
const node = (id: string, encoded: typeof Settings.Encoded = {}, addresses?: Discovery.Self["addresses"]) =>
  Effect.gen(function* () {
    const self = {
      id,
      version: "0.1.0",
      environment: "datacenter",
      addresses: addresses ?? (() => ({ api: `https://${id}:8443`, network: `${id}:9090` }))
    }
    const { services } = yield* Boot.make([security(), database(), Discovery.component(settings(encoded), self)])
    const made = Context.get(services, Component.option(Discovery.Discovery))
    return {
      discovery: made._tag === "Some" ? made.value : yield* Effect.die("absent"),
      sql: Context.get(services, Database).sql
    }
  })

const until = <A, E, R>(ask: Effect.Effect<A, E, R>, isSo: (value: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.repeat(Effect.delay(ask, "20 millis"), { until: isSo }).pipe(
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die(new Error("it did not come to that")) })
  )

const idsOf = (peers: ReadonlyArray<Registry.Peer>) => peers.map(({ id }) => id)

const rows = () =>
  connected(server.url(), (sql) => sql<{ id: string }>`SELECT id FROM novacron_peers ORDER BY id`).pipe(
    Effect.map((all) => all.map(({ id }) => id))
  )

describe("discovery", () => {
  it.live("lets nodes find each other with what they are reached by, and not itself", () =>
    Effect.gen(function* () {
      const a = yield* node("a")
      const b = yield* node("b", { advertise: ["api=https://b.example:443", "10.0.0.2"] })
      const [peer] = yield* until(a.discovery.peers, (peers) => peers.length === 1)
      assert.deepInclude(peer, {
        id: "b",
        version: "0.1.0",
        environment: "datacenter",
        addresses: { api: "https://b.example:443", network: "b:9090", node: "10.0.0.2" }
      })
      assert.closeTo(peer?.startedAt ?? 0, b.discovery.self.startedAt, 1)
      assert.deepStrictEqual(idsOf(yield* b.discovery.look), ["a"])
      yield* a.discovery.check
    }).pipe(Effect.scoped)
  )

  it.live("tells with each renewal where a node is reached now: a server may listen later, and elsewhere", () =>
    Effect.gen(function* () {
      const now: Record<string, string> = {}
      const a = yield* node("a")
      yield* node("b", {}, () => now)
      for (const api of [undefined, "https://b:4711", "https://b:4712"]) {
        if (api !== undefined) now["api"] = api
        const [peer] = yield* until(a.discovery.peers, ([peer]) => peer !== undefined && peer.addresses["api"] === api)
        assert.deepStrictEqual(peer?.addresses, now)
      }
    }).pipe(Effect.scoped)
  )

  it.live("tells who comes and who goes, and takes a node that stops away at once", () =>
    Effect.gen(function* () {
      const a = yield* node("a", { lease: "1h" })
      const seen = yield* Queue.unbounded<ReadonlyArray<string>>()
      yield* Effect.forkScoped(Stream.runForEach(a.discovery.changes, (peers) => Queue.offer(seen, idsOf(peers))))
      assert.deepStrictEqual(yield* Queue.take(seen), [])
      const scope = yield* Scope.make()
      yield* Scope.provide(node("b", { lease: "1h" }), scope)
      assert.deepStrictEqual(yield* Queue.take(seen), ["b"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Queue.take(seen), [])
      assert.deepStrictEqual(yield* rows(), ["a"])
    }).pipe(Effect.scoped)
  )

  it.live("lets the entry of a process run out that was killed by -9, and sweeps it away later", () =>
    Effect.gen(function* () {
      const a = yield* node("a")
      const child = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof spawn>>((resume) => {
          const program = join(import.meta.dirname, "child.ts")
          const spawned = spawn(process.execPath, [program, server.url(), "doomed", "1s"], { stdio: "pipe" })
          spawned.stdout.once("data", () => resume(Effect.succeed(spawned)))
          spawned.on("exit", (code) => resume(Effect.die(new Error(`it ended with ${code}`))))
        }),
        (spawned) => Effect.sync(() => spawned.kill("SIGKILL"))
      )
      yield* until(a.discovery.peers, (peers) => idsOf(peers).includes("doomed"))
      // Renewed: it is there for longer than one lease.
      yield* Effect.sleep("1500 millis")
      assert.deepStrictEqual(idsOf(yield* a.discovery.look), ["doomed"])
      child.kill("SIGKILL")
      yield* until(a.discovery.peers, (peers) => peers.length === 0)
      assert.deepStrictEqual(yield* rows(), ["a", "doomed"])
      yield* a.sql`UPDATE novacron_peers SET expires_at = now() - interval '1 hour' WHERE id = 'doomed'`
      yield* until(rows(), (ids) => ids.length === 1)
    }).pipe(Effect.scoped)
  )

  it.live("goes to the process that came last, when two bear one id, and the first says so", () =>
    Effect.gen(function* () {
      const first = yield* node("twin")
      yield* until(rows(), (ids) => ids.includes("twin"))
      const second = yield* node("twin")
      const error = yield* until(Effect.flip(Effect.flip(Effect.exit(first.discovery.check))), Exit.isFailure)
      assert.include(String(error), "NotFoundByOthers")
      yield* second.discovery.check
      const watcher = yield* node("watcher")
      const [peer] = yield* until(watcher.discovery.peers, (peers) => peers.length === 1)
      assert.strictEqual(peer?.incarnation, second.discovery.self.incarnation)
    }).pipe(Effect.scoped)
  )

  it.live("boots while its registry hangs, says that nobody finds it, and is back when the registry is", () =>
    Effect.gen(function* () {
      // The tables are there, and somebody else keeps the one of the nodes from being written for as long as it takes.
      yield* Effect.scoped(node("earlier"))
      const locked = yield* Deferred.make<void>()
      const enough = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(
        connected(server.url(), (sql) =>
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`LOCK TABLE novacron_peers IN EXCLUSIVE MODE`
              yield* Deferred.succeed(locked, undefined)
              yield* Deferred.await(enough)
            })
          )
        )
      )
      yield* Deferred.await(locked)
      const { discovery } = yield* node("n", { lease: "3s" })
      const error = yield* until(Effect.exit(discovery.check), Exit.isFailure)
      assert.include(String(error), "could not be entered in the database for longer than its lease")
      assert.isUndefined(holder.pollUnsafe(), "it hangs still")
      yield* Deferred.succeed(enough, undefined)
      yield* until(Effect.exit(discovery.check), Exit.isSuccess)
      assert.deepStrictEqual(yield* rows(), ["n"])
    }).pipe(Effect.scoped)
  )

  it.live("outlives a database that is killed and comes back", () =>
    Effect.gen(function* () {
      const a = yield* node("a", { lease: "1h" })
      const b = yield* node("b", { lease: "1h" })
      yield* until(a.discovery.peers, (peers) => peers.length === 1)
      yield* Effect.promise(() => server.down("SIGKILL"))
      assert.strictEqual((yield* Effect.exit(a.discovery.look))._tag, "Failure")
      assert.deepStrictEqual(idsOf(yield* a.discovery.peers), ["b"])
      yield* Effect.promise(() => server.up())
      const looks = Effect.orElseSucceed(a.discovery.look, () => [])
      yield* until(looks, (peers) => peers.length === 1)
      yield* b.discovery.check
    }).pipe(Effect.scoped)
  )

  it.live("stops within seconds though the database is gone for good", () =>
    Effect.gen(function* () {
      const never: Registry.Registry = {
        name: "nothing",
        keep: () => Effect.succeed("Kept" as const),
        remove: () => Effect.never,
        list: Effect.succeed([])
      }
      const fiber = yield* Effect.forkChild(
        Effect.scoped(Discovery.make(settings(), { id: "n", version: "1", addresses: () => ({}) }, [never]))
      )
      assert.strictEqual((yield* Fiber.join(fiber)).self.id, "n")
    })
  )
})
