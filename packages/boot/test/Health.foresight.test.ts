import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as Health from "../src/Health.ts"

/** What is seen of one part that is asked every five seconds: an entry for each time, and what was logged meanwhile. */
const watch = (probe: (asked: number) => Effect.Effect<Health.Reading | void, unknown>, options: Health.Options = {}) =>
  Effect.gen(function* () {
    const logged: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel}: ${String(message)}`))
    const seen: Array<Health.ComponentHealth & { readonly logged: number }> = []
    let asked = 0
    const check = { name: "database", critical: true, needs: [], probe: Effect.suspend(() => probe(++asked)) }
    yield* Effect.gen(function* () {
      const health = yield* Health.make([check], { timeToLive: "1 second", ...options })
      for (let k = 0; k < 30; k++) {
        const asking = yield* Effect.forkChild(health.report, { startImmediately: true })
        yield* TestClock.adjust("5 seconds")
        const [one] = (yield* health.snapshot).components
        asking.interruptUnsafe()
        seen.push({ ...one!, logged: logged.length })
      }
    }).pipe(Effect.provide(Logger.layer([logger])), Effect.scoped)
    return { seen, logged }
  })

const first = (seen: ReadonlyArray<Health.ComponentHealth>, is: (one: Health.ComponentHealth) => boolean): number =>
  seen.findIndex(is)

describe("Health, looking ahead", () => {
  it.effect("warns of a part that answers more and more slowly before it no longer does", () =>
    Effect.gen(function* () {
      // 120 ms more each time, and 40 more or less: beyond the deadline of two seconds at the sixteenth.
      const { logged, seen } = yield* watch((n) => Effect.sleep(100 + 120 * n + (n % 3) * 40))
      const warned = first(seen, ({ warning }) => warning !== undefined)
      const failed = first(seen, ({ status }) => status === "unhealthy")
      assert.isAtLeast(warned, 5)
      assert.isAtLeast(failed - warned, 5, "there is time to do something")
      const said = seen[warned]!
      assert.strictEqual(said.status, "healthy")
      assert.match(said.message, /^healthy, but it answers more and more slowly, at last in \d+ ms, .*limit is 2s/)
      assert.match(said.message, /at this rate it is down in \d+ s$/)
      assert.isUndefined(seen[failed]?.warning)
      assert.strictEqual(logged.length, 1, "it is said once")
      assert.match(logged[0]!, /^Warn: database is healthy, but it answers more and more slowly/)
    })
  )

  it.effect("warns of a part that fails more and more often by its own account", () =>
    Effect.gen(function* () {
      const { seen } = yield* watch((n) =>
        n * 0.02 > 0.5 ? Effect.fail("too many errors") : Effect.succeed({ errorRate: n * 0.02, latencyMs: 5 })
      )
      const warned = first(seen, ({ warning }) => warning !== undefined)
      const failed = first(seen, ({ status }) => status === "unhealthy")
      assert.isAbove(warned, 5)
      assert.isAbove(failed, warned)
      assert.match(seen[warned]!.warning ?? "", /^it fails more and more often, at last \d+ times in 100; at this rate/)
    })
  )

  it.effect("says nothing of what is slow, or gets faster, or rises too little to matter", () =>
    Effect.gen(function* () {
      for (const latency of [() => 1_900, (n: number) => 1_900 - 50 * n, (n: number) => 10 + n]) {
        const { logged, seen } = yield* watch((n) => Effect.sleep(latency(n)))
        assert.isTrue(seen.every(({ status }) => status === "healthy"))
        assert.deepStrictEqual([first(seen, ({ warning }) => warning !== undefined), logged], [-1, []])
      }
    })
  )

  it.effect("takes the warning back when it is over, and warns again the next time", () =>
    Effect.gen(function* () {
      const { logged, seen } = yield* watch((n) =>
        Effect.sleep(n <= 8 || n > 18 ? 100 + 150 * (n > 18 ? n - 18 : n) : 50)
      )
      const warned = seen.map(({ warning }) => warning !== undefined)
      assert.isTrue(warned[7])
      assert.isFalse(warned[16])
      assert.isTrue(warned.slice(20).includes(true))
      assert.strictEqual(logged.length, 2)
    })
  )

  it.effect("does not look ahead when it is told not to", () =>
    Effect.gen(function* () {
      const { logged, seen } = yield* watch((n) => Effect.sleep(100 + 120 * n), { foresight: 0 })
      assert.isAbove(
        first(seen, ({ status }) => status === "unhealthy"),
        5
      )
      assert.deepStrictEqual([first(seen, ({ warning }) => warning !== undefined), logged], [-1, []])
    })
  )
})
