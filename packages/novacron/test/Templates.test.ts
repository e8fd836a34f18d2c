import { NodeServices } from "@effect/platform-node"
import { Config } from "@novacron/config"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
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

  it.effect("never makes settings that cannot be used", () =>
    Effect.gen(function* () {
      for (const template of Object.keys(Templates.templates)) {
        yield* Config.load(Settings.definition(), { template, resources: "skip" })
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
