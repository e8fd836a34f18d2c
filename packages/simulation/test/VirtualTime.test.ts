import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Fault from "../src/Fault.ts"
import * as VirtualTime from "../src/VirtualTime.ts"
import { app, cache, Settings } from "./fixtures/App.ts"

const down: ReadonlyArray<Fault.Fault> = [1, 2, 3].map((attempt) =>
  Fault.make("Fails", { component: "cache", variant: 0, attempt })
)

describe("VirtualTime", () => {
  it.effect("boots, and says how long it took, in virtual time", () =>
    Effect.gen(function* () {
      const { elapsedMs, events, exit, report } = yield* VirtualTime.boot(app)
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(report.outcome, "ready")
      assert.strictEqual(elapsedMs, 65) // the engine, after the settings, and the api after both
      assert.strictEqual(yield* Clock.currentTimeMillis, 65)
      assert.strictEqual(events.at(-1)?._tag, "BootReady")
    })
  )

  it.effect("waits through retries without knowing of them", () =>
    Effect.gen(function* () {
      const { components } = Fault.inject(app, down)
      const { elapsedMs, exit, report } = yield* VirtualTime.boot(components, { restoration: "off" })
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(report.outcome, "degraded")
      // Two delays, of one and two seconds at the most and half of that at the least.
      assert.isTrue(elapsedMs > 1500 && elapsedMs < 3100, `${elapsedMs} ms`)
    })
  )

  it.effect("hands out the failure of a boot after the rollback", () =>
    Effect.gen(function* () {
      const { components } = Fault.inject(app, [Fault.make("Dies", { component: "api", variant: 0, attempt: 1 })])
      const { exit, report } = yield* VirtualTime.boot(components)
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(report.outcome, "failed")
      assert.strictEqual(report.rollback?.clean, true)
    })
  )

  it.effect("gives up at the limit, and rolls back", () =>
    Effect.gen(function* () {
      const { components } = Fault.inject(app, [Fault.make("Hangs", { component: "api", variant: 0, attempt: 1 })])
      const { elapsedMs, events, exit } = yield* VirtualTime.boot(components, { limit: "1 second" })
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.isBelow(elapsedMs, 2000)
      assert.strictEqual(events.at(-1)?._tag, "BootEnded")
    })
  )

  it("stops the boot with the scope, with time for its finalizers", () =>
    Effect.runPromise(
      Effect.provide(
        Effect.gen(function* () {
          const { events } = yield* Effect.scoped(VirtualTime.boot(app))
          assert.strictEqual(events.at(-1)?._tag, "BootEnded")
        }),
        TestClock.layer()
      )
    ))

  it.effect("lets time go on for what is up", () =>
    Effect.gen(function* () {
      const { components } = Fault.inject(app, down)
      const { events, exit } = yield* VirtualTime.boot(components)
      assert.isFalse(events.some(({ _tag }) => _tag === "SwapCompleted"))
      yield* VirtualTime.run(Effect.sleep("10 seconds"))
      assert.isTrue(
        events.some(({ _tag }) => _tag === "SwapCompleted"),
        "redis is restored"
      )
      const stopped = Exit.isSuccess(exit) ? yield* VirtualTime.run(exit.value.stop()) : Exit.fail("down")
      assert.isTrue(Exit.isSuccess(stopped))
    })
  )

  it.effect("does not jump over a fiber that was about to sleep", () =>
    Effect.gen(function* () {
      const woken: Array<number> = []
      const wake = Effect.sync(() => {
        woken.push(1)
      })
      const deep = Effect.forkChild(Effect.forever(Effect.andThen(Effect.sleep(10), wake)))
      const nested = Effect.forkChild(Effect.andThen(deep, Effect.never))
      yield* VirtualTime.run(Effect.andThen(nested, Effect.sleep(100)))
      assert.isAtLeast(woken.length, 9)
    })
  )

  it.effect("moves time for a fiber that the test has forked", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.as(Effect.sleep("1 minute"), "rested"))
      assert.deepStrictEqual(yield* VirtualTime.until(fiber), Exit.succeed("rested"))
      assert.strictEqual(yield* Clock.currentTimeMillis, 60_000)
      const tired = yield* Effect.forkChild(Effect.sleep("10 minutes"))
      assert.isTrue(Exit.hasInterrupts(yield* VirtualTime.until(tired, { limit: "1 minute" })))
    })
  )

  it.effect("waits for a promise when nobody sleeps", () =>
    Effect.gen(function* () {
      const slow = Effect.promise(() => new Promise((resolve) => setTimeout(() => resolve("here"), 50)))
      assert.deepStrictEqual(yield* VirtualTime.run(slow), Exit.succeed("here"))
    })
  )

  it.effect("gives up on what waits for nothing", () =>
    Effect.gen(function* () {
      assert.isTrue(Exit.hasInterrupts(yield* VirtualTime.run(Effect.never)))
    })
  )

  it.effect("boots what needs somebody from outside, who is then asked for", () =>
    Effect.gen(function* () {
      const { exit } = yield* Effect.provideService(VirtualTime.boot([cache]), Settings, { url: "redis://elsewhere" })
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect("is virtual for timeouts as well", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(VirtualTime.run(Effect.timeoutOption(Effect.never, "1 minute")))
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isSuccess(exit) && exit.value._tag === "None")
    })
  )
})
