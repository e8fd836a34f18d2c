import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Option, Result, SubscriptionRef } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import * as Policy from "../src/Policy.ts"
import { type Broken, criticals, fails, key, lines, only, type Shape, world } from "./fixtures/parts.ts"

/** A database, who holds it, and who does not. Starting takes 10 ms each, closing 5. */
const stack = ({ part }: ReturnType<typeof world>, seen: Array<string> = []) => {
  const closing = Effect.sleep(5)
  const metrics = part("metrics", { severity: "Warning", closing }).pipe(Component.optional)
  return [
    part("security"),
    part("database", { needs: ["security"], closing }),
    part("tasks", { needs: ["database"], closing }),
    Component.make(key("api"), {
      name: "api",
      needs: [key("tasks"), Component.late(key("database")), Component.option(key("metrics"))],
      start: Effect.gen(function* () {
        const tasks = yield* key("tasks")
        const metrics = yield* Component.option(key("metrics"))
        yield* Effect.acquireRelease(Effect.void, () => Effect.sleep(5))
        seen.push(`api with ${tasks.name} and ${Option.isSome(metrics) ? "metrics" : "no metrics"}`)
        return tasks
      }),
      health: () => Effect.void
    }),
    metrics,
    part("ml", { severity: "Warning", needs: ["security"] }).pipe(Component.optional)
  ] as const
}

/** A cache on redis, with memory to fall back on; `then` is what becomes of the n-th attempt. */
const cacheOf = ({ part }: ReturnType<typeof world>, then: (attempt: number) => Effect.Effect<unknown, Broken>) =>
  part("redis", { as: "cache", severity: "Degraded", then }).pipe(Component.fallback(part("memory", { as: "cache" })))

const stateOf = (running: Boot.Running<never, unknown>, name: string): Effect.Effect<string> =>
  Effect.map(running.report, ({ components }) => components.find((one) => one.name === name)?.state ?? "unknown")

/** What came of it; a test that fails inside says how. */
const valueOf = <A, E>(exit: Exit.Exit<A, E>): A => {
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  return exit.value
}

const moves = ["Stopping", "Stopped", "Started", "Ready", "Skipped", "Absent"] as const

describe("restarting a component that has a fallback", () => {
  it.effect(
    "exchanges it: the new one serves before the old one is closed, once, and who holds it notices nothing",
    () =>
      Effect.gen(function* () {
        const w = world()
        const exit = yield* w.boot([cacheOf(w, () => Effect.void)], {}, (running) =>
          Effect.gen(function* () {
            const cache: Shape = Context.get(running.services, key("cache"))
            const call = yield* Effect.forkChild(cache.call(100))
            yield* Effect.sleep(1)
            const found = yield* running.restart("redis")
            assert.deepInclude(found, {
              component: "redis",
              how: "exchange",
              state: "ready",
              holders: [],
              critical: []
            })
            assert.strictEqual(Context.get(running.services, key("cache")), cache)
            // The call had begun on the old one, which is closed after it.
            assert.strictEqual(yield* Fiber.join(call), "redis")
            assert.strictEqual(w.ledger.at(-1), "110 -redis")
            return yield* cache.answer
          })
        )
        assert.deepStrictEqual(valueOf(exit), "redis")
        assert.deepStrictEqual(
          w.ledger.map((line) => line.slice(line.indexOf(" ") + 1)),
          ["+redis", "+redis", "-redis", "-redis"]
        )
        assert.deepStrictEqual(
          only(w.events, "SwapStarted").map(({ byHand, variant }) => [variant, byHand]),
          [[0, { how: "exchange", of: "redis" }]]
        )
      })
  )

  it.effect("leaves the old one in place when the new one does not come up, and says why", () =>
    Effect.gen(function* () {
      const w = world()
      const cache = cacheOf(w, (attempt) => (attempt === 2 ? fails("redis", "no route") : Effect.void))
      const exit = yield* w.boot([cache], {}, (running) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(running.restart("redis"))
          assert.include(error.message, '"redis" was not restarted: no route. The one that served goes on.')
          assert.isFalse(error.refused)
          assert.strictEqual(yield* stateOf(running, "redis"), "ready")
          // Nothing is tried again behind the operator's back; asked again, it goes well.
          yield* Effect.sleep("1 hour")
          assert.lengthOf(only(w.events, "SwapStarted"), 1)
          assert.strictEqual((yield* running.restart("redis")).state, "ready")
          return yield* Context.get(running.services, key("cache")).answer
        })
      )
      assert.deepStrictEqual(valueOf(exit), "redis")
    })
  )

  it.effect("builds it again as itself when it runs on its fallback", () =>
    Effect.gen(function* () {
      const w = world()
      const cache = cacheOf(w, (attempt) => (attempt === 1 ? fails("redis") : Effect.void))
      const exit = yield* w.boot([cache], { restoration: "off" }, (running) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* stateOf(running, "redis"), "degraded")
          yield* running.restart("redis")
          return yield* stateOf(running, "redis")
        })
      )
      assert.deepStrictEqual(valueOf(exit), "ready")
    })
  )
})

describe("restarting a component without a fallback", () => {
  it.effect("closes it and starts it again when nobody holds it", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot(stack(w), {}, (running) =>
        Effect.gen(function* () {
          w.ledger.length = 0
          const found = yield* running.restart("ml")
          assert.deepInclude(found, { how: "restart", state: "ready", holders: [], critical: [] })
          assert.strictEqual(yield* Context.get(running.services, key("database")).answer, "database")
          return w.ledger.slice()
        })
      )
      assert.deepStrictEqual(valueOf(exit), ["30 -ml", "30 +ml"])
    })
  )

  it.effect("is refused while others hold it, with their names, and nothing happens", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot(stack(w), {}, (running) =>
        Effect.gen(function* () {
          const told = w.events.length
          const found = yield* running.wouldRestart("database")
          const error = yield* Effect.flip(running.restart("database"))
          assert.deepStrictEqual(found.holders, ["api", "tasks"])
          assert.strictEqual(w.events.length, told)
          assert.isTrue(error.refused)
          return error.message
        })
      )
      assert.deepStrictEqual(
        valueOf(exit),

        '"database" cannot be restarted: api, tasks hold it, and it has no fallback behind which it could be exchanged'
      )
    })
  )

  it.effect("takes those who hold it down before it and starts them after it, with what is new", () =>
    Effect.gen(function* () {
      const w = world()
      const seen: Array<string> = []
      const exit = yield* w.boot(stack(w, seen), {}, (running) =>
        Effect.gen(function* () {
          const before = Context.get(running.services, key("tasks"))
          const from = w.events.length
          const restart = yield* Effect.forkChild(running.restart("database", { withDependents: true }))
          yield* Effect.sleep(7)
          // The node is not ready meanwhile, and what is down is there for nobody.
          assert.isFalse(yield* running.health.ready)
          assert.isTrue(Option.isNone(Context.getOption(running.services, key("tasks"))))
          const found = yield* Fiber.join(restart)
          assert.deepInclude(found, { how: "restart", state: "ready", holders: ["api", "tasks"] })
          assert.deepStrictEqual(found.critical, ["api", "tasks", "database"])
          assert.notStrictEqual(Context.get(running.services, key("tasks")), before)
          assert.strictEqual(Context.get(running.services, key("api")), Context.get(running.services, key("tasks")))
          return lines(w.events.slice(from), ...moves)
        })
      )
      assert.deepStrictEqual(valueOf(exit), [
        "30 Stopping api",
        "35 Stopped api",
        "35 Stopping tasks",
        "40 Stopped tasks",
        "40 Stopping database",
        "45 Stopped database",
        "45 Started database",
        "55 Ready database",
        "55 Started tasks",
        "65 Ready tasks",
        "65 Started api",
        "65 Ready api"
      ])
      assert.deepStrictEqual(seen, ["api with tasks and metrics", "api with tasks and metrics"])
      assert.deepStrictEqual(
        only(w.events, "ComponentStopping").flatMap(({ byHand }) => byHand ?? []),
        Array.from({ length: 3 }, () => ({ how: "restart", of: "database" }))
      )
    })
  )

  it.effect("ends as the policy of the component says: after its retries a critical one takes the node down", () =>
    Effect.gen(function* () {
      const w = world()
      const database = w
        .part("database", { then: (attempt) => (attempt > 1 ? fails("database", "disk full") : Effect.void) })
        .pipe(Component.retry(Policy.make({ name: "twice", attempts: 2, jitter: 0 })))
      const exit = yield* w.boot([database, w.part("tasks", { needs: ["database"] })], {}, (running) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(running.restart("database", { withDependents: true }))
          assert.strictEqual(error.message, '"database" was not restarted: disk full. It is failed.')
          return yield* Effect.exit(running.ended)
        })
      )
      const ended = valueOf(exit)
      assert.isDefined(ended)
      assert.deepStrictEqual(
        criticals(ended ?? Exit.void).map(([component]) => component),
        ["database"]
      )
      assert.lengthOf(only(w.events, "AttemptFailed", "database"), 2)
      assert.strictEqual(only(w.events, "BootEnded")[0]?.outcome, "failed")
    })
  )

  it.effect("does without an optional one that does not come back, and without whoever cannot do without it", () =>
    Effect.gen(function* () {
      const w = world()
      const index = w
        .part("index", { severity: "Warning", then: (n) => (n === 2 ? fails("index") : Effect.void) })
        .pipe(Component.optional)
      const search = w.part("search", { severity: "Warning", needs: ["index"] }).pipe(Component.optional)
      const exit = yield* w.boot([index, search], {}, (running) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(running.restart("index", { withDependents: true }))
          assert.strictEqual(error.message, '"index" was not restarted: index broke. It is absent.')
          const states = [yield* stateOf(running, "index"), yield* stateOf(running, "search")]
          // Restoration goes on as after any failure, and takes along who was skipped.
          yield* Effect.sleep("1 minute")
          return [...states, yield* stateOf(running, "index"), yield* stateOf(running, "search")]
        })
      )
      assert.deepStrictEqual(valueOf(exit), ["absent", "skipped", "ready", "ready"])
    })
  )

  it.effect("says who is not back, and names a dependent for which the node goes down", () =>
    Effect.gen(function* () {
      const once = (by: string) => (n: number) => (n > 1 ? fails(by, "no") : Effect.void)
      const w = world()
      const search = w.part("search", { severity: "Warning", needs: ["base"], then: once("search") })
      const parts = [w.part("base"), search.pipe(Component.optional)] as const
      const exit = yield* w.boot(parts, { restoration: "off" }, ({ restart }) =>
        restart("base", { withDependents: true })
      )
      assert.deepInclude(valueOf(exit), { state: "ready", holders: ["search"], lost: ["search"] })

      const other = world()
      const critical = [other.part("base"), other.part("api", { needs: ["base"], then: once("api") })] as const
      const lost = yield* other.boot(critical, {}, ({ restart }) =>
        Effect.map(Effect.flip(restart("base", { withDependents: true })), ({ message }) => message)
      )
      assert.match(String(valueOf(lost)), /^"base" was not restarted: api: no\. It is stopp(ing|ed)\.$/)
    })
  )

  it.effect("does not start what could not be closed in time: it stays down until somebody restores it", () =>
    Effect.gen(function* () {
      const w = world({ uninterruptible: 1 })
      const stubborn = w.part("stubborn", { stop: "1 second", closing: Effect.sleep("1 hour") })
      const exit = yield* w.boot([stubborn], {}, (running) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(running.restart("stubborn"))
          assert.strictEqual(
            error.message,
            '"stubborn" was not restarted: it could not be closed in time. It is stopped.'
          )
          assert.isFalse(yield* running.health.ready)
          yield* Effect.sleep("1 minute")
          assert.lengthOf(only(w.events, "ComponentStarted"), 1)
          yield* running.restart("stubborn")
          yield* Effect.sleep("1 minute")
          // Health takes nobody's word for it before it has seen it twice.
          yield* running.health.report
          yield* Effect.sleep("1 minute")
          assert.isTrue(yield* running.health.ready)
          return yield* stateOf(running, "stubborn")
        })
      )
      assert.deepStrictEqual(valueOf(exit), "ready")
      assert.strictEqual(only(w.events, "ComponentStopped")[0]?.closing, "abandoned")
    })
  )

  it.effect("can be done to the members of a group together", () =>
    Effect.gen(function* () {
      const w = world()
      const group = Component.group("dwcp", [w.part("amst"), w.part("acp", { needs: ["amst"] })])
      const exit = yield* w.boot([group], {}, (running) =>
        Effect.gen(function* () {
          const inside = yield* Effect.flip(running.restart("dwcp/amst"))
          assert.include(inside.message, "it is a part of dwcp, which goes as a whole")
          const restored = yield* Effect.flip(running.restore("dwcp/amst"))
          assert.strictEqual(
            restored.message,
            '"dwcp/amst" cannot be restored: it is a part of dwcp, which goes as a whole'
          )
          w.ledger.length = 0
          yield* running.restart("dwcp")
          assert.strictEqual(yield* Context.get(running.services, key("acp")).answer, "acp")
          return w.ledger.map((line) => line.slice(line.indexOf(" ") + 1))
        })
      )
      assert.deepStrictEqual(valueOf(exit), ["-acp", "-amst", "+amst", "+acp"])
    })
  )

  it.effect("cleans up what a killed process has left behind once, at the boot, and not again", () =>
    Effect.gen(function* () {
      const w = world()
      let times = 0
      const part = w.part("socket", { recover: Effect.sync(() => times++) })
      const previous = { bootId: "before", lastCheckpoint: undefined, started: ["socket"], acquired: ["socket"] }
      yield* w.boot([part], { previous }, ({ restart }) => restart("socket"))
      assert.lengthOf(only(w.events, "ComponentReady"), 2)
      assert.strictEqual(times, 1)
    })
  )
})

describe("stopping a component alone", () => {
  it.effect("takes it down, lets those who can come back without it, and restores it when asked", () =>
    Effect.gen(function* () {
      const w = world()
      const seen: Array<string> = []
      const metrics = w.part("metrics", { severity: "Warning" }).pipe(Component.optional)
      const alerts = w.part("alerts", { severity: "Warning", needs: ["metrics"] }).pipe(Component.optional)
      const api = Component.make(key("api"), {
        name: "api",
        severity: "Warning",
        needs: [Component.option(key("metrics"))],
        start: Effect.map(Component.option(key("metrics")), (found) => {
          seen.push(Option.isSome(found) ? "with" : "without")
          return { name: "api", answer: Effect.succeed("api"), call: () => Effect.succeed("api") }
        }),
        health: () => Effect.void
      }).pipe(Component.optional)
      const exit = yield* w.boot([metrics, alerts, api], {}, (running) =>
        Effect.gen(function* () {
          const found = yield* running.stopComponent("metrics")
          assert.deepInclude(found, { how: "stop", state: "stopped", critical: [] })
          assert.sameMembers([...found.holders], ["alerts", "api"])
          yield* Effect.sleep("1 hour")
          const states = yield* Effect.map(running.report, ({ components }) =>
            components.map(({ name, state }) => `${name} ${state}`)
          )
          assert.sameMembers(states, ["alerts skipped", "api ready", "metrics stopped"])
          const why = yield* Effect.flip(running.restore("alerts"))
          assert.include(why.message, "it needs metrics, which is stopped")
          yield* running.restore("metrics")
          yield* Effect.sleep("1 second")
          return [yield* stateOf(running, "metrics"), yield* stateOf(running, "alerts")]
        })
      )
      assert.deepStrictEqual(valueOf(exit), ["ready", "ready"])
      assert.deepStrictEqual(seen, ["with", "without"])
    })
  )

  it.effect("is refused for what the node cannot do without, and for what holds up such a one", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot(stack(w), {}, (running) =>
        Effect.gen(function* () {
          const errors = yield* Effect.forEach(["database", "metrics", "nobody"], (name) =>
            Effect.flip(running.stopComponent(name))
          )
          return errors.map(({ message }) => message)
        })
      )
      assert.deepStrictEqual(valueOf(exit), [
        '"database" cannot be stopped: api holds it, and the node cannot do without api',
        '"metrics" cannot be stopped: api holds it, and the node cannot do without api',
        '"nobody" cannot be stopped: there is no component of that name'
      ])
      assert.lengthOf(
        only(w.events, "ComponentStopping").filter(({ byHand }) => byHand !== undefined),
        0
      )
    })
  )
})

describe("whoever asks", () => {
  it.effect("is told when something else that was asked for is not over", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot(stack(w), {}, (running) =>
        Effect.gen(function* () {
          const first = yield* Effect.forkChild(running.restart("database", { withDependents: true }))
          yield* Effect.sleep(1)
          const second = yield* Effect.flip(running.restart("ml"))
          yield* Fiber.join(first)
          yield* running.restart("ml")
          return second.reason
        })
      )
      assert.match(valueOf(exit) ?? "", /because of such a request; wait until that is over$/)
    })
  )

  it.effect("is told when the whole node goes down meanwhile, and nothing is left", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot(stack(w), {}, (running) =>
        Effect.gen(function* () {
          const restart = yield* Effect.forkChild(Effect.flip(running.restart("database", { withDependents: true })))
          yield* Effect.sleep(12)
          const report = yield* running.stop()
          const error = yield* Fiber.join(restart)
          assert.include(error.reason, "the node goes down")
          return `${report.outcome} ${error.refused}`
        })
      )
      assert.deepStrictEqual(valueOf(exit), "stopped false")
    })
  )

  it.effect("sees in the status what was asked, and no transition that does not exist", () =>
    Effect.gen(function* () {
      const w = world()
      yield* w.boot(stack(w), {}, (running) =>
        Effect.gen(function* () {
          const status = yield* running.status
          for (const name of ["ml", "database", "security", "api"])
            yield* running.restart(name, { withDependents: true })
          yield* running.stopComponent("ml")
          assert.strictEqual((yield* SubscriptionRef.get(status)).rejected, 0)
          const { components, restorations } = yield* running.report
          assert.deepStrictEqual(components.map(({ name, state }) => `${name} ${state}`).toSorted(), [
            "api ready",
            "database ready",
            "metrics ready",
            "ml stopped",
            "security ready",
            "tasks ready"
          ])
          const times = Object.fromEntries(restorations.map(({ completed, component }) => [component, completed]))
          assert.deepStrictEqual(times, { api: 3, database: 2, ml: 2, security: 1, tasks: 2 })
        })
      )
    })
  )

  it("has a plan that says who would go down", () => {
    const w = world()
    const plan = Result.getOrThrow(Boot.plan(stack(w)))
    const i = plan.index.get("database")!
    assert.sameMembers(
      plan.heldBy[i]!.map((at) => plan.components[at]!.name),
      ["tasks", "api"]
    )
  })
})
