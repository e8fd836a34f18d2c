/**
 * What can be said of a series at one moment without a model: levels, spread, the same time yesterday, an autoregression.
 *
 * **Details**
 *
 * One `push` for each value, in constant time. All of it is relative to a recent level, so a link of 1 Mbit/s and one of
 * 10 Gbit/s look alike. The classical forecasts are the anchors between which the network chooses, and they serve alone
 * when there is no network. Nothing is ever read that was not pushed.
 *
 * **Gotchas**
 *
 * The order of inputs and anchors is part of the format of a model: {@link layout} counts up when it changes.
 */
import * as Regression from "./Regression.ts"
import * as Window from "./Window.ts"

/** Of inputs and anchors. A model of another layout is refused. */
export const layout = 1
/** Steps ahead that are forecast. */
export const horizons = [1, 5] as const
/** Numbers given to the network for each step. */
export const inputCount = 31
/** Forecasts for each horizon, from which points are made. */
export const pointAnchors = 12
/** The same for the quantile. */
export const lowAnchors = 11
/** The expert of each kind among the point anchors. */
export const expert = { last: 0, fast: 1, ewma: 2, regression: 6 } as const
/** The lowest of these serves when there is no model. */
export const lowExpert = { rolling: 2, rollingLong: 3, regression: 4, regressionLong: 5, last: 6 } as const

export interface Signals {
  /** A bandwidth in any unit; not negative. One that stands for a missing value is no evidence: nothing is learned by it. */
  readonly push: (value: number, isMissing?: boolean) => void
  readonly count: () => number
  /** The recent level: what inputs and anchors are shares of. Above zero. */
  readonly scale: () => number
  /** The 90 % quantile of the last 32 values. */
  readonly high: () => number
  /** The middle one of the last 128 values: a level that no burst moves. */
  readonly middle: () => number
  /** The nearest of the last 32 values, if it came more than once; else what was given. */
  readonly settled: (value: number) => number
  readonly inputs: Float64Array
  /** For each horizon, shares of the scale. */
  readonly points: ReadonlyArray<Float64Array>
  readonly lows: ReadonlyArray<Float64Array>
}

/** `seconds` between two values, which says where yesterday is. */
export const make = (seconds: number): Signals => {
  const day = seconds >= 60 ? Math.round(86_400 / seconds) : 0
  const hour = seconds >= 60 && seconds <= 1_200 ? Math.round(3_600 / seconds) : 0
  const kept = Math.max(64, day === 0 ? 0 : 7 * day + 8)
  const ring = new Float64Array(kept)
  const back = (steps: number): number => ring[(count - 1 - steps + kept) % kept]!
  const shortWindow = Window.make(9)
  const window32 = Window.make(32)
  const window128 = Window.make(128)
  const windowHour = new Float64Array(7)
  const inputs = new Float64Array(inputCount)
  const points = horizons.map(() => new Float64Array(pointAnchors))
  const lows = horizons.map(() => new Float64Array(lowAnchors))
  const ahead = horizons.map((steps) => tracker(steps, day > 0))
  const rates = [0.5, 0.2, 0.05, 0.01]
  const means = new Float64Array(rates.length)
  let count = 0
  let scale = 1
  let change = 0
  let slowChange = 0

  const median = (n: number): number => {
    const some = windowHour.subarray(0, n).sort()
    return n % 2 === 1 ? some[n >> 1]! : (some[n / 2 - 1]! + some[n / 2]!) / 2
  }
  /** Around the same time of earlier days; the middle one of up to seven. */
  const daily = (steps: number): number => {
    let n = 0
    for (let k = 1; k <= 7 && k * day - steps + 1 < Math.min(count, kept - 1); k++) {
      const at = k * day - steps
      windowHour[n++] = at >= 1 ? (back(at - 1) + back(at) + back(at + 1)) / 3 : back(at)
    }
    return n === 0 ? means[2]! : median(n)
  }
  const hourly = (steps: number): number => {
    let n = 0
    for (let k = 1; k <= 5 && k * hour - steps < Math.min(count, kept); k++) {
      if (k * hour >= steps) windowHour[n++] = back(k * hour - steps)
    }
    return n === 0 ? means[2]! : median(n)
  }

  const push = (value: number, isMissing = false): void => {
    const last = count === 0 ? value : back(0)
    if (!isMissing) for (const forecast of ahead) forecast.settle(value)
    ring[count % kept] = value
    count++
    const age = Math.min(count, 1_000)
    for (let k = 0; k < rates.length; k++) means[k]! += Math.max(rates[k]!, 1 / age) * (value - means[k]!)
    change += Math.max(0.1, 1 / age) * (Math.abs(value - last) - change)
    slowChange += Math.max(0.02, 1 / age) * (Math.abs(value - last) - slowChange)
    shortWindow.push(value)
    window32.push(value)
    window128.push(value)
    scale = 0.5 * means[1]! + 0.4 * means[2]! + 0.1 * means[3]! + 1e-12
    tell(value)
  }

  const tell = (value: number): void => {
    const hasDay = day > 0 && count > day
    const hasHour = hour > 1 && count > hour
    const [fast, ewma, slow, long] = [means[0]!, means[1]!, means[2]!, means[3]!]
    const low32 = window32.quantile(0.1)
    const low128 = window128.quantile(0.1)
    const middle = shortWindow.quantile(0.5)
    const today = hasDay ? daily(0) : slow
    for (let k = 0; k < horizons.length; k++) {
      const steps = horizons[k]!
      const yesterday = hasDay ? back(day - steps) : slow
      const usual = hasDay ? daily(steps) : slow
      const hourAgo = hasHour && hour >= steps ? back(hour - steps) : slow
      const hours = hasHour ? hourly(steps) : slow
      const forecast = ahead[k]!
      forecast.see(scale, long, [
        value,
        count > 1 ? back(1) : value,
        count > 2 ? back(2) : value,
        count > 3 ? back(3) : value,
        count > 4 ? back(4) : value,
        ewma,
        slow,
        yesterday,
        usual,
        hours
      ])
      const linear = forecast.forecast()
      const point = points[k]!
      point[0] = value / scale
      point[1] = fast / scale
      point[2] = ewma / scale
      point[3] = slow / scale
      point[4] = long / scale
      point[5] = middle / scale
      point[6] = linear
      point[7] = yesterday / scale
      point[8] = Math.max(0, value + usual - today) / scale
      point[9] = usual / scale
      point[10] = hours / scale
      point[11] = hourAgo / scale
      const below = lows[k]!
      below[0] = 0
      below[1] = shortWindow.quantile(0) / scale
      below[2] = low32 / scale
      below[3] = low128 / scale
      below[4] = Math.max(0, linear + forecast.spread32())
      below[5] = Math.max(0, linear + forecast.spread128())
      below[6] = Math.max(0, value / scale + forecast.change())
      below[7] = ewma / scale
      below[8] = linear
      below[9] = Math.min(usual, yesterday) / scale
      below[10] = value / scale
    }
    const share = (level: number): number => Math.log((level + 0.02 * scale) / (1.02 * scale))
    const x = inputs
    let i = 0
    x[i++] = share(value)
    x[i++] = share(count > 1 ? back(1) : value)
    x[i++] = share(count > 2 ? back(2) : value)
    x[i++] = share(count > 3 ? back(3) : value)
    x[i++] = share(fast)
    x[i++] = share(ewma)
    x[i++] = share(slow)
    x[i++] = share(long)
    x[i++] = share(middle)
    x[i++] = share(shortWindow.quantile(0))
    x[i++] = share(shortWindow.quantile(1))
    x[i++] = share(low32)
    x[i++] = share(window32.quantile(0.5))
    x[i++] = share(low128)
    x[i++] = Math.log(0.01 + change / scale)
    x[i++] = Math.log(0.01 + slowChange / scale)
    x[i++] = share(points[0]![6]! * scale)
    x[i++] = share(points[1]![6]! * scale)
    x[i++] = hasDay ? 1 : 0
    x[i++] = hasDay ? share(points[0]![7]! * scale) : 0
    x[i++] = hasDay ? share(points[0]![9]! * scale) : 0
    x[i++] = hasDay ? share(points[1]![9]! * scale) : 0
    x[i++] = hasDay ? share(today) : 0
    x[i++] = hasHour ? share(points[0]![11]! * scale) : 0
    x[i++] = hasHour ? share(points[1]![11]! * scale) : 0
    x[i++] = hasHour ? share(points[0]![10]! * scale) : 0
    x[i++] = Math.log(seconds) / 3 - 0.7
    x[i++] = Math.log(count) / 3 - 1.5
    x[i++] = ahead[0]!.skill()
    x[i++] = ahead[1]!.skill()
    x[i++] = Math.max(-0.3, Math.min(0.3, ahead[0]!.spread128())) * 5
  }

  return {
    push,
    count: () => count,
    scale: () => scale,
    high: () => window32.quantile(0.9),
    middle: () => window128.quantile(0.5),
    settled: window32.settled,
    inputs,
    points,
    lows
  }
}

// ------------------------------------------------------------------------------------------------------------- private

/** What most series have in common: most of the last value, a little of where it came from. */
const prior = (steps: number): ReadonlyArray<number> =>
  steps === 1 ? [0.7, 0.08, 0, 0, 0, 0.12, 0.1] : [0.42, 0.05, 0, 0, 0, 0.2, 0.33]

/** The regression of one horizon, and what its errors were. */
const tracker = (steps: number, withDay: boolean) => {
  const first = [...prior(steps), ...(withDay ? [0, 0, 0] : []), 0]
  const regression = Regression.make(Float64Array.from(first))
  const n = first.length
  const slots = steps + 1
  const seen = Array.from({ length: slots }, () => new Float64Array(n))
  const scales = new Float64Array(slots)
  const weights = new Float64Array(slots)
  const forecasts = new Float64Array(slots)
  const errors32 = Window.make(32)
  const errors128 = Window.make(128)
  const changes = Window.make(64)
  let count = 0
  let ours = 0
  let lasts = 0

  return {
    /** A value has come: what was forecast for it is judged. */
    settle: (value: number): void => {
      if (count < steps) return
      const slot = (count - steps) % slots
      const target = value / scales[slot]!
      const inputs = seen[slot]!
      const error = target - forecasts[slot]!
      errors32.push(error)
      errors128.push(error)
      changes.push(target - inputs[0]!)
      const weight = Math.min(4, weights[slot]!)
      ours += 0.02 * (weight * Math.abs(error) - ours)
      lasts += 0.02 * (weight * Math.abs(target - inputs[0]!) - lasts)
      regression.learn(inputs, target, weight)
    },
    see: (scale: number, long: number, values: ReadonlyArray<number>): void => {
      const slot = count % slots
      const inputs = seen[slot]!
      for (let i = 0; i < n - 1; i++) inputs[i] = values[i]! / scale
      inputs[n - 1] = 1
      scales[slot] = scale
      weights[slot] = scale / (long + 1e-12)
      const forecast = regression.predict(inputs)
      forecasts[slot] = Number.isFinite(forecast) ? Math.max(0, forecast) : inputs[0]!
      count++
    },
    forecast: (): number => forecasts[(count - 1) % slots]!,
    spread32: (): number => (errors32.count() < 8 ? -0.25 : errors32.quantile(0.1)),
    spread128: (): number => (errors128.count() < 8 ? -0.25 : errors128.quantile(0.1)),
    change: (): number => (changes.count() < 8 ? -0.25 : changes.quantile(0.1)),
    /** The logarithm of how much smaller our errors are than those of the last value. */
    skill: (): number => Math.log((ours + 1e-3) / (lasts + 1e-3))
  }
}
