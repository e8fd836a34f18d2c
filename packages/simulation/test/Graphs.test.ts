import { assert, describe, it } from "@effect/vitest"
import { type Manifest, Phase, Plan } from "@novacron/boot/model"
import { Result } from "effect"
import * as Graphs from "../src/Graphs.ts"
import * as Random from "../src/Random.ts"

const seeds = Array.from({ length: 500 }, (_, seed) => seed)
const graphOf = (seed: number, maxSize?: number) => Graphs.random(Random.make(seed), maxSize)

describe("a random graph", () => {
  it("is one that a plan accepts", () => {
    for (const seed of seeds) {
      const made = Plan.make(graphOf(seed), { environment: Graphs.environment, provided: new Set() })
      if (Result.isFailure(made)) assert.fail(`seed ${seed}: ${made.failure.message}`)
    }
  })

  it("is the same for the same seed", () => {
    for (const seed of seeds.slice(0, 50)) assert.deepStrictEqual(graphOf(seed), graphOf(seed))
  })

  it("has as many components as it may, from one up", () => {
    const sizes = new Set(seeds.map((seed) => graphOf(seed, 5).length))
    assert.deepStrictEqual(
      [...sizes].toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5]
    )
    assert.isAbove(Math.max(...seeds.map((seed) => graphOf(seed).length)), 50)
  })

  it("has everything that a manifest can say, somewhere", () => {
    const all = seeds.flatMap((seed) => graphOf(seed))
    const seen = (of: (manifest: Manifest.Manifest) => unknown) => new Set(all.map(of)).size
    assert.strictEqual(
      seen(({ phase }) => phase),
      Phase.all.length
    )
    assert.strictEqual(
      seen(({ severity }) => severity),
      3
    )
    assert.strictEqual(
      seen(({ environments }) => environments?.[0]),
      3
    )
    assert.strictEqual(
      seen(({ priority }) => priority),
      5
    )
    assert.strictEqual(
      seen(({ variants }) => variants.length),
      3
    )
    assert.strictEqual(new Set(all.flatMap(({ variants }) => variants.map(({ attempts }) => attempts))).size, 3)
    assert.strictEqual(new Set(all.flatMap(({ needs }) => needs.map(({ kind }) => kind))).size, 3)
    assert.isTrue(all.some(({ variants }) => variants[0].deadlineMs < Infinity))
  })

  it("has a fallback where degradation would otherwise fail the boot, and only warnings are optional", () => {
    for (const { optional, severity, variants } of seeds.flatMap((seed) => graphOf(seed))) {
      if (severity === "degraded") assert.isAbove(variants.length, 1)
      assert.strictEqual(optional, severity === "warning")
    }
  })

  it("comes with limits under which it can be booted", () => {
    for (const seed of seeds) {
      const { phases, slots } = Graphs.limits(Random.make(seed), 1 + (seed % 60))
      assert.isTrue(slots >= 1 && slots <= 1 + (seed % 60))
      for (const phase of Phase.all) assert.isAtMost(phases[phase].targetMs, phases[phase].maxMs)
    }
  })
})

describe("all graphs", () => {
  it("are as many as mathematics says", () => {
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4].map((n) => Graphs.labelledDags(n).length),
      [1, 1, 3, 25, 543]
    )
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4].map((n) => Graphs.allDags(n).length),
      [1, 1, 2, 6, 31]
    )
  })

  it("are all of them, up to the names", () => {
    // A shape has as many namings as there are orders, divided by those that make no difference.
    for (const n of [1, 2, 3, 4]) {
      const orders = Graphs.permutations(n).length
      const namings = Graphs.allDags(n).reduce((sum, dag) => sum + orders / Graphs.automorphisms(dag).length, 0)
      assert.strictEqual(namings, Graphs.labelledDags(n).length)
    }
  })

  it("need only what comes before", () => {
    for (const dag of Graphs.allDags(4)) dag.forEach((needs, i) => needs.forEach((need) => assert.isBelow(need, i)))
  })
})

describe("the reference graph", () => {
  const plan = Result.getOrThrow(Plan.make(Graphs.reference, { durationsMs: Graphs.referenceMs, provided: new Set() }))

  it("has nineteen components that take 487 ms, and a longest path of 227 ms", () => {
    assert.strictEqual(plan.components.length, 19)
    assert.strictEqual(
      Object.values(Graphs.referenceMs).reduce((sum, ms) => sum + ms, 0),
      487
    )
    assert.deepStrictEqual(Plan.criticalPath(plan), {
      totalMs: 227,
      path: ["config", "logger", "security", "database", "ml"]
    })
  })
})
