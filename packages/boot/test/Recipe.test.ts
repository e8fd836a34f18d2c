import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Option } from "effect"
import * as Recipe from "../src/Recipe.ts"

const key: Recipe.AnyKey = Context.Service<unknown, unknown>("recipe/Service")

describe("Recipe", () => {
  it("derives one key for each key and kind", () => {
    const optional = Recipe.derive(key, "optional")
    assert.strictEqual(Recipe.derive(key, "optional"), optional)
    assert.notStrictEqual(Recipe.derive(key, "late").key, optional.key)
    assert.deepStrictEqual(Recipe.needOf(optional), { key: key.key, kind: "optional" })
    assert.deepStrictEqual(Recipe.needOf(Recipe.derive(key, "late")), { key: key.key, kind: "late" })
    assert.deepStrictEqual(Recipe.needOf(key), { key: key.key, kind: "hard" })
  })

  it("finds a service in what was built, be it the service itself or a context", () => {
    const service = { name: "it" }
    assert.deepStrictEqual(Recipe.serviceOf("service", service, key), Option.some(service))
    assert.deepStrictEqual(Recipe.serviceOf("context", Context.make(key, service), key), Option.some(service))
  })

  it.effect("completes a service for those who can do without it", () =>
    Effect.gen(function* () {
      const services = new Map<string, unknown>()
      Recipe.complete(services, key.key, Option.some("up"), Effect.succeedSome("later"))
      const context = Context.makeUnsafe<unknown>(services)
      assert.deepStrictEqual(Context.get(context, Recipe.derive(key, "optional")), Option.some("up"))
      const late = Context.get(context, Recipe.derive(key, "late")) as Recipe.Lookup
      assert.deepStrictEqual(yield* late, Option.some("later"))
    })
  )
})
