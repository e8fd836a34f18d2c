import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import type { Mode } from "../../src/mode/Detector.ts"
import * as Subsystem from "../../src/group/Subsystem.ts"

interface World {
  mode: Mode
  on: boolean
  broken: boolean
  sick: boolean
  readonly log: Array<string>
}

const world = (): World => ({ mode: "hybrid", on: true, broken: false, sick: false, log: [] })

const made = (w: World, given: Partial<Subsystem.Options<string>> = {}) =>
  Subsystem.make<string>({
    name: "hde",
    mode: () => w.mode,
    isOn: () => w.on,
    build: (mode) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (w.broken) return Effect.fail(new Error("it is broken"))
          w.log.push(`+${mode}`)
          return Effect.succeed(mode)
        }),
        () => Effect.sync(() => void w.log.push(`-${mode}`))
      ),
    standIn: { name: "simple", build: () => Effect.succeed("simple") },
    probe: () => Effect.suspend(() => (w.sick ? Effect.fail(new Error("it is sick")) : Effect.void)),
    detail: (service) => Effect.succeed({ service }),
    timing: { ...Subsystem.timing, backoff: Schedule.spaced("100 millis") },
    ...given
  })

const says = (subsystem: Subsystem.Subsystem<string>) =>
  Effect.map(subsystem.status, ({ serves, state }) => `${state} ${serves}`)

/** Some rounds of the event loop of fibers, without time. */
const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

describe("Subsystem", () => {
  it.effect("is used once it is up, and by those who came before", () =>
    Effect.gen(function* () {
      const w = world()
      const subsystem = yield* made(w)
      assert.strictEqual(yield* says(subsystem), "starting nothing")
      const early = yield* Effect.forkChild(subsystem.use((service) => Effect.succeed(service)))
      const running = yield* Effect.forkChild(subsystem.run)
      assert.strictEqual(yield* Fiber.join(early), "hybrid")
      assert.strictEqual(yield* says(subsystem), "up v3")
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual(w.log, ["+hybrid", "-hybrid"])
    })
  )

  it.effect("is built for another mode first, and the old one closes after its last user", () =>
    Effect.gen(function* () {
      const w = world()
      const subsystem = yield* made(w)
      yield* Effect.forkChild(subsystem.run)
      const user = yield* Effect.forkChild(subsystem.use((service) => Effect.as(Effect.sleep("3 seconds"), service)))
      yield* settle
      w.mode = "internet"
      assert.isTrue(Exit.isSuccess(yield* subsystem.change))
      assert.deepStrictEqual(w.log, ["+hybrid", "+internet"])
      assert.strictEqual(yield* subsystem.use(Effect.succeed), "internet")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(user), "hybrid")
      assert.deepStrictEqual(w.log, ["+hybrid", "+internet", "-hybrid"])
      // One that never ends is left after the drain time.
      yield* Effect.forkChild(subsystem.use(() => Effect.never))
      yield* settle
      w.mode = "datacenter"
      yield* subsystem.change
      yield* TestClock.adjust("9 seconds")
      assert.notInclude(w.log, "-internet")
      yield* TestClock.adjust("1 second")
      assert.include(w.log, "-internet")
    })
  )

  it.effect("closes the old one first where there must not be two", () =>
    Effect.gen(function* () {
      const w = world()
      const subsystem = yield* made(w, { exclusive: true })
      yield* Effect.forkChild(subsystem.run)
      yield* settle
      w.mode = "internet"
      yield* subsystem.change
      assert.deepStrictEqual(w.log, ["+hybrid", "-hybrid", "+internet"])
    })
  )

  it.effect("goes on as it was when it cannot be built for another mode", () =>
    Effect.gen(function* () {
      const w = world()
      const subsystem = yield* made(w)
      yield* Effect.forkChild(subsystem.run)
      yield* settle
      w.broken = true
      w.mode = "internet"
      assert.isTrue(Exit.isFailure(yield* subsystem.change))
      assert.strictEqual(yield* subsystem.use(Effect.succeed), "hybrid")
      assert.strictEqual((yield* subsystem.status).lastError, "it is broken")
    })
  )

  it.effect("gives way to its stand-in after three restarts, and is back when it can be", () =>
    Effect.gen(function* () {
      const w = world()
      const subsystem = yield* made(w)
      yield* Effect.forkChild(subsystem.run)
      yield* settle
      w.broken = true
      yield* subsystem.drill(new Error("a drill"))
      yield* settle
      assert.strictEqual(yield* says(subsystem), "down nothing")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* says(subsystem), "standIn simple")
      assert.strictEqual(yield* subsystem.use(Effect.succeed), "simple")
      // It is tried again beside the stand-in, and nobody waits for it.
      yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.andThen(
          TestClock.adjust("1 second"),
          Effect.map(says(subsystem), (it) => assert.strictEqual(it, "standIn simple"))
        )
      )
      w.broken = false
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* says(subsystem), "up v3")
    })
  )

  it.effect("is looked at every five seconds, and ends at the third probe in a row that fails", () =>
    Effect.gen(function* () {
      const w = world()
      const subsystem = yield* Subsystem.make<string>({
        name: "ass",
        mode: () => "hybrid",
        isOn: () => true,
        build: Effect.succeed,
        probe: () => Effect.suspend(() => (w.sick ? Effect.fail(new Error("it is sick")) : Effect.void)),
        detail: () => Effect.succeed({}),
        timing: Subsystem.timing
      })
      const running = yield* Effect.forkChild(Effect.flip(subsystem.run))
      yield* settle
      w.sick = true
      yield* TestClock.adjust("10 seconds")
      w.sick = false
      yield* TestClock.adjust("5 seconds")
      w.sick = true
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(yield* says(subsystem), "up v3")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(String(yield* Fiber.join(running)), "Error: it is sick")
      assert.strictEqual(yield* says(subsystem), "down nothing")
    })
  )

  it.effect("is off as long as its feature is", () =>
    Effect.gen(function* () {
      const w = { ...world(), on: false }
      const subsystem = yield* made(w)
      yield* Effect.forkChild(subsystem.run)
      yield* settle
      assert.strictEqual(yield* says(subsystem), "off simple")
      w.on = true
      yield* subsystem.switched
      yield* settle
      assert.strictEqual(yield* says(subsystem), "up v3")
      w.on = false
      yield* subsystem.switched
      yield* settle
      assert.strictEqual(yield* says(subsystem), "off simple")
    })
  )

  it("knows three environments, and takes every other for one in between", () => {
    assert.deepStrictEqual(["datacenter", "internet", "hybrid", "development"].map(Subsystem.modeOf), [
      "datacenter",
      "internet",
      "hybrid",
      "hybrid"
    ])
  })
})
