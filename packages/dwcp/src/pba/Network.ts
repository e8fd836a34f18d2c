/**
 * The LSTM and what its outputs mean, in plain typed arrays: one step for each value, the state carried along.
 *
 * **Details**
 *
 * An LSTM cell (Hochreiter & Schmidhuber 1997, with forget gate) over the inputs of Signals, and a linear read-out of state
 * and inputs. The outputs of a forecast are the weights of its anchors, a softmax, and a correction: so an untrained
 * network already forecasts the mean of the anchors, and a trained one stays among them unless it knows better.
 *
 * All weights are in one array: the cell by rows of input, forget, candidate and output gate, each over
 * `[hidden, inputs, 1]`, then the read-out by rows over the same.
 */
import type { Signals } from "./Signals.ts"
import { horizons, inputCount, lowAnchors, pointAnchors } from "./Signals.ts"

/** For each horizon the point, then for each the quantile: as many weights as anchors, and the correction. */
export const outputCount = horizons.length * (pointAnchors + 1 + lowAnchors + 1)
/** How large a correction of one is, in shares of the level. */
export const correction = 0.3

/** Numbers in `[hidden, inputs, 1]`. */
export const width = (hidden: number): number => hidden + inputCount + 1

export const parameterCount = (hidden: number): number => (4 * hidden + outputCount) * width(hidden)

/** Of one series: what the network carries from one value to the next. */
export interface State {
  readonly cell: Float64Array
  /** `[hidden, inputs, 1]`. */
  readonly seen: Float64Array
  readonly gates: Float64Array
  readonly outputs: Float64Array
}

export const state = (hidden: number): State => {
  const seen = new Float64Array(width(hidden))
  seen[seen.length - 1] = 1
  return {
    cell: new Float64Array(hidden),
    seen,
    gates: new Float64Array(4 * hidden),
    outputs: new Float64Array(outputCount)
  }
}

/** Takes the inputs of one value; `state.outputs` are then those for it. */
export const step = (parameters: Float64Array, { cell, gates, outputs, seen }: State, inputs: Float64Array): void => {
  const hidden = cell.length
  for (let i = 0; i < inputs.length; i++) seen[hidden + i] = squash(inputs[i]!)
  product(parameters, 0, seen, gates)
  for (let j = 0; j < hidden; j++) {
    const next = sigmoid(gates[hidden + j]!) * cell[j]! + sigmoid(gates[j]!) * Math.tanh(gates[2 * hidden + j]!)
    cell[j] = next
    seen[j] = sigmoid(gates[3 * hidden + j]!) * Math.tanh(next)
  }
  product(parameters, 4 * hidden * seen.length, seen, outputs)
}

/** Inputs are logarithms and small shares: what is further out is a freak. */
export const squash = (input: number): number => (input > 4 ? 4 : input > -4 ? input : -4)

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** `into = matrix · vector`; the matrix begins at `from`, by rows. */
export const product = (matrix: Float64Array, from: number, vector: Float64Array, into: Float64Array): void => {
  const n = vector.length
  const rows = into.length
  let row = 0
  let at = from
  // Four rows at a time: a number of the vector is then fetched once for four, and the sums do not wait for each other.
  for (; row + 3 < rows; row += 4, at += 4 * n) {
    const second = at + n
    const third = second + n
    const fourth = third + n
    let a = 0
    let b = 0
    let c = 0
    let d = 0
    for (let i = 0; i < n; i++) {
      const value = vector[i]!
      a += matrix[at + i]! * value
      b += matrix[second + i]! * value
      c += matrix[third + i]! * value
      d += matrix[fourth + i]! * value
    }
    into[row] = a
    into[row + 1] = b
    into[row + 2] = c
    into[row + 3] = d
  }
  for (; row < rows; row++, at += n) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += matrix[at + i]! * vector[i]!
    into[row] = sum
  }
}

/** Of the outputs: where those of a forecast begin. */
export const pointAt = (horizon: number): number => horizon * (pointAnchors + 1)
export const lowAt = (horizon: number): number => horizons.length * (pointAnchors + 1) + horizon * (lowAnchors + 1)

/** The point forecast of a horizon, in shares of the level. */
export const point = (outputs: Float64Array, signals: Signals, horizon: number): number =>
  Math.max(0, mixed(outputs, pointAt(horizon), signals.points[horizon]!))

/** The quantile, never above the point. */
export const low = (outputs: Float64Array, signals: Signals, horizon: number): number =>
  Math.max(0, mixed(outputs, lowAt(horizon), signals.lows[horizon]!))

const mixed = (outputs: Float64Array, from: number, anchors: Float64Array): number => {
  const n = anchors.length
  let most = -Infinity
  for (let i = 0; i < n; i++) if (outputs[from + i]! > most) most = outputs[from + i]!
  let total = 0
  let sum = 0
  for (let i = 0; i < n; i++) {
    const weight = Math.exp(outputs[from + i]! - most)
    total += weight
    sum += weight * anchors[i]!
  }
  return sum / total + correction * outputs[from + n]!
}
