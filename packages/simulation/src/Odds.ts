/**
 * How likely each kind of fault is in a simulated boot, as plain numbers: a mix that finds nothing can be made
 * harsher, and a failing run can be shrunk by setting one after the other to 0.
 */
import * as Random from "./Random.ts"

/** Probabilities from 0 to 1. Those of the first group exclude each other, so their sum stays below 1. */
export interface Odds {
  // Of each attempt.
  /** It fails with an error that has a severity. */
  readonly error: number
  /** It is acquired, and its probe fails. */
  readonly unhealthy: number
  readonly defect: number
  /** It interrupts itself. */
  readonly interruption: number
  /** It never answers, be it in its start or in its probe. */
  readonly hang: number
  /** It takes from half to one and a half of its deadline. */
  readonly slow: number

  // Of each end of an attempt or a component.
  /** An interrupted attempt does not stop. */
  readonly deaf: number
  readonly closeFails: number
  readonly closeHangs: number

  // Of each component that is up, and of each failure.
  /** Its health turns once more. */
  readonly flap: number
  readonly swapFails: number
  /** No restoration is planned after a failure. */
  readonly unrestored: number

  // Of each boot.
  /** The settings are wrong. */
  readonly invalid: number
  /** It is told to stop at some moment, before it begins or later. */
  readonly stop: number
  /** An operator restores components by hand. */
  readonly restore: number
  /** An operator restarts, exchanges and stops components by hand. */
  readonly hand: number
  /** It is stopped when everything has come to rest. */
  readonly stopAtRest: number
}

/** A world in which nothing goes wrong and nobody asks for anything. */
export const none: Odds = {
  error: 0,
  unhealthy: 0,
  defect: 0,
  interruption: 0,
  hang: 0,
  slow: 0,
  deaf: 0,
  closeFails: 0,
  closeHangs: 0,
  flap: 0,
  swapFails: 0,
  unrestored: 0,
  invalid: 0,
  stop: 0,
  restore: 0,
  hand: 0,
  stopAtRest: 0
}

/** Every kind of fault at once: about one attempt in eight goes wrong, and one boot in four is stopped. */
export const usual: Odds = {
  error: 0.1,
  unhealthy: 0.01,
  defect: 0.002,
  interruption: 0.002,
  hang: 0.005,
  slow: 0.005,
  deaf: 0.1,
  closeFails: 0.02,
  closeHangs: 0.01,
  flap: 0.01,
  swapFails: 0.2,
  unrestored: 0.2,
  invalid: 0.002,
  stop: 0.05,
  restore: 0.05,
  hand: 0.01,
  stopAtRest: 0.2
}

/**
 * A mix of its own for each boot (swarm testing, Groce et al. 2012): half of the dials stand at 0, so that those which
 * do not meet each other often, and some boots see so few faults that even a large one comes up.
 */
export const swarm = (chance: Random.Random): Odds => {
  const mood = Random.pick(chance, [1, 0.3, 0.1, 0.03])
  const dial = (most: number) => (Random.chance(chance, 0.5) ? 0 : most * mood * Random.next(chance) ** 2)
  return {
    error: dial(0.4),
    unhealthy: dial(0.15),
    defect: dial(0.05),
    interruption: dial(0.05),
    hang: dial(0.15),
    slow: dial(0.15),
    deaf: dial(1),
    closeFails: dial(0.5),
    closeHangs: dial(0.5),
    flap: dial(0.6),
    swapFails: dial(0.9),
    unrestored: dial(1),
    invalid: dial(0.03),
    stop: dial(1),
    restore: dial(1),
    stopAtRest: Random.next(chance),
    hand: dial(1)
  }
}
