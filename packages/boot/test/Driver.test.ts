import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Random, Result } from "effect"
import type { BootEvent } from "../src/BootEvent.ts"
import * as Component from "../src/Component.ts"
import { Driver, type Settings } from "../src/Driver.ts"
import { InvariantBroken } from "../src/Promises.ts"
import { launch } from "../src/Launch.ts"
import * as Preparation from "../src/Preparation.ts"
import * as Progress from "../src/Progress.ts"
import { fails, only, world } from "./fixtures/parts.ts"
import * as Virtual from "./fixtures/virtual.ts"

/** A driver that has not begun. */
const driverOf = (components: ReadonlyArray<Component.Any>, settings: Partial<Settings> = {}) =>
  Effect.gen(function* () {
    const env = yield* Effect.context<never>()
    const recipes = components.map(({ recipe }) => recipe)
    const terms = { environment: "development", durationsMs: undefined, outside: () => env.mapUnsafe }
    const dispatcher = yield* Effect.withFiber((fiber) => Effect.succeed(fiber.currentDispatcher))
    const all: Settings = {
      ...Result.getOrThrow(Preparation.make(recipes, terms)),
      limits: Progress.defaultLimits,
      bootId: "test",
      nodeId: "",
      configVersion: "",
      restoration: undefined,
      journal: undefined,
      observe: () => undefined,
      previous: undefined,
      redact: (text) => text,
      drainMs: 1_000,
      persistMs: 1_000,
      isInside: false,
      checked: true,
      ...settings
    }
    return new Driver(all, env, dispatcher)
  })

describe("a defect of the kernel", () => {
  it.effect("ends the boot at once, and lets go what it holds, whatever was being done", () =>
    Virtual.run(
      Effect.gen(function* () {
        for (const tag of ["ComponentStarted", "ComponentReady", "ComponentStopped"]) {
          const { leaks, part } = world()
          const parts = [part("a"), part("b", { needs: ["a"] }), part("slow", { takes: 10_000 })]
          const observe = (event: BootEvent) => {
            if (event._tag === tag && "component" in event && event.component === "b") throw new Error("a bug of ours")
          }
          const driver = yield* driverOf(parts, { observe })
          driver.begin()
          if (tag === "ComponentStopped") {
            yield* Deferred.await(driver.settled)
            yield* driver.stop("it was asked to")
          }
          const exit = yield* Effect.exit(Deferred.await(driver.ended))
          assert.isTrue(Exit.hasDies(exit), tag)
          yield* driver.stop("the closing of its scope")
          yield* Virtual.settle
          assert.deepStrictEqual(leaks(), [])
        }
      })
    )
  )
})

describe("time", () => {
  it.effect("goes on when chance makes delays that end between two microseconds", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 100; seed++) {
        const { boot, part } = world()
        const stuck = part("stuck", { severity: "Warning", then: () => Effect.never })
        const optional = stuck.pipe(Component.timeout("600 millis"), Component.optional)
        const exit = yield* boot([optional], {}, () => Effect.sleep("1 minute")).pipe(Random.withSeed(seed))
        assert.isTrue(Exit.isSuccess(exit))
      }
    })
  )

  it.effect("is kept by a clock that wakes sleepers a little early, as real ones do", () =>
    Effect.gen(function* () {
      const { events, options, part } = world()
      const clock = yield* Clock.clockWith(Effect.succeed)
      const hasty = Object.assign(Object.create(clock) as Clock.Clock, {
        sleep: (duration: Duration.Duration) =>
          clock.sleep(Duration.millis(Math.max(1, Math.floor(Duration.toMillis(duration) * 0.9))))
      })
      const stuck = part("stuck", { then: () => Effect.never }).pipe(Component.timeout("1 second"))
      const boot = Effect.scoped(launch([stuck.recipe], options)).pipe(Effect.provideService(Clock.Clock, hasty))
      assert.isTrue(Exit.isFailure(yield* Virtual.run(boot)))
      const [failed] = only(events, "AttemptFailed")
      assert.isTrue(failed !== undefined && failed.atMs >= 1_000 && failed.atMs < 1_010, `${failed?.atMs}`)
    })
  )

  it.effect("counts from the beginning of the boot, whenever that was", () =>
    Effect.gen(function* () {
      yield* Virtual.pass("3 hours")
      const { boot, events, part } = world()
      yield* boot([part("a")])
      assert.strictEqual(only(events, "BootReady")[0]?.atMs, 10)
      assert.strictEqual(only(events, "BootStarted")[0]?.startedAt, 3 * 3_600_000)
    })
  )
})

describe("a broken invariant", () => {
  it.effect("is a defect of the boot that says which promise was broken, and what runs is stopped", () =>
    Effect.gen(function* () {
      const w = world()
      const limits = { ...Progress.defaultLimits, slots: 1 }
      const driver = yield* driverOf([w.part("a"), w.part("b")], { limits })
      // Nobody does this: it stands for a bug in the counting of slots.
      driver.state.running = -1
      driver.begin()
      const exit = yield* Virtual.run(Deferred.await(driver.settled))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(defect, InvariantBroken)
      assert.include(defect.message, "invariant 4 (no more attempts run than there are slots)")
      yield* Virtual.run(driver.stop("the boot has died"))
      assert.isTrue(Exit.hasDies(yield* Virtual.run(Deferred.await(driver.ended))))
      assert.deepStrictEqual(w.leaks(), [])
    })
  )

  it.effect("is not looked for when nobody asks", () =>
    Effect.gen(function* () {
      const w = world()
      const limits = { ...Progress.defaultLimits, slots: 1 }
      const driver = yield* driverOf([w.part("a"), w.part("b")], { limits, checked: false })
      driver.state.running = -1
      driver.begin()
      assert.isTrue(Exit.isSuccess(yield* Virtual.run(Deferred.await(driver.settled))))
      yield* Virtual.run(driver.stop("done"))
    })
  )
})

describe("a driver", () => {
  it.effect("probes what is up now, and says of the rest what it is", () =>
    Effect.gen(function* () {
      const w = world()
      const driver = yield* driverOf([w.part("a", { probe: () => Effect.succeed("well") })])
      assert.strictEqual(yield* Effect.flip(driver.probe(0)), "a is waiting")
      driver.begin()
      assert.strictEqual(yield* Effect.flip(driver.probe(0)), "a is running")
      yield* Virtual.run(Deferred.await(driver.settled))
      assert.strictEqual(yield* driver.probe(0), "well")
      yield* Virtual.run(driver.stop("done"))
      assert.strictEqual(yield* Effect.flip(driver.probe(0)), "a is stopped")
    })
  )

  it.effect("tells everybody of each event at once, in order", () =>
    Effect.gen(function* () {
      const w = world()
      const seen: Array<string> = []
      const journal = { append: (event: { _tag: string }) => void seen.push(`kept ${event._tag}`), flush: Effect.void }
      const observe = ({ _tag }: { _tag: string }) => void seen.push(`told ${_tag}`)
      const driver = yield* driverOf([w.part("a")], { journal, observe })
      driver.begin()
      assert.deepStrictEqual(seen.slice(0, 4), [
        "kept BootStarted",
        "told BootStarted",
        "kept CheckpointReached",
        "told CheckpointReached"
      ])
      yield* Virtual.run(driver.stop("done"))
    })
  )

  it.effect("completes with every failure that ended the boot, and with nothing else when it was stopped", () =>
    Effect.gen(function* () {
      const w = world()
      const failed = yield* driverOf([w.part("a", { then: () => fails("a") })])
      failed.begin()
      const settled = yield* Virtual.run(Deferred.await(failed.settled))
      assert.deepStrictEqual(yield* Effect.exit(Deferred.await(failed.ended)), settled)
      const stopped = yield* driverOf([w.part("b")])
      stopped.begin()
      yield* Virtual.run(stopped.stop("early"))
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(Deferred.await(stopped.settled))))
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Deferred.await(stopped.ended))))
    })
  )
})
