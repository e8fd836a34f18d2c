/** Experiments in a file, and what they make of the settings of a node. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Config, Experiment, Field } from "../src/index.ts"
import { blame, layer as world, write } from "./fixtures/shop.ts"

const definition = Config.define({
  name: "lab",
  schema: Schema.Struct({
    pool: Schema.Struct({
      min: Field.withDefault(Field.count, 5),
      max: Field.withDefault(Field.count, 50),
      acquire: Field.withDefault(Field.duration, "30s")
    }),
    password: Schema.optionalKey(Field.secret),
    experiments: Experiment.Settings
  }),
  constraints: [
    {
      keys: ["pool.min", "pool.max"],
      check: ({ pool: { max, min } }) => (min > max ? "min is more than max." : undefined)
    }
  ],
  experiments: "experiments"
})

const load = (text: string, options: Config.LoadOptions = {}) =>
  Effect.scoped(
    Effect.flatMap(write("lab.yaml", text), (file) => Config.load(definition, { node: "node-1", file, ...options }))
  )

const everybody = (set: string) => `
pool: { max: 20 }
experiments:
  pool_size:
    variants:
      forty: { set: ${set} }
`

layer(world)("an experiment in a file", (it) => {
  describe("gives its variant", () => {
    it.effect("to a node, stronger than the file and weaker than the environment and flags", () =>
      Effect.gen(function* () {
        const text = everybody("{ pool.max: 40, pool.acquire: 5s }")
        const loaded = yield* load(text)
        assert.strictEqual(loaded.settings.pool.max, 40)
        assert.deepStrictEqual(loaded.variants, { pool_size: "forty" })
        const [explained] = loaded.explain("pool.max")
        assert.deepStrictEqual(
          explained?.sources.map(({ place, value }) => `${place.replace(/.*\//, "")} ${value}`),
          ["forty 40", "lab.yaml:2:14 20", "default 50"]
        )
        assert.include(explained?.sources[0].place, "variant pool_size/forty")
        assert.strictEqual((yield* load(text, { environment: { LAB_POOL_MAX: "60" } })).settings.pool.max, 60)
        assert.strictEqual((yield* load(text, { flags: { "pool.max": "70" } })).settings.pool.max, 70)
      })
    )

    it.effect("to nobody without a name, and each node its own: both variants are somebody's", () =>
      Effect.gen(function* () {
        const text =
          "experiments:\n  x:\n    variants:\n      a: { set: { pool.max: 41 } }\n      b: { set: { pool.max: 42 } }\n"
        const found = new Set<number>()
        for (const node of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
          const { settings, variants, version } = yield* load(text, { node })
          assert.deepStrictEqual(variants, { x: settings.pool.max === 41 ? "a" : "b" })
          assert.deepInclude(yield* load(text, { node }), { version })
          found.add(settings.pool.max)
        }
        assert.sameMembers([...found], [41, 42])
        const path = yield* write("lab.yaml", text)
        const nobody = yield* Config.load(definition, { file: path })
        assert.deepStrictEqual([nobody.settings.pool.max, nobody.variants], [50, {}])
      }).pipe(Effect.scoped)
    )
  })

  describe("is refused as a whole, on every node,", () => {
    const cases: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
      ["when a variant sets what is not allowed", "{ pool.max: many }", ["NVC-1004 pool.max Variant"]],
      ["when a variant breaks a rule between keys", "{ pool.max: 2 }", ["NVC-1006 pool.min Variant"]],
      ["when a variant sets what does not exist", "{ pool.maximum: 2 }", ["NVC-1018 pool.maximum Variant"]],
      ["when a variant sets a section", "{ pool: 2 }", ["NVC-1018 pool Variant"]],
      ["when a variant sets a secret", "{ password: open }", ["NVC-1018 password Variant"]],
      [
        "when a variant sets an experiment",
        "{ experiments.pool_size.share: 3 }",
        ["NVC-1018 experiments.pool_size.share Variant"]
      ]
    ]
    for (const [when, set, expected] of cases) {
      it.effect(when, () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* blame(load(everybody(set))), expected)
          // Also on a node that would never get it.
          const apart = everybody(set).replace("pool_size:", "pool_size:\n    share: 0")
          assert.deepStrictEqual(yield* blame(load(apart)), expected)
        })
      )
    }

    it.effect("when another one sets the same key", () =>
      Effect.gen(function* () {
        const one = (max: number) => `{ variants: { a: { set: { pool.max: ${max} } } } }`
        const two = `experiments:\n  x: ${one(41)}\n  y: ${one(42)}\n`
        assert.deepStrictEqual(yield* blame(load(two)), ["NVC-1018 pool.max"])
      })
    )

    it.effect("and what was wrong before is told once, and not as the fault of a variant", () =>
      Effect.gen(function* () {
        const text = everybody("{ pool.max: 40 }").replace("{ max: 20 }", "{ max: 20, min: 30, acquire: soon }")
        assert.deepStrictEqual(yield* blame(load(text, { node: "other" })), ["NVC-1004 pool.acquire 2:36"])
      })
    )
  })
})
