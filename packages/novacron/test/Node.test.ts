import { PlanView } from "@novacron/boot/model"
import { NodeServices } from "@effect/platform-node"
import { Config } from "@novacron/config"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { Environment } from "@novacron/components"
import * as Node from "../src/Node.ts"
import * as Settings from "../src/Settings.ts"
import { Surroundings } from "../src/Surroundings.ts"
import { stage } from "./fixtures/Stage.ts"

const within = Layer.merge(NodeServices.layer, Layer.succeed(Surroundings)(stage().surroundings))

const settingsOf = (environment: { readonly [name: string]: string } = {}) =>
  Effect.map(
    Config.load(Settings.definition(), {
      environment: { NOVACRON_ENVIRONMENT_KIND: "hybrid", ...environment },
      resources: "skip"
    }),
    ({ settings }) => settings
  )

const planned = (environment?: { readonly [name: string]: string }) =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(environment)
    const facts = yield* Node.factsOf(settings, yield* Environment.detect(settings.environment))
    return Result.getOrThrow(Node.plan(settings, facts))
  })

describe("the parts of a node", () => {
  it.effect("are those of the design, each in its phase, and start as soon as what they need is up", () =>
    Effect.gen(function* () {
      const plan = PlanView.toJson(yield* planned())
      const phaseOf = Object.fromEntries(plan.nodes.map(({ name, phase }) => [name, phase]))
      for (const name of ["lock", "logger", "environment", "resources", "preflight"]) {
        assert.strictEqual(phaseOf[name], "pre", name)
      }
      for (const name of ["security", "database", "cache", "network"]) assert.strictEqual(phaseOf[name], "core", name)
      for (const name of ["system-health", "startup-metrics", "ready"]) {
        assert.strictEqual(phaseOf[name], "post", name)
      }
      const severityOf = Object.fromEntries(plan.nodes.map(({ name, severity }) => [name, severity]))
      assert.deepInclude(severityOf, { security: "critical", database: "critical", network: "critical" })
      const needs = new Set(plan.edges.map((edge) => `${edge.need} ${edge.component}`))
      const isEdge = (a: string, b: string) => needs.has(`${a} ${b}`) || needs.has(`${b} ${a}`)
      for (const name of ["database", "network"]) assert.isTrue(isEdge("security", name), name)
    }).pipe(Effect.provide(within))
  )

  it.effect("are bad for the boot by how bad they are: a cache on Redis only degrades", () =>
    Effect.gen(function* () {
      const plan = PlanView.toJson(yield* planned({ NOVACRON_CACHE_URL: "redis://127.0.0.1:1" }))
      assert.strictEqual(plan.nodes.find(({ name }) => name === "cache")?.severity, "degraded")
    }).pipe(Effect.provide(within))
  )
})

describe("secrets", () => {
  it.effect("are all found, and the passwords inside of addresses with them", () =>
    Effect.gen(function* () {
      const settings = yield* settingsOf({
        NOVACRON_DATABASE_URL: "postgres://u:p%40ss-word@h/d",
        NOVACRON_CACHE_URL: "redis://:hunter2hunter2@h"
      })
      const secrets = Settings.secretsOf(settings)
      assert.includeMembers([...secrets], ["p@ss-word", "p%40ss-word", "hunter2hunter2", "redis://:hunter2hunter2@h"])
    }).pipe(Effect.provide(within))
  )
})

describe("who has to answer before the core starts", () => {
  it.effect("are the servers that the node will talk to, by host and port", () =>
    Effect.gen(function* () {
      const settings = yield* settingsOf({
        NOVACRON_DATABASE_URL: "postgres://u:p@db.example/d",
        NOVACRON_CACHE_URL: "rediss://[::1]:7000"
      })
      const found = Node.endpointsOf(settings).map((one) => ("host" in one ? [one.name, one.host, one.port] : []))
      assert.deepStrictEqual(found, [
        ["database", "db.example", 5432],
        ["cache", "::1", 7000]
      ])
      assert.deepStrictEqual(Node.endpointsOf(yield* settingsOf()), [])
      const unreadable = { NOVACRON_DATABASE_URL: "postgres://u:p@h%zz/d", NOVACRON_CACHE_URL: "redis://h%zz" }
      assert.deepStrictEqual(Node.endpointsOf(yield* settingsOf(unreadable)), [])
    }).pipe(Effect.provide(within))
  )
})

describe("the addresses that a node tells others", () => {
  it.effect("are those that it listens at, and its name where it listens at all of them", () =>
    Effect.gen(function* () {
      const settings = yield* settingsOf({
        NOVACRON_API_HOST: "0.0.0.0",
        NOVACRON_NETWORK_LISTEN_ADDRESS: "fd00::1",
        NOVACRON_NETWORK_BIND_PORT: "7100"
      })
      const found = Node.addressesOf(settings, "vm-1")
      assert.deepInclude(found, { api: "https://vm-1:8443", peers: "[fd00::1]:7100" })
      assert.strictEqual(Node.addressOf(settings, "vm-1"), "https://vm-1:8443")
      // What is to listen at any port has one when it listens, and no address before.
      const ports = { api: 0, dwcp: 0, peers: 4711 }
      assert.deepStrictEqual(Node.addressesOf(settings, "vm-1", ports), { peers: "[fd00::1]:4711" })
      assert.strictEqual(Node.addressOf(settings, "vm-1", ports), "")
    }).pipe(Effect.provide(within))
  )

  it.effect("are for work that of the cluster, where there is one", () =>
    Effect.gen(function* () {
      const cluster = { NOVACRON_ORCHESTRATION_CLUSTER_ENABLED: "true" }
      const everywhere = { ...cluster, NOVACRON_ORCHESTRATION_CLUSTER_LISTEN_ADDRESS: "0.0.0.0" }
      const advertised = { ...everywhere, NOVACRON_ORCHESTRATION_CLUSTER_ADVERTISE: "n1.example" }
      const told = (environment: { readonly [name: string]: string }) =>
        Effect.map(settingsOf(environment), (settings) => Node.addressOf(settings, "vm-1"))
      assert.strictEqual(yield* told(cluster), "127.0.0.1:9097")
      assert.strictEqual(yield* told(everywhere), "vm-1:9097")
      assert.strictEqual(yield* told(advertised), "n1.example:9097")
    }).pipe(Effect.provide(within))
  )
})

describe("how many parts start at a time", () => {
  it.effect("is never more than the settings allow", () =>
    Effect.gen(function* () {
      const one = yield* settingsOf({ NOVACRON_SYSTEM_MAX_CONCURRENCY: "1" })
      assert.strictEqual(Node.concurrency(one, "datacenter"), 1)
      assert.isAtLeast(Node.concurrency(yield* settingsOf(), "hybrid"), 4)
    }).pipe(Effect.provide(within))
  )
})
