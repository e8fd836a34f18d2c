import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Option } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import { Offers } from "../src/Offers.ts"
import * as Recipe from "../src/Recipe.ts"
import { key, type Part, world } from "./fixtures/parts.ts"

/** Keys of which some are up, each with its own name as its service. */
const offered = (provided: ReadonlyArray<string>, up: ReadonlyArray<string>) => {
  const byKey = new Map<string, unknown>(up.map((name) => [name, name]))
  const find = (name: string) => (byKey.has(name) ? Option.some(byKey.get(name)) : Option.none())
  const lookup = (name: string): Recipe.Lookup => Effect.sync(() => find(name))
  return { byKey, offers: new Offers({ byKey, provided: new Set(provided), find, lookup }) }
}

/** A key that this test alone uses, so that nobody else has derived from it. */
const fresh = (name: string): Recipe.AnyKey => Context.Service<unknown, unknown>(`test/Offers/${name}`)

describe("Offers", () => {
  it("answers by derived keys from the moment that somebody derives them, as of now", () => {
    const a = fresh("a")
    const { byKey, offers } = offered([a.key], [])
    assert.isFalse(offers.has(a.key))
    assert.isUndefined(offers.get(`${a.key}?`), "nobody can ask by that key yet")
    const option = Recipe.derive(a, "optional")
    assert.isTrue(offers.has(option.key))
    assert.deepStrictEqual(offers.get(option.key), Option.none())
    byKey.set(a.key, "up")
    assert.strictEqual(offers.get(a.key), "up")
    assert.deepStrictEqual(offers.get(option.key), Option.some("up"))
    assert.deepStrictEqual(Effect.runSync(offers.get(Recipe.derive(a, "late").key) as Recipe.Lookup), Option.some("up"))
  })

  it("says nothing of keys that nobody here provides, derived or not", () => {
    const stranger = Recipe.derive(fresh("stranger"), "optional")
    const { offers } = offered([], [])
    assert.isFalse(offers.has(stranger.key))
    assert.isUndefined(offers.get(stranger.key))
    assert.strictEqual(offers.size, 0)
  })

  it("is copied whole: all that is up, and two more for each that is provided", () => {
    const [a, b] = [fresh("copied/a"), fresh("copied/b")]
    const { offers } = offered([a.key, b.key], [a.key])
    const copy = new Map(offers)
    assert.strictEqual(copy.size, 5)
    assert.strictEqual(offers.size, copy.size)
    assert.deepStrictEqual([...offers.keys()], [...copy.keys()])
    assert.strictEqual([...offers.values()].length, copy.size)
    const told = new Map<string, unknown>()
    offers.forEach((service, key) => told.set(key, service))
    assert.deepStrictEqual([...told.keys()], [...copy.keys()])
    for (const copied of copy.keys())
      assert.isTrue(copied === a.key || copied.startsWith("test/Offers/copied/"), copied)
    // Somebody may derive keys of what was copied before.
    assert.deepStrictEqual(copy.get(Recipe.derive(a, "optional").key), Option.some(a.key))
    assert.deepStrictEqual(copy.get(Recipe.derive(b, "optional").key), Option.none())
  })

  it("tells a service that is null or undefined from one that is not there", () => {
    const a = fresh("nothing")
    const { byKey, offers } = offered([a.key], [])
    byKey.set(a.key, null)
    assert.isNull(offers.get(a.key))
    byKey.set(a.key, undefined)
    assert.isTrue(offers.has(a.key))
    assert.isUndefined(offers.get(a.key))
  })

  it.effect("is what a context of a boot is made of, alone and merged with others", () =>
    Effect.gen(function* () {
      const { part } = world()
      const gone = part("gone").pipe(Component.when("production"))
      const { services } = yield* Boot.make([part("a", { takes: 0 }), gone], { environment: "test" })
      const Outside = Context.Service<"outside", string>("test/Offers/outside")
      const merged = Context.merge(Context.make(Outside, "it"), services)
      for (const one of [services, merged, Context.add(services, Outside, "it")]) {
        assert.strictEqual(Context.get(one, key("a")).name, "a")
        const asked = one as Context.Context<Component.Optional<Part> | Component.Late<Part>>
        assert.isTrue(Option.isSome(Context.get(asked, Component.option(key("a")))))
        assert.isTrue(Option.isNone(Context.get(asked, Component.option(key("gone")))))
        assert.isTrue(Option.isNone(yield* Context.get(asked, Component.late(key("gone")))))
      }
    })
  )
})
