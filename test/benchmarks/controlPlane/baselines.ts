/**
 * The classical forecasters that ours is held against: the last value, EWMA, Holt, AR, L1-linear; for the 10 % quantile a
 * rolling one, shares of level forecasts, pinball-linear.
 *
 * **Details**
 *
 * They are given every advantage: of each family the best constants for each set are taken with hindsight, on the very
 * series that are judged. The linear ones are fitted to the series that may be learned from, set by set, over twelve lags
 * and three levels, relative to the level, weighted as the judgement weighs.
 */
import type { Trace } from "./traces.ts"

export const horizons = [1, 5] as const
/** Judged from the forecast at this value on. */
export const from = 32

/** Of one set: mean over its series of error over mean, for each horizon. */
export interface Classical {
  readonly points: ReadonlyArray<Best>
  readonly lows: ReadonlyArray<Best>
}

export interface Best {
  readonly name: string
  readonly value: number
}

export const classical = (seen: ReadonlyArray<Trace>, held: ReadonlyArray<Trace>): Classical => {
  const fitted = horizons.map((steps) => ({
    ar: fit(seen, steps, "squares"),
    l1: fit(seen, steps, 0.5),
    pinball: fit(seen, steps, 0.1)
  }))
  const best = (kind: "point" | "low") =>
    horizons.map((steps, k) => {
      const sums = new Map<string, number>()
      for (const { dt: _, v } of held) {
        const families = kind === "point" ? points(v, steps, fitted[k]!) : lows(v, steps, fitted[k]!)
        const total = Array.from({ length: v.length }, (_, i) => (i >= from + steps ? v[i]! : 0))
        const sum = total.reduce((a, b) => a + b, 0)
        if (sum === 0) continue
        for (const [name, forecasts] of families) {
          let loss = 0
          for (let i = from; i + steps < v.length; i++) {
            const error = v[i + steps]! - Math.max(0, forecasts[i]!)
            loss += kind === "point" ? Math.abs(error) : error >= 0 ? 0.1 * error : -0.9 * error
          }
          sums.set(name, (sums.get(name) ?? 0) + loss / sum)
        }
      }
      const counted = held.filter(({ v }) => v.slice(from + steps).some((value) => value > 0)).length
      const [name, value] = [...sums].toSorted((a, b) => a[1] - b[1])[0]!
      return { name, value: value / counted }
    })
  return { points: best("point"), lows: best("low") }
}

type Forecasts = ReadonlyArray<readonly [string, Float64Array]>

interface Fitted {
  readonly ar: Float64Array
  readonly l1: Float64Array
  readonly pinball: Float64Array
}

const points = (v: ReadonlyArray<number>, steps: number, { ar, l1 }: Fitted): Forecasts => [
  ["last", Float64Array.from(v)],
  ...[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].map((rate) => [`ewma ${rate}`, ewma(v, rate)] as const),
  ...[0.2, 0.35, 0.5, 0.65, 0.8].flatMap((level) =>
    [0.02, 0.05, 0.1, 0.2].flatMap((trend) =>
      [0.8, 0.95, 1].map((damp) => [`holt ${level} ${trend} ${damp}`, holt(v, steps, level, trend, damp)] as const)
    )
  ),
  ["ar", linear(v, ar)],
  ["l1", linear(v, l1)]
]

const lows = (v: ReadonlyArray<number>, _: number, { pinball }: Fitted): Forecasts => {
  const shares = [0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
  const scaled = (name: string, level: Float64Array) =>
    shares.map((share) => [`${share} of ${name}`, level.map((value) => share * value)] as const)
  return [
    ...[8, 16, 24, 32, 64, 128, 288].map((size) => [`rolling ${size}`, rolling(v, size)] as const),
    ...scaled("last", Float64Array.from(v)),
    ...[0.2, 0.5, 0.8].flatMap((rate) => scaled(`ewma ${rate}`, ewma(v, rate))),
    ["pinball", linear(v, pinball)]
  ]
}

const ewma = (v: ReadonlyArray<number>, rate: number): Float64Array => {
  const out = new Float64Array(v.length)
  let level = v[0] ?? 0
  for (const [i, value] of v.entries()) out[i] = level += rate * (value - level)
  return out
}

const holt = (v: ReadonlyArray<number>, steps: number, a: number, b: number, damp: number): Float64Array => {
  const out = new Float64Array(v.length)
  let level = v[0] ?? 0
  let trend = 0
  let reach = 0
  for (let k = 1; k <= steps; k++) reach += damp ** k
  for (const [i, value] of v.entries()) {
    const before = level
    level = a * value + (1 - a) * (level + damp * trend)
    trend = b * (level - before) + (1 - b) * damp * trend
    out[i] = level + reach * trend
  }
  return out
}

const rolling = (v: ReadonlyArray<number>, size: number): Float64Array =>
  Float64Array.from(v, (_, i) => {
    const window = Float64Array.from(v.slice(Math.max(0, i + 1 - size), i + 1)).sort()
    const at = 0.1 * (window.length - 1)
    const low = Math.floor(at)
    return window[low]! + (at - low) * ((window[low + 1] ?? window[low]!) - window[low]!)
  })

// -------------------------------------------------------------------------------------------------------------- linear

const lags = 12
const width = lags + 4

/** Lags, three levels and one, as shares of the level; the last number is the level. */
const rows = (v: ReadonlyArray<number>): ((i: number, into: Float64Array) => number) => {
  const levels = [0.2, 0.05, 0.5].map((rate) => ewma(v, rate))
  return (i, into) => {
    const level = levels[0]![i]! + 1e-9
    for (let k = 0; k < lags; k++) into[k] = v[Math.max(0, i - k)]! / level
    for (let k = 0; k < 3; k++) into[lags + k] = levels[k]![i]! / level
    into[width - 1] = 1
    return level
  }
}

const linear = (v: ReadonlyArray<number>, beta: Float64Array): Float64Array => {
  const row = rows(v)
  const x = new Float64Array(width)
  return Float64Array.from(v, (_, i) => {
    const level = row(i, x)
    return level * x.reduce((sum, value, k) => sum + value * beta[k]!, 0)
  })
}

/** Least squares, or the quantile by least squares that are weighed again until they stand (IRLS). */
const fit = (seen: ReadonlyArray<Trace>, steps: number, goal: "squares" | number): Float64Array => {
  const total = seen.reduce((sum, { v }) => sum + v.length, 0)
  const every = Math.max(1, Math.floor(total / 40_000))
  const inputs: Array<Float64Array> = []
  const targets: Array<number> = []
  const worth: Array<number> = []
  for (const { v } of seen) {
    const row = rows(v)
    const mean = v.reduce((sum, value) => sum + value, 0) / v.length
    for (let i = from; i + steps < v.length; i += every) {
      const x = new Float64Array(width)
      const level = row(i, x)
      // After a silence everything is a large share of nothing.
      if (level < 0.01 * mean) continue
      inputs.push(x)
      targets.push(v[i + steps]! / level)
      worth.push(level / mean / v.length)
    }
  }
  let beta: Float64Array = new Float64Array(width)
  let weights = worth.map((w) => (goal === "squares" ? w * w * 1e4 : w))
  for (let round = 0; round < (goal === "squares" ? 1 : 30); round++) {
    beta = solve(inputs, targets, weights)
    if (goal === "squares") break
    weights = worth.map((w, i) => {
      const error = targets[i]! - inputs[i]!.reduce((sum, value, k) => sum + value * beta[k]!, 0)
      return (w * (error >= 0 ? goal : 1 - goal)) / Math.max(0.005, Math.abs(error))
    })
  }
  return beta
}

const solve = (
  inputs: ReadonlyArray<Float64Array>,
  targets: ReadonlyArray<number>,
  weights: ReadonlyArray<number>
): Float64Array => {
  const a = Array.from({ length: width }, () => new Float64Array(width + 1))
  const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length
  for (const [i, x] of inputs.entries()) {
    const w = weights[i]! / mean
    for (let r = 0; r < width; r++) {
      for (let c = 0; c < width; c++) a[r]![c]! += w * x[r]! * x[c]!
      a[r]![width]! += w * x[r]! * targets[i]!
    }
  }
  for (let r = 0; r < width; r++) a[r]![r]! += 1e-4 * inputs.length
  for (let r = 0; r < width; r++) {
    for (let other = 0; other < width; other++) {
      if (other === r) continue
      const factor = a[other]![r]! / a[r]![r]!
      for (let c = r; c <= width; c++) a[other]![c]! -= factor * a[r]![c]!
    }
  }
  return Float64Array.from(a, (row, r) => row[width]! / row[r]!)
}
