/**
 * One boot, ended at every moment of its life: at each event of its log, right after it, and between any two of them.
 * Whoever can be stopped everywhere leaves nothing behind wherever it is stopped.
 *
 * **Example** (the cache falls back, and is restored after a while)
 *
 * ```ts
 * const down = [1, 2, 3].map((attempt) => Fault.make("Fails", { component: "cache", variant: 0, attempt }))
 * const { runs, violations } = Stops.everywhere([settings, cache, api], { faults: down })
 * assert.deepStrictEqual(violations, [])
 * ```
 */
import type { Boot, Component } from "@novacron/boot"
import { Duration } from "effect"
import * as Case from "./Case.ts"
import type * as Fault from "./Fault.ts"
import type * as Judge from "./Judge.ts"
import * as Replay from "./Replay.ts"
import * as Trial from "./Trial.ts"

/** The boot that is stopped. */
export interface Options {
  /** What goes wrong in it. Default: nothing. */
  readonly faults?: ReadonlyArray<Fault.Fault>
  /** How to boot. */
  readonly options?: Boot.RunOptions
  /** Typed failures to inject, by component. */
  readonly errors?: Fault.Errors
  /** Promises of your own, judged with those of the kernel. */
  readonly oracle?: Trial.Oracle
  /** How long after it is ready its life goes on. Default: 15 seconds. */
  readonly lasts?: Duration.Input
  /** Chance inside the boot. Default: 0. */
  readonly seed?: number
}

/** What came of it. */
export interface Result {
  /** How many moments there were. */
  readonly runs: number
  /** The boot that was not disturbed. */
  readonly whole: Trial.Verdict
  readonly violations: ReadonlyArray<Judge.Violation & { readonly replay: Replay.Replay }>
}

/** Boots, and then again and again, each time to be ended a little later. */
export const everywhere = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Trial.Complete<Cs>,
  options: Options = {}
): Result => exhaust(components, options)

const exhaust = (components: ReadonlyArray<Component.Any>, options: Options): Result => {
  const { errors, faults = [], lasts = "15 seconds", options: boot = {}, oracle, seed = 0 } = options
  const trial = Trial.make(components, { boot, errors, oracle })
  const whole: Case.Case = {
    seed,
    fuzz: false,
    components: components.map(({ recipe }) => recipe.name),
    faults,
    settings: Case.settings(boot),
    stopAfterMs: Duration.toMillis(lasts),
    cancelAtMs: null
  }
  const verdict = Trial.run(trial, whole)
  const violations = verdict.violations.map((violation) => ({ ...violation, replay: Replay.make(whole, violation) }))
  const readyMs = verdict.events.find((event) => event._tag === "BootReady")?.atMs ?? Infinity
  const moments = momentsOf(verdict)
  for (const atMs of moments) {
    const it = atMs < readyMs ? { ...whole, cancelAtMs: atMs } : { ...whole, stopAfterMs: toGrain(atMs - readyMs) }
    for (const violation of Trial.run(trial, it).violations) {
      violations.push({ ...violation, replay: Replay.make(it, violation) })
    }
  }
  return { runs: moments.length, whole: verdict, violations }
}

/** Each moment at which something happened, a microsecond after it, and three on the way to the next. */
const momentsOf = ({ events }: Trial.Verdict): ReadonlyArray<number> => {
  const times = [...new Set(events.map(({ atMs }) => atMs))]
  const moments = times.flatMap((atMs, i) => {
    const restMs = (times[i + 1] ?? atMs) - atMs
    return [atMs, ...[0.001 / restMs, 0.25, 0.5, 0.75].map((share) => toGrain(atMs + share * restMs))]
  })
  return [...new Set(moments)].filter(Number.isFinite)
}

/** Kernel and clocks agree to the microsecond. */
const toGrain = (ms: number): number => Math.round(ms * 1000) / 1000
