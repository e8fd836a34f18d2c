import { NodeServices } from "@effect/platform-node"
import { Config } from "@novacron/config"
import { Acp } from "@novacron/dwcp"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Settings from "../src/Settings.ts"
import * as Templates from "../src/Templates.ts"

const large = { cores: 16, memoryBytes: 64e9 }
const small = { cores: 2, memoryBytes: 4e9 }

describe("where a node runs", () => {
  it.each([
    ["datacenter", large, 16],
    ["datacenter", small, 8],
    ["hybrid", large, 8],
    ["hybrid", small, 8],
    ["internet", large, 4],
    ["internet", small, 4]
  ] as const)("decides how many parts start at a time: %s on %o is %s", (environment, machine, slots) => {
    assert.strictEqual(Templates.concurrency(environment, machine), slots)
  })

  it.effect("sets it differently from configuration alone, and what is set by hand is stronger", () =>
    Effect.gen(function* () {
      const load = (template: string, flags: { readonly [key: string]: string } = {}) =>
        Effect.map(
          Config.load(Settings.definition(), { template, flags, resources: "skip" }),
          ({ settings }) => settings
        )
      const sets = yield* Effect.forEach(["datacenter", "internet", "hybrid"], (template) => load(template))
      const effective = sets.map(({ cache, health, resources, system }) =>
        JSON.stringify([
          cache.commandTimeout,
          health.ramp,
          resources.policy,
          system.bootTimeout,
          system.monitorInterval
        ])
      )
      assert.strictEqual(new Set(effective).size, 3)
      const [datacenter] = sets
      assert.strictEqual(datacenter?.resources.policy, "enforce")
      const byHand = yield* load("datacenter", { "resources.policy": "warn" })
      assert.strictEqual(byHand.resources.policy, "warn")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  // What a link asks the kernel for follows its own mode; the settings say "auto" everywhere and the mode chooses.
  it.effect.each([
    [
      "datacenter",
      {
        resources: { policy: "enforce", minMbps: 1_000, wantedMbps: 10_000 },
        streams: { begins: 4, most: 512 },
        congestion: ["dctcp", "bbr", "cubic"],
        decisions: { byzantine: false, budgetMs: 100 },
        gossip: { everyMs: 100, fanout: 3 },
        bootS: 30,
        shutdownS: 30,
        ramp: { from: 50, s: 10 }
      }
    ],
    [
      "internet",
      {
        resources: { policy: "enforce", minMbps: 1_000, wantedMbps: 1_000 },
        streams: { begins: 4, most: 256 },
        congestion: ["bbr", "cubic"],
        decisions: { byzantine: false, budgetMs: 100 },
        gossip: { everyMs: 5_000, fanout: 3 },
        bootS: 60,
        shutdownS: 60,
        ramp: { from: 10, s: 60 }
      }
    ],
    [
      "hybrid",
      {
        resources: { policy: "warn", minMbps: 1_000, wantedMbps: undefined },
        streams: { begins: 4, most: 512 },
        congestion: ["bbr", "cubic"],
        decisions: { byzantine: false, budgetMs: 100 },
        gossip: { everyMs: 500, fanout: 4 },
        bootS: 45,
        shutdownS: 45,
        ramp: { from: 25, s: 30 }
      }
    ]
  ] as const)("is this much of the data plane: %s", ([environment, profile]) =>
    Effect.gen(function* () {
      const { settings } = yield* Config.load(Settings.definition(), { template: environment, resources: "skip" })
      const { dwcp, health, resources, system } = settings
      const { consensus, sync, transport } = dwcp
      assert.deepStrictEqual(
        {
          resources: {
            policy: resources.policy,
            minMbps: resources.minBandwidth,
            wantedMbps: resources.wantedBandwidth
          },
          streams: { begins: transport.firstStreams, most: transport.maxStreams },
          congestion: Acp.Preference.listOf(transport.congestion, environment),
          decisions: { byzantine: consensus.byzantineTolerance, budgetMs: Duration.toMillis(sync.budget) },
          gossip: { everyMs: Duration.toMillis(sync.gossip.interval), fanout: sync.gossip.fanout },
          bootS: Duration.toSeconds(system.bootTimeout),
          shutdownS: Duration.toSeconds(system.shutdownTimeout),
          ramp: { from: health.rampFrom, s: Duration.toSeconds(health.ramp) }
        },
        profile
      )
      // The streams of one peer fit into those of all.
      assert.isAtMost(transport.maxStreams, dwcp.maxConnections)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("never makes settings that cannot be used", () =>
    Effect.gen(function* () {
      for (const template of Object.keys(Templates.templates)) {
        yield* Config.load(Settings.definition(), { template, resources: "skip" })
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("variables that are no settings", () => {
  it("are those of commands as well: who asks nodes from a shell may start one from it", () => {
    assert.includeMembers(Templates.reserved, ["NOVACRON_CONFIG", "NOVACRON_API_TOKEN"])
  })
})
