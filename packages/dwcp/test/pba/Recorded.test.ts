import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { classical } from "../../../../test/benchmarks/controlPlane/baselines.ts"
import * as Traces from "../../../../test/benchmarks/controlPlane/traces.ts"
import * as Model from "../../src/pba/Model.ts"
import * as Series from "../../src/pba/Series.ts"

const root = join(import.meta.dirname, "../../../..")
const reason = "the recorded data is not beside the repository"

/** Mean absolute error of h1 over the mean, from the 33rd value on; the mean of the series. */
const errorOf = (traces: ReadonlyArray<Traces.Trace>, model: Model.Model | undefined): number => {
  const errors = traces.map(({ dt, v }) => {
    const series = Series.make(dt, model)
    let [error, total] = [0, 0]
    for (const [i, value] of v.entries()) {
      const { h1 } = series.push(value)
      const next = v[i + 1]
      if (i < 32 || next === undefined) continue
      error += Math.abs(next - h1)
      total += next
    }
    return error / total
  })
  return errors.reduce((sum, error) => sum + error, 0) / errors.length
}

describe("on recorded links", () => {
  it.runIf(Traces.present())(
    `of mobile and fixed lines, walking forward, errors are below those of the best EWMA, and of every classical (if not: ${reason})`,
    { timeout: 60_000 },
    () => {
      // It has not learned from what it is judged by.
      const model = Result.getOrThrow(Model.read(join(root, "test/benchmarks/controlPlane/heldOut.bin")))
      const { held, seen } = Traces.split()
      let ratio = 0
      for (const name of ["hsdpa", "fcc"] as const) {
        const [from, judged] = [seen, held].map((traces) => traces.filter(({ set }) => set === name))
        assert.isAtLeast(judged!.length, 10)
        const ours = errorOf(judged!, model)
        const best = classical(from!, judged!).points[0]!
        assert.isBelow(ours, 1.02 * best.value, `${name}: ${best.name}`)
        assert.isAbove(1 - ours, 0.7)
        ratio += ours / best.value / 2
      }
      assert.isBelow(ratio, 0.97)
    }
  )

  it.runIf(Traces.present())(`the classical experts alone are no worse than the last value (if not: ${reason})`, () => {
    const held = Traces.split().held.filter(({ set }) => set === "fcc" || set === "geant")
    const last = held.map(({ v }) => {
      let [error, total] = [0, 0]
      for (let i = 32; i + 1 < v.length; i++) {
        error += Math.abs(v[i + 1]! - v[i]!)
        total += v[i + 1]!
      }
      return error / total
    })
    assert.isAtMost(errorOf(held, undefined), last.reduce((sum, error) => sum + error, 0) / last.length)
  })
})
