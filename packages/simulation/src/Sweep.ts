/**
 * Every single fault, one after the other: each component, each of its attempts, each kind of fault, each await. Where
 * `Simulate` searches by chance, a sweep leaves nothing out.
 *
 * **Details**
 *
 * A dry run finds the awaits of an attempt. An attempt that only comes after failures (a second one, one of a fallback)
 * is reached by letting those before it fail. Each run is one boot with one fault, judged like any other trial, and in
 * addition the fault has to strike, a boot that fails has to say of which component, and one that is degraded has to
 * say what is not up.
 *
 * **Example**
 *
 * ```ts
 * const result = Sweep.sweep([settings, cache, api])
 * assert.deepStrictEqual(result.violations, [])
 * assert.strictEqual(result.struck, result.runs)
 * console.error(Sweep.table(result))
 * ```
 */
import type { Boot, BootEvent, Component } from "@novacron/boot"
import type * as Judge from "./Judge.ts"
import * as Case from "./Case.ts"
import * as Fault from "./Fault.ts"
import * as Replay from "./Replay.ts"
import * as Trial from "./Trial.ts"

/** How to sweep. */
export interface Options {
  /** How to boot. */
  readonly options?: Boot.RunOptions
  /** Typed failures to inject, by component. Default: an {@link Fault.InjectedFault} with a tag that it declares. */
  readonly errors?: Fault.Errors
  /** Promises of your own, judged with those of the kernel. */
  readonly oracle?: Trial.Oracle
  /** Default: all kinds. */
  readonly kinds?: ReadonlyArray<Fault.Kind>
  /** Chance inside the boots. Default: 0. */
  readonly seed?: number
}

/** What came of a sweep. */
export interface Result {
  readonly runs: number
  /** Runs in which the fault has struck. All of them, or the sweep is not exhaustive. */
  readonly struck: number
  /** Attempts that were swept. */
  readonly attempts: number
  /** How many boots ended how, by kind of fault. */
  readonly outcomes: { readonly [kind in Fault.Kind]?: { readonly [outcome in Trial.Verdict["outcome"]]?: number } }
  readonly violations: ReadonlyArray<Violation>
}

/** A broken promise, with what it takes to break it again. */
export interface Violation extends Judge.Violation {
  /** Undefined when it takes none: the components cannot be booted at all. */
  readonly fault: Fault.Fault | undefined
  readonly replay: Replay.Replay
}

/** Sweeps components. */
export const sweep = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Trial.Complete<Cs>,
  options: Options = {}
): Result => exhaust(components, options)

/** The outcomes as text: one line for each kind. */
export const table = ({ outcomes }: Pick<Result, "outcomes">): string => {
  const columns = ["ready", "degraded", "failed", "cancelled"] as const
  const rows = Fault.kinds.flatMap((kind) => {
    const counts = outcomes[kind]
    return counts === undefined ? [] : [[kind, ...columns.map((column) => `${counts[column] ?? 0}`)]]
  })
  return [["", ...columns], ...rows]
    .map(([kind, ...cells]) => `${kind!.padEnd(16)}${cells.map((cell) => cell.padStart(10)).join("")}`)
    .join("\n")
}

// ----------------------------------------------------------------------------------------------------------- private

const exhaust = (components: ReadonlyArray<Component.Any>, options: Options): Result => {
  const { errors, kinds = Fault.kinds, options: boot = {}, oracle, seed = 0 } = options
  const known = { boot, errors, oracle }
  const trial = Trial.make(components, known)
  const counting = Trial.make(components, { ...known, conformance: false, counting: true })
  const blank: Case.Case = {
    seed,
    fuzz: false,
    components: components.map(({ recipe }) => recipe.name),
    faults: [],
    settings: Case.settings(boot),
    // Time for a restoration or two.
    stopAfterMs: 10_000,
    cancelAtMs: null
  }
  const outcomes: { [kind in Fault.Kind]?: Record<string, number> } = {}
  const violations: Array<Violation> = []
  const found = (it: Case.Case, fault: Fault.Fault | undefined, all: ReadonlyArray<Judge.Violation>) => {
    for (const violation of all) violations.push({ ...violation, fault, replay: Replay.make(it, violation) })
  }
  // A server that is not simulated, say: whatever lives on it is on its fallback in every boot.
  const undisturbed = Trial.run(trial, blank)
  const usual = downIn(undisturbed)
  let [runs, struck, attempts] = [0, 0, 0]
  for (const at of components.flatMap(({ manifest }) => attemptsOf(manifest))) {
    const before = failuresBefore(components, at)
    const seen = Trial.awaits(counting, { ...blank, faults: before }).find((counted) => isAt(counted, at))
    // Whoever is critical has no use for its fallback: that attempt never comes.
    if (seen === undefined) continue
    attempts++
    for (const fault of kinds.flatMap((kind) => variations(kind, at, seen.awaits))) {
      const it = { ...blank, ...(fault._tag === "Flaps" ? watched(blank, fault) : {}), faults: [fault, ...before] }
      const verdict = Trial.run(trial, it)
      runs++
      if (verdict.struck[0]! > 0) struck++
      const counts = (outcomes[fault._tag] ??= {})
      counts[verdict.outcome] = (counts[verdict.outcome] ?? 0) + 1
      found(it, fault, [...verdict.violations, ...speaks(fault, verdict, usual)])
    }
  }
  // Nothing can be wrong with what nobody has tried.
  if (attempts === 0) found(blank, undefined, undisturbed.violations)
  return { runs, struck, attempts, outcomes, violations }
}

const attemptsOf = ({ name, variants }: Component.Any["manifest"]): ReadonlyArray<Fault.Attempt> =>
  variants.flatMap(({ attempts }, variant) =>
    Array.from({ length: attempts }, (_, i) => ({ component: name, variant, attempt: i + 1 }))
  )

/** What has to fail so that an attempt is made: all of its component's before it. */
const failuresBefore = (
  components: ReadonlyArray<Component.Any>,
  { attempt, component, variant }: Fault.Attempt
): ReadonlyArray<Fault.Fault> =>
  components
    .flatMap(({ manifest }) => (manifest.name === component ? attemptsOf(manifest) : []))
    .filter((other) => other.variant < variant || (other.variant === variant && other.attempt < attempt))
    .map((other) => Fault.make("Fails", other))

/** Long enough for health to turn, and back. A fallback has to stay for that. */
const watched = ({ settings }: Case.Case, { variant }: Fault.Fault): Partial<Case.Case> => ({
  settings: { monitorMs: 1000, ...settings, ...(variant > 0 ? { restoration: "off" } : {}) },
  stopAfterMs: 30_000
})

const isAt = (a: Fault.Attempt, b: Fault.Attempt): boolean =>
  a.component === b.component && a.variant === b.variant && a.attempt === b.attempt

/** All faults of a kind at one attempt. */
const variations = (kind: Fault.Kind, at: Fault.Attempt, awaits: number): ReadonlyArray<Fault.Fault> => {
  if (!Fault.isAtAwait(kind)) return [Fault.make(kind, at, { times: 1, period: 5 })]
  // A little late, and later than any deadline.
  const factors = kind === "Slow" ? [3, 100_000] : [1]
  return Array.from({ length: awaits + 1 }, (_, k) => k).flatMap((k) =>
    factors.map((factor) => Fault.make(kind, at, { await: k, factor }))
  )
}

/** Did it strike, and can whoever is on call see what happened, beside what is not up without it? */
const speaks = (fault: Fault.Fault, verdict: Trial.Verdict, usual: ReadonlySet<string>): Array<Judge.Violation> => {
  const { component } = fault
  const { failed, outcome, struck, timeMs } = verdict
  const told = (message: string): Array<Judge.Violation> => [
    { promise: "a fault leads to an outcome that names the component", message, component, atMs: timeMs }
  ]
  if (struck[0] === 0) {
    return [{ promise: "each fault of a sweep strikes", message: Fault.describe(fault), component, atMs: timeMs }]
  }
  // What is absent may be the reason that somebody else fails.
  const down = downIn(verdict)
  const isDown = down.has(component)
  switch (outcome) {
    case "ready":
    case "cancelled":
      return []
    case "failed":
      return isDown || failed.includes(component) ? [] : told(`The boot failed of ${failed.join(", ") || "nothing"}.`)
    case "degraded":
      return isDown || [...down].every((name) => usual.has(name))
        ? []
        : told(`The boot is degraded, and nothing says that ${component} is not up.`)
    case "booting":
    case "stopped":
      return told(`A boot cannot end like this: ${outcome}.`)
  }
}

/** Who is not up, by what the log says. */
const downIn = ({ events }: Trial.Verdict): ReadonlySet<string> =>
  new Set(events.flatMap((event) => (isDownWord(event) ? [event.component] : [])))

const isDownWord = (
  event: BootEvent.BootEvent
): event is BootEvent.Of<"ComponentDegraded" | "ComponentAbsent" | "ComponentSkipped"> =>
  event._tag === "ComponentDegraded" || event._tag === "ComponentAbsent" || event._tag === "ComponentSkipped"
