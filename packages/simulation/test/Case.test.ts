import { assert, describe, it } from "@effect/vitest"
import { Boot, Progress } from "@novacron/boot"
import { Effect, Result, Schema } from "effect"
import * as Case from "../src/Case.ts"
import * as Simulation from "../src/Simulation.ts"
import { app } from "./fixtures/App.ts"

const options = {
  environment: "hybrid",
  concurrency: 2,
  scheduling: "phased",
  deadline: "5 seconds",
  rollback: "3 seconds",
  phases: { core: "1 second" },
  drain: "2 seconds",
  monitor: "1 minute",
  restoration: "off"
} as const satisfies Boot.RunOptions

describe("Case", () => {
  it("keeps what can be written of the options of a boot, and gives it back", () => {
    const settings = Case.settings(options)
    assert.deepStrictEqual(settings, {
      environment: "hybrid",
      concurrency: 2,
      scheduling: "phased",
      deadlineMs: 5000,
      rollbackMs: 3000,
      phasesMs: { core: 1000 },
      drainMs: 2000,
      monitorMs: 60_000,
      restoration: "off"
    })
    assert.deepStrictEqual(Case.settings(Case.optionsOf(settings)), settings)
    assert.deepStrictEqual(Case.settings({}), {})
    const read = Schema.decodeUnknownResult(Case.Settings)(JSON.parse(JSON.stringify(settings)))
    assert.deepStrictEqual(Result.getOrThrow(read), settings)
  })

  it("knows the limits that the boot will have", () => {
    assert.deepStrictEqual(Case.limits({}), Progress.defaultLimits)
    assert.deepStrictEqual(Case.limits(Case.settings(options)), {
      slots: 2,
      scheduling: "phased",
      bootMs: 5000,
      rollbackMs: 3000,
      phases: { ...Progress.defaultLimits.phases, core: { targetMs: 1000, maxMs: 1000 } }
    })
    let told: { readonly concurrency: number } | undefined
    const observe: Boot.Options["observe"] = (event) => {
      if (event._tag === "BootStarted") told = event
    }
    Simulation.run(Effect.exit(Effect.scoped(Boot.make(app, { ...options, observe }))), { seed: 1 })
    assert.strictEqual(told?.concurrency, 2)
  })
})
