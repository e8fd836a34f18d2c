import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit } from "effect"
import * as AttemptClock from "../src/AttemptClock.ts"
import * as Simulation from "../src/Simulation.ts"

describe("AttemptClock", () => {
  it("counts who goes to sleep, from 1, and passes the sleep on", () => {
    const seen: Array<number> = []
    const { timeMs } = under(
      (k, sleep) => {
        seen.push(k)
        return sleep
      },
      Effect.andThen(Effect.sleep(10), Effect.all([Effect.sleep(5), Effect.sleep(7)], { concurrency: 2 }))
    )
    assert.deepStrictEqual(seen, [1, 2, 3])
    assert.strictEqual(timeMs, 17)
  })

  it("lets an await be something else", () => {
    const { exit } = under((k, sleep) => (k === 2 ? Effect.die("boom") : sleep), Effect.forever(Effect.sleep(10)))
    assert.deepStrictEqual(exit, Exit.die("boom"))
  })

  it("stretches time from the await on at which it is told to", () => {
    const { timeMs } = under(
      (k, sleep, clock) => {
        if (k === 2) clock.factor = 10
        return sleep
      },
      Effect.forEach([1, 2, 3], () => Effect.sleep(10))
    )
    assert.strictEqual(timeMs, 210)
  })

  it("is a clock like any other once the attempt is over", () => {
    const seen: Array<number> = []
    const { timeMs } = under(
      (k, sleep, clock) => {
        seen.push(k)
        clock.factor = 100
        clock.over = true
        return sleep
      },
      Effect.andThen(Effect.sleep(1), Effect.sleep(10))
    )
    assert.deepStrictEqual(seen, [1])
    assert.strictEqual(timeMs, 110)
  })

  it("tells the same time as the clock outside", () => {
    const { exit } = under(
      (_, sleep) => sleep,
      Effect.andThen(Effect.sleep(10), Effect.all([Clock.currentTimeMillis, Clock.monotonicTimeNanos]))
    )
    assert.deepStrictEqual(exit, Exit.succeed([10, 10_000_000n]))
  })
})

const under = <A>(
  onAwait: (k: number, sleep: Effect.Effect<void>, clock: AttemptClock.AttemptClock) => Effect.Effect<void>,
  effect: Effect.Effect<A>
) =>
  Simulation.run(
    Effect.flatMap(Clock.clockWith(Effect.succeed), (outside) => {
      const clock = AttemptClock.make(outside, (k, sleep) => onAwait(k, sleep, clock))
      return Effect.provideService(effect, Clock.Clock, clock)
    }),
    { seed: 1 }
  )
