import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import * as Policy from "../src/Policy.ts"
import * as Report from "../src/Report.ts"
import { at, fails, key, only, world } from "./fixtures/parts.ts"
import * as Virtual from "./fixtures/virtual.ts"

const quick = Policy.make({ name: "quick", delay: 7, cap: 20, jitter: 0 })
const restoration = Policy.make({ name: "restoration", attempts: Infinity, delay: 15, cap: 40, jitter: 0 })

/** Everything that a boot can be in the middle of: settings, attempts, probes, delays, fallbacks, swaps, drains, closings. */
const partsIn = ({ hold, part }: ReturnType<typeof world>) => {
  const closing = Effect.sleep(3)
  const flaky = part("flaky", {
    needs: ["settings"],
    takes: 8,
    closing,
    then: (n) => (n < 3 ? fails("flaky") : Effect.void)
  })
  const redis = part("redis", {
    as: "cache",
    severity: "Degraded",
    takes: 9,
    closing,
    then: (n) => (n < 3 ? fails("redis") : Effect.void)
  })
  const metrics = part("metrics", {
    severity: "Warning",
    closing,
    then: (n) => (n < 2 ? fails("metrics") : Effect.void)
  })
  const optional = part("search", { needs: ["metrics"], severity: "Warning", takes: 4, closing })
  return [
    part("settings", {
      phase: "pre",
      takes: 5,
      closing,
      validate: Effect.scoped(Effect.andThen(hold("file"), Effect.sleep(6)))
    }),
    flaky.pipe(Component.retry(quick)),
    redis.pipe(Component.fallback(part("memory", { as: "cache", takes: 4, closing }))),
    metrics.pipe(Component.optional),
    optional.pipe(Component.optional),
    part("slow-probe", {
      takes: 6,
      closing,
      probe: () => Effect.scoped(Effect.andThen(hold("probe"), Effect.sleep(12)))
    }),
    Component.group("group", [part("inner", { closing }), part("outer", { needs: ["inner"], closing })]),
    part("api", { needs: ["flaky", "cache", "slow-probe", "outer"], takes: 10, closing })
  ] as const
}

/** The life of this boot: it is ready, somebody calls, things are restored, it is stopped. */
const live = (w: ReturnType<typeof world>) =>
  Effect.scoped(
    Effect.flatMap(Boot.make(partsIn(w), { ...w.options, restoration, drain: 10 }), ({ services }) =>
      Effect.gen(function* () {
        yield* Effect.forkScoped(Context.get(services, key("cache")).call(1_000))
        yield* Effect.sleep(100)
      })
    )
  )

describe("a boot that is interrupted", () => {
  it.effect("says why, when whoever does it knows", () =>
    Effect.gen(function* () {
      const w = world()
      const booting = Effect.scoped(Boot.make(partsIn(w), { ...w.options, because: () => "SIGTERM" }))
      const fiber = yield* Effect.forkChild(booting)
      yield* Virtual.pass(20)
      yield* Virtual.run(Fiber.interrupt(fiber))
      const [rollback] = only(w.events, "RollbackStarted")
      assert.strictEqual(rollback?.because, "SIGTERM")
      assert.strictEqual(Report.fromEvents(w.events).exitCode, 143)
    })
  )

  it.effect("at any virtual millisecond of its life releases everything once, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const whole = world()
      assert.isTrue(Exit.isSuccess(yield* Virtual.run(live(whole))))
      const lifeMs = whole.events.at(-1)!.atMs
      assert.isAbove(lifeMs, 150)
      const stages = new Set<string>()
      for (let ms = 0; ms <= lifeMs; ms++) {
        const w = world()
        const fiber = yield* Effect.forkChild(live(w))
        yield* Virtual.pass(ms)
        const before = w.ledger.length
        yield* Virtual.run(Fiber.interrupt(fiber))
        assert.deepStrictEqual([...w.leaks(), ...w.closing()], [], `interrupted after ${ms} ms`)
        w.audit(partsIn(w), {})
        const [ended, ...more] = only(w.events, "BootEnded")
        assert.deepStrictEqual(more, [])
        assert.isTrue(ended?.clean)
        stages.add(ended?.outcome ?? "")
        // Nothing starts any more, and nothing was left to start it.
        const after = w.ledger.length
        assert.deepStrictEqual(
          w.ledger.slice(before).filter((line) => line.includes("+")),
          [],
          `after ${ms} ms`
        )
        yield* Virtual.pass("1 minute")
        assert.strictEqual(w.ledger.length, after)
      }
      assert.deepStrictEqual([...stages], ["cancelled", "stopped"])
    })
  )

  it.effect("before it has run at all leaves nothing either", () =>
    Effect.gen(function* () {
      const w = world()
      const fiber = yield* Effect.forkChild(live(w))
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(w.leaks(), [])
      assert.deepStrictEqual(at(w.events, "Started"), {})
    })
  )

  it.effect("does not take longer than its budget, whatever hangs", () =>
    Effect.gen(function* () {
      const w = world()
      const parts = [
        w.part("a", { takes: 1e9, closing: Effect.never, stop: "2 seconds" }),
        w.part("b", { takes: 5, closing: Effect.never, stop: "30 seconds" })
      ]
      const fiber = yield* Effect.forkChild(Effect.scoped(Boot.make(parts, { ...w.options, rollback: "9 seconds" })))
      yield* Virtual.pass(1_000)
      yield* Virtual.run(Fiber.interrupt(fiber))
      const [ended] = only(w.events, "BootEnded")
      assert.deepStrictEqual([ended?.atMs, ended?.outcome, ended?.clean], [10_000, "cancelled", false])
    })
  )
})

describe("many boots", () => {
  it.effect("at the same time do not disturb each other", () =>
    Effect.gen(function* () {
      const worlds = Array.from({ length: 200 }, () => world())
      const exit = yield* Virtual.run(Effect.forEach(worlds, live, { concurrency: "unbounded", discard: true }))
      assert.isTrue(Exit.isSuccess(exit))
      const logs = worlds.map(({ events }) => JSON.stringify(events))
      assert.strictEqual(new Set(logs).size, 1)
      assert.deepStrictEqual(
        worlds.flatMap(({ leaks }) => leaks()),
        []
      )
    })
  )
})
