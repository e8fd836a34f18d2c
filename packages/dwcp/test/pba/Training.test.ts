import { assert, describe, it } from "@effect/vitest"
import * as Network from "../../src/pba/Network.ts"
import * as Training from "../../src/pba/Training.ts"
import * as series from "./fixtures/series.ts"

const hidden = 4
const weights = [1, 0.7, 2, 1.5]
const options = { seed: 5, hidden: 6, updates: 250, lanes: [4], steps: 16, rate: 0.01, decay: 0.01 }

/** Nothing but a wave: what comes next is plain, but not from the last value. */
const wave = (phase: number): Array<number> => Array.from({ length: 300 }, (_, i) => 10 + 6 * Math.sin(i / 2 + phase))

describe("training", () => {
  it("follows the slope that finite differences measure", () => {
    const random = Training.chance(3)
    const example = Training.example(series.link(1, 60), 300, weights)
    const parameters = Training.initial(hidden, random).map((value) => 2 * value)
    const loss = (given: Float64Array, gradient = new Float64Array(given.length)): number => {
      const lane = {
        example,
        at: 20,
        cell: new Float64Array(hidden).fill(0.1),
        hidden: new Float64Array(hidden).fill(-0.2)
      }
      return Training.stretch(given, lane, 12, Training.tape(hidden, 12), gradient)
    }
    const gradient = new Float64Array(parameters.length)
    loss(parameters, gradient)
    assert.isAbove(Math.max(...gradient), 0)
    for (let k = 0; k < 300; k++) {
      const i = Math.floor(random() * parameters.length)
      const moved = (by: number) => loss(parameters.map((value, j) => (j === i ? value + by : value)))
      const measured = (moved(1e-5) - moved(-1e-5)) / 2e-5
      assert.closeTo(gradient[i]!, measured, 1e-4 * (0.01 + Math.abs(measured)))
    }
  })

  it("gives the same numbers for the same seed, and others for another", () => {
    const sets = [[Training.example(wave(0), 1, weights)], [Training.example(series.link(1, 200), 1, weights)]]
    const trained = (seed: number) =>
      Training.train(sets, { ...options, seed, lanes: [2, 2], updates: 20 }, () => undefined)
    assert.deepStrictEqual(trained(5), trained(5))
    assert.notDeepEqual(trained(5), trained(6))
  })

  it("comes to forecast what can be learned", () => {
    const sets = [[0, 1, 2, 3].map((phase) => Training.example(wave(phase), 1, weights))]
    const losses: Array<number> = []
    const watch = (_: number, loss: number) => void losses.push(loss)
    const parameters = Training.train(sets, { ...options, updates: 750 }, watch)
    assert.strictEqual(parameters.length, Network.parameterCount(options.hidden))
    assert.strictEqual(losses.length, 3)
    assert.isBelow(losses[2]!, 0.5 * losses[0]!)
  })

  it("reads no target past the end of a series", () => {
    const example = Training.example([1, 2, 3, 4, 5, 6, 7], 1, weights)
    assert.deepStrictEqual(
      Array.from({ length: 7 }, (_, i) => [0, 1].map((k) => Number.isNaN(example.targets[2 * i + k]!))),
      [
        [false, false],
        [false, false],
        [false, true],
        [false, true],
        [false, true],
        [false, true],
        [true, true]
      ]
    )
  })
})
