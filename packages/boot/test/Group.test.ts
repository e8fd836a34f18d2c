import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, HashMap, Option, type Scope, SubscriptionRef } from "effect"
import * as Component from "../src/Component.ts"
import * as Group from "../src/Group.ts"
import { Offers } from "../src/Offers.ts"
import * as Policy from "../src/Policy.ts"
import { Critical } from "../src/Severity.ts"
import { at, Broken, criticals, fails, key, lines, only, type Part, type Shape, world } from "./fixtures/parts.ts"

const exact = Policy.make({ name: "exact", attempts: Infinity, jitter: 0 })

describe("a group", () => {
  it.effect("is one component outside, and a boot of its own inside", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const dwcp = Component.group("dwcp", [
        part("hde", { needs: ["amst"], takes: 20 }),
        part("amst", { needs: ["network"], takes: 30 }),
        part("acp", { takes: 40 })
      ])
      const exit = yield* boot([part("network"), dwcp, part("api", { needs: ["hde"] })])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(at(events, "Started"), {
        network: 0,
        dwcp: 10,
        "dwcp/acp": 10,
        "dwcp/amst": 10,
        "dwcp/hde": 40,
        api: 60
      })
      assert.deepStrictEqual(at(events, "Ready"), {
        network: 10,
        "dwcp/amst": 40,
        "dwcp/acp": 50,
        "dwcp/hde": 60,
        dwcp: 60,
        api: 70
      })
      assert.deepStrictEqual(ledger.slice(-5), ["70 -api", "70 -hde", "70 -acp", "70 -amst", "70 -network"])
    })
  )

  it.effect("shows its members in the first event, in the status and in the report", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const inner = Component.group("inner", [part("a"), part("b", { needs: ["a"] })])
      const exit = yield* boot([Component.group("outer", [inner])], {}, (running) =>
        Effect.all([Effect.flatMap(running.status, SubscriptionRef.get), running.report])
      )
      const [status, report] = Option.getOrThrow(Exit.getSuccess(exit))!
      const names = ["outer", "outer/inner", "outer/inner/a", "outer/inner/b"]
      assert.deepStrictEqual(
        only(events, "BootStarted")[0]?.components.map(({ name }) => name),
        names
      )
      assert.deepStrictEqual([...HashMap.keys(status.components)].toSorted(), names)
      assert.deepStrictEqual(
        report.components.map(({ name, state }) => `${name} ${state}`),
        names.map((name) => `${name} ready`)
      )
    })
  )

  it.effect("needs what its members need and do not provide each other, and gives it to them", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const seen: Array<string> = []
      class Probe extends Context.Service<Probe, object>()("test/Probe") {}
      const probe = Component.make(Probe, {
        needs: [key("network"), Component.option(key("gone")), Component.late(key("late")), key("sibling")],
        start: Effect.gen(function* () {
          seen.push(yield* (yield* key("network")).answer, (yield* Component.option(key("gone")))._tag)
          seen.push((yield* yield* Component.late(key("late")))._tag)
          return {}
        }),
        health: () => Effect.void
      })
      const group = Component.group("group", [probe, part("sibling")])
      assert.deepStrictEqual(group.manifest.needs.map(({ key, kind }) => `${kind} ${key}`).toSorted(), [
        "hard network",
        "late late",
        "optional gone"
      ])
      const gone = part("gone", { severity: "Warning", then: () => fails("gone") }).pipe(Component.optional)
      const exit = yield* boot([group, part("network"), gone, part("late", { takes: 500 })], { restoration: "off" })
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(seen, ["network", "None", "None"])
    })
  )

  it.effect("that fails takes its members down, and names who it was", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const group = Component.group("group", [part("good"), part("bad", { needs: ["good"], then: () => fails("bad") })])
      const exit = yield* boot([group, part("other")])
      const [[component, cause] = []] = criticals(exit)
      assert.strictEqual(component, "group")
      assert.instanceOf(cause, Critical)
      assert.strictEqual(cause.component, "bad")
      assert.deepStrictEqual(cause.cause, new Broken({ by: "bad", message: "bad broke" }))
      assert.deepStrictEqual(ledger.slice(-3), ["20 -bad", "20 -good", "20 -other"])
    })
  )

  it.effect("is not tried again when a member has a defect, whatever the group says of its failures", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const buggy = part("buggy", { then: () => Effect.die(new Error("bug")) })
      const group = Component.group("group", [buggy], { severity: "Warning" })
      const exit = yield* boot([group.pipe(Component.retry(Policy.standard), Component.optional)])
      const [[component, cause] = []] = criticals(exit)
      assert.strictEqual(component, "group")
      assert.deepInclude(cause, { _tag: "Defect", component: "group" })
      assert.deepStrictEqual(ledger.filter((line) => line.includes("+buggy")).length, 1)
    })
  )

  it.effect("is tried again as a whole", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const flaky = part("flaky", { needs: ["good"], then: (n) => (n < 2 ? fails("flaky") : Effect.void) })
      const retry = Component.retry(Policy.make({ name: "exact", jitter: 0 }))
      const exit = yield* boot([Component.group("group", [part("good"), flaky]).pipe(retry)])
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(ledger.slice(0, 6), [
        "0 +good",
        "10 +flaky",
        "20 -flaky",
        "20 -good",
        "1020 +good",
        "1030 +flaky"
      ])
    })
  )

  it.effect("falls back as a whole, is restored as a whole, and nobody notices", () =>
    Effect.gen(function* () {
      const w = world()
      const v3 = Component.group(
        "dwcp",
        [
          w.part("amst3", { as: "amst" }),
          w.part("hde3", { as: "hde", needs: ["amst"], then: (n) => (n < 2 ? fails("hde") : Effect.void) })
        ],
        { severity: "Degraded" }
      )
      const v1 = Component.group("v1", [w.part("amst1", { as: "amst" }), w.part("hde1", { as: "hde" })])
      const exit = yield* w.boot([v3.pipe(Component.fallback(v1))], { restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          const hde = Context.get(services, key("hde"))
          const before = yield* hde.answer
          yield* Effect.sleep("2 seconds")
          return [before, yield* hde.answer, yield* Context.get(services, key("amst")).answer].join()
        })
      )
      assert.deepStrictEqual(Exit.getSuccess(exit), Option.some("hde1,hde3,amst3"))
      assert.deepStrictEqual(lines(w.events, "Degraded"), ["30 Degraded dwcp"])
      assert.deepStrictEqual(w.ledger.slice(4), [
        "20 +amst1",
        "20 +hde1",
        "1030 +amst3",
        "1040 +hde3",
        "1050 -hde1",
        "1050 -amst1",
        "2030 -hde3",
        "2030 -amst3"
      ])
    })
  )

  it.effect("can be the fallback of a component that is none, and its members are told of all the same", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const v3 = part("dwcp", { as: "amst", severity: "Degraded", then: () => fails("dwcp") })
      const v1 = Component.group("v1", [part("amst1", { as: "amst", needs: ["helper"] }), part("helper")])
      const exit = yield* boot([v3.pipe(Component.fallback(v1))], { restoration: "off" })
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(at(events, "Ready"), { "dwcp/helper": 20, "dwcp/amst1": 30 })
      assert.deepStrictEqual(at(events, "Degraded"), { dwcp: 30 })
    })
  )

  it.effect("has members that are degraded and restored on their own", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const redis = part("redis", {
        as: "cache",
        severity: "Degraded",
        then: (n) => (n < 2 ? fails("redis") : Effect.void)
      })
      const group = Component.group("group", [redis.pipe(Component.fallback(part("memory", { as: "cache" })))])
      const exit = yield* boot([group], { restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          const cache = Context.get(services, key("cache"))
          const before = yield* cache.answer
          yield* Effect.sleep("2 seconds")
          return `${before} ${yield* cache.answer}`
        })
      )
      assert.deepStrictEqual(Exit.getSuccess(exit), Option.some("memory redis"))
      assert.strictEqual(only(events, "SwapCompleted")[0]?.component, "group/redis")
    })
  )

  it.effect("is as healthy as those of its members that it cannot do without", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      let sick = "none"
      const probe = (name: string) => () => (sick === name ? Effect.fail(`${name} has no route`) : Effect.void)
      const group = Component.group("group", [
        part("vital", { probe: probe("vital") }),
        part("extra", { severity: "Warning", probe: probe("extra") }).pipe(Component.optional)
      ])
      const exit = yield* boot([group], {}, ({ health }) =>
        Effect.gen(function* () {
          const seen: Array<string> = []
          for (sick of ["extra", "vital"]) {
            yield* Effect.sleep("6 seconds")
            const { message, status } = yield* health.check("group")
            seen.push(`${status}: ${message}`)
          }
          return seen
        })
      )
      const [extra, vital] = Option.getOrThrow(Exit.getSuccess(exit))!
      assert.strictEqual(extra, "healthy: healthy")
      assert.include(vital, "vital has no route")
    })
  )

  it.effect("says what its members say, each by name", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const says = (name: string, reading: object) => part(name, { probe: () => Effect.succeed(reading) })
      const group = Component.group("group", [
        says("a", { detail: "on its stand-in", throughput: 2, errorRate: 0.25 }),
        says("b", { throughput: 3, errorRate: 0.125, latencyMs: 7 }),
        says("c", { detail: "well" }),
        says("odd", { detail: 7 })
      ])
      const exit = yield* boot([group], {}, ({ health }) => health.check("group"))
      const { errorRate, latencyMs, message, status, throughput } = Option.getOrThrow(Exit.getSuccess(exit))!
      assert.deepStrictEqual([status, message], ["healthy", "a: on its stand-in; c: well"])
      assert.deepStrictEqual([throughput, errorRate, latencyMs], [5, 0.25, 7])
    })
  )

  it.effect("has slots of its own, and gives them to the longest path that was learned", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const group = Component.group("group", [
        part("a", { takes: 100 }),
        part("b", { takes: 100 }),
        part("z", { takes: 300 })
      ])
      yield* boot([group], { concurrency: 2, durationsMs: { "group/a": 100, "group/b": 100, "group/z": 300 } })
      assert.deepStrictEqual(at(events, "Started"), { group: 0, "group/z": 0, "group/a": 0, "group/b": 100 })
    })
  )

  it.effect("whose members hang takes one slot, and no time from another group", () =>
    Effect.gen(function* () {
      const timesOf = (takes: number) =>
        Effect.gen(function* () {
          const { boot, events, part } = world()
          const names = ["h1", "h2", "h3", "h4"]
          const first = Component.group(
            "first",
            names.map((name) => part(name, { takes })),
            { severity: "Warning" }
          ).pipe(Component.timeout("2 seconds"), Component.optional)
          const second = Component.group("second", [part("a", { takes: 100 }), part("b", { takes: 100 })])
          const exit = yield* boot([first, second, part("api", { needs: ["a"] })], {
            concurrency: 2,
            restoration: "off"
          })
          assert.isTrue(Exit.isSuccess(exit))
          const { api, second: up, "second/a": a, "second/b": b } = at(events, "Ready")
          return { absent: Object.keys(at(events, "Absent")), times: { a, b, up, api } }
        })
      const hung = yield* timesOf(Infinity)
      const well = yield* timesOf(1)
      assert.deepStrictEqual([hung.absent, well.absent], [["first"], []])
      assert.deepStrictEqual(hung.times, { a: 100, b: 100, up: 100, api: 110 })
      assert.deepStrictEqual(well.times, hung.times)
    })
  )

  it.effect("that is interrupted in the middle leaves nothing of its members", () =>
    Effect.gen(function* () {
      const { boot, events, ledger, part } = world()
      const members = [part("a"), part("b", { needs: ["a"], takes: 1_000 }), part("c", { needs: ["b"] })] as const
      yield* boot([Component.group("group", members), part("bad", { takes: 100, then: () => fails("bad") })])
      assert.deepStrictEqual(ledger.slice(-3), ["100 -bad", "100 -b", "100 -a"])
      assert.isTrue(only(events, "BootEnded")[0]?.clean)
    })
  )

  it.effect("with a member that closes badly has closed badly itself", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const group = Component.group("group", [part("a", { closing: Effect.die("cannot close") })])
      assert.isTrue(Exit.isSuccess(yield* boot([group])))
      assert.strictEqual(only(events, "ComponentStopped", "group/a")[0]?.closing, "failed")
      assert.strictEqual(only(events, "ComponentStopped", "group")[0]?.closing, "failed")
      assert.isFalse(only(events, "BootEnded")[0]?.clean)
    })
  )

  it.effect("does not miss a member that does not exist in this environment, nor who was skipped with it", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const rdma = part("rdma").pipe(Component.when("datacenter"))
      const needy = part("needy", { needs: ["rdma"] }).pipe(Component.when("datacenter", "internet"))
      const exit = yield* boot([Component.group("group", [rdma, needy, part("tcp")])], { environment: "internet" })
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lines(events, "Absent", "Skipped", "Ready"), [
        "0 Absent group/rdma",
        "0 Skipped group/needy",
        "10 Ready group/tcp",
        "10 Ready group"
      ])
    })
  )

  it.effect("comes up without a member that may be absent: outside it is None, and Some once it is restored", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const seen: Array<string> = []
      const extra = part("extra", { severity: "Warning", then: (n) => (n < 2 ? fails("extra") : Effect.void) })
      const group = Component.group("group", [extra.pipe(Component.optional), part("vital")])
      const look = (kind: string) => (found: Option.Option<unknown>) => seen.push(`${kind} ${found._tag}`)
      class Eye extends Context.Service<Eye, object>()("test/Eye") {}
      const eye = Component.make(Eye, {
        needs: [Component.option(key("extra")), key("vital")],
        start: Effect.as(Effect.map(Component.option(key("extra")), look("option")), {}),
        health: () => Effect.void
      })
      const exit = yield* boot([group, eye], { restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          const late = Context.get(services, Component.late(key("extra")))
          yield* Effect.map(late, look("late"))
          yield* Effect.sleep("2 seconds")
          yield* Effect.map(late, look("late"))
        })
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(seen, ["option None", "late None", "late Some"])
    })
  )

  it.effect("with an absent member leaves out whoever needs that and may be absent too", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const extra = part("extra", { severity: "Warning", then: (n) => (n < 2 ? fails("extra") : Effect.void) })
      const group = Component.group("group", [extra.pipe(Component.optional), part("vital")])
      class Needy extends Context.Service<Needy, Shape>()("needy") {}
      const needy = Component.make(Needy, {
        needs: [key("extra")],
        severity: "Warning",
        start: key("extra"),
        health: () => Effect.void
      }).pipe(Component.retry(Policy.standard), Component.optional)
      const exit = yield* boot([group, needy], { restoration: exact }, () => Effect.sleep("1 minute"))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(Object.keys(at(events, "Failed")), [])
      const [why] = only(events, "ComponentAbsent", "needy")
      assert.containSubset(why?.reason, {
        failure: { tag: "NeedAbsent", message: 'needy needs extra, which is not up although "group" is' }
      })
      assert.isAtLeast(at(events, "Ready")["needy"] ?? 0, at(events, "Ready")["group/extra"] ?? Infinity)
    })
  )

  it.effect("that came up at the second attempt, or on its fallback, has not failed: the boot ends well", () =>
    Effect.gen(function* () {
      const { boot, part } = world()
      const flaky = part("flaky", { then: (n) => (n < 2 ? fails("flaky") : Effect.void) })
      const retry = Component.retry(Policy.make({ name: "exact", jitter: 0 }))
      const exit = yield* boot([Component.group("group", [flaky]).pipe(retry)], {}, ({ ended, stop }) =>
        Effect.andThen(stop(), ended)
      )
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect("refuses a plan of its own that cannot be right, before anything starts", () =>
    Effect.gen(function* () {
      const { boot, ledger, part } = world()
      const cycle = [part("a", { needs: ["b"] }), part("b", { needs: ["a"] })] as const
      const error = Option.getOrThrow(Exit.findErrorOption(yield* boot([Component.group("group", cycle)])))
      assert.strictEqual(error._tag, "InvalidBoot")
      assert.include(error.message, `"a" → "b" → "a"`)
      assert.deepStrictEqual(ledger, [])
    })
  )

  it.effect("yields a context of its services as they are, however often one was asked for", () =>
    Effect.gen(function* () {
      const { part } = world()
      const { start } = Group.build([part("a", { takes: 0 }).recipe, part("b", { takes: 0 }).recipe])
      const built = (yield* start as Effect.Effect<unknown, never, Scope.Scope>) as Context.Context<Part>
      for (let k = 0; k < 100; k++) assert.strictEqual(Context.get(built, key("a")).name, "a")
      assert.instanceOf(built.mapUnsafe, Offers, "a copy would be of the moment in which it was made")
    })
  )
})
