import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Exit, Fiber, Option } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import * as Policy from "../src/Policy.ts"
import { Critical } from "../src/Severity.ts"
import { Broken, fails, key, lines, only, world } from "./fixtures/parts.ts"
import * as Virtual from "./fixtures/virtual.ts"

const exact = Policy.make({ name: "exact", attempts: Infinity, jitter: 0, cap: "8 seconds" })

/** Who answers behind the cache. */
const whoIs = (services: Context.Context<never>, name = "cache") =>
  Effect.flatMap(Effect.context<never>(), () => Context.getUnsafe(services, key(name)).answer)

/** A cache that comes up on memory, and on redis from the `good`-th attempt. */
const cacheIn = ({ part }: ReturnType<typeof world>, good: number, takes = 100) =>
  part("redis", {
    as: "cache",
    takes,
    severity: "Degraded",
    then: (n) => (n < good ? fails("redis") : Effect.void)
  }).pipe(Component.fallback(part("memory", { as: "cache" })))

describe("a degraded component", () => {
  it.effect("is restored behind the same service: who holds it notices nothing", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot([cacheIn(w, 3)], { restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          const cache = Context.get(services, key("cache"))
          const before = yield* cache.answer
          yield* Effect.sleep("5 seconds")
          assert.strictEqual(Context.get(services, key("cache")), cache)
          return [before, yield* cache.answer, cache.name]
        })
      )
      assert.deepStrictEqual(Exit.getSuccess(exit), Option.some(["memory", "redis", "redis"]))
      assert.deepStrictEqual(w.ledger.slice(0, 7), [
        "0 +redis",
        "100 -redis",
        "100 +memory",
        // One second after it has come up on memory, and two after that has failed.
        "1110 +redis",
        "1210 -redis",
        "3210 +redis",
        "3310 -memory"
      ])
      assert.deepStrictEqual(
        w.events.flatMap((it) => (it._tag.startsWith("Swap") ? [`${it.atMs} ${it._tag}`] : [])),
        ["1110 SwapStarted", "1210 SwapFailed", "3210 SwapStarted", "3310 SwapCompleted"]
      )
    })
  )

  it.effect("lets calls in flight end on the old service before that is closed; new ones go to the new one", () =>
    Effect.gen(function* () {
      const w = world()
      yield* w.boot([cacheIn(w, 2)], { restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          const cache = Context.get(services, key("cache"))
          yield* Effect.sleep("1 second")
          const call = yield* Effect.forkChild(cache.call(4_000))
          yield* Effect.sleep("1 second")
          assert.strictEqual(yield* cache.answer, "redis")
          assert.notInclude(w.ledger.join(), "-memory")
          assert.strictEqual(yield* Fiber.join(call), "memory")
          yield* Effect.sleep(1)
        })
      )
      assert.include(w.ledger, "5110 -memory")
      assert.deepStrictEqual(only(w.events, "SwapCompleted")[0]?.atMs, 5_110)
    })
  )

  it.effect("waits for calls in flight only so long, and closes the old service then", () =>
    Effect.gen(function* () {
      const w = world()
      yield* w.boot([cacheIn(w, 2)], { restoration: exact, drain: "3 seconds" }, ({ services }) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(Context.get(services, key("cache")).call(1e6))
          yield* Effect.sleep("10 seconds")
          yield* Fiber.interrupt(call)
        })
      )
      assert.include(w.ledger, "4210 -memory")
    })
  )

  it.effect("stays as it is when restoration is off, and can be restored by hand", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot([cacheIn(w, 2)], { restoration: "off" }, ({ restore, services }) =>
        Effect.gen(function* () {
          yield* Effect.sleep("1 hour")
          const before = yield* whoIs(services)
          yield* restore("redis")
          yield* Effect.sleep("1 second")
          const after = yield* whoIs(services)
          const again = yield* Effect.flip(restore("redis"))
          return [before, after, again.reason]
        })
      )
      assert.deepStrictEqual(Exit.getSuccess(exit), Option.some(["memory", "redis", "it is ready"]))
    })
  )

  it.effect("is not built anew for an error that is never tried again", () =>
    Effect.gen(function* () {
      class BadPassword extends Data.TaggedError("BadPassword") {}
      const { boot, events, part } = world()
      const redis = Component.make(key("cache"), {
        name: "redis",
        severity: { BadPassword: "Degraded" },
        start: Effect.fail(new BadPassword()),
        health: () => Effect.void
      }).pipe(
        Component.retry(Policy.perError(exact, { BadPassword: Policy.never })),
        Component.retry(Policy.perError(Policy.standard, { BadPassword: Policy.never })),
        Component.fallback(part("memory", { as: "cache" }))
      )
      assert.isTrue(Exit.isSuccess(yield* boot([redis], {}, () => Effect.sleep("1 hour"))))
      assert.deepStrictEqual(only(events, "SwapStarted"), [])
    })
  )

  it.effect("keeps the service it has when the new one does not answer its probe, or does not come up in time", () =>
    Effect.gen(function* () {
      for (const fault of [{ probe: () => Effect.never }, { takes: 1e9 }, { probe: () => Effect.fail("no") }]) {
        const w = world()
        let healthy = false
        const redis = w.part("redis", {
          as: "cache",
          severity: "Degraded",
          then: () => (healthy ? Effect.void : fails("redis")),
          ...fault
        })
        const cache = redis.pipe(Component.timeout("500 millis"), Component.fallback(w.part("memory", { as: "cache" })))
        const exit = yield* w.boot([cache], { restoration: exact }, ({ services }) =>
          Effect.gen(function* () {
            healthy = true
            yield* Effect.sleep("10 seconds")
            return yield* whoIs(services)
          })
        )
        assert.deepStrictEqual(Exit.getSuccess(exit), Option.some("memory"))
        assert.isAtLeast(only(w.events, "SwapFailed").length, 2)
      }
    })
  )

  it.effect("survives a defect of the new one, and leaves it at that", () =>
    Effect.gen(function* () {
      const w = world()
      const redis = w.part("redis", {
        as: "cache",
        severity: "Degraded",
        then: (n) => (n === 1 ? fails("redis") : Effect.die("a bug"))
      })
      const exit = yield* w.boot(
        [redis.pipe(Component.fallback(w.part("memory", { as: "cache" })))],
        { restoration: exact },
        ({ services }) => Effect.andThen(Effect.sleep("1 hour"), whoIs(services))
      )
      assert.deepStrictEqual(Exit.getSuccess(exit), Option.some("memory"))
      assert.deepStrictEqual(
        only(w.events, "SwapFailed").map(({ failure, retryInMs }) => [failure.kind, retryInMs]),
        [["defect", null]]
      )
    })
  )
})

describe("a stop in the middle of a restoration", () => {
  /** Stops after so long and says what is in the ledger from then on. */
  const stopAt = (ms: number, call: boolean) =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot([cacheIn(w, 2, 500)], { restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          if (call) yield* Effect.forkChild(Context.get(services, key("cache")).call(1e6))
          yield* Effect.sleep(ms)
        })
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.isTrue(only(w.events, "BootEnded")[0]?.clean)
      return w.ledger.slice(2)
    })

  it.effect("releases the new one that is being built, and the old one that still serves", () =>
    Effect.gen(function* () {
      const ledger = yield* stopAt(1_200, false)
      assert.deepStrictEqual(ledger, ["500 +memory", "1510 +redis", "1710 -redis", "1710 -memory"])
    })
  )

  it.effect("releases the old one that still has calls in flight, and the new one that already serves", () =>
    Effect.gen(function* () {
      const ledger = yield* stopAt(3_000, true)
      assert.deepStrictEqual(ledger, ["500 +memory", "1510 +redis", "3510 -memory", "3510 -redis"])
    })
  )

  it.effect("does not leave behind what serves when the new one cannot be interrupted", () =>
    Effect.gen(function* () {
      const w = world()
      let attempts = 0
      const stubborn = Component.make(key("cache"), {
        name: "redis",
        severity: { Broken: "Degraded" },
        stop: "1 second",
        start: Effect.gen(function* () {
          if (++attempts === 1) return yield* new Broken({ by: "redis", message: "no" })
          yield* Effect.uninterruptible(Effect.andThen(Effect.sleep("20 seconds"), w.hold("redis")))
          return { name: "redis", answer: Effect.succeed("redis"), call: () => Effect.succeed("") }
        }),
        health: () => Effect.void
      }).pipe(Component.fallback(w.part("memory", { as: "cache" })))
      yield* w.boot([stubborn], { restoration: exact }, () => Effect.sleep("3 seconds"))
      assert.deepStrictEqual(w.ledger, ["0 +memory", "4010 -memory"])
      assert.isFalse(only(w.events, "BootEnded")[0]?.clean)
      yield* Virtual.pass("1 minute")
      assert.deepStrictEqual(w.ledger.slice(2), ["21010 +redis", "21010 -redis"])
      assert.deepStrictEqual(w.leaks(), [])
    })
  )
})

describe("an absent component", () => {
  /** An index that comes up at the `good`-th attempt, and two that need it. */
  const searchIn = ({ part }: ReturnType<typeof world>, good: number) => {
    const optional = (
      name: string,
      needs: ReadonlyArray<string>,
      then?: (n: number) => Effect.Effect<unknown, Broken>
    ) => part(name, { needs, severity: "Warning", ...(then === undefined ? {} : { then }) }).pipe(Component.optional)
    return [
      optional("index", [], (n) => (n < good ? fails("index") : Effect.void)),
      optional("search", ["index"]),
      optional("suggestions", ["search"])
    ] as const
  }

  it.effect("is started again, and then those that were skipped for want of it, late and in order", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* w.boot(searchIn(w, 3), { restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          const look = Effect.map(Context.get(services, Component.late(key("suggestions"))), ({ _tag }) => _tag)
          const before = yield* look
          yield* Effect.sleep("4 seconds")
          return `${before} ${yield* look}`
        })
      )
      assert.deepStrictEqual(Exit.getSuccess(exit), Option.some("None Some"))
      assert.deepStrictEqual(lines(w.events, "Started", "Ready", "Absent", "Skipped").slice(0, 10), [
        "0 Started index",
        "10 Absent index",
        "10 Skipped search",
        "10 Skipped suggestions",
        "1010 Started index",
        "1020 Absent index",
        "3020 Started index",
        "3030 Ready index",
        "3030 Started search",
        "3040 Ready search"
      ])
      assert.deepStrictEqual(w.ledger.slice(-3), ["4010 -suggestions", "4010 -search", "4010 -index"])
    })
  )

  it.effect("can be started by hand, and so can one that was skipped once its need is up", () =>
    Effect.gen(function* () {
      const w = world()
      yield* w.boot(searchIn(w, 2), { restoration: "off" }, ({ restore }) =>
        Effect.gen(function* () {
          yield* Effect.sleep("1 minute")
          yield* restore("index")
          yield* Effect.sleep("1 second")
        })
      )
      assert.deepStrictEqual(lines(w.events, "Ready"), [
        "60020 Ready index",
        "60030 Ready search",
        "60040 Ready suggestions"
      ])
    })
  )

  it.effect("that is skipped cannot be started by hand while its need is missing, and the error says which", () =>
    Effect.gen(function* () {
      const w = world()
      yield* w.boot(searchIn(w, 2), { restoration: "off" }, ({ restore }) =>
        Effect.gen(function* () {
          const refused = yield* Effect.flip(restore("search"))
          assert.strictEqual(refused.message, `"search" cannot be restored: it needs index, which is absent`)
        })
      )
    })
  )

  it.effect("that another one needs as well says from then on what it still waits for", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      const optional = (name: string, needs: ReadonlyArray<string>, good: number) =>
        part(name, { needs, severity: "Warning", then: (n) => (n < good ? fails(name) : Effect.void) }).pipe(
          Component.optional
        )
      yield* boot(
        [optional("a", [], 2), optional("b", [], 99), optional("c", ["a", "b"], 0)],
        { restoration: exact },
        () => Effect.sleep("10 seconds")
      )
      assert.deepStrictEqual(
        only(events, "ComponentSkipped", "c").map(({ reason }) => reason),
        [
          { _tag: "Need", need: "a" },
          { _tag: "Need", need: "b" }
        ]
      )
    })
  )

  it.effect("that fails critically when it is built again stays absent: the node has run without it", () =>
    Effect.gen(function* () {
      const w = world()
      class Corrupt extends Data.TaggedError("Corrupt") {}
      let attempts = 0
      const index = Component.make(key("index"), {
        severity: { Broken: "Warning", Corrupt: "Critical" },
        start: Effect.gen(function* () {
          return yield* ++attempts === 1 ? fails("index") : new Corrupt()
        }),
        health: () => Effect.void
      }).pipe(Component.optional)
      const exit = yield* w.boot([index, w.part("api")], { restoration: exact }, () => Effect.sleep("2 seconds"))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lines(w.events, "Absent", "Failed"), ["0 Absent index", "1000 Absent index"])
    })
  )
})

describe("Boot.run", () => {
  it.effect("runs until it is interrupted, and stops everything then", () =>
    Effect.gen(function* () {
      const w = world()
      const fiber = yield* Effect.forkChild(Boot.run([w.part("a"), w.part("b", { needs: ["a"] })], w.options))
      yield* Virtual.pass("1 hour")
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(w.ledger.slice(-2), ["3600000 -b", "3600000 -a"])
    })
  )

  it.effect("fails with what was critical, after the rollback", () =>
    Effect.gen(function* () {
      const w = world()
      const exit = yield* Virtual.run(Boot.run([w.part("a", { then: () => fails("a") })], w.options))
      assert.instanceOf(Option.getOrThrow(Exit.findErrorOption(exit)), Critical)
      assert.deepStrictEqual(w.leaks(), [])
    })
  )
})

describe("a monitored boot", () => {
  it.effect("lets an unhealthy component give way to its fallback, and restores it when it can", () =>
    Effect.gen(function* () {
      const w = world()
      let redisIsUp = true
      const probe = () => (redisIsUp ? Effect.void : Effect.fail("no route"))
      const redis = w.part("redis", { as: "cache", severity: "Degraded", probe })
      const cache = redis.pipe(Component.fallback(w.part("memory", { as: "cache" })))
      const exit = yield* w.boot([cache], { monitor: "1 second", restoration: exact }, ({ services }) =>
        Effect.gen(function* () {
          const seen = [yield* whoIs(services)]
          redisIsUp = false
          yield* Effect.sleep("10 seconds")
          seen.push(yield* whoIs(services))
          redisIsUp = true
          yield* Effect.sleep("20 seconds")
          seen.push(yield* whoIs(services))
          return seen
        })
      )
      assert.deepStrictEqual(Exit.getSuccess(exit), Option.some(["redis", "memory", "redis"]))
      const [turned] = only(w.events, "HealthChanged")
      assert.isFalse(turned?.healthy, "it was well before, and nobody had to say so")
      assert.strictEqual(turned?.component, "redis")
      assert.include(turned?.message, "no route")
      const swaps = w.events.flatMap((it) => (it._tag === "SwapCompleted" ? [it.variant] : []))
      assert.deepStrictEqual(swaps, [1, 0])
    })
  )

  it.effect("says of an unhealthy component without a fallback that it is, and leaves it", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      let isUp = true
      const probe = () => (isUp ? Effect.void : Effect.fail("no route"))
      yield* boot([part("database", { probe })], { monitor: "1 second" }, () =>
        Effect.andThen(
          Effect.sync(() => void (isUp = false)),
          Effect.sleep("1 minute")
        )
      )
      assert.isFalse(only(events, "HealthChanged").at(-1)?.healthy)
      assert.deepStrictEqual(only(events, "SwapStarted"), [])
    })
  )

  it.effect("says nothing of the health of who is taken down, and goes on to tell that of who is still up", () =>
    Effect.gen(function* () {
      const { boot, events, part } = world()
      let isUp = true
      const probe = () => (isUp ? Effect.void : Effect.fail("no route"))
      const database = part("database", { probe })
      const slowly = { closing: Effect.sleep("4 seconds") }
      const store = part("store", { needs: ["database"], ...slowly })
      const api = part("api", { needs: ["store"], ...slowly })
      const web = part("web", { needs: ["api"], ...slowly })
      yield* boot([database, store, api, web], { monitor: "1 second" }, ({ stop }) =>
        Effect.gen(function* () {
          yield* Effect.sleep("500 millis")
          isUp = false
          // Its scope is still open: as in a process, which is asked how it is until it has ended.
          yield* stop("enough")
        })
      )
      const stopping = events.findIndex(({ _tag }) => _tag === "RollbackStarted")
      const told = events.slice(stopping).flatMap((it) => (it._tag === "HealthChanged" ? [it.component] : []))
      assert.deepStrictEqual([...new Set(told)], ["database"])
    })
  )
})
