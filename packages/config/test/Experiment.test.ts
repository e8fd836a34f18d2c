import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import * as Experiment from "../src/Experiment.ts"

const experiment = Schema.decodeUnknownSync(Experiment.Experiment)
const nodes = Array.from({ length: 10_000 }, (_, i) => `node-${i}`)

/** How many of the nodes get each variant, and how many none. */
const split = (name: string, one: Experiment.Experiment): { readonly [variant: string]: number } => {
  const counts: { [variant: string]: number } = {}
  for (const node of nodes) {
    const variant = Experiment.variantOf(name, one, node) ?? "none"
    counts[variant] = (counts[variant] ?? 0) + 1
  }
  return counts
}

const thirds = { control: {}, forty: { weight: 1 }, eighty: { weight: 2 } }

describe("an experiment", () => {
  it("splits nodes by its weights, within one in a hundred", () => {
    const counts = split("pool", experiment({ variants: thirds }))
    assert.strictEqual(counts["none"], undefined)
    for (const [variant, expected] of Object.entries({ control: 2_500, forty: 2_500, eighty: 5_000 })) {
      assert.approximately(counts[variant] ?? 0, expected, 100, variant)
    }
  })

  it("takes the share that it says, and a larger one leaves everybody where he was", () => {
    const [small, large] = [10, 60].map((share) => experiment({ share, variants: thirds }))
    assert.approximately(split("pool", small!)["none"] ?? 0, 9_000, 100)
    assert.approximately(split("pool", large!)["none"] ?? 0, 4_000, 150)
    for (const node of nodes) {
      const before = Experiment.variantOf("pool", small!, node)
      if (before !== undefined) assert.strictEqual(Experiment.variantOf("pool", large!, node), before)
    }
  })

  it("gives a node the same variant whatever the order in which variants are written", () => {
    const name = fc.string({ minLength: 1, maxLength: 8 }).filter((it) => it !== "__proto__")
    const variants = fc.dictionary(name, fc.record({ weight: fc.integer({ min: 1, max: 9 }) }), { minKeys: 1 })
    fc.assert(
      fc.property(variants, fc.string(), (variants, node) => {
        const one = experiment({ variants })
        const other = experiment({ variants: Object.fromEntries(Object.entries(variants).toReversed()) })
        const variant = Experiment.variantOf("x", one, node)
        assert.strictEqual(Experiment.variantOf("x", other, node), variant)
        assert.isTrue(variant !== undefined && Object.hasOwn(variants, variant))
      })
    )
  })

  it("tells nothing about another one: each half of the one is split in half by the other", () => {
    const one = experiment({ variants: { a: {}, b: {} } })
    const both = nodes.filter(
      (node) => Experiment.variantOf("x", one, node) === "a" && Experiment.variantOf("y", one, node) === "a"
    )
    assert.approximately(both.length, 2_500, 125)
  })

  it("has nobody when it is stopped, has no share, or no variants", () => {
    for (const none of [{ stopped: true, variants: thirds }, { share: 0, variants: thirds }, { variants: {} }]) {
      assert.deepStrictEqual(split("pool", experiment(none)), { none: nodes.length })
    }
  })

  it("is named with others that set the same key", () => {
    const set = { set: { "a.b": 1 } }
    const all = Experiment.every({
      x: experiment({ variants: { v: set, w: set } }),
      y: experiment({ variants: { v: set } })
    })
    assert.deepStrictEqual([...Experiment.contested(all)], [["a.b", ["x", "y"]]])
    assert.deepStrictEqual([...Experiment.contested(all.filter((it) => it.experiment === "x"))], [])
  })
})
