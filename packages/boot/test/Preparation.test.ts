import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as fc from "fast-check"
import * as Boot from "../src/Boot.ts"
import type * as Component from "../src/Component.ts"
import * as Plan from "../src/Plan.ts"
import * as Preparation from "../src/Preparation.ts"
import { fails, world } from "./fixtures/parts.ts"

const { part } = world()

const terms = (over: Partial<Preparation.Terms> = {}, outside: ReadonlyArray<string> = []): Preparation.Terms => ({
  environment: "development",
  durationsMs: undefined,
  outside: () => new Map(outside.map((key) => [key, key])),
  ...over
})

const recipesOf = (components: ReadonlyArray<Component.Any>) => components.map(({ recipe }) => recipe)

describe("a preparation", () => {
  it("is the plan of its components, with their recipes in its order, and who provides what", () => {
    const checked = part("b", { needs: ["a"], validate: Effect.sync(() => {}) })
    const { plan, providers, recipes, validated } = Result.getOrThrow(
      Preparation.make(recipesOf([checked, part("a")]), terms())
    )
    assert.deepStrictEqual(plan, Result.getOrThrow(Plan.make([checked.manifest, part("a").manifest])))
    assert.deepStrictEqual(
      recipes.map(({ name }) => name),
      ["a", "b"]
    )
    assert.deepStrictEqual([...providers.values()], [0, 1])
    assert.deepStrictEqual(validated, [1])
  })

  it("asks nobody whose settings have passed already", () => {
    const [passed, failing] = [part("a", { validate: Effect.void }), part("b", { validate: fails("b") })]
    const { validated } = Result.getOrThrow(Preparation.make(recipesOf([passed, failing]), terms()))
    assert.deepStrictEqual(validated, [1])
  })

  it("is worked out once for the same components on the same terms, and anew for any others", () => {
    const [a, b, c] = [part("a"), part("b"), part("c")]
    const first = Result.getOrThrow(Preparation.make(recipesOf([a, b]), terms()))
    assert.strictEqual(Result.getOrThrow(Preparation.make(recipesOf([a, b]), terms())), first)
    const others: ReadonlyArray<readonly [ReadonlyArray<Component.Any>, Preparation.Terms]> = [
      [[a, c], terms()],
      [[a], terms()],
      [[a, b, c], terms()],
      [[a, b], terms({ environment: "production" })],
      [[a, b], terms({ durationsMs: { a: 5 } })]
    ]
    for (const [given, on] of others) {
      const { plan } = Result.getOrThrow(Preparation.make(recipesOf(given), on))
      const manifests = given.map(({ manifest }) => manifest)
      const { durationsMs = {}, environment } = on
      assert.deepStrictEqual(plan, Result.getOrThrow(Plan.make(manifests, { environment, durationsMs })))
    }
  })

  it("that was right with one environment is judged again with another", () => {
    const given = recipesOf([part("api", { needs: ["Clock"] })])
    assert.isTrue(Result.isSuccess(Preparation.make(given, terms({}, ["Clock", "Other"]))))
    const without = Preparation.make(given, terms({}, ["Clocks"]))
    assert.isTrue(Result.isFailure(without))
    if (Result.isFailure(without)) assert.include(without.failure.message, "Clock")
    assert.isTrue(Result.isSuccess(Preparation.make(given, terms({}, ["Clock"]))))
  })

  it("that was made to be looked at is the one that is booted", () => {
    const components = [part("a"), part("b", { needs: ["a"] })] as const
    const shown = Result.getOrThrow(Boot.plan(components))
    assert.strictEqual(Result.getOrThrow(Preparation.make(recipesOf(components), terms())).plan, shown)
  })

  it("does not look outside when nothing is to come from there", () => {
    const on = terms({ outside: () => assert.fail("nobody has to ask") })
    assert.isTrue(Result.isSuccess(Preparation.make(recipesOf([part("a"), part("b", { needs: ["a"] })]), on)))
  })

  it("has the plan, or all the problems, that a plan with the same keys from outside has", () => {
    const all = ["a", "b", "c", "d"] as const
    const names = fc.constantFrom(...all)
    const shapes = fc.uniqueArray(fc.tuple(names, fc.uniqueArray(names, { maxLength: 3 })), {
      selector: ([name]) => name,
      maxLength: 4
    })
    fc.assert(
      fc.property(shapes, fc.uniqueArray(names), (list, outside) => {
        const components = list.map(([name, needs]) => part(name, { needs }))
        const keys = components.flatMap(({ recipe }) => recipe.needs.map(({ key }) => key))
        const offered = keys.filter((_, i) => outside.includes(all[i % 4]!))
        const ours = Preparation.make(recipesOf(components), terms({}, offered))
        const theirs = Plan.make(
          components.map(({ manifest }) => manifest),
          { environment: "development", provided: new Set(offered) }
        )
        assert.strictEqual(Result.isSuccess(ours), Result.isSuccess(theirs))
        if (Result.isSuccess(ours) && Result.isSuccess(theirs))
          assert.deepStrictEqual(ours.success.plan, theirs.success)
        if (Result.isFailure(ours) && Result.isFailure(theirs)) {
          assert.deepStrictEqual(ours.failure.problems, theirs.failure.problems)
        }
      })
    )
  })
})
