/**
 * Forecasts of one series: the network and the classical experts, weighed by the gate of each figure.
 *
 * **Details**
 *
 * Values go in one by one and each is answered by the forecasts of what follows; nothing else is read. Without a model the
 * classical experts serve alone. A model can be exchanged between two values: the gate goes on, and weighs the new one by
 * what it does.
 */
import * as Gate from "./Gate.ts"
import * as Lags from "./Lags.ts"
import type { Model } from "./Model.ts"
import * as Network from "./Network.ts"
import * as Signals from "./Signals.ts"

/** In the unit of the values. `p10` is what nine values of ten are not below. */
export interface Forecast {
  readonly h1: number
  readonly h5: number
  readonly p10h1: number
  readonly p10h5: number
}

export interface Series {
  /**
   * The next value. One that is no number from zero on is taken as missing: forecasts go on as if the last one had come
   * again, and nothing is judged or learned by it. Zeros, and what is missing, before the first value above zero are forecast
   * as zero and leave no trace.
   */
  readonly push: (value: number) => Forecast
  readonly count: () => number
  /** What nine of the last 32 values of ten were not above. */
  readonly high: () => number
  /** Exchanges the model; `undefined` for none. */
  readonly use: (model: Model | undefined) => void
  /** Shares of the network, the two regressions, the levels, the last value in the next h1. */
  readonly weights: () => Readonly<Record<"network" | "regression" | "level" | "last", number>>
}

/** `seconds` from one value to the next, which tells where yesterday is. */
export const make = (seconds: number, model?: Model): Series => {
  const signals = Signals.make(Number.isFinite(seconds) && seconds > 0 ? seconds : 1)
  const lags = Signals.horizons.map(Lags.make)
  const points = Signals.horizons.map((steps, k) => Gate.make({ steps, prior: pointPriors[k]! }))
  const lows = Signals.horizons.map((steps) => Gate.make({ steps, prior: lowPrior, below: 0.1, ...lowTuning }))
  const forecasts = new Float64Array(pointExperts.length + 4)
  const quantiles = new Float64Array(lowExperts.length + 2)
  let used = model
  let states = statesOf(model)
  let count = 0
  let unit = 0
  let last = 0

  const push = (given: number): Forecast => {
    count++
    const isBandwidth = given >= 0 && given < most
    if (unit === 0 && isBandwidth && given > 0) unit = unitOf(given)
    // Of a link that has not carried anything yet nothing can be learned.
    if (unit === 0) return nothing
    const value = given / unit
    return inUnits(after(isBandwidth && value < most ? value : Number.NaN), unit)
  }
  const after = (given: number): Forecast => {
    for (const gate of points) gate.settle(given)
    for (const gate of lows) gate.settle(given)
    const isMissing = Number.isNaN(given)
    const value = isMissing ? last : given
    last = value
    signals.push(value, isMissing)
    for (const lag of lags) lag.push(value, signals.scale(), isMissing)
    for (const [k, state] of states.entries()) Network.step(used!.networks[k]!, state, signals.inputs)
    const [h1, h5] = [point(0), point(1)]
    return { h1, h5, p10h1: Math.min(h1, low(0)), p10h5: Math.min(h5, low(1)) }
  }
  const point = (horizon: number): number => {
    const scale = signals.scale()
    let sum = 0
    for (const state of states) sum += Network.point(state.outputs, signals, horizon)
    // No networks: 0 / 0 is an expert without a word.
    forecasts[0] = (sum / states.length) * scale
    for (const [i, at] of pointExperts.entries()) forecasts[i + 1] = signals.points[horizon]![at]! * scale
    forecasts[forecasts.length - 3] = signals.middle()
    forecasts[forecasts.length - 2] = lags[horizon]!.point()
    // The next value is the same by either.
    forecasts[forecasts.length - 1] = horizon === 0 ? Number.NaN : lags[0]!.after(Signals.horizons[horizon]!)
    // Between what comes again and again nothing ever comes: counts, a link that is clipped, on or off.
    return signals.settled(points[horizon]!.combine(forecasts))
  }
  const low = (horizon: number): number => {
    const scale = signals.scale()
    let sum = 0
    for (const state of states) sum += Network.low(state.outputs, signals, horizon)
    quantiles[0] = (sum / states.length) * scale
    for (const [i, at] of lowExperts.entries()) quantiles[i + 1] = signals.lows[horizon]![at]! * scale
    quantiles[quantiles.length - 1] = lags[horizon]!.low()
    return lows[horizon]!.combine(quantiles)
  }

  return {
    push,
    count: () => count,
    high: () => (unit === 0 ? 0 : signals.high() * unit),
    use: (next) => {
      used = next
      states = statesOf(next)
    },
    weights: () => {
      const [network, linear, fast, ewma, last, middle, lags] = points[0]!.weights()
      return { network: network!, regression: linear! + lags!, level: fast! + ewma! + middle!, last: last! }
    }
  }
}

/** Beyond it sums would soon be infinite. */
const most = 1e300
const nothing: Forecast = { h1: 0, h5: 0, p10h1: 0, p10h5: 0 }

/**
 * A power of two near the first value above zero, by which all others are divided, without loss: what is next to nothing for
 * one link is all that another carries, so no constant in here could tell them apart.
 */
const unitOf = (first: number): number => 2 ** Math.max(-100, Math.floor(Math.log2(first)))

const inUnits = ({ h1, h5, p10h1, p10h5 }: Forecast, unit: number): Forecast => ({
  h1: h1 * unit,
  h5: h5 * unit,
  p10h1: p10h1 * unit,
  p10h5: p10h5 * unit
})

const statesOf = (model: Model | undefined) => model?.networks.map(() => Network.state(model.hidden)) ?? []

/** After the network and before the middle and the lags, in this order, with the shares of all at the beginning. */
const { ewma, fast, last, regression } = Signals.expert
const pointExperts = [regression, fast, ewma, last]
const pointPriors = [
  [0.8, 0.06, 0.0165, 0.0165, 0.06, 0.0165, 0.03, 0],
  [0.868, 0.055, 0.015, 0.015, 0.015, 0.015, 0.015, 0.002]
]
const lowExperts = [
  Signals.lowExpert.regression,
  Signals.lowExpert.regressionLong,
  Signals.lowExpert.rolling,
  Signals.lowExpert.last,
  Signals.lowExpert.rollingLong
]
const lowPrior = [0.85, 0.03, 0.03, 0.03, 0.02, 0.02, 0.02]
const lowTuning = {
  paces: [
    { rate: 0.3, memory: 0.998, trust: 0.7 },
    { rate: 1, memory: 0.998, trust: 0.15 },
    { rate: 3, memory: 0.998, trust: 0.15 }
  ],
  shiftRate: 0.01
}
