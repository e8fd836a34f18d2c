/**
 * Each of the nine parts boots with those it needs, and no others: what an application takes of a node, it takes alone. All
 * of it is real, and below one directory.
 */
import { readdirSync, rmSync } from "node:fs"
import { NodeHttpClient, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@novacron/api"
import { Boot, Component } from "@novacron/boot"
import { Effect, FileSystem, Layer, Logger, Option, Redacted, Schedule, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Parts from "../src/index.ts"

const within = 60_000
const nodeId = "alone"

/** A directory that a database of another user may enter. */
const directory = Effect.acquireRelease(
  Effect.flatMap(FileSystem.FileSystem, (it) => it.makeTempDirectory({ prefix: "novacron-alone-" })),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const securityIn = (dataDir: string) =>
  Parts.Security.component(Schema.decodeSync(Parts.Security.Settings)({}), { dataDir, nodeId, environment: {} })

const networkOf = (encoded: typeof Parts.Network.Settings.Encoded = {}) =>
  Parts.Network.component(
    Schema.decodeSync(Parts.Network.Settings)({
      bindPort: 0,
      listenAddress: "127.0.0.1",
      serverName: nodeId,
      ...encoded
    })
  )

const databaseIn = (dataDir: string) =>
  Parts.Database.component(Schema.decodeSync(Parts.Database.Settings)({ pool: { min: 1, max: 8 } }), {
    dataDir,
    migrations: [...Parts.Database.migrations, ...Parts.Orchestration.migrations]
  })

const orchestration = Parts.Orchestration.component(Schema.decodeSync(Parts.Orchestration.Settings)({}), {
  nodeId,
  version: "1.0.0",
  environment: "datacenter",
  host: process
})

/** With what every part may ask of the platform; quiet. */
const platform = Layer.mergeAll(NodeServices.layer, FetchHttpClient.layer, Logger.layer([]))

const withoutWork = Layer.merge(
  Component.absent(Parts.Orchestration.Orchestration),
  Component.absent(Parts.Database.Database)
)

/** Ready it is, with these parts and no others. */
const consistsOf = Effect.fnUntraced(function* (report: Boot.Running<never>["report"], names: ReadonlyArray<string>) {
  const { components, outcome } = yield* report
  assert.strictEqual(outcome, "ready")
  assert.sameMembers(
    components.flatMap(({ name }) => (name.includes("/") ? [] : [name])),
    [...names]
  )
})

describe("alone", () => {
  it.live(
    "security makes keys, and opens what it sealed",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* directory
        const { report, services } = yield* Boot.make([securityIn(dataDir)])
        yield* consistsOf(report, ["security"])
        yield* Effect.gen(function* () {
          const { open, seal } = yield* Parts.Security.Security
          const sealed = yield* seal(Buffer.from("a secret"), "here")
          assert.strictEqual(Buffer.from(yield* open(sealed, "here")).toString(), "a secret")
          assert.strictEqual((yield* Effect.flip(open(sealed, "elsewhere")))._tag, "CannotOpen")
        }).pipe(Effect.provide(services))
        assert.include(readdirSync(dataDir), "security")
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "database has a PostgreSQL of its own, and the tables that it was given",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* directory
        const { report, services } = yield* Boot.make([databaseIn(dataDir), securityIn(dataDir)])
        yield* consistsOf(report, ["security", "database"])
        const rows = yield* Effect.gen(function* () {
          const { sql } = yield* Parts.Database.Database
          return yield* sql<{ readonly n: number }>`SELECT count(*)::int AS n FROM novacron_tasks`
        }).pipe(Effect.provide(services))
        assert.deepStrictEqual(rows, [{ n: 0 }])
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "cache keeps what it is given",
    () =>
      Effect.gen(function* () {
        const cache = Parts.Cache.component(Schema.decodeSync(Parts.Cache.Settings)({}))
        const { report, services } = yield* Boot.make([cache, securityIn(yield* directory)])
        yield* consistsOf(report, ["security", "cache"])
        yield* Effect.gen(function* () {
          const { get, set } = yield* Parts.Cache.Cache
          yield* set("key", "value")
          assert.deepStrictEqual([yield* get("key"), yield* get("other")], [Option.some("value"), Option.none()])
        }).pipe(Effect.provide(services))
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "network lets a peer in that shows a certificate, and carries a message",
    () =>
      Effect.gen(function* () {
        const { report, services } = yield* Boot.make([networkOf(), securityIn(yield* directory)])
        yield* consistsOf(report, ["security", "network"])
        yield* Effect.gen(function* () {
          const { address, connect, onConnection } = yield* Parts.Network.Network
          yield* onConnection("test/echo", ({ receive, send }) =>
            Effect.flatMap(receive, (message) => (Option.isSome(message) ? send(message.value) : Effect.void))
          )
          const peer = yield* connect({ ...address, serverName: nodeId, protocol: "test/echo" })
          yield* peer.send(Buffer.from("hello"))
          const back = Option.getOrThrow(yield* peer.receive)
          assert.strictEqual(Buffer.from(back).toString(), "hello")
        }).pipe(Effect.provide(services))
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "dwcp has its six subsystems up, and says what one of them waits for",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* directory
        const settings = Schema.decodeSync(Parts.Dwcp.Settings)({ bindPort: 0, listenAddress: "127.0.0.1" })
        const dwcp = Parts.Dwcp.component(settings, { dataDir, nodeId })
        const { report, services } = yield* Boot.make([dwcp, networkOf(), securityIn(dataDir)])
        yield* consistsOf(report, ["security", "network", "dwcp"])
        const { speaks, state, subsystems } = yield* Effect.flatMap(Parts.Dwcp.Dwcp, (it) => it.status).pipe(
          Effect.provide(services)
        )
        assert.deepStrictEqual(
          subsystems.map(({ name, state: is }) => `${name} ${is}`),
          ["amst up", "hde up", "pba up", "ass up", "acp up", "itp up"]
        )
        // What nodes share would be kept in a database.
        assert.deepStrictEqual([speaks, state], ["v3", "degraded"])
        const ass = subsystems.find(({ name }) => name === "ass")
        assert.include(JSON.stringify(ass?.detail), "the database of this node was not reached")
      }).pipe(Effect.scoped, Effect.provide([platform, Component.absent(Parts.Database.Database)])),
    within
  )

  it.live(
    "orchestration runs a task on its own node",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* directory
        const parts = [orchestration, databaseIn(dataDir), securityIn(dataDir)] as const
        const { report, services } = yield* Boot.make(parts)
        yield* consistsOf(report, ["security", "database", "orchestration"])
        yield* Effect.gen(function* () {
          const { get, submit } = yield* Parts.Orchestration.Orchestration
          const { id } = yield* submit({ name: "true", run: { driver: "process", command: ["/bin/true"] } }, "somebody")
          const ended = yield* get(id).pipe(
            Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ state }) => state === "succeeded" }),
            Effect.timeout("30 seconds")
          )
          assert.strictEqual(ended.placement?.node, nodeId)
        }).pipe(Effect.provide(services))
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )

  it.live(
    "api answers, and says that there is nobody to run tasks",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* directory
        const settings = Schema.decodeSync(Parts.Api.Settings)({ port: 0, grpc: { enabled: false } })
        const api = Parts.Api.component(settings, { dataDir, nodeId, version: "1.0.0" })
        const { report, services } = yield* Boot.make([api, securityIn(dataDir)])
        yield* consistsOf(report, ["security", "api"])
        const { url } = yield* Parts.Api.Api.pipe(Effect.provide(services))
        assert.match(url, /^https:/)
        const access = Option.getOrThrow(yield* Parts.Api.LocalAccess.find(dataDir))
        const trusting = NodeHttpClient.layerNodeHttpOptions({ ca: access.ca, servername: access.serverName })
        yield* Effect.gen(function* () {
          const client = yield* Client.make({ url, token: Redacted.make(access.token) })
          assert.strictEqual((yield* client.node.status({})).node, nodeId)
          assert.strictEqual((yield* Effect.flip(client.nodes.list({})))._tag, "Unavailable")
        }).pipe(Effect.provide(trusting))
      }).pipe(Effect.scoped, Effect.provide([platform, withoutWork])),
    within
  )

  it.live(
    "monitoring tells of its own boot, to whoever scrapes it",
    () =>
      Effect.gen(function* () {
        const settings = Schema.decodeSync(Parts.Monitoring.Settings)({ port: 0 })
        const monitor = yield* Parts.Monitoring.Monitor.make(settings, { version: "1.0.0", process })
        const { report, services } = yield* Boot.make([Parts.Monitoring.component(settings)], {
          observe: monitor.observe
        }).pipe(Effect.provideService(Parts.Monitoring.Monitor.Monitor, monitor))
        yield* consistsOf(report, ["monitoring"])
        const { url } = Option.getOrThrow(
          yield* Component.option(Parts.Monitoring.Metrics).pipe(Effect.provide(services))
        )
        const text = yield* Effect.promise(async () => (await fetch(url)).text())
        assert.match(text, /novacron_component_state\{[^}]*component="monitoring"/)
      }).pipe(Effect.scoped, Effect.provide([platform, Component.absent(Parts.Security.Security)])),
    within
  )

  it.live(
    "ml forecasts, with the model that comes with it",
    () =>
      Effect.gen(function* () {
        const ml = Parts.Ml.component(Schema.decodeSync(Parts.Ml.Settings)({}))
        const { report, services } = yield* Boot.make([ml])
        yield* consistsOf(report, ["ml"])
        const models = Option.getOrThrow(yield* Component.option(Parts.Ml.Ml).pipe(Effect.provide(services)))
        const answer = yield* models.bandwidth.infer({ values: Array.from({ length: 40 }, (_, i) => 100 + (i % 5)) })
        assert.isDefined(answer.by)
        assert.closeTo(answer.answer.h1, 102, 3)
      }).pipe(Effect.scoped, Effect.provide(platform)),
    within
  )
})
