/**
 * Trains the network: backpropagation through time and Adam, by hand in typed arrays, the same numbers for the same seed.
 *
 * **Details**
 *
 * What is minimised is what forecasts are judged by: the mean absolute error of the points and the pinball loss of the 10 %
 * quantiles, relative to the mean of the series and weighted per set. Lanes walk through series from value to value with
 * their state carried on, as in use; gradients go back to the beginning of the current stretch. Adam: Kingma & Ba 2015.
 */
import * as Network from "./Network.ts"
import * as Signals from "./Signals.ts"

/** A series made ready: all that the network sees at each step, and what came of it. */
export interface Example {
  readonly length: number
  readonly inputs: Float32Array
  /** For each step the point anchors of each horizon, then the anchors of the quantiles, shares of the level. */
  readonly anchors: Float32Array
  /** For each step the value of each horizon as a share of the level; NaN where the series ends before. */
  readonly targets: Float32Array
  /** For each step what an error of one level costs: the level over the mean of the series. */
  readonly costs: Float32Array
  /** How much the loss of each forecast counts: points, then quantiles. */
  readonly weights: ReadonlyArray<number>
}

const perStep = Signals.horizons.length * (Signals.pointAnchors + Signals.lowAnchors)
const kinds = 2 * Signals.horizons.length
/** The first values say too little. */
export const warmUp = 16

export const example = (values: ReadonlyArray<number>, seconds: number, weights: ReadonlyArray<number>): Example => {
  const length = values.length
  const floats = (n: number) => new Float32Array(new SharedArrayBuffer(4 * n * length))
  const made = {
    length,
    inputs: floats(Signals.inputCount),
    anchors: floats(perStep),
    targets: floats(Signals.horizons.length),
    costs: floats(1),
    weights
  }
  const signals = Signals.make(seconds)
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, length) + 1e-12
  for (let i = 0; i < length; i++) {
    signals.push(values[i]!)
    const scale = signals.scale()
    made.inputs.set(signals.inputs, i * Signals.inputCount)
    let at = i * perStep
    for (const anchors of [...signals.points, ...signals.lows]) {
      made.anchors.set(anchors, at)
      at += anchors.length
    }
    for (const [k, steps] of Signals.horizons.entries()) {
      const value = values[i + steps]
      made.targets[i * Signals.horizons.length + k] = value === undefined ? Number.NaN : value / scale
    }
    made.costs[i] = scale / mean
  }
  return made
}

/** What one stretch of one lane needs to go back through. */
export interface Tape {
  readonly hidden: number
  readonly seen: Array<Float64Array>
  readonly read: Array<Float64Array>
  readonly gates: Array<Float64Array>
  readonly cells: Array<Float64Array>
  readonly slopes: Array<Float64Array>
}

export const tape = (hidden: number, steps: number): Tape => {
  const many = (n: number, size: number) => Array.from({ length: n }, () => new Float64Array(size))
  const width = Network.width(hidden)
  return {
    hidden,
    seen: many(steps, width),
    read: many(steps, width),
    gates: many(steps, 4 * hidden),
    cells: many(steps + 1, hidden),
    slopes: many(steps, Network.outputCount)
  }
}

/** State of a lane: where it is, and what the network carries. */
export interface Lane {
  example: Example
  at: number
  readonly cell: Float64Array
  readonly hidden: Float64Array
}

/**
 * The loss of the next `steps` of a lane, which moves on; its gradient is added to `gradient`.
 */
export const stretch = (
  parameters: Float64Array,
  lane: Lane,
  steps: number,
  { cells, gates, hidden, read, seen, slopes }: Tape,
  gradient: Float64Array
): number => {
  const width = Network.width(hidden)
  const { example } = lane
  const readAt = 4 * hidden * width
  const outputs = new Float64Array(Network.outputCount)
  let loss = 0
  cells[0]!.set(lane.cell)
  for (let t = 0; t < steps; t++) {
    const i = lane.at + t
    const z = seen[t]!
    z.set(t === 0 ? lane.hidden : read[t - 1]!.subarray(0, hidden))
    for (let k = 0; k < Signals.inputCount; k++) {
      z[hidden + k] = Network.squash(example.inputs[i * Signals.inputCount + k]!)
    }
    z[width - 1] = 1
    const g = gates[t]!
    Network.product(parameters, 0, z, g)
    const [before, after, o] = [cells[t]!, cells[t + 1]!, read[t]!]
    o.set(z)
    for (let j = 0; j < hidden; j++) {
      g[j] = Network.sigmoid(g[j]!)
      g[hidden + j] = Network.sigmoid(g[hidden + j]!)
      g[2 * hidden + j] = Math.tanh(g[2 * hidden + j]!)
      g[3 * hidden + j] = Network.sigmoid(g[3 * hidden + j]!)
      after[j] = g[hidden + j]! * before[j]! + g[j]! * g[2 * hidden + j]!
      o[j] = g[3 * hidden + j]! * Math.tanh(after[j]!)
    }
    Network.product(parameters, readAt, o, outputs)
    loss += judge(example, i, outputs, slopes[t]!)
  }
  backward(parameters, steps, { cells, gates, hidden, read, seen, slopes }, gradient)
  lane.cell.set(cells[steps]!)
  lane.hidden.set(read[steps - 1]!.subarray(0, hidden))
  lane.at += steps
  return loss
}

/** The loss of one step, and its slope in each output. */
const judge = (example: Example, i: number, outputs: Float64Array, slopes: Float64Array): number => {
  slopes.fill(0)
  if (i < warmUp) return 0
  const nh = Signals.horizons.length
  let loss = 0
  let from = 0
  let at = i * perStep
  for (let kind = 0; kind < kinds; kind++) {
    const low = kind >= nh
    const n = low ? Signals.lowAnchors : Signals.pointAnchors
    const target = example.targets[i * nh + (kind % nh)]!
    if (!Number.isNaN(target)) {
      let most = -Infinity
      for (let a = 0; a < n; a++) if (outputs[from + a]! > most) most = outputs[from + a]!
      let total = 0
      let mean = 0
      for (let a = 0; a < n; a++) {
        const weight = Math.exp(outputs[from + a]! - most)
        slopes[from + a] = weight
        total += weight
        mean += weight * example.anchors[at + a]!
      }
      mean /= total
      const error = target - (mean + Network.correction * outputs[from + n]!)
      const worth = example.costs[i]! * example.weights[kind]!
      const slope = low ? (error >= 0 ? 0.1 : -0.9) : error >= 0 ? 1 : -1
      loss += worth * slope * error
      for (let a = 0; a < n; a++) {
        const share = slopes[from + a]! / total
        slopes[from + a] = -worth * slope * share * (example.anchors[at + a]! - mean)
      }
      slopes[from + n] = -worth * slope * Network.correction
    }
    from += n + 1
    at += n
  }
  return loss
}

/** Back through the steps; then the gradient row by row, each of which stays near while it is added to. */
const backward = (
  parameters: Float64Array,
  steps: number,
  { cells, gates, hidden, read, seen, slopes }: Tape,
  gradient: Float64Array
): void => {
  const width = Network.width(hidden)
  const readAt = 4 * hidden * width
  const dHidden = new Float64Array(hidden)
  const dCell = new Float64Array(hidden)
  for (let t = steps - 1; t >= 0; t--) {
    transposed(parameters, readAt, width, slopes[t]!, dHidden)
    const [g, before, after] = [gates[t]!, cells[t]!, cells[t + 1]!]
    // The gates are not needed again: their slopes take their place.
    for (let j = 0; j < hidden; j++) {
      const i = g[j]!
      const f = g[hidden + j]!
      const c = g[2 * hidden + j]!
      const out = g[3 * hidden + j]!
      const bent = Math.tanh(after[j]!)
      const d = dCell[j]! + dHidden[j]! * out * (1 - bent * bent)
      g[j] = d * c * i * (1 - i)
      g[hidden + j] = d * before[j]! * f * (1 - f)
      g[2 * hidden + j] = d * i * (1 - c * c)
      g[3 * hidden + j] = dHidden[j]! * bent * out * (1 - out)
      dCell[j] = d * f
    }
    dHidden.fill(0)
    transposed(parameters, 0, width, g, dHidden)
  }
  gather(gradient, 0, steps, gates, seen)
  gather(gradient, readAt, steps, slopes, read)
}

/** Adds the product of the transposed matrix, its first columns, with the slopes of its rows. */
const transposed = (
  matrix: Float64Array,
  from: number,
  width: number,
  slopes: Float64Array,
  into: Float64Array
): void => {
  const n = into.length
  const rows = slopes.length
  let row = 0
  // Four at a time: what is added to is then fetched and kept once for four.
  for (let at = from; row + 3 < rows; row += 4, at += 4 * width) {
    const a = slopes[row]!
    const b = slopes[row + 1]!
    const c = slopes[row + 2]!
    const d = slopes[row + 3]!
    const second = at + width
    const third = second + width
    const fourth = third + width
    for (let j = 0; j < n; j++) {
      into[j]! += a * matrix[at + j]! + b * matrix[second + j]! + (c * matrix[third + j]! + d * matrix[fourth + j]!)
    }
  }
  for (; row < rows; row++) {
    const [slope, at] = [slopes[row]!, from + row * width]
    for (let j = 0; j < n; j++) into[j]! += slope * matrix[at + j]!
  }
}

/** Adds, for each row, its slopes times what it was given, over all steps. */
const gather = (
  gradient: Float64Array,
  from: number,
  steps: number,
  slopes: ReadonlyArray<Float64Array>,
  given: ReadonlyArray<Float64Array>
): void => {
  const [rows, width] = [slopes[0]!.length, given[0]!.length]
  for (let row = 0, at = from; row < rows; row++, at += width) {
    let t = 0
    for (; t + 3 < steps; t += 4) {
      const a = slopes[t]![row]!
      const b = slopes[t + 1]![row]!
      const c = slopes[t + 2]![row]!
      const d = slopes[t + 3]![row]!
      const first = given[t]!
      const second = given[t + 1]!
      const third = given[t + 2]!
      const fourth = given[t + 3]!
      for (let j = 0; j < width; j++) {
        gradient[at + j]! += a * first[j]! + b * second[j]! + (c * third[j]! + d * fourth[j]!)
      }
    }
    for (; t < steps; t++) {
      const [slope, values] = [slopes[t]![row]!, given[t]!]
      for (let j = 0; j < width; j++) gradient[at + j]! += slope * values[j]!
    }
  }
}

export interface Options {
  readonly seed: number
  readonly hidden: number
  readonly updates: number
  /** How many lanes walk through each set. */
  readonly lanes: ReadonlyArray<number>
  readonly steps: number
  /** The first rate of Adam; it falls to a fiftieth along a cosine. */
  readonly rate: number
  /** Weights shrink by this share with each update, times the rate. */
  readonly decay: number
}

/** Lanes keep to their set; within it examples are equally likely. */
export const train = (
  sets: ReadonlyArray<ReadonlyArray<Example>>,
  { decay, hidden, lanes: perSet, rate, seed, steps, updates }: Options,
  watch: (update: number, loss: number, parameters: Float64Array) => void
): Float64Array => {
  const random = chance(seed)
  const parameters = initial(hidden, random)
  const average = Float64Array.from(parameters)
  const gradient = new Float64Array(parameters.length)
  const first = new Float64Array(parameters.length)
  const second = new Float64Array(parameters.length)
  const notes = tape(hidden, steps)
  const examples = perSet.flatMap((n, k) => Array.from({ length: n }, () => sets[k]!))
  const width = examples.length
  const lanes = examples.map((set): Lane => {
    const lane = { cell: new Float64Array(hidden), hidden: new Float64Array(hidden), at: 0, example: set[0]! }
    enter(lane, set, random)
    return lane
  })
  const left = lanes.map(() => 0)
  let loss = 0
  for (let update = 1; update <= updates; update++) {
    gradient.fill(0)
    for (const [i, lane] of lanes.entries()) {
      left[i]! -= steps
      if (lane.at + steps > lane.example.length || left[i]! < 0) {
        enter(lane, examples[i]!, random)
        left[i] = 256 + Math.floor(1024 * random())
      }
      const n = Math.min(steps, lane.example.length - lane.at)
      if (n > 0) loss += stretch(parameters, lane, n, notes, gradient) / (steps * width)
    }
    let norm = 0
    for (let i = 0; i < gradient.length; i++) {
      gradient[i]! /= steps * width
      norm += gradient[i]! * gradient[i]!
    }
    const clip = Math.min(1, 1 / Math.sqrt(norm + 1e-12))
    const cosine = 0.02 + 0.98 * 0.5 * (1 + Math.cos((Math.PI * update) / updates))
    const warm = Math.min(1, update / 100)
    const eta = rate * cosine * warm
    const [b1, b2] = [1 - 0.9 ** update, 1 - 0.995 ** update]
    const keep = Math.min(0.998, update / (update + 10))
    for (let i = 0; i < parameters.length; i++) {
      const g = gradient[i]! * clip
      first[i]! += 0.1 * (g - first[i]!)
      second[i]! += 0.005 * (g * g - second[i]!)
      const move = first[i]! / b1 / (Math.sqrt(second[i]! / b2) + 1e-8)
      parameters[i]! -= eta * (move + decay * parameters[i]!)
      average[i] = keep * average[i]! + (1 - keep) * parameters[i]!
    }
    if (update % 250 === 0) {
      watch(update, loss / 250, average)
      loss = 0
    }
  }
  return average
}

/** Begins another series, at its beginning or somewhere in it. */
const enter = (lane: Lane, set: ReadonlyArray<Example>, random: () => number): void => {
  lane.example = set[Math.floor(random() * set.length)]!
  const room = Math.max(0, lane.example.length - 256)
  lane.at = random() < 0.3 ? 0 : Math.floor(random() * room)
  lane.cell.fill(0)
  lane.hidden.fill(0)
}

/** Gates that keep at first; the read-out begins at a plain mean of the anchors. */
export const initial = (hidden: number, random: () => number): Float64Array => {
  const width = Network.width(hidden)
  const parameters = new Float64Array(Network.parameterCount(hidden))
  const spread = 1 / Math.sqrt(width)
  const cell = 4 * hidden * width
  for (let i = 0; i < parameters.length; i++) parameters[i] = (2 * random() - 1) * spread * (i < cell ? 1 : 0.2)
  for (let row = 0; row < 4 * hidden; row++) {
    parameters[row * width + width - 1] = row >= hidden && row < 2 * hidden ? 1.5 : 0
  }
  return parameters
}

/** Mulberry32: small, and the same everywhere. */
export const chance = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
