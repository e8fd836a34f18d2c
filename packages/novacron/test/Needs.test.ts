import { NodeServices } from "@effect/platform-node"
import { Config } from "@novacron/config"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import * as Needs from "../src/Needs.ts"
import * as Settings from "../src/Settings.ts"

const MiB = 1024 * 1024

const needsOf = (flags: { readonly [key: string]: string }) =>
  Effect.map(Config.load(Settings.definition(), { flags, environment: {}, resources: "skip" }), ({ settings }) =>
    Needs.of(settings)
  ).pipe(Effect.provide(NodeServices.layer))

describe("what settings need", () => {
  it.effect("is what each thing takes, as often as the settings allow it", () =>
    Effect.gen(function* () {
      const needs = yield* needsOf({
        "network.max_connections": "10",
        "network.max_frame": "2 MiB",
        "dwcp.max_connections": "1000",
        "dwcp.max_peers": "3",
        "dwcp.transport.max_streams": "32",
        "dwcp.transport.window": "8 MiB",
        "database.pool.max": "7",
        "orchestration.max_concurrent": "5",
        "orchestration.process.keep": "1 MiB",
        "logger.file": "node.log",
        "logger.max_files": "3",
        "logger.max_size": "10 MiB"
      })
      const named = (what: string) => needs.find((need) => need.what === what)
      const connection = 96 * 1024
      assert.deepInclude(named("connections of peers"), {
        count: 10,
        usual: 10 * connection,
        limit: 10 * (connection + 4 * MiB),
        descriptors: 10
      })
      // Three peers with 32 streams each, and not the thousand that all peers together may have.
      assert.deepInclude(named("streams of DWCP"), { count: 96, usual: 96 * connection, descriptors: 96 })
      assert.deepInclude(named("on its way to peers"), { usual: 0, limit: 24 * MiB })
      assert.deepInclude(named("connections to the database"), { limit: 7 * MiB, descriptors: 7 })
      assert.deepInclude(named("the database itself"), { limit: 230 * MiB, descriptors: 0 })
      assert.deepInclude(named("tasks that run"), { limit: 10 * MiB, descriptors: 15 })
      assert.strictEqual(named("lines and spans that wait")?.disk, 30 * MiB)
      assert.strictEqual(named("state that peers tell each other")?.limit, 0)
    })
  )

  it.effect("of a database elsewhere, and of a Redis, are those of their connections", () =>
    Effect.gen(function* () {
      const needs = yield* needsOf({ "database.url": "postgres://u:p@db/n", "cache.url": "redis://r" })
      const named = (what: string) => needs.find((need) => need.what === what)
      assert.deepInclude(named("the database itself"), { count: 0, usual: 0, limit: 0 })
      assert.strictEqual(named("the cache")?.descriptors, 2)
    })
  )

  const limits = [
    "network.max_connections",
    "api.max_connections",
    "api.sockets.max",
    "dwcp.max_connections",
    "dwcp.max_peers",
    "dwcp.transport.max_streams",
    "database.pool.max",
    "orchestration.max_concurrent",
    "logger.capacity",
    "monitoring.traces.capacity"
  ]
  it("never become less when a limit is raised, and are no more usually than at most", () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...limits),
        fc.integer({ min: 5, max: 5_000 }),
        fc.integer({ min: 1, max: 5_000 }),
        async (key, from, more) => {
          const [before, after] = await Effect.runPromise(
            Effect.all([needsOf({ [key]: `${from}` }), needsOf({ [key]: `${from + more}` })])
          )
          const [less, all] = [Needs.sum(before), Needs.sum(after)]
          assert.isAbove(less.limit, less.usual)
          assert.isAtLeast(all.limit, less.limit)
          assert.isAtLeast(all.usual, less.usual)
          assert.isAtLeast(all.descriptors, less.descriptors)
          // Each of these limits bounds something: its need tells.
          const named = (needs: ReadonlyArray<Needs.Need>) => needs.filter(({ settings }) => settings.includes(key))
          assert.isNotEmpty(named(after))
        }
      ),
      { numRuns: 20 }
    ))

  it.effect("name settings that there are", () =>
    Effect.gen(function* () {
      const { keys } = Settings.definition()
      const names = new Set(keys.leaves.map(({ name }) => name))
      for (const { settings } of yield* needsOf({})) {
        for (const name of settings) assert.isTrue(names.has(name), name)
      }
    })
  )
})
