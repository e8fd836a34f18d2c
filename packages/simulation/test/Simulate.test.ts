import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../src/Fault.ts"
import * as Replay from "../src/Replay.ts"
import * as Simulate from "../src/Simulate.ts"
import { app, settings } from "./fixtures/App.ts"
import { dice, hoard } from "./fixtures/Careless.ts"

describe("Simulate", () => {
  it("finds nothing wrong with a sound application, whatever happens to it", () => {
    const { boots, outcomes, runs, struck, violations } = Simulate.simulate(app, {
      seeds: 500,
      faults: { attempt: 0.2 }
    })
    assert.deepStrictEqual(violations, [])
    assert.strictEqual(runs, 500)
    assert.isAbove(boots, 500)
    // It is no proof if nothing has happened.
    for (const outcome of ["ready", "degraded", "failed", "cancelled"] as const)
      assert.isAbove(outcomes[outcome] ?? 0, 4, outcome)
    for (const kind of Fault.kinds) if (kind !== "Cancels") assert.isAbove(struck[kind] ?? 0, 0, kind)
  })

  it("finds a careless component, and makes the case small", () => {
    const { violations } = Simulate.simulate([...app, hoard], { seeds: 300, faults: { attempt: 0.2 } })
    assert.deepStrictEqual(
      violations.map(({ promise }) => promise),
      ["nothing is left behind"]
    )
    const [found] = violations
    assert.isAbove(found!.seeds, 1)
    const { case: smallest } = found!.replay
    assert.includeMembers([...smallest.components], ["settings", "hoard"])
    assert.isAtMost(smallest.components.length, 3, "who is careless, who it needs, and perhaps who makes it suffer")
    assert.isFalse(smallest.fuzz)
    assert.isAtMost(smallest.faults.length + (smallest.cancelAtMs === null ? 0 : 1), 1, "one reason is enough")
    assert.isTrue(Replay.run([...app, hoard], found!.replay).reproduced)
  })

  it("notices when the same seed gives another log", () => {
    const { violations } = Simulate.simulate([settings, dice({ n: 0 })], { seeds: 32, cancel: 0 })
    assert.deepStrictEqual(
      violations.map(({ promise }) => promise),
      ["the same seed gives the same log"]
    )
  })

  it("refuses to run nothing", () => {
    for (const seeds of [0, -1, 0.5, NaN, Infinity]) assert.throws(() => Simulate.simulate(app, { seeds }), /seeds is/)
    assert.throws(() => Simulate.simulate(app, { seeds: 1, seedFrom: NaN }), /seedFrom is NaN/)
  })

  it("refuses percents for shares, and boots that nobody ever stops", () => {
    const refused = (options: Partial<Simulate.Options>, says: RegExp) =>
      assert.throws(() => Simulate.simulate(app, { seeds: 1, ...options }), says)
    refused({ cancel: 10 }, /cancel is 10, it must be between 0 and 1/)
    for (const attempt of [20, -1, NaN]) refused({ faults: { attempt } }, /attempt of faults is .*between 0 and 1/)
    for (const stopAfter of [Infinity, -1]) refused({ stopAfter }, /stopAfter is .* ms, it must be finite/)
  })

  it("does the same again from the same seed", () => {
    const go = (seedFrom: number) => {
      const logs: Array<unknown> = []
      Simulate.simulate(app, { seeds: 10, seedFrom, observe: (it, { events }) => logs.push([it, events]) })
      return JSON.stringify(logs)
    }
    assert.strictEqual(go(5), go(5))
    assert.notStrictEqual(go(5), go(6))
  })

  it("injects the faults that it is told to, with the errors of the caller", () => {
    const fault = Fault.make("Fails", { component: "settings", variant: 0, attempt: 1 }, { await: 1 })
    const { outcomes, struck } = Simulate.simulate(app, {
      seeds: 20,
      faults: [fault],
      cancel: 0,
      errors: { settings: () => new Error("no file") }
    })
    assert.deepStrictEqual({ outcomes, struck }, { outcomes: { failed: 20 }, struck: { Fails: 20 } })
  })

  it("boots as it is told to", () => {
    const slots = new Set<number>()
    Simulate.simulate(app, {
      seeds: 5,
      options: { concurrency: 2 },
      observe: (_, { events: [first] }) => slots.add(first?._tag === "BootStarted" ? first.concurrency : 0)
    })
    assert.deepStrictEqual([...slots], [2])
  })

  it("takes only what is complete", () => {
    // @ts-expect-error nobody provides the settings
    const { violations } = Simulate.simulate([hoard], { seeds: 1, cancel: 0 })
    assert.deepStrictEqual(
      violations.map(({ promise }) => promise),
      ["the components can be booted"]
    )
  })
})
