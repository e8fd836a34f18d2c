/**
 * Weighs forecasts of several experts by how each has done lately on this very series, and keeps quantiles honest.
 *
 * **Details**
 *
 * Aggregation: exponential weights on the linearised loss, second order and discounted (BOA: Wintenberger 2017, "Optimal
 * learning with Bernstein online aggregation"), so in the long run the mixture is about as good as the best convex
 * combination and never much worse than the best expert, the last value among them. It begins at a prior, which is what
 * was best on other series. Several rates learn at once, as in MetaGrad (van Erven & Koolen 2016), and the evidence of all
 * is added: a slow one is not misled by bursts, a fast one soon sees an expert who is always a little better.
 *
 * Quantiles: a shift follows what share of values fell below (adaptive conformal inference: Gibbs & Candès 2021; Angelopoulos
 * et al. 2023, "Conformal PID control"): a value below moves it down by nine, a value above up by one, in steps of the
 * spread of the series. So on any series the share below comes near the tenth that was asked for.
 */

export interface Gate {
  /** Makes one of them all; NaN is an expert that has nothing to say, and one at least has. */
  readonly combine: (forecasts: Float64Array) => number
  /**
   * The next value has come: what was forecast for it, `steps` before, is judged. Once before each `combine`; NaN is a value
   * that is missing, by which nobody is judged.
   */
  readonly settle: (value: number) => void
  /** The share of each expert in the next combination. */
  readonly weights: () => Float64Array
}

export interface Options {
  /** Shares at the beginning, one for each expert. */
  readonly prior: ReadonlyArray<number>
  /** How many values ahead is forecast. */
  readonly steps: number
  /** For a quantile the share that shall fall below. */
  readonly below?: number
  readonly paces?: ReadonlyArray<Pace>
  readonly shiftRate?: number
}

/** How fast is learned, what share of the evidence is left one value later, and how much this pace is trusted. */
export interface Pace {
  readonly rate: number
  readonly memory: number
  readonly trust: number
}

const standard: ReadonlyArray<Pace> = [
  { rate: 0.15, memory: 0.995, trust: 0.4 },
  { rate: 0.5, memory: 0.995, trust: 0.3 },
  { rate: 1.5, memory: 0.995, trust: 0.15 },
  { rate: 4, memory: 0.995, trust: 0.15 }
]

export const make = ({ below, paces = standard, prior, shiftRate = 0.02, steps }: Options): Gate => {
  const n = prior.length
  const slots = steps + 1
  const made = Array.from({ length: slots }, () => new Float64Array(n))
  const mixes = new Float64Array(slots)
  const answers = new Float64Array(slots)
  const merits = paces.map(() => new Float64Array(n))
  const weights = Float64Array.from(prior)
  const begin = paces.map(({ trust }) => prior.map((share) => Math.log(share * trust)))
  let count = 0
  let spread = 0
  let shift = 0

  const evidence = (k: number, i: number): number => begin[k]![i]! + paces[k]!.rate * merits[k]![i]!

  const weigh = (forecasts: Float64Array): void => {
    let most = -Infinity
    for (let k = 0; k < paces.length; k++) {
      for (let i = 0; i < n; i++) if (!Number.isNaN(forecasts[i]!)) most = Math.max(most, evidence(k, i))
    }
    let total = 0
    for (let i = 0; i < n; i++) {
      let sum = 0
      if (!Number.isNaN(forecasts[i]!)) {
        for (let k = 0; k < paces.length; k++) sum += Math.exp(evidence(k, i) - most)
      }
      weights[i] = sum
      total += sum
    }
    for (let i = 0; i < n; i++) weights[i]! /= total
  }

  return {
    combine: (forecasts) => {
      weigh(forecasts)
      let sum = 0
      for (let i = 0; i < n; i++) if (weights[i]! > 0) sum += weights[i]! * forecasts[i]!
      const slot = count % slots
      made[slot]!.set(forecasts)
      mixes[slot] = sum
      const answer = Math.max(0, sum + shift * spread)
      answers[slot] = answer
      count++
      return answer
    },
    settle: (value) => {
      if (count < steps || Number.isNaN(value)) return
      const slot = (count - steps) % slots
      const forecasts = made[slot]!
      const mix = mixes[slot]!
      const error = Math.abs(value - mix)
      spread += Math.max(0.03, 1 / (count - steps + 1)) * (error - spread)
      const unit = spread + 1e-12
      const slope = below === undefined ? Math.sign(mix - value) : value < mix ? 1 - below : -below
      for (let i = 0; i < n; i++) {
        const gain = Number.isNaN(forecasts[i]!) ? 0 : clipped((slope * (mix - forecasts[i]!)) / unit)
        for (const [k, { memory, rate }] of paces.entries()) {
          merits[k]![i] = memory * merits[k]![i]! + gain - rate * gain * gain
        }
      }
      if (below !== undefined) {
        const step = shiftRate * (value < answers[slot]! ? below - 1 : below)
        shift = Math.max(-4, Math.min(4, shift + step))
      }
    },
    weights: () => weights
  }
}

const clipped = (gain: number): number => (gain > 3 ? 3 : gain > -3 ? gain : -3)
