import { assert, describe, it } from "@effect/vitest"
import type * as Case from "../src/Case.ts"
import * as Fault from "../src/Fault.ts"
import { shrink } from "../src/Shrink.ts"
import * as Trial from "../src/Trial.ts"
import { app } from "./fixtures/App.ts"

const large: Case.Case = {
  seed: 1,
  fuzz: true,
  components: ["settings", "cache", "engine", "api"],
  faults: [1, 2, 3].flatMap((attempt) => [
    Fault.make("Hangs", { component: "cache", variant: 0, attempt }, { await: 2 }),
    Fault.make("Slow", { component: "api", variant: 0, attempt }, { await: 1, factor: 10_000 }),
    Fault.make("ProbeFails", { component: "engine", variant: 0, attempt }, { times: 4 })
  ]),
  settings: { concurrency: 8 },
  stopAfterMs: 777,
  cancelAtMs: 12
}
const trial = Trial.make(app)

describe("Shrink", () => {
  it("leaves what it takes, and nothing else", () => {
    const smallest = shrink(trial, large, ({ faults }) => faults.some(({ component }) => component === "cache"))
    assert.deepStrictEqual(smallest, {
      seed: 1,
      fuzz: false,
      components: ["settings", "cache"],
      faults: [Fault.make("Hangs", { component: "cache", variant: 0, attempt: 1 }, { await: 0 })],
      settings: { concurrency: 1 },
      stopAfterMs: 0,
      cancelAtMs: null
    })
  })

  it("keeps what matters", () => {
    const smallest = shrink(
      trial,
      large,
      ({ cancelAtMs, faults, fuzz, stopAfterMs }) =>
        fuzz &&
        cancelAtMs !== null &&
        cancelAtMs >= 3 &&
        stopAfterMs >= 100 &&
        faults.some((fault) => fault._tag === "Hangs" && fault.attempt === 2 && fault.await > 0) &&
        faults.some((fault) => fault._tag === "Slow" && fault.factor > 100)
    )
    assert.isTrue(smallest.fuzz)
    assert.strictEqual(smallest.faults.length, 2)
    assert.deepInclude(
      smallest.faults,
      Fault.make("Hangs", { component: "cache", variant: 0, attempt: 2 }, { await: 1 })
    )
    assert.isTrue(smallest.cancelAtMs! >= 3 && smallest.cancelAtMs! < 12)
    assert.isTrue(smallest.stopAfterMs >= 100 && smallest.stopAfterMs < 777)
  })

  it("drops a component only when nobody needs it", () => {
    const smallest = shrink(trial, { ...large, faults: [] }, ({ components }) => components.includes("api"))
    // The engine is an option of the api: whoever asks for it still waits for it.
    assert.deepStrictEqual(smallest.components, ["settings", "cache", "engine", "api"])
  })

  it("stops trying", () => {
    let tries = 0
    shrink(
      trial,
      large,
      () => {
        tries++
        return false
      },
      5
    )
    assert.strictEqual(tries, 5)
  })
})
