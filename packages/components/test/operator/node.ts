/**
 * A small node with a dashboard, as a process: real components, booted by the real kernel, some of which do what they are
 * told over IPC. For the tests of the pages, which start it by its path.
 *
 * **Details**
 *
 * `node.ts SCENE SITE [PORT] [DATADIR]` tells its parent `{ url, link }` and hears `link`, `revive`, `break`, `release` and
 * `stop`. Scenes: `small` boots at once with a cache on its fallback and names that are not nice; `held` waits in the
 * middle of its boot until it is released; `failed` ends in a critical failure and stays to be looked at; `large` tells the
 * story of a thousand components.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { Boot, Component } from "@novacron/boot"
import { type BootEvent, Plan, Rehearsal, Report, Timeline } from "@novacron/boot/model"
import { Context, Data, DateTime, Deferred, Effect, Exit, Schema } from "effect"
import * as Dashboard from "../../src/operator/Dashboard.ts"
import type * as Questions from "../../src/operator/Questions.ts"
import { Settings } from "../../src/operator/Settings.ts"
import { Settings as SecuritySettings } from "../../src/security/Settings.ts"
import { large } from "./Large.ts"

const [sceneName = "small", site = "", port = "0", dataDir = ""] = process.argv.slice(2)

/** What nobody should be able to do with a text. */
const hostile = `<img src=x onerror="document.title='owned'">\u001b[31mred\u001b[0m\nsecond line \u202egnp.exe`

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

class Config extends Context.Service<Config, object>()("page/settings") {}
class Cache extends Context.Service<Cache, { readonly get: Effect.Effect<string> }>()("page/cache") {}
class Database extends Context.Service<Database, object>()("page/database") {}
class Search extends Context.Service<Search, object>()("page/search") {}
class Hostile extends Context.Service<Hostile, object>()("page/<img-src=x-onerror=alert(1)>") {}
class Api extends Context.Service<Api, object>()("page/api") {}
class Web extends Context.Service<Web, object>()("page/web") {}

const released = Deferred.makeUnsafe<void>()
let isAlive = false
/** Whether the server of the cache is back as soon as somebody asks for it. */
let isRevivable = false
let isWell = true

const well = () => Effect.suspend(() => (isWell ? Effect.void : Effect.fail(new Refused({ message: hostile }))))
const config = Component.make(Config, {
  phase: "pre",
  start: Effect.as(Effect.sleep("20 millis"), {}),
  health: () => Effect.void
})
const memory = Component.make(Cache, {
  name: "memory",
  start: Effect.succeed({ get: Effect.succeed("") }),
  health: () => Effect.void
})
const cache = Component.make(Cache, {
  needs: [Config],
  severity: { Refused: "Degraded" },
  start: Effect.suspend(() =>
    isAlive
      ? Effect.succeed({ get: Effect.succeed("") })
      : Effect.fail(new Refused({ message: "connect ECONNREFUSED 10.0.0.7:6379" }))
  ),
  health: () => Effect.void
}).pipe(Component.fallback(memory))
const database = Component.make(Database, {
  needs: [Config],
  start: Effect.gen(function* () {
    yield* Effect.sleep("60 millis")
    if (sceneName === "held") yield* Deferred.await(released)
    if (sceneName === "failed") yield* Effect.die(new Error("no route to 10.0.0.9"))
    return {}
  }),
  health: () => Effect.void
}).pipe(Component.timeout("2 minutes"))
const search = Component.make(Search, {
  needs: [Config],
  severity: { Refused: "Warning" },
  start: Effect.fail(new Refused({ message: hostile })),
  health: () => Effect.void
}).pipe(Component.optional)
const strange = Component.make(Hostile, {
  needs: [Config],
  start: Effect.as(Effect.sleep("15 millis"), {}),
  health: well
})
const api = Component.make(Api, {
  phase: "service",
  needs: [Cache, Database, Hostile],
  start: Effect.as(Effect.sleep("30 millis"), {}),
  health: () => Effect.void
})
const web = Component.make(Web, {
  phase: "post",
  needs: [Api],
  start: Effect.as(Effect.sleep("10 millis"), {}),
  health: () => Effect.void
})

const app = [config, cache, database, search, strange, api, web] as const

const program = Effect.gen(function* () {
  const events: Array<BootEvent.BootEvent> = []
  const fold = Report.make()
  let running:
    | {
        readonly plan: Plan.Plan
        readonly restore: (name: string) => Effect.Effect<void, { readonly message: string }>
      }
    | undefined
  let health: Questions.Sources["health"] = Effect.map(DateTime.now, (at) => ({
    status: "unknown" as const,
    at,
    components: []
  }))
  const impact = (component: string) =>
    Effect.suspend(() =>
      running === undefined
        ? Effect.fail({ message: "The node is not up yet." })
        : Effect.succeed({
            component,
            state: Report.read(fold).components.find(({ name }) => name === component)?.state ?? "",
            concerned: Plan.impact(running.plan, component),
            isBegun: false
          })
    )
  // A boot of before, in which everything took twice as long.
  const before = () =>
    events.map((event) => ({
      ...event,
      atMs: event.atMs * 2,
      ...(event._tag === "BootStarted" ? { bootId: "before" } : {})
    }))
  const journals = () =>
    new Map<string, ReadonlyArray<BootEvent.BootEvent>>([
      ["2.journal", events],
      ["1.journal", before()]
    ])
  const opened = (id: string) => {
    const found = journals().get(id)
    return found === undefined ? Effect.fail({ message: `There is no boot "${id}".` }) : Effect.succeed(found)
  }
  const dashboard = yield* Dashboard.make({
    settings: Schema.decodeUnknownSync(Settings)({ port: Number(port), sampleInterval: "200 millis" }),
    roles: Schema.decodeUnknownSync(SecuritySettings)({}).roles,
    dataDir,
    site,
    sources: {
      orchestration: Effect.succeedNone,
      security: Effect.succeedNone,
      node: Effect.succeed({
        program: "novacron",
        version: "0",
        pid: process.pid,
        mode: "live",
        health: "",
        isStopping: false
      }),
      report: () => Report.read(fold),
      health: Effect.suspend(() => health),
      impact,
      restore: (component) =>
        Effect.gen(function* () {
          const it = yield* impact(component)
          isAlive = isRevivable
          yield* running?.restore(component) ?? Effect.void
          return { ...it, isBegun: true }
        }),
      boots: () =>
        Effect.sync(() => {
          const boots = [...journals()].map(([file, all]) => {
            const [first] = all
            const startedAt =
              first?._tag === "BootStarted" ? first.startedAt - (file === "1.journal" ? 86_400_000 : 0) : 0
            return {
              file,
              kind: "boot" as const,
              bootId: file === "1.journal" ? "before" : "now",
              nodeId: "page",
              environment: "datacenter",
              startedAt,
              ...(file === "1.journal" ? { outcome: Report.fromEvents(all).outcome } : {})
            }
          })
          return {
            boots: [
              ...boots,
              { file: "0.journal", kind: "foreign" as const, bootId: "", nodeId: "", environment: "", startedAt: 0 }
            ],
            total: 3
          }
        }),
      boot: (id) =>
        Effect.map(opened(id), (all) => ({
          file: id,
          events: all,
          warnings: id === "1.journal" ? [`torn ${hostile}`] : []
        })),
      difference: (a, b) =>
        Effect.gen(function* () {
          return Rehearsal.difference(Timeline.fromEvents(yield* opened(a)), Timeline.fromEvents(yield* opened(b)))
        }),
      settings: Effect.succeed([
        {
          key: "cache.url",
          description: `Where Redis is. ${hostile}`,
          allowed: "an address",
          environment: "NOVACRON_CACHE_URL",
          isSecret: true,
          isHot: false,
          value: "******",
          sources: [
            { place: "NOVACRON_CACHE_URL", value: "******", wins: true },
            { place: "novacron.yaml:14:3", value: "******", wins: false },
            { place: "default", value: "nothing", wins: false }
          ]
        },
        {
          key: "health.port",
          description: "The port of the health endpoints.",
          allowed: "a port",
          environment: undefined,
          isSecret: false,
          isHot: true,
          value: "8080",
          sources: [{ place: "default", value: "8080", wins: true }]
        }
      ])
    }
  })
  const observe = (event: BootEvent.BootEvent): void => {
    events.push(event)
    Report.step(fold, event)
    dashboard.observe(event)
  }
  const told = Deferred.makeUnsafe<void>()
  process.on("message", (message) => {
    if (message === "revive") isRevivable = true
    if (message === "break") isWell = false
    if (message === "release") Deferred.doneUnsafe(released, Effect.void)
    if (message === "stop") Deferred.doneUnsafe(told, Effect.void)
    if (message === "link") Effect.runFork(Effect.map(dashboard.link(), ({ url }) => process.send?.({ link: url })))
  })
  // The parent has gone: nobody is there to be shown anything.
  process.on("disconnect", () => Deferred.doneUnsafe(told, Effect.void))
  process.send?.({ url: dashboard.url, link: (yield* dashboard.link()).url })
  if (sceneName === "large") {
    for (const event of large()) observe(event)
    yield* Deferred.await(told)
  } else {
    const boot = yield* Effect.exit(
      Boot.make(app, { nodeId: "page", configVersion: "c0ffee", observe, monitor: "300 millis" })
    )
    if (Exit.isSuccess(boot)) {
      running = boot.value
      health = boot.value.health.snapshot
    }
    yield* Deferred.await(told)
    if (Exit.isSuccess(boot)) yield* boot.value.stop("told to")
  }
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))
if (process.connected) process.disconnect()
