import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Jobs from "../../src/post/Jobs.ts"

describe("background jobs", () => {
  it.effect("run at once, then at their intervals, and stop with their scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { tally } = yield* Scope.provide(
        Jobs.start([{ name: "sweep", every: "10 seconds", run: Effect.void }]),
        scope
      )
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* tally)["sweep"]?.turns, 1)
      yield* TestClock.adjust("1 minute")
      const { turns } = (yield* tally)["sweep"]!
      assert.isTrue(turns >= 5 && turns <= 8, `${turns}`)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* tally)["sweep"]?.turns, turns)
    })
  )

  it.effect("have their next turn after a failure, a defect, or a turn that does not end", () =>
    Effect.gen(function* () {
      const ways = [Effect.fail("no"), Effect.die("bug"), Effect.never, Effect.void]
      let turn = 0
      const run = Effect.suspend(() => ways[turn++ % ways.length] ?? Effect.void)
      const { tally } = yield* Jobs.start([{ name: "shaky", every: "1 second", deadline: "5 seconds", run }])
      yield* TestClock.adjust("1 minute")
      const { failures, turns } = (yield* tally)["shaky"]!
      assert.isAbove(turns, 8)
      assert.isAtLeast(failures, Math.floor((turns * 3) / 4) - 1)
      assert.isBelow(failures, turns)
    }).pipe(Effect.scoped)
  )

  it.effect("never run twice at the same time", () =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const run = Effect.acquireUseRelease(
        Effect.sync(() => void (most = Math.max(most, ++running))),
        () => Effect.sleep("7 seconds"),
        () => Effect.sync(() => void running--)
      )
      yield* Jobs.start([{ name: "slow", every: "1 second", run }])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(most, 1)
    }).pipe(Effect.scoped)
  )
})
