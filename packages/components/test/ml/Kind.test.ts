import { assert, describe, it } from "@effect/vitest"
import { Pba } from "@novacron/dwcp"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Kind from "../../src/ml/Kind.ts"

const shipped = () => Result.getOrThrow(Pba.Model.read(Pba.Model.shipped()))
const placement = Kind.placement()

const node = (id: string, cpu: number, more = {}) => ({
  node: { id, cpu: 8, memory: 8, ...more },
  free: { cpu, memory: 8 }
})

describe("the bandwidth model", () => {
  it("passes its test, and beats the mean of the last ten on a series that rises", () => {
    const model = shipped()
    assert.isUndefined(Kind.bandwidth.test(model))
    let [ours, theirs] = [0, 0]
    const series = Array.from({ length: 120 }, (_, k) => 1e6 + 2e4 * k + 3e4 * Math.sin(k))
    for (let k = 60; k < 119; k++) {
      const history = { values: series.slice(0, k) }
      ours += Math.abs(Kind.bandwidth.infer(model, history).h1 - (series[k] ?? 0))
      theirs += Math.abs(Kind.bandwidth.without(history).h1 - (series[k] ?? 0))
    }
    assert.isBelow(ours, theirs)
  })

  it("is told from one that makes no sense by its test", () => {
    const { hidden, networks } = shipped()
    for (const change of [() => Number.NaN, (weight: number) => -weight, (weight: number) => 1_000 * weight]) {
      const mad = { hidden, id: "mad", networks: networks.map((network) => network.map(change)) }
      assert.strictEqual(Kind.bandwidth.test(mad), "in a test forecast it was far off")
    }
  })

  it("is stood in for by the mean of the last ten values that are any", () => {
    const values = [1e9, 1e9, ...Array.from({ length: 9 }, () => 10), Number.NaN]
    assert.deepStrictEqual(Kind.bandwidth.without({ values }), { h1: 10, h5: 10, p10h1: 10, p10h5: 10 })
    assert.strictEqual(Kind.bandwidth.without({ values: [] }).h1, 0)
  })

  it("forecasts something sane whatever it is given", () => {
    const model = shipped()
    fc.assert(
      fc.property(fc.array(fc.double(), { maxLength: 70 }), (values) => {
        for (const forecast of [Kind.bandwidth.infer(model, { values }), Kind.bandwidth.without({ values })]) {
          for (const value of Object.values(forecast)) if (!(value >= 0)) return false
        }
        return true
      }),
      { numRuns: 50 }
    )
  })
})

describe("the placement model", () => {
  const task = { id: "t", cpu: 2, memory: 2 }
  const weights = (file: object) =>
    Result.getOrThrow(placement.decode(Buffer.from(JSON.stringify({ format: 1, weights: file })), "f"))

  it("ranks the nodes that keep the constraints, by what counts for it", () => {
    const nodes = [
      node("full", 2),
      node("slow", 8, { performance: 0.5 }),
      node("fast", 8, { performance: 4 }),
      node("tiny", 1)
    ]
    const choice = { environment: "datacenter", task, nodes } as const
    assert.deepStrictEqual(placement.infer(weights({ packing: 1 }), choice), ["full", "fast", "slow"])
    assert.deepStrictEqual(placement.infer(weights({ performance: 1 }), choice), ["fast", "full", "slow"])
  })

  it("is stood in for by nodes that take turns", () => {
    const choice = { environment: "datacenter", task, nodes: [node("a", 8), node("no", 1), node("b", 8)] } as const
    const first = Array.from({ length: 4 }, () => placement.without(choice)[0])
    assert.deepStrictEqual(first, ["a", "b", "a", "b"])
    assert.deepStrictEqual(placement.without({ ...choice, nodes: [] }), [])
  })

  it("is refused when it is none, or counts nothing", () => {
    for (const text of ["", "[]", '{"format":2,"weights":{}}', '{"format":1,"weights":{"packing":-1}}']) {
      assert.isTrue(Result.isFailure(placement.decode(Buffer.from(text), "f")), text)
    }
    assert.strictEqual(placement.test(weights({})), "no term counts anything")
    assert.isUndefined(placement.test(weights({ packing: 0.5 })))
  })

  it("never ranks a node that has no room", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 20 }), (cpus) => {
        const nodes = cpus.map((cpu, k) => node(`n${k}`, cpu))
        const choice = { environment: "datacenter", task, nodes } as const
        const fit = nodes.filter(({ free }) => free.cpu >= 2).map(({ node: { id } }) => id)
        assert.sameMembers([...placement.infer(weights({ packing: 1 }), choice)], fit)
        assert.sameMembers([...placement.without(choice)], fit)
      })
    )
  })
})
