/**
 * Boots components thousands of times in virtual time, each time with other faults, another interleaving and another
 * end, and checks every promise of the kernel each time. What breaks one is made small and comes back as a replay.
 *
 * **Details**
 *
 * Each seed draws faults, whether the interleaving is fuzzed, when the boot is cancelled or how long after it is ready
 * it is stopped. One seed in four runs twice: the second time it is ended where something was going on in the first.
 * Checked are the invariants after every event, liveness within the computed worst case, that nothing leaks and nobody
 * is closed while others live on it, that nothing is left asleep, that the driver did what `Progress` decides, and, for
 * some seeds, that a second run has the same log byte for byte.
 *
 * **Gotchas**
 *
 * - Components run for real, in virtual time: what they acquire must be simulated too. A promise never ends in here;
 *   whoever waits for one runs into its deadline.
 * - A thousand seeds without a violation do not mean that there is none; they mean that, with a confidence of 95 %,
 *   less than three seeds in a thousand have one.
 *
 * **Example**
 *
 * ```ts
 * const result = Simulate.simulate([settings, cache, api], { seeds: 1000 })
 * assert.deepStrictEqual(result.violations, [])
 * assert.isAbove(result.struck["Hangs"] ?? 0, 0) // the faults have happened
 * ```
 */
import type { Boot, Component } from "@novacron/boot"
import { Duration } from "effect"
import type * as Judge from "./Judge.ts"
import * as Case from "./Case.ts"
import * as Fault from "./Fault.ts"
import * as Random from "./Random.ts"
import * as Replay from "./Replay.ts"
import { shrink } from "./Shrink.ts"
import * as Trial from "./Trial.ts"

/** What is simulated, and how much of it. */
export interface Options {
  /** How many seeds. */
  readonly seeds: number
  /** The first of them. Default: 0. */
  readonly seedFrom?: number
  /** Faults to draw, or the same ones for every seed. Default: a fault in one of ten attempts. */
  readonly faults?: Fault.Rates | ReadonlyArray<Fault.Fault>
  /** How to boot. */
  readonly options?: Boot.RunOptions
  /** A boot that is ready is stopped after this long at the most, when the seed says so. Default: 10 seconds. */
  readonly stopAfter?: Duration.Input
  /** The share of boots that are cancelled, somewhere in their first seconds. Default: 0.1. */
  readonly cancel?: number
  /** Typed failures to inject, by component. Default: an {@link Fault.InjectedFault} with a tag that it declares. */
  readonly errors?: Fault.Errors
  /** Promises of your own, judged with those of the kernel. */
  readonly oracle?: Trial.Oracle
  /** One of so many seeds runs twice, and its logs are compared. Default: 16. */
  readonly twice?: number
  /** Hears of each run; for progress and measurements. */
  readonly observe?: (it: Case.Case, verdict: Trial.Verdict) => void
}

/** What came of a campaign. */
export interface Result {
  /** Seeds that were run. */
  readonly runs: number
  /** Boots, those for second runs and for shrinking included. */
  readonly boots: number
  readonly outcomes: { readonly [outcome in Trial.Verdict["outcome"]]?: number }
  /** How often faults of each kind have struck. */
  readonly struck: { readonly [kind in Fault.Kind]?: number }
  /** One for each promise that was broken. */
  readonly violations: ReadonlyArray<Found>
}

/** A promise that was broken, as small as it could be made. */
export interface Found extends Judge.Violation {
  /** The first seed that broke it, and how many did. */
  readonly seed: number
  readonly seeds: number
  readonly replay: Replay.Replay
}

/** Runs a campaign. Throws a RangeError for options with which it would run nothing, or not what was meant. */
export const simulate = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Trial.Complete<Cs>,
  options: Options
): Result => campaign(components, options)

const campaign = (components: ReadonlyArray<Component.Any>, options: Options): Result => {
  const { errors, observe, options: boot, oracle, seedFrom = 0, seeds, twice = 16 } = options
  // Of no runs nobody could say that something was wrong.
  if (!(Number.isSafeInteger(seeds) && seeds >= 1)) {
    throw new RangeError(`Simulate: seeds is ${seeds}, it must be a whole number from 1.`)
  }
  if (!Number.isSafeInteger(seedFrom)) {
    throw new RangeError(`Simulate: seedFrom is ${seedFrom}, it must be a whole number.`)
  }
  checkDraws(options)
  // Of thousands of boots nobody reads stacks; the replay of one has them.
  const trial = Trial.make(components, { boot, errors, oracle, stacks: false })
  const outcomes: Record<string, number> = {}
  const struck: Record<string, number> = {}
  const broken = new Map<string, { readonly it: Case.Case; readonly violation: Judge.Violation; seeds: number }>()
  let boots = 0
  const run = (it: Case.Case): Trial.Verdict => {
    boots++
    return Trial.run(trial, it)
  }
  for (let seed = seedFrom; seed < seedFrom + seeds; seed++) {
    const drawn = draw(trial, seed, options)
    const it = seed % 4 === 0 ? aim(drawn, run(drawn)) : drawn
    const verdict = run(it)
    count(outcomes, verdict.outcome, 1)
    it.faults.forEach((fault, i) => count(struck, fault._tag, verdict.struck[i]!))
    for (const violation of [...verdict.violations, ...(seed % twice === 0 ? difference(verdict, run(it)) : [])]) {
      const known = broken.get(violation.promise)
      if (known === undefined) broken.set(violation.promise, { it, violation, seeds: 1 })
      else known.seeds++
    }
    observe?.(it, verdict)
  }
  const violations = [...broken.values()].map(({ it, seeds, violation }): Found => {
    const again = (it: Case.Case) => {
      const verdict = run(it)
      const found = violation.promise === sameLog ? difference(verdict, run(it)) : verdict.violations
      return found.find(({ promise }) => promise === violation.promise)
    }
    const smallest = shrink(trial, it, (it) => again(it) !== undefined)
    const last = again(smallest) ?? violation
    return { ...last, seed: it.seed, seeds, replay: Replay.make(smallest, last) }
  })
  return { runs: seeds, boots, outcomes, struck, violations }
}

/** Percents would be taken for certainty, and a boot that nobody stops for one that hangs. */
const checkDraws = ({ cancel = 0, faults = {}, stopAfter = 0 }: Options): void => {
  const { attempt = 0 } = isList(faults) ? {} : faults
  for (const [name, share] of [["cancel", cancel] as const, ["attempt of faults", attempt] as const]) {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`Simulate: ${name} is ${share}, it must be between 0 and 1.`)
  }
  const ms = Duration.toMillis(stopAfter)
  if (!(ms >= 0 && ms < Infinity)) {
    throw new RangeError(`Simulate: stopAfter is ${ms} ms, it must be finite and at least 0.`)
  }
}

const count = (counts: Record<string, number>, key: string, n: number): void => {
  counts[key] = (counts[key] ?? 0) + n
}

/** The case of a seed. */
const draw = (trial: Trial.Trial, seed: number, options: Options): Case.Case => {
  const { cancel = 0.1, faults: wanted = {}, options: boot = {}, stopAfter = "10 seconds" } = options
  const random = Random.fork(Random.make(seed), "case")
  const manifests = trial.components.map(({ manifest }) => manifest)
  const faults = isList(wanted) ? wanted : Fault.draw(random, manifests, wanted)
  const settings = Case.settings(boot)
  return {
    seed,
    fuzz: Random.chance(random, 0.5),
    components: manifests.map(({ name }) => name),
    faults,
    // Health that nobody watches cannot flap.
    settings: faults.some(({ _tag }) => _tag === "Flaps") ? { monitorMs: 1000, ...settings } : settings,
    stopAfterMs: Random.chance(random, 0.2) ? 0 : Random.int(random, Duration.toMillis(stopAfter) + 1),
    // Small moments are the crowded ones.
    cancelAtMs: Random.chance(random, cancel) ? Math.floor(5000 * Random.next(random) ** 3) : null
  }
}

/** The same case, ended in the middle of something: at a moment of its own log, or between two of them. */
const aim = (it: Case.Case, { events }: Trial.Verdict): Case.Case => {
  if (events.length === 0) return it
  const random = Random.fork(Random.make(it.seed), "aim")
  // What seldom happens is as good a moment as what happens all the time.
  const tag = Random.pick(random, [...new Set(events.map(({ _tag }) => _tag))])
  const at = Random.pick(
    random,
    events.flatMap((event, i) => (event._tag === tag ? [i] : []))
  )
  const [here, next] = [events[at]!.atMs, events[Math.min(at + 1, events.length - 1)]!.atMs]
  const atMs = Random.chance(random, 0.5) ? here : (here + next) / 2
  const ready = events.find((event) => event._tag === "BootReady")
  return ready === undefined || atMs < ready.atMs
    ? { ...it, cancelAtMs: atMs }
    : { ...it, stopAfterMs: atMs - ready.atMs, cancelAtMs: null }
}

const isList = (faults: Fault.Rates | ReadonlyArray<Fault.Fault>): faults is ReadonlyArray<Fault.Fault> =>
  Array.isArray(faults)

const sameLog = "the same seed gives the same log"

const difference = (first: Trial.Verdict, second: Trial.Verdict): ReadonlyArray<Judge.Violation> => {
  if (Trial.log(first) === Trial.log(second)) return []
  const at = first.events.findIndex((event, i) => JSON.stringify(event) !== JSON.stringify(second.events[i]))
  const [a, b] = [first, second].map(({ events }) => JSON.stringify(events[at]))
  return [{ promise: sameLog, message: `Event ${at} is ${a} first, then ${b}.`, atMs: first.events[at]?.atMs ?? 0 }]
}
