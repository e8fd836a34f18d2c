import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as CircuitBreaker from "../src/CircuitBreaker.ts"

const settle = Effect.repeat(Effect.yieldNow, { times: 20 })
const down = Effect.fail("down")
const up = Effect.succeed("up")

/** Fails until it is open. */
const trip = (breaker: CircuitBreaker.CircuitBreaker) =>
  Effect.repeat(Effect.exit(breaker.call(down)), { until: (exit) => isRejected(exit) })

const isRejected = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof CircuitBreaker.CircuitOpen

/** A call that lasts until told otherwise. */
const held = Effect.fnUntraced(function* (breaker: CircuitBreaker.CircuitBreaker) {
  const end = yield* Deferred.make<string, string>()
  const fiber = yield* Effect.forkChild(breaker.call(Deferred.await(end)))
  yield* settle
  return { end, fiber }
})

describe("CircuitBreaker", () => {
  it.effect("opens after three failures in a row and rejects at once, with the remaining time", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "redis" })
      assert.strictEqual(yield* breaker.call(up), "up")
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* Effect.flip(breaker.call(down)), "down")
      yield* TestClock.adjust("10 seconds")
      let called = false
      const error = yield* Effect.flip(breaker.call(Effect.sync(() => (called = true))))
      assert.isFalse(called)
      assert.instanceOf(error, CircuitBreaker.CircuitOpen)
      assert.strictEqual(error.breaker, "redis")
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(20))
      assert.strictEqual(error.message, `"redis" failed too often, so this call was not made. Try again in 20.0 s.`)
    })
  )

  it.effect("counts anew after a success", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "redis" })
      for (let i = 0; i < 20; i++) {
        yield* Effect.flip(breaker.call(down))
        yield* Effect.flip(breaker.call(down))
        assert.strictEqual(yield* breaker.call(up), "up")
      }
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    })
  )

  it.effect("lets two probes through after 30 seconds and closes with the first success", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "redis" })
      yield* trip(breaker)
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual((yield* breaker.state)._tag, "Open")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* breaker.state)._tag, "HalfOpen")
      const first = yield* held(breaker)
      const second = yield* held(breaker)
      const third = yield* Effect.flip(breaker.call(up))
      assert.instanceOf(third, CircuitBreaker.CircuitOpen)
      assert.isTrue(Duration.isZero(third.retryAfter))
      yield* Deferred.succeed(first.end, "up")
      assert.strictEqual(yield* Fiber.join(first.fiber), "up")
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
      // The other probe belongs to an era that is over.
      yield* Deferred.fail(second.end, "down")
      yield* Fiber.await(second.fiber)
      assert.deepInclude(yield* breaker.state, { _tag: "Closed", failures: 0 })
    })
  )

  it.effect("opens for another 30 seconds when a probe fails, whatever the other says later", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "redis" })
      yield* trip(breaker)
      yield* TestClock.adjust("31 seconds")
      const first = yield* held(breaker)
      const second = yield* held(breaker)
      yield* Deferred.fail(first.end, "down")
      yield* Fiber.await(first.fiber)
      yield* Deferred.succeed(second.end, "up")
      assert.strictEqual(yield* Fiber.join(second.fiber), "up")
      const error = yield* Effect.flip(breaker.call(up))
      assert.instanceOf(error, CircuitBreaker.CircuitOpen)
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(30))
    })
  )

  it.effect("takes no notice of calls that began before it opened", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "redis" })
      const early = yield* held(breaker)
      yield* trip(breaker)
      yield* Deferred.succeed(early.end, "up")
      assert.strictEqual(yield* Fiber.join(early.fiber), "up")
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    })
  )

  it.effect("gives the place of an interrupted probe back and does not count it", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "redis" })
      yield* trip(breaker)
      yield* TestClock.adjust("30 seconds")
      const first = yield* held(breaker)
      const second = yield* held(breaker)
      assert.isTrue(isRejected(yield* Effect.exit(breaker.call(up))))
      yield* Fiber.interrupt(first.fiber)
      yield* Fiber.interrupt(second.fiber)
      assert.deepInclude(yield* breaker.state, { _tag: "HalfOpen", probes: 0 })
      assert.strictEqual(yield* breaker.call(up), "up")
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    })
  )

  it.effect("counts a timeout inside the call and not one around it", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "redis", failures: 1 })
      const outside = yield* Effect.forkChild(Effect.exit(Effect.timeout(breaker.call(Effect.never), "1 second")))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(outside)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
      const inside = yield* Effect.forkChild(Effect.exit(breaker.call(Effect.timeout(Effect.never, "1 second"))))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(inside)
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    })
  )

  it.effect("counts defects always, and expected errors as classify says", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({
        name: "redis",
        failures: 2,
        classify: (error) => (error === "not found" ? "Success" : error === "bad request" ? "Ignored" : "Failure")
      })
      const failures = Effect.map(breaker.state, (state) => (state._tag === "Closed" ? state.failures : state._tag))
      yield* Effect.exit(breaker.call(down))
      assert.strictEqual(yield* failures, 1)
      yield* Effect.exit(breaker.call(Effect.fail("bad request")))
      assert.strictEqual(yield* failures, 1)
      yield* Effect.exit(breaker.call(Effect.fail("not found")))
      assert.strictEqual(yield* failures, 0)
      yield* Effect.exit(breaker.call(Effect.die("not found")))
      yield* Effect.exit(breaker.call(Effect.die("not found")))
      assert.strictEqual(yield* failures, "Open")
    })
  )

  it.effect("does not lose a probe's place to a classify or a listener with a defect", () =>
    Effect.gen(function* () {
      let broken = false
      const breaker = yield* CircuitBreaker.make({
        name: "redis",
        failures: 1,
        probes: 1,
        classify: () => {
          if (broken) throw new Error("classify")
          return "Failure"
        },
        onChange: () => Effect.die("listener")
      })
      yield* trip(breaker)
      yield* TestClock.adjust("30 seconds")
      broken = true
      const exit = yield* Effect.exit(breaker.call(down))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(yield* breaker.call(up), "up")
    })
  )

  it.effect("tells of every change of state once", () =>
    Effect.gen(function* () {
      const changes: Array<string> = []
      const breaker = yield* CircuitBreaker.make({
        name: "redis",
        onChange: (change) => Effect.sync(() => changes.push(`${change.from} ${change.to}`))
      })
      yield* trip(breaker)
      yield* TestClock.adjust("30 seconds")
      yield* Effect.exit(breaker.call(down))
      yield* TestClock.adjust("30 seconds")
      yield* breaker.call(up)
      yield* breaker.call(up)
      assert.deepStrictEqual(changes, [
        "Closed Open",
        "Open HalfOpen",
        "HalfOpen Open",
        "Open HalfOpen",
        "HalfOpen Closed"
      ])
    })
  )

  it.effect("dies of numbers that make no sense", () =>
    Effect.gen(function* () {
      for (const options of [{ failures: 0 }, { probes: 0 }, { failures: 1.5 }, { openFor: -1 }]) {
        const exit = yield* Effect.exit(CircuitBreaker.make({ name: "redis", ...options }))
        assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof RangeError)
      }
    })
  )

  it("agrees with its model: what its history says, read from the beginning each time", async () => {
    const seen = new Map<string, number>()
    const how = fc.constantFrom("Success", "Failure", "Failure", "Failure", "Failure", "Interrupt")
    const command = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ _tag: "Begin" as const }) },
      { weight: 3, arbitrary: fc.record({ _tag: fc.constant("End" as const), which: fc.nat(), how }) },
      {
        weight: 1,
        arbitrary: fc.record({ _tag: fc.constant("Pass" as const), ms: fc.integer({ min: 1, max: 40_000 }) })
      }
    )
    const commands = fc.array(command, { minLength: 20, maxLength: 80, size: "max" })
    await fc.assert(
      fc.asyncProperty(commands, (commands) =>
        Effect.gen(function* () {
          const breaker = yield* CircuitBreaker.make({ name: "model" })
          const history: Array<Happening> = []
          const calls: Array<{ readonly id: number } & Effect.Success<ReturnType<typeof held>>> = []
          let atMs = 0
          let ids = 0
          for (const command of commands) {
            const before = read(history, atMs)
            switch (command._tag) {
              case "Begin": {
                const call = { id: ids++, ...(yield* held(breaker)) }
                const exit = call.fiber.pollUnsafe()
                assert.strictEqual(exit === undefined, before.admits, `${before.state} at ${atMs}`)
                if (exit === undefined) {
                  calls.push(call)
                  history.push({ _tag: "Began", id: call.id, atMs })
                } else {
                  const error = Exit.isFailure(exit) ? Result.getOrThrow(Cause.findError(exit.cause)) : undefined
                  assert.instanceOf(error, CircuitBreaker.CircuitOpen)
                  assert.strictEqual(Duration.toMillis(error.retryAfter), before.remainingMs)
                }
                break
              }
              case "End": {
                const [call] = calls.splice(command.which % Math.max(calls.length, 1), 1)
                if (call === undefined) break
                if (command.how === "Success") yield* Deferred.succeed(call.end, "up")
                else if (command.how === "Failure") yield* Deferred.fail(call.end, "down")
                else call.fiber.interruptUnsafe()
                yield* Fiber.await(call.fiber)
                history.push({ _tag: "Ended", id: call.id, how: command.how, atMs })
                break
              }
              case "Pass":
                yield* TestClock.adjust(command.ms)
                atMs += command.ms
            }
            const { state } = read(history, atMs)
            assert.strictEqual((yield* breaker.state)._tag, state)
            seen.set(state, (seen.get(state) ?? 0) + 1)
          }
        }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise)
      ),
      { numRuns: 200 }
    )
    for (const state of ["Closed", "Open", "HalfOpen"]) assert.isAbove(seen.get(state) ?? 0, 50, state)
  })
})

type Happening =
  | { readonly _tag: "Began"; readonly id: number; readonly atMs: number }
  | { readonly _tag: "Ended"; readonly id: number; readonly how: string; readonly atMs: number }

/** The rules in prose, applied to the whole history: slow, without eras, tickets or counters kept between calls. */
const read = (history: ReadonlyArray<Happening>, nowMs: number) => {
  const now: { state: "Closed" | "Open" | "HalfOpen" } = { state: "Closed" }
  let openedMs = 0
  let row: Array<string> = []
  let admitted = new Set<number>()
  const become = (next: typeof now.state, atMs: number) => {
    now.state = next
    row = []
    admitted = new Set()
    if (next === "Open") openedMs = atMs
  }
  const wait = (atMs: number) => {
    if (now.state === "Open" && atMs - openedMs >= 30_000) become("HalfOpen", atMs)
  }
  for (const event of history) {
    wait(event.atMs)
    if (event._tag === "Began") admitted.add(event.id)
    else if (admitted.delete(event.id) && event.how !== "Interrupt") {
      row.push(event.how)
      const last = row.slice(-3)
      if (now.state === "HalfOpen") become(event.how === "Success" ? "Closed" : "Open", event.atMs)
      else if (last.length === 3 && last.every((how) => how === "Failure")) become("Open", event.atMs)
    }
  }
  wait(nowMs)
  return {
    state: now.state,
    admits: now.state === "Closed" || (now.state === "HalfOpen" && admitted.size < 2),
    remainingMs: now.state === "Open" ? openedMs + 30_000 - nowMs : 0
  }
}
