import { assert, describe, it } from "@effect/vitest"
import { Component } from "@novacron/boot"
import { Context, Effect } from "effect"
import * as Fault from "../src/Fault.ts"
import * as Replay from "../src/Replay.ts"
import * as Sweep from "../src/Sweep.ts"
import { app, RedisDown, settings } from "./fixtures/App.ts"
import { hoard } from "./fixtures/Careless.ts"

/** Somebody outside, who never answers in a simulation. */
class Remote extends Context.Service<Remote, void>()("app/Remote") {}

describe("Sweep", () => {
  it("leaves nothing out, and finds nothing wrong with a sound application", () => {
    const { attempts, outcomes, runs, struck, violations } = Sweep.sweep(app)
    assert.deepStrictEqual(violations, [])
    // Settings 1, cache 3 and its fallback 1, engine 1, api 3.
    assert.strictEqual(attempts, 9)
    // Awaits: 1, 2 each, 1, 1, 1 each. At one more than that six kinds strike, one of them twice; six strike elsewhere.
    assert.strictEqual(runs, 7 * (2 + 3 * 3 + 2 + 2 + 3 * 2) + 6 * 9)
    assert.strictEqual(struck, runs)
    assert.deepStrictEqual(Object.keys(outcomes).toSorted(), Fault.kinds.toSorted())
  })

  it("finds the one await at which a component is careless", () => {
    const { violations } = Sweep.sweep([settings, hoard], { kinds: ["Cancels"] })
    assert.deepStrictEqual(
      violations.map(({ fault, promise }) => [promise, fault && Fault.describe(fault)]),
      [["nothing is left behind", "hoard is when the boot is cancelled: at await 2 of attempt 1"]]
    )
    assert.isTrue(Replay.run([settings, hoard], violations[0]!.replay).reproduced)
  })

  it("blames no fault for what is not up without it", () => {
    const memory = Component.make(Remote, { name: "memory", start: Effect.void, health: () => Effect.void })
    const remote = Component.make(Remote, {
      severity: "Degraded",
      start: Effect.promise(() => new Promise<void>(() => undefined)),
      health: () => Effect.void
    }).pipe(Component.timeout("1 second"), Component.fallback(memory))
    const { outcomes, violations } = Sweep.sweep([settings, remote], { kinds: ["Slow"] })
    assert.deepStrictEqual(violations, [])
    assert.isAbove(outcomes.Slow?.degraded ?? 0, 0)
    assert.isUndefined(outcomes.Slow?.ready)
  })

  it("says so of components that cannot be booted, and so cannot be swept", () => {
    const { runs, violations } = Sweep.sweep([settings, settings])
    assert.strictEqual(runs, 0)
    assert.deepStrictEqual(
      violations.map(({ fault, promise }) => [promise, fault]),
      [["the components can be booted", undefined]]
    )
    assert.include(violations[0]?.message, '"settings"')
  })

  it("sweeps with the kinds and errors it is told to", () => {
    const errors = { cache: () => new RedisDown({ why: "swept" }) }
    const { outcomes, runs } = Sweep.sweep(app, { kinds: ["FailsAcquired"], errors })
    assert.deepStrictEqual(Object.keys(outcomes), ["FailsAcquired"])
    assert.strictEqual(runs, 9)
  })

  it("says in a table how boots ended", () => {
    const text = Sweep.table({ outcomes: { Hangs: { ready: 3, failed: 12 }, Dies: { failed: 1 } } })
    assert.strictEqual(
      text,
      [
        "                     ready  degraded    failed cancelled",
        "Dies                     0         0         1         0",
        "Hangs                    3         0        12         0"
      ].join("\n")
    )
  })
})
