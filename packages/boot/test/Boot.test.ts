import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, HashMap, Layer, Option, Result, SubscriptionRef } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import { Environment } from "../src/Environment.ts"
import { at, key, lines, only, Part, type Shape, world } from "./fixtures/parts.ts"
import * as Virtual from "./fixtures/virtual.ts"

describe("the start", () => {
  it.effect("begins each component the moment its own needs are up, and waits for no level", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot([
        part("api", { needs: ["database", "cache"], takes: 50 }),
        part("jobs", { needs: ["database"], takes: 100 }),
        part("cache", { needs: ["settings"], takes: 300 }),
        part("database", { needs: ["settings"], takes: 100 }),
        part("settings")
      ])
      assert.isTrue(Exit.isSuccess(exit))
      const expected = { settings: 0, database: 10, cache: 10, jobs: 110, api: 310 }
      assert.deepStrictEqual(at(events, "Started"), expected)
      assert.deepStrictEqual(at(events, "Ready"), { settings: 10, database: 110, jobs: 210, cache: 310, api: 360 })
      assert.strictEqual(only(events, "BootReady")[0]?.atMs, 360)
    })
  )

  it.effect("builds what is shared by a diamond once, and both sides at the same time", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      yield* boot([
        part("bottom", { needs: ["left", "right"], takes: 10 }),
        part("left", { needs: ["top"], takes: 40 }),
        part("right", { needs: ["top"], takes: 60 }),
        part("top")
      ])
      assert.deepStrictEqual(at(events, "Started"), { top: 0, left: 10, right: 10, bottom: 70 })
      assert.strictEqual(ledger.filter((line) => line.endsWith("+top")).length, 1)
    })
  )

  it.effect("builds one instance for a hundred who wait for it at the same time", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const given: Array<unknown> = []
      const dependents = Array.from({ length: 100 }, (_, i) =>
        Component.make(key(`p${i}`), {
          needs: [key("shared")],
          start: Effect.tap(key("shared"), (shared) => Effect.sync(() => void given.push(shared))),
          health: () => Effect.void
        })
      )
      const exit = yield* boot([...dependents, part("shared", { takes: 30 })], { concurrency: 1_000 })
      assert.isTrue(Exit.isSuccess(exit))
      const starts = Object.values(at(events, "Started")).toSorted((a, b) => a - b)
      assert.deepStrictEqual(starts, [0, ...new Array<number>(100).fill(30)])
      assert.strictEqual(ledger.filter((line) => line.endsWith("+shared")).length, 1)
      assert.strictEqual(given.length, 100)
      assert.strictEqual(new Set(given).size, 1)
    })
  )

  it.effect("does not depend on the order of the list", () =>
    Effect.gen(function* () {
      const logs = new Set<string>()
      for (const turn of [0, 1, 2, 3]) {
        const { boot, events, part } = world()
        const list = [
          part("c", { needs: ["a"] }),
          part("b", { needs: ["a"] }),
          part("d", { needs: ["b", "c"] }),
          part("a")
        ]
        yield* boot([...list.slice(turn), ...list.slice(0, turn)])
        logs.add(JSON.stringify(events.filter(({ _tag }) => _tag !== "BootStarted")))
      }
      assert.strictEqual(logs.size, 1)
    })
  )

  it.effect("of nothing is ready at once", () =>
    Effect.gen(function* () {
      const { boot, events } = world()
      assert.isTrue(Exit.isSuccess(yield* boot([])))
      assert.strictEqual(only(events, "BootReady")[0]?.outcome, "ready")
    })
  )

  it.effect("lets nothing begin before pre is complete, and post only when everything critical has settled", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      yield* boot([
        part("settings", { phase: "pre", takes: 20 }),
        part("logger", { phase: "pre", takes: 50 }),
        part("database", { needs: ["settings"], takes: 10 }),
        part("slow", { takes: 500, severity: "Warning" }).pipe(Component.optional),
        part("api", { phase: "service", needs: ["database"], takes: 100 }),
        part("ready-signal", { phase: "post", takes: 1 })
      ])
      const started = { settings: 0, logger: 0, database: 50, slow: 50, api: 60, "ready-signal": 160 }
      assert.deepStrictEqual(at(events, "Started"), started)
    })
  )

  it.effect("waits for each phase as a whole when scheduling is phased", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const parts = [
        part("core", { takes: 100 }),
        part("service", { phase: "service" }),
        part("post", { phase: "post" })
      ] as const
      yield* boot(parts, { scheduling: "phased" })
      assert.deepStrictEqual(at(events, "Started"), { core: 0, service: 100, post: 110 })
      const dataflow = world()
      yield* dataflow.boot(parts)
      assert.deepStrictEqual(at(dataflow.events, "Started"), { core: 0, service: 0, post: 100 })
    })
  )

  it.effect("gives a component its needs, the environment, and nothing else", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const seen: Array<ReadonlyArray<boolean>> = []
      class Outside extends Context.Service<Outside, { readonly word: string }>()("test/Outside") {}
      class Spy extends Context.Service<Spy, { readonly word: string }>()("test/Spy") {}
      const spy = Component.make(Spy, {
        needs: [key("declared"), Outside],
        start: Effect.gen(function* () {
          const context = yield* Effect.context<never>()
          seen.push(["declared", "undeclared", "test/Outside"].map((it) => context.mapUnsafe.has(it)))
          return { word: (yield* Outside).word }
        }),
        health: () => Effect.void
      })
      const exit = yield* boot([part("declared"), part("undeclared"), spy]).pipe(
        Effect.provideService(Outside, { word: "hello" })
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(seen, [[true, false, true]])
    })
  )
})

describe("the stop", () => {
  it.effect("is the mirror of the start: parallel, and dependents before what they need", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const closing = (ms: number) => ({ closing: Effect.sleep(ms) })
      yield* boot([
        part("settings", closing(5)),
        part("database", { needs: ["settings"], ...closing(100) }),
        part("cache", { needs: ["settings"], ...closing(30) }),
        part("jobs", { needs: ["database"], ...closing(20) }),
        part("api", { needs: ["database", "cache"], ...closing(50) })
      ])
      const readyMs = only(events, "BootReady")[0]!.atMs
      const after = (kind: string) =>
        Object.fromEntries(Object.entries(at(events, kind)).map(([name, ms]) => [name, ms - readyMs]))
      assert.deepStrictEqual(after("Stopping"), { api: 0, jobs: 0, cache: 50, database: 50, settings: 150 })
      assert.deepStrictEqual(after("Stopped"), { jobs: 20, api: 50, cache: 80, database: 150, settings: 155 })
      assert.deepStrictEqual(only(events, "BootEnded")[0], {
        _tag: "BootEnded",
        atMs: readyMs + 155,
        outcome: "stopped",
        clean: true
      })
    })
  )

  it.effect("closes who looks something up before what is looked up, unless that one holds on to it", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const slow = { closing: Effect.sleep(50) }
      yield* boot([
        part("api", { also: [Component.late(key("tasks"))], ...slow }),
        part("tasks", slow),
        part("agent", { also: [Component.late(key("pool"))], ...slow }),
        part("pool", { needs: ["agent"], ...slow })
      ])
      const readyMs = only(events, "BootReady")[0]!.atMs
      const stopping = Object.entries(at(events, "Stopping")).map(([name, ms]) => [name, ms - readyMs])
      assert.deepStrictEqual(Object.fromEntries(stopping), { api: 0, pool: 0, agent: 50, tasks: 50 })
    })
  )

  it.effect("of a chain is the exact reverse of the start", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      yield* boot([part("a"), part("b", { needs: ["a"] }), part("c", { needs: ["b"] })])
      assert.deepStrictEqual(ledger, ["0 +a", "10 +b", "20 +c", "30 -c", "30 -b", "30 -a"])
    })
  )

  it.effect("by hand returns the final report, ends the boot, and is the same for all who ask", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const exit = yield* boot([part("a"), part("b", { needs: ["a"], closing: Effect.sleep(10) })], {}, (running) =>
        Effect.gen(function* () {
          const [report, again] = yield* Effect.all([running.stop("of a test"), running.stop("of another")], {
            concurrency: "unbounded"
          })
          yield* running.ended
          return { report, again, ready: yield* running.health.ready }
        })
      )
      const { again, ready, report } = Option.getOrThrow(Exit.getSuccess(exit))!
      assert.deepStrictEqual(report, again)
      assert.isFalse(ready)
      assert.deepStrictEqual(
        report.components.map(({ state }) => state),
        ["stopped", "stopped"]
      )
      assert.strictEqual(only(events, "RollbackStarted").length, 1)
      assert.strictEqual(only(events, "RollbackStarted")[0]?.because, "of a test")
    })
  )
})

describe("what may be absent", () => {
  it.effect("is None to those who asked for an option, whoever that is, and Some when it is up", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const seen: Array<string> = []
      class Eye extends Context.Service<Eye, object>()("test/Eye") {}
      const eye = Component.make(Eye, {
        needs: [Component.option(key("here")), Component.option(key("gone")), Component.option(key("nowhere"))],
        start: Effect.gen(function* () {
          for (const name of ["here", "gone", "nowhere"]) seen.push((yield* Component.option(key(name)))._tag)
          return {}
        }),
        health: () => Effect.void
      })
      const gone = part("gone", { severity: "Warning", then: () => Effect.die("a bug") }).pipe(Component.optional)
      const absent = part("gone", { severity: "Warning" }).pipe(Component.optional, Component.when("elsewhere"))
      assert.isTrue(Exit.isFailure(yield* world().boot([eye, part("here"), gone])))
      assert.deepStrictEqual(seen, [])
      assert.isTrue(Exit.isSuccess(yield* boot([eye, part("here"), absent])))
      assert.deepStrictEqual(seen, ["Some", "None", "None"])
    })
  )

  it.effect("does not delay those who look it up late: None before it is up, Some after", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      class Front extends Context.Service<Front, { readonly peek: Effect.Effect<Option.Option<Shape>> }>()(
        "test/Front"
      ) {}
      const seen: Array<string> = []
      const front = Component.make(Front, {
        needs: [Component.late(key("slow"))],
        start: Effect.gen(function* () {
          const look = yield* Component.late(key("slow"))
          seen.push((yield* look)._tag)
          return { peek: look }
        }),
        health: () => Effect.void
      })
      const exit = yield* boot([front, part("slow", { takes: 500 })], {}, ({ services }) =>
        Effect.map(Context.get(services, Front).peek, (found) => seen.push(found._tag))
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(at(events, "Started"), { Front: 0, slow: 0 })
      assert.deepStrictEqual(seen, ["None", "Some"])
    })
  )

  it.effect("is so in environments that it is not for, and those who need it are skipped with it", () =>
    Effect.gen(function* () {
      const at = (environment: string | undefined) =>
        Effect.gen(function* () {
          const { boot, events, part } = world()
          const rdma = part("rdma").pipe(Component.when("datacenter", "hybrid"))
          const needy = part("needy", { needs: ["rdma"], severity: "Warning" }).pipe(Component.optional)
          const exit = yield* boot([rdma, needy], environment === undefined ? {} : { environment })
          assert.isTrue(Exit.isSuccess(exit))
          return lines(events, "Absent", "Skipped", "Ready")
        })
      assert.deepStrictEqual(yield* at("internet"), ["0 Absent rdma", "0 Skipped needy"])
      assert.deepStrictEqual(yield* at("hybrid"), ["10 Ready rdma", "20 Ready needy"])
      assert.deepStrictEqual(yield* at(undefined), ["0 Absent rdma", "0 Skipped needy"])
      assert.deepStrictEqual(yield* Effect.provideService(at(undefined), Environment, "datacenter"), [
        "10 Ready rdma",
        "20 Ready needy"
      ])
    })
  )

  it.effect("can be one of several providers, each for an environment of its own", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const inside = part("inside", { as: "net" }).pipe(Component.when("datacenter"))
      const outside = part("outside", { as: "net" }).pipe(Component.when("internet"))
      const exit = yield* boot([inside, outside], { environment: "internet" }, ({ services }) =>
        Effect.sync(() => Context.get(services, Component.option(key("net"))))
      )
      assert.deepStrictEqual(
        Option.map(Option.getOrThrow(Exit.getSuccess(exit))!, ({ name }) => name),
        Option.some("outside")
      )
    })
  )
})

describe("a boot as a layer", () => {
  it.effect("provides all services, takes what it lacks from outside, and stops when its scope closes", () =>
    Effect.gen(function* () {
      const { ledger, note, options, part } = world()
      class Url extends Context.Service<Url, string>()("test/Url") {}
      class Client extends Context.Service<Client, { readonly url: string }>()("test/Client") {}
      const client = Component.make(Client, {
        needs: [Url, key("pool")],
        start: Effect.map(Url, (url) => ({ url })),
        health: () => Effect.void
      })
      const layer = Boot.layer([client, part("pool")], options).pipe(Layer.provide(Layer.succeed(Url, "redis://")))
      const program = Effect.gen(function* () {
        yield* note("used")
        return `${(yield* Client).url} ${yield* (yield* key("pool")).answer}`
      })
      const exit = yield* Virtual.run(Effect.provide(program, layer))
      assert.deepStrictEqual(exit, Exit.succeed("redis:// pool"))
      assert.deepStrictEqual(ledger, ["0 +pool", "10 used", "10 -pool"])
    })
  )

  it.effect("is a component again", () =>
    Effect.gen(function* () {
      const { boot, events, options, part } = world()
      const inner = world()
      const layer = Boot.layer([inner.part("pool"), inner.part("client", { needs: ["pool"] })], {
        ...options,
        observe: (event) => void inner.events.push(event)
      })
      const app = Component.fromLayer(key("client"), layer, { name: "app" })
      const exit = yield* boot([app, part("api", { needs: ["client"] })])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(at(events, "Ready"), { app: 20, api: 30 })
      assert.deepStrictEqual(inner.ledger, ["0 +pool", "10 +client", "30 -client", "30 -pool"])
    })
  )
})

describe("a running boot", () => {
  it.effect("tells the status of each component, and rejects nothing that happens", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const exit = yield* boot([part("a"), part("b", { needs: ["a"] })], {}, ({ status }) =>
        Effect.flatMap(status, SubscriptionRef.get)
      )
      const status = Option.getOrThrow(Exit.getSuccess(exit))!
      assert.strictEqual(status.stage, "ready")
      assert.deepStrictEqual(
        [...HashMap.values(status.components)].map(({ state }) => state),
        ["ready", "ready"]
      )
    })
  )

  it.effect("reports while it runs", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const exit = yield* boot([part("a"), part("b", { needs: ["a"] })], {}, ({ report }) => report)
      const report = Option.getOrThrow(Exit.getSuccess(exit))!
      assert.strictEqual(report.outcome, "ready")
      assert.strictEqual(report.durationMs, 20)
      assert.deepStrictEqual(report.criticalPath, ["a", "b"])
    })
  )

  it.effect("answers for its health: alive, ready, and each part with what it needs", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      let healthy = true
      const probe = () => (healthy ? Effect.succeed({ throughput: 7 }) : Effect.fail("no route"))
      const seen = yield* boot([part("net", { probe }), part("api", { needs: ["net"] })], {}, ({ health }) =>
        Effect.gen(function* () {
          assert.isTrue(yield* health.live)
          assert.isTrue(yield* health.ready)
          const [net, api] = ["net", "api"].map((name) => health.check(name))
          assert.strictEqual((yield* net!).throughput, 7)
          assert.deepStrictEqual((yield* api!).dependencies, { net: "healthy" })
          healthy = false
          for (const _ of [1, 2, 3]) {
            yield* Effect.sleep("6 seconds")
            yield* health.report
          }
          const report = yield* health.report
          assert.isTrue(yield* health.live)
          assert.isFalse(yield* health.ready)
          return report
        })
      )
      const report = Option.getOrThrow(Exit.getSuccess(seen))!
      assert.strictEqual(report.status, "unhealthy")
      const byName = new Map(report.components.map((it) => [it.name, it]))
      assert.strictEqual(byName.get("net")?.status, "unhealthy")
      assert.include(byName.get("net")?.message, "no route")
      assert.strictEqual(byName.get("api")?.status, "degraded")
    })
  )

  it.effect("refuses to restore what is not lost, and names that nobody has", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const exit = yield* boot([part("a")], {}, (running) =>
        Effect.all([Effect.flip(running.restore("a")), Effect.flip(running.restore("z"))])
      )
      const [ready, unknown] = Option.getOrThrow(Exit.getSuccess(exit))!
      assert.strictEqual(ready._tag, "CannotRestore")
      assert.strictEqual(ready.message, `"a" cannot be restored: it is ready`)
      assert.strictEqual(unknown.message, `"z" cannot be restored: there is no component of that name`)
    })
  )

  it.effect("gives its services as a context that also answers for options", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const exit = yield* boot([part("a")], {}, ({ services }) =>
        Effect.gen(function* () {
          const late = yield* Context.get(services, Component.late(key("a")))
          return [Context.get(services, key("a")), Context.get(services, Component.option(key("a"))), late] as const
        })
      )
      const [hard, option, late] = Option.getOrThrow(Exit.getSuccess(exit))!
      assert.deepStrictEqual([option, late], [Option.some(hard), Option.some(hard)])
    })
  )
})

describe("Boot.plan", () => {
  it("says what would happen, or all that is wrong, and runs nothing", () => {
    const { ledger, part } = world()
    const plan = Result.getOrThrow(Boot.plan([part("a"), part("b", { needs: ["a"] })]))
    assert.deepStrictEqual(
      plan.order.map((i) => plan.components[i]!.name),
      ["a", "b"]
    )
    const wrong = Boot.plan([part("a", { needs: ["b"] }), part("b", { needs: ["a"] })])
    assert.include(Result.getOrThrow(Result.flip(wrong)).message, `"a" → "b" → "a"`)
    assert.deepStrictEqual(ledger, [])
    assert.strictEqual(key("a").key, "a")
    assert.notStrictEqual(Part.key, "a")
  })
})
