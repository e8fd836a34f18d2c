import { assert, describe, it } from "@effect/vitest"
import * as Network from "../../src/pba/Network.ts"
import * as Signals from "../../src/pba/Signals.ts"
import * as Training from "../../src/pba/Training.ts"
import * as series from "./fixtures/series.ts"

const hidden = 5

describe("the network", () => {
  it("computes an LSTM as it is written in the books", () => {
    const random = Training.chance(4)
    const parameters = Training.initial(hidden, random).map((value) => 3 * value)
    const state = Network.state(hidden)
    const width = Network.width(hidden)
    const sum = (row: number, z: ReadonlyArray<number>) =>
      z.reduce((total, value, i) => total + value * parameters[row * width + i]!, 0)
    const logistic = (x: number) => 1 / (1 + Math.exp(-x))
    let [h, c] = [Array.from({ length: hidden }, () => 0), Array.from({ length: hidden }, () => 0)]
    for (let t = 0; t < 6; t++) {
      const inputs = Float64Array.from({ length: Signals.inputCount }, () => 4 * random() - 2)
      Network.step(parameters, state, inputs)
      const z = [...h, ...inputs, 1]
      const gate = (k: number, j: number) => sum(k * hidden + j, z)
      c = c.map((value, j) => logistic(gate(1, j)) * value + logistic(gate(0, j)) * Math.tanh(gate(2, j)))
      h = c.map((value, j) => logistic(gate(3, j)) * Math.tanh(value))
      for (let o = 0; o < Network.outputCount; o++) {
        assert.closeTo(state.outputs[o]!, sum(4 * hidden + o, [...h, ...inputs, 1]), 1e-9)
      }
    }
  })

  it("forecasts the mean of its anchors while its weights are zero", () => {
    const signals = Signals.make(1)
    for (const value of series.link(2, 80)) signals.push(value)
    const state = Network.state(hidden)
    Network.step(new Float64Array(Network.parameterCount(hidden)), state, signals.inputs)
    const mean = (anchors: Float64Array) => anchors.reduce((sum, value) => sum + value, 0) / anchors.length
    for (const k of [0, 1]) {
      assert.closeTo(Network.point(state.outputs, signals, k), mean(signals.points[k]!), 1e-12)
      assert.closeTo(Network.low(state.outputs, signals, k), mean(signals.lows[k]!), 1e-12)
    }
  })

  it("limits inputs that are far out", () => {
    assert.deepStrictEqual([-1e9, -1, 0.5, 1e9, Number.NaN].map(Network.squash), [-4, -1, 0.5, 4, -4])
  })
})
