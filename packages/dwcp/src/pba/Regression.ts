/**
 * The autoregressive expert: linear in what it is given, fitted to one series as it comes.
 *
 * **Details**
 *
 * Recursive least squares with forgetting (Haykin, *Adaptive Filter Theory*, ch. 10). Each observation counts the less the
 * further off it was, as in iteratively reweighted least squares, so that what is minimised is near the absolute error and
 * one burst does not bend the fit. It begins at coefficients that hold for most series, and leaves them as evidence comes.
 */

export interface Regression {
  readonly predict: (inputs: Float64Array) => number
  /** What the inputs came to be, and how much this observation is worth. */
  readonly learn: (inputs: Float64Array, target: number, weight: number) => void
  /** The same by who has its own idea of what it is worth, and knows by how much the prediction was too low. */
  readonly adapt: (inputs: Float64Array, error: number, worth: number) => void
}

/** Old observations lose this share of their weight with each new one. */
const forgetting = 0.002
/** Errors below this share of the level count alike. */
const small = 0.05

/** `looseness` is how far the first observations may move the coefficients. */
export const make = (prior: Float64Array, looseness = 0.02): Regression => {
  const n = prior.length
  const beta = Float64Array.from(prior)
  const covariance = new Float64Array(n * n)
  for (let i = 0; i < n; i++) covariance[i * n + i] = looseness
  const gain = new Float64Array(n)
  const predict = (inputs: Float64Array): number => {
    let sum = 0
    for (let i = 0; i < n; i++) sum += beta[i]! * inputs[i]!
    return sum
  }
  const adapt = (inputs: Float64Array, error: number, worth: number): void => {
    if (!(worth > 0) || !Number.isFinite(error)) return
    let power = 0
    let trace = 0
    for (let i = 0; i < n; i++) {
      let sum = 0
      for (let j = 0; j < n; j++) sum += covariance[i * n + j]! * inputs[j]!
      gain[i] = sum
      power += sum * inputs[i]!
      trace += covariance[i * n + i]!
    }
    const share = worth / (1 + worth * power)
    for (let i = 0; i < n; i++) beta[i]! += gain[i]! * share * error
    // Directions in which nothing is ever seen would grow without end.
    const grow = trace < looseness * n * 2 ? 1 / (1 - forgetting) : 1
    for (let i = 0; i < n; i++) {
      for (let j = i; j < n; j++) {
        const value = (covariance[i * n + j]! - gain[i]! * gain[j]! * share) * grow
        covariance[i * n + j] = value
        covariance[j * n + i] = value
      }
    }
  }
  return {
    predict,
    learn: (inputs, target, weight) => {
      const error = target - predict(inputs)
      adapt(inputs, error, Math.min(20, weight / Math.max(small, Math.abs(error))))
    },
    adapt
  }
}
