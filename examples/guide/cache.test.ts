import { assert, describe, it } from "@effect/vitest"
import { Fault, Replay, Simulate, Stops, Sweep, type Trial, VirtualTime } from "@novacron/simulation"
import { Effect } from "effect"
import { configured, counter, pages, settings } from "./cache.ts"

const app = [settings, configured, counter, pages] as const

/** The server of the cache refuses three times: the fallback serves, and gives way in the end. */
const refusals = [1, 2, 3].map((attempt) => Fault.make("Fails", { component: "cache", variant: 0, attempt }))

describe("the cache", () => {
  it.effect("falls back to memory when its server refuses, and is back ten seconds later", () =>
    Effect.gen(function* () {
      const { events, report } = yield* VirtualTime.boot(Fault.inject(app, refusals).components)
      assert.strictEqual(report.outcome, "degraded")
      yield* VirtualTime.run(Effect.sleep("10 seconds"))
      assert.isTrue(events.some((event) => event._tag === "SwapCompleted" && event.component === "cache"))
    })
  )

  it("survives every single fault", () => {
    const result = Sweep.sweep(app)
    assert.deepStrictEqual(result.violations, [])
    assert.strictEqual(result.struck, result.runs)
  })

  it("can be stopped at every moment of its life", () => {
    for (const faults of [[], refusals]) {
      const { runs, violations } = Stops.everywhere(app, { faults })
      assert.deepStrictEqual(violations, [])
      assert.isAbove(runs, 10)
    }
  })

  it("survives what chance does to it", () => {
    const result = Simulate.simulate(app, { seeds: 1000 })
    assert.deepStrictEqual(result.violations, [])
    assert.isAbove(result.outcomes.ready ?? 0, 0)
    assert.isAbove(result.outcomes.failed ?? 0, 0)
  })

  it("is not always there in time, which is found and made small like any broken promise", () => {
    const oracle: Trial.Oracle = (_, { events }) =>
      events
        .filter((event) => event._tag === "BootReady" && event.atMs > 5000)
        .map(({ atMs }) => ({ promise: "up within 5 seconds", message: `It took ${atMs} ms.`, atMs }))
    const [found] = Simulate.simulate(app, { seeds: 300, oracle }).violations
    if (found === undefined) return assert.fail("nothing was found")
    assert.strictEqual(found.promise, "up within 5 seconds")
    assert.isTrue(Replay.run(app, found.replay, { oracle }).reproduced)
  })
})
