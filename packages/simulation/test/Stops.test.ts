import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../src/Fault.ts"
import * as Replay from "../src/Replay.ts"
import * as Stops from "../src/Stops.ts"
import { app, settings } from "./fixtures/App.ts"
import { hoard } from "./fixtures/Careless.ts"

describe("Stops", () => {
  it("ends a boot at each of its moments, and finds nothing wrong with a sound one", () => {
    const down = [1, 2, 3].map((attempt) => Fault.make("Fails", { component: "cache", variant: 0, attempt }))
    const { runs, violations, whole } = Stops.everywhere(app, { faults: down })
    assert.deepStrictEqual(violations, [])
    assert.include(
      whole.events.map(({ _tag }) => _tag),
      "SwapCompleted"
    )
    const times = new Set(whole.events.map(({ atMs }) => atMs))
    assert.isAbove(runs, 4 * times.size)
  })

  it("finds the moments at which a component is careless", () => {
    const { violations } = Stops.everywhere([settings, hoard])
    assert.isAbove(violations.length, 0)
    for (const { promise, replay } of violations) {
      assert.strictEqual(promise, "nothing is left behind")
      assert.isTrue(Replay.run([settings, hoard], replay).reproduced)
      // Between its first sleep and the end of its second.
      assert.isTrue(replay.case.cancelAtMs! >= 15 && replay.case.cancelAtMs! <= 25)
    }
  })

  it("judges the boot that is not disturbed as well", () => {
    const faults = [Fault.make("Interrupts", { component: "hoard", variant: 0, attempt: 1 }, { await: 2 })]
    const { violations, whole } = Stops.everywhere([settings, hoard], { faults })
    assert.strictEqual(whole.outcome, "failed")
    assert.strictEqual(violations[0]?.replay.case.cancelAtMs, null)
  })
})
