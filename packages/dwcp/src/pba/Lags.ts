/**
 * The expert for series with a shape of their own: waves, teeth, turns that other series do not have.
 *
 * **Details**
 *
 * Linear in the last twelve values and two levels, fitted to this series alone, and free to leave its prior at once, where
 * the regression of Signals is held near what most series have in common. An observation is worth the less the further off it
 * was beyond what is usual here (Huber). It is no input of the network: a gate weighs it by what it does.
 *
 * Five ahead is forecast in two ways, for each is sometimes the better one: at once, and value by value ({@link Lags}'s
 * `after`), which follows a wave as soon as one step of it is known, and strays where one step says little of five.
 */
import * as Regression from "./Regression.ts"
import * as Window from "./Window.ts"

export interface Lags {
  /** The next value, and the level that it is a share of. By one that stands for a missing value nothing is learned. */
  readonly push: (value: number, scale: number, isMissing?: boolean) => void
  /** In the unit of the values: the forecast, and what nine values of ten are not below. */
  readonly point: () => number
  readonly low: () => number
  /** The same for later, from forecasts of all that is between. */
  readonly after: (steps: number) => number
}

const lags = 12
const size = lags + 3
/** Nothing is forecast beyond so many times the level. */
const most = 20

export const make = (steps: number): Lags => {
  const prior = new Float64Array(size)
  prior[0] = 0.5
  prior[lags] = 0.5
  const regression = Regression.make(prior, 1)
  const slots = steps + 1
  const seen = Array.from({ length: slots }, () => new Float64Array(size))
  const scales = new Float64Array(slots)
  const forecasts = new Float64Array(slots)
  const errors = Window.make(64)
  const latest = new Float64Array(lags)
  const later = new Float64Array(size)
  let count = 0
  let fast = 0
  let slow = 0
  let usual = 0

  const settle = (value: number): void => {
    const slot = (count - steps) % slots
    const error = value / scales[slot]! - forecasts[slot]!
    errors.push(error)
    usual += Math.max(0.02, 1 / (count - steps + 1)) * (Math.abs(error) - usual)
    const near = Math.min(1, usual / Math.max(1e-12, Math.abs(error)))
    regression.adapt(seen[slot]!, error, near / Math.max(1e-4, usual * usual))
  }

  const push = (value: number, scale: number, isMissing = false): void => {
    if (count >= steps && !isMissing) settle(value)
    if (count === 0) latest.fill(value)
    latest.copyWithin(1, 0)
    latest[0] = value
    fast += Math.max(0.2, 1 / (count + 1)) * (value - fast)
    slow += Math.max(0.02, 1 / (count + 1)) * (value - slow)
    const slot = count % slots
    const inputs = seen[slot]!
    for (let k = 0; k < lags; k++) inputs[k] = latest[k]! / scale
    inputs[lags] = fast / scale
    inputs[lags + 1] = slow / scale
    inputs[lags + 2] = 1
    scales[slot] = scale
    forecasts[slot] = forecast(inputs)
    count++
  }
  const forecast = (inputs: Float64Array): number => {
    const share = regression.predict(inputs)
    return Number.isFinite(share) ? Math.max(0, Math.min(most, share)) : inputs[0]!
  }

  const now = (): number => (count - 1) % slots
  const low = (): number => Math.max(0, forecasts[now()]! + (errors.count() < 8 ? -0.25 : errors.quantile(0.1)))
  return {
    push,
    point: () => forecasts[now()]! * scales[now()]!,
    low: () => low() * scales[now()]!,
    after: (steps) => {
      later.set(seen[now()]!)
      let share = forecasts[now()]!
      for (let step = 1; step < steps; step++) {
        later.copyWithin(1, 0, lags - 1)
        later[0] = share
        later[lags]! += 0.2 * (share - later[lags]!)
        later[lags + 1]! += 0.02 * (share - later[lags + 1]!)
        share = forecast(later)
      }
      return share * scales[now()]!
    }
  }
}
