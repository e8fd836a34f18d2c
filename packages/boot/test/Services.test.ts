import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Result } from "effect"
import * as Boot from "../src/Boot.ts"
import * as Component from "../src/Component.ts"
import * as Preparation from "../src/Preparation.ts"
import type * as Recipe from "../src/Recipe.ts"
import { Services } from "../src/Services.ts"
import { key, type Part, type Shape, world } from "./fixtures/parts.ts"

const shape = (name: string): Shape => ({
  name,
  answer: Effect.succeed(name),
  call: () => Effect.succeed(name)
})

/** The services of some components, of which those that were installed are up. */
const servicesOf = (components: ReadonlyArray<Component.Any>, env: Context.Context<never> = Context.empty()) => {
  const terms = { environment: "development", durationsMs: undefined, outside: () => env.mapUnsafe }
  const given = components.map(({ recipe }) => recipe)
  const preparation = Result.getOrThrow(Preparation.make(given, terms))
  const { plan, recipes } = preparation
  const up = new Set<number>()
  const services = new Services(preparation, env, (i) => up.has(i))
  const at = (name: string) => plan.index.get(name)!
  return {
    services,
    at,
    install: (name: string, service: unknown, variant = 0) => {
      up.add(at(name))
      return services.install(at(name), recipes[at(name)]!.builds[variant]!, service)
    },
    sees: (name: string, wanted: Recipe.AnyKey) => Context.getOrUndefined(services.contextOf(at(name)), wanted)
  }
}

describe("Services", () => {
  const { part } = world()

  it("give a component what it declared, the environment, and nothing that it did not declare", () => {
    const outside = Context.make(key("outside"), shape("outside")) as Context.Context<never>
    const it = servicesOf([part("a"), part("b"), part("c", { needs: ["a", "outside"] })], outside)
    it.install("a", shape("a"))
    it.install("b", shape("b"))
    assert.deepStrictEqual(it.sees("c", key("a")), it.services.byKey.get("a"))
    assert.strictEqual((it.sees("c", key("outside")) as Shape).name, "outside")
    assert.isUndefined(it.sees("c", key("b")))
  })

  it.effect("answer for what may be absent by what is up at that moment", () =>
    Effect.gen(function* () {
      const soft = { also: [Component.option(key("a")), Component.late(key("a"))] }
      const it = servicesOf([part("a"), part("b", soft)])
      assert.deepStrictEqual(it.sees("b", Component.option(key("a"))), Option.none())
      const late = it.sees("b", Component.late(key("a"))) as Recipe.Lookup
      assert.deepStrictEqual(yield* late, Option.none())
      it.install("a", shape("a"))
      assert.deepStrictEqual(yield* late, Option.some(it.services.byKey.get("a")))
      assert.deepStrictEqual(it.sees("b", Component.option(key("a"))), Option.some(it.services.byKey.get("a")))
    })
  )

  it("take an option from outside when no component provides it, and from inside when one does", () => {
    const option = Component.option(key("a"))
    const outside = Context.make(option, Option.some(shape("outside"))) as Context.Context<never>
    const needy = part("needy", { also: [option] })
    const name = (found: unknown) => Option.map(found as Option.Option<Shape>, (it) => it.name)
    assert.deepStrictEqual(name(servicesOf([needy], outside).sees("needy", option)), Option.some("outside"))
    assert.deepStrictEqual(name(servicesOf([needy, part("a")], outside).sees("needy", option)), Option.none())
  })

  it.effect("put a face before what has a fallback, and exchange what is behind it", () =>
    Effect.gen(function* () {
      const cache = part("redis", { as: "cache", severity: "Degraded" }).pipe(
        Component.fallback(part("memory", { as: "cache" }))
      )
      const it = servicesOf([cache, part("plain")])
      const plain = shape("plain")
      assert.deepStrictEqual(it.install("plain", plain), [])
      assert.strictEqual(it.services.byKey.get("plain"), plain)
      assert.deepStrictEqual(it.install("redis", shape("memory"), 1), [])
      const face = it.services.byKey.get("cache") as Shape
      const [before] = it.install("redis", shape("redis"))
      assert.strictEqual(it.services.byKey.get("cache"), face)
      assert.strictEqual(yield* face.answer, "redis")
      assert.strictEqual((before!.service as Shape).name, "memory")
    })
  )

  it("answer whoever uses the boot as they answer its components", () => {
    const it = servicesOf([part("a"), part("gone", { severity: "Warning" }).pipe(Component.optional)])
    it.install("a", shape("a"))
    const all = Context.makeUnsafe<Component.Provided<Part>>(it.services.offers)
    const name = (found: Option.Option<Shape>) => Option.map(found, ({ name }) => name)
    assert.strictEqual(Context.get(all, key("a")).name, "a")
    assert.deepStrictEqual(name(Context.get(all, Component.option(key("a")))), Option.some("a"))
    assert.deepStrictEqual(name(Context.get(all, Component.option(key("gone")))), Option.none())
    it.install("gone", shape("gone"))
    assert.deepStrictEqual(name(Context.get(all, Component.option(key("gone")))), Option.some("gone"))
    it.services.withdraw(it.at("gone"))
    assert.isTrue(Option.isNone(Context.getOption(all, key("gone"))))
  })

  it.effect("are there although they are undefined: a migration offers nothing but having been done", () =>
    Effect.gen(function* () {
      class Migrated extends Context.Service<Migrated, void>()("test/migrated") {}
      const option = Component.option(Migrated)
      const needs = [Migrated, option] as const
      const start = Effect.gen(function* () {
        yield* Migrated
        assert.deepStrictEqual(yield* option, Option.some(undefined))
        return shape("api")
      })
      const migrated = Component.make(Migrated, { start: Effect.void, health: () => Effect.void })
      const layer = Component.fromLayer(Migrated, Layer.effect(Migrated, Effect.void))
      const api = Component.make(key("api"), { needs, start, health: ({ answer }) => answer })
      for (const one of [migrated, layer, Component.group("group", [migrated])]) {
        const { services } = yield* Boot.make([one, api])
        assert.isUndefined(Context.get(services, Migrated))
        assert.strictEqual(yield* Context.get(services, key("api")).answer, "api")
      }
      const alone = Layer.build(api.layer.pipe(Layer.provide(migrated.layer)))
      assert.strictEqual(yield* Context.get(yield* alone, key("api")).answer, "api")
    })
  )

  it("know what is missing although its group is up, and find it once it is there", () => {
    const extra = part("extra", { severity: "Warning" }).pipe(Component.optional)
    const group = Component.group("group", [part("vital"), extra])
    const it = servicesOf([group, part("needy", { needs: ["extra"] }), part("content", { needs: ["vital"] })])
    const members = new Map<string, unknown>([["vital", shape("vital")]])
    it.install("group", Context.makeUnsafe(members))
    assert.deepStrictEqual(it.services.missing(it.at("needy")), { key: "extra", provider: "group" })
    assert.isUndefined(it.services.missing(it.at("content")))
    members.set("extra", shape("extra"))
    assert.isUndefined(it.services.missing(it.at("needy")))
    assert.strictEqual((it.sees("needy", key("extra")) as Shape).name, "extra")
  })
})
