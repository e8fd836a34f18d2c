import { assert, describe, it } from "@effect/vitest"
import { Boot, type Component } from "@novacron/boot"
import { Effect, Exit, Scope } from "effect"
import * as Ledger from "../src/Ledger.ts"
import * as Simulation from "../src/Simulation.ts"
import { app, settings } from "./fixtures/App.ts"

describe("Ledger", () => {
  it("has no entries left, and no complaints, after a boot that was stopped", () => {
    const { components, ledger } = Ledger.watch(app)
    const open: Array<number> = []
    const program = Effect.scoped(
      Effect.gen(function* () {
        const running = yield* Boot.make(components)
        open.push(Ledger.open(ledger).length)
        yield* running.stop()
        open.push(Ledger.open(ledger).length)
      })
    )
    assert.isTrue(Exit.isSuccess(Simulation.run(program, { seed: 1 }).exit))
    assert.deepStrictEqual(open, [4, 0])
    assert.deepStrictEqual(ledger.problems, [])
  })

  it("says what is never closed", () => {
    const { components, ledger } = Ledger.watch([settings])
    start(components[0], Scope.makeUnsafe())
    assert.deepStrictEqual(
      Ledger.open(ledger).map(({ name }) => name),
      ["settings"]
    )
    Ledger.abandon(ledger, "settings")
    assert.strictEqual(ledger.accounts.get("settings")?.abandoned, 1)
  })

  it("notices who is closed while others live on it", () => {
    const { components, ledger } = Ledger.watch(app)
    const scope = Scope.makeUnsafe()
    start(components[0], scope)
    // The cache, half way into its start.
    Simulation.run(Effect.timeoutOption(attempt(components[1], Scope.makeUnsafe()), "10 millis"), { seed: 1 })
    Effect.runSync(Scope.close(scope, Exit.void))
    assert.deepStrictEqual(ledger.problems, [
      { component: "settings", message: "settings begins to close while cache still holds on to it." }
    ])
  })

  it("does not mind that one of two instances closes", () => {
    const { components, ledger } = Ledger.watch(app)
    const [old, now] = [Scope.makeUnsafe(), Scope.makeUnsafe()]
    start(components[0], old)
    start(components[0], now)
    start(components[1], Scope.makeUnsafe())
    Effect.runSync(Scope.close(old, Exit.void))
    assert.deepStrictEqual(ledger.problems, [])
    Effect.runSync(Scope.close(now, Exit.void))
    assert.strictEqual(ledger.problems.length, 1)
  })

  it("begins anew", () => {
    const { components, ledger } = Ledger.watch([settings])
    start(components[0], Scope.makeUnsafe())
    Ledger.reset(ledger)
    assert.deepStrictEqual(Ledger.open(ledger), [])
  })
})

/** The attempt of a component, without the kernel. */
const attempt = ({ recipe }: Component.Any, scope: Scope.Scope) =>
  Effect.provideService(
    Effect.provide(recipe.builds[0].start, settings.layer) as Effect.Effect<unknown, unknown, Scope.Scope>,
    Scope.Scope,
    scope
  )

const start = (component: Component.Any, scope: Scope.Scope): void => {
  assert.isTrue(Exit.isSuccess(Simulation.run(attempt(component, scope), { seed: 1 }).exit))
}
