import { assert, describe, it } from "@effect/vitest"
import { Boot, Component } from "@novacron/boot"
import type { Group } from "@novacron/dwcp"
import { Context, Effect, Layer, References, Schema } from "effect"
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { component as database } from "../../src/database/Component.ts"
import { Database } from "../../src/database/Database.ts"
import { Settings as DatabaseSettings } from "../../src/database/Settings.ts"
import { component } from "../../src/dwcp/Component.ts"
import { Dwcp } from "../../src/dwcp/Members.ts"
import * as BootMetrics from "../../src/monitoring/BootMetrics.ts"
import * as Exposition from "../../src/monitoring/Exposition.ts"
import * as Tally from "../../src/monitoring/Tally.ts"
import { component as network } from "../../src/network/Component.ts"
import { Security } from "../../src/security/Security.ts"
import { parse } from "../monitoring/fixtures/Promtool.ts"
import { authority, securityOf } from "../network/fixtures/authority.ts"
import { settingsOf as networkSettings } from "../network/fixtures/listeners.ts"
import { eventually, folder, node, platform, settingsOf } from "./fixtures/nodes.ts"

const within = 60_000

const file = join(import.meta.dirname, "../../../../docs/monitoring/dashboard.json")
const dashboard: { readonly panels: ReadonlyArray<{ readonly targets?: ReadonlyArray<{ readonly expr: string }> }> } =
  JSON.parse(readFileSync(file, "utf8"))

/** What is in effect, and not what was asked for: streams of a real link, a task that was placed. */
const effective = (dwcp: Group.Dwcp["Service"], peer: { readonly host: string; readonly port: number }) =>
  Effect.gen(function* () {
    yield* dwcp.send(peer, Buffer.from("to myself"))
    const { links, mode, subsystems } = yield* dwcp.status
    const detail = (name: string) => subsystems.find((each) => each.name === name)?.detail ?? {}
    const placed = yield* dwcp.placing(({ join, place }) =>
      Effect.gen(function* () {
        yield* join({ id: "quick", cpu: 4, memory: 4, performance: 4, latencyMs: 400 })
        yield* join({ id: "steady", cpu: 64, memory: 64, latencyMs: 2, uptime: { upSeconds: 99, knownSeconds: 100 } })
        const small = { cpu: 1, memory: 1 }
        return [
          yield* place({ id: "any", ...small }),
          yield* place({ id: "inside", ...small, workload: "datacenter" }),
          yield* place({ id: "outside", ...small, workload: "internet" })
        ]
      })
    )
    return {
      mode,
      amst: detail("amst")["environment"],
      hde: detail("hde")["goal"],
      asksFor: detail("acp")["requested"],
      runs: links[0]?.congestion,
      placed
    }
  })

describe("dwcp by environment", () => {
  it.live(
    "is three sets of parameters for three environments, in effect and not only in settings",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const identity = yield* issue("node-a")
        const boot = (environment: string) =>
          Effect.gen(function* () {
            const { dwcp, peer } = yield* node(identity, {}, {}, { environment })
            return yield* effective(dwcp, peer)
          }).pipe(Effect.scoped)
        const [datacenter, internet, hybrid] = [
          yield* boot("datacenter"),
          yield* boot("internet"),
          yield* boot("hybrid")
        ]
        assert.deepStrictEqual(datacenter.placed, ["quick", "quick", "quick"])
        assert.deepStrictEqual(internet.placed, ["steady", "steady", "steady"])
        assert.deepStrictEqual(hybrid.placed, ["quick", "quick", "steady"])
        assert.deepStrictEqual(datacenter.asksFor, ["dctcp", "bbr", "cubic"])
        assert.deepStrictEqual(internet.asksFor, ["bbr", "cubic"])
        for (const [environment, set] of [
          ["datacenter", datacenter],
          ["internet", internet],
          ["hybrid", hybrid]
        ] as const) {
          assert.deepInclude(set, { mode: environment, amst: environment, hde: environment })
          // Of a real socket: the best that this kernel has of those.
          assert.include(["dctcp", "bbr", "cubic", "unavailable"], set.runs)
        }
        assert.strictEqual(new Set([datacenter, internet, hybrid].map((set) => JSON.stringify(set))).size, 3)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )
})

describe("dwcp on the dashboard", () => {
  it.live(
    "is the series of its six, as a boot that lost HDE makes them",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const broken = Layer.effectDiscard(Effect.fail(new Error("there is no HDE")))
        const layered = <L extends { readonly hde: object }>(real: L): L => ({
          ...real,
          hde: { datacenter: broken, internet: broken, hybrid: broken }
        })
        const { events } = yield* node(yield* issue("node-a"), {}, { layered })
        const fold = BootMetrics.make(Tally.make(100))
        for (const event of events) BootMetrics.step(fold, event)
        const families = [...fold.tally.families(), ...Exposition.ofFigures(BootMetrics.figures(fold))]
        const { samples } = parse(Exposition.write("text", families, 1_000).text)
        const panels = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
        const selected = panels.flatMap((expr) => {
          const [, name = "", pattern] = /(novacron_\w+)\{[^}]*component=~"(dwcp[^"]*)"/u.exec(expr) ?? []
          const isOne = new RegExp(`^(?:${pattern})$`, "u")
          const found = samples.filter((each) => each.name === name && isOne.test(each.labels["component"] ?? ""))
          return pattern === undefined ? [] : [[name, new Set(found.map(({ labels }) => labels["component"]))] as const]
        })
        const of = (name: string) => [...(new Map(selected).get(name) ?? [])]
        for (const six of ["amst", "hde", "pba", "ass", "acp", "itp"]) {
          assert.include(of("novacron_component_health_status"), `dwcp/${six}`)
          assert.include(of("novacron_component_state"), `dwcp/${six}`)
          assert.include(of("novacron_component_init_duration_seconds"), `dwcp/${six}`)
        }
        assert.notInclude(of("novacron_component_state"), "network")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )
})

describe("dwcp and the database", () => {
  it.live(
    "keeps what a node that is alone shares with itself in its database, where the next boot finds it; others need none",
    () =>
      Effect.gen(function* () {
        const { issue } = yield* authority("the authority")
        const identity = yield* issue("node-a")
        const dataDir = yield* folder
        const boot = Effect.gen(function* () {
          const parts = [
            Component.make(Security, {
              name: "security",
              start: Effect.succeed(securityOf(identity)),
              health: () => Effect.void
            }),
            network(networkSettings()),
            database(Schema.decodeSync(DatabaseSettings)({}), { dataDir }),
            component(settingsOf(), { dataDir, nodeId: "node-a" })
          ] as const
          const { services } = yield* Boot.make(parts, { checked: true, environment: "datacenter" })
          return { dwcp: Context.get(services, Dwcp), sql: Context.get(services, Database).sql }
        })
        yield* Effect.gen(function* () {
          const { dwcp, sql } = yield* boot
          yield* dwcp.state((engine) => engine.put("config/limit", Buffer.from("7")))
          const rows = yield* sql<{ value: Uint8Array }>`SELECT value FROM dwcp_state WHERE key = 'config/limit'`
          assert.deepStrictEqual(
            rows.map(({ value }) => Buffer.from(value).toString()),
            ["7"]
          )
        }).pipe(Effect.scoped)
        yield* Effect.gen(function* () {
          const { dwcp, sql } = yield* boot
          yield* sql`UPDATE dwcp_state SET value = ${Buffer.from("8")} WHERE key = 'config/limit'`
          const there = yield* dwcp.state((engine) => engine.list("config/"))
          assert.deepStrictEqual(
            there.map(({ key, value }) => [key, Buffer.from(value).toString()]),
            [["config/limit", "8"]]
          )
        }).pipe(Effect.scoped)
        // Without one it boots all the same, and says what that costs.
        const without = yield* Effect.provide(node(identity, { sync: { lease: "2s" } }), platform)
        yield* eventually(
          Effect.map(without.dwcp.status, ({ state, subsystems }) => {
            assert.notStrictEqual(state, "down")
            assert.include(JSON.stringify(subsystems.find(({ name }) => name === "ass")), "database of this node")
          })
        )
        yield* without.dwcp.send(without.peer, Buffer.from("messages need no database"))
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, Layer.succeed(References.MinimumLogLevel, "None"))
        )
      ),
    within
  )
})
