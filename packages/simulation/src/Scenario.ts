/**
 * A boot of a random graph, all of it from one seed, and as plain data: the graph, how long its components take, the
 * limits, the odds. When a promise is broken the scenario shrinks to the little that it takes, and can be written to a
 * file.
 *
 * **Example**
 *
 * ```ts
 * const scenario = Scenario.make(42)
 * const { violation } = Scenario.run(scenario)
 * if (violation !== undefined) console.log(JSON.stringify(Scenario.shrink(scenario)))
 * ```
 */
import { type BootEvent, type Manifest, Plan, type Progress, type Severity } from "@novacron/boot/model"
import { Result } from "effect"
import * as Graphs from "./Graphs.ts"
import * as Odds from "./Odds.ts"
import * as Random from "./Random.ts"
import * as World from "./World.ts"

/** Everything that decides how a simulated boot goes. */
export interface Scenario {
  readonly seed: number
  readonly manifests: ReadonlyArray<Manifest.Manifest>
  /** Typical time of a start, in milliseconds, by name. */
  readonly costMs: { readonly [name: string]: number }
  readonly limits: Progress.Limits
  readonly odds: Odds.Odds
  /** Names of components to which nothing happens. */
  readonly spared: ReadonlyArray<string>
}

/** The scenario of a seed: up to `maxSize` components, mostly fewer, and a mix of faults of its own. */
export const make = (seed: number, maxSize = 60): Scenario => {
  const chance = Random.make(seed)
  const late = Random.fork(chance, "lateness")
  const costs = Random.fork(chance, "costs")
  const manifests = Graphs.random(Random.fork(chance, "graph"), maxSize).map((manifest) =>
    // What a component can do without may still have a deadline that it must not miss.
    Random.chance(late, 0.1) ? withLateness(manifest, "critical") : manifest
  )
  return {
    seed,
    manifests,
    costMs: Object.fromEntries(manifests.map(({ name }) => [name, Random.int(costs, 30)])),
    limits: Graphs.limits(Random.fork(chance, "limits"), manifests.length),
    odds: Odds.swarm(Random.fork(chance, "odds")),
    spared: []
  }
}

const withLateness = (manifest: Manifest.Manifest, lateness: Severity.Word): Manifest.Manifest => {
  const [own, ...fallbacks] = manifest.variants
  return { ...manifest, variants: [{ ...own, lateness }, ...fallbacks] }
}

/** Boots it. The same scenario gives the same run; its events are appended to `log` if there is one. */
export const run = (self: Scenario, log?: Array<BootEvent.BootEvent>): World.Run => {
  const { costMs, limits, manifests, odds, seed, spared } = self
  const plan = Result.getOrThrow(Plan.make(manifests, { environment: Graphs.environment, durationsMs: costMs }))
  return World.boot(World.make(plan, limits, odds, new Set(spared)), seed, log)
}

/** What went wrong, as text that two failures of the same kind have in common; empty when nothing did. */
export const complaint = ({ violation }: World.Run): string =>
  violation === undefined
    ? ""
    : `${violation.invariant} ${violation.message
        .split("\n")[0]!
        .replace(/\bn\d\d\b(-\d)?/g, "X")
        .replace(/\d+(\.\d+)?/g, "N")}`

/**
 * The smallest scenario found, one step at a time, in which the same goes wrong as in this one: fewer components,
 * needs, fallbacks and attempts, fewer kinds of fault, fewer components that suffer any.
 */
export const shrink = (self: Scenario, fails = failsLike(self)): Scenario => {
  let smallest = self
  for (let again = true; again;) {
    again = false
    for (const smaller of smallerOnes(smallest)) {
      if (!fails(smaller)) continue
      smallest = smaller
      again = true
      break
    }
  }
  return smallest
}

const failsLike = (self: Scenario): ((other: Scenario) => boolean) => {
  const wanted = complaint(run(self))
  return (other) => complaint(run(other)) === wanted
}

function* smallerOnes(self: Scenario): Generator<Scenario> {
  const { limits, manifests, odds, spared } = self
  for (const { name } of manifests) {
    yield { ...self, manifests: without(manifests, name), spared: spared.filter((other) => other !== name) }
  }
  for (const { name } of manifests) if (!spared.includes(name)) yield { ...self, spared: [...spared, name] }
  for (const dial of dials) if (odds[dial] > 0) yield { ...self, odds: { ...odds, [dial]: 0 } }
  for (const manifest of manifests) {
    for (const simpler of simplerOnes(manifest)) {
      yield { ...self, manifests: manifests.map((other) => (other === manifest ? simpler : other)) }
    }
  }
  if (limits.scheduling === "phased") yield { ...self, limits: { ...limits, scheduling: "dataflow" } }
  if (limits.slots < manifests.length) yield { ...self, limits: { ...limits, slots: manifests.length } }
}

// The names of the odds; the compiler holds that there are no others.
const dials = Object.keys(Odds.none) as ReadonlyArray<keyof Odds.Odds>

const without = (manifests: ReadonlyArray<Manifest.Manifest>, name: string): ReadonlyArray<Manifest.Manifest> =>
  manifests
    .filter((manifest) => manifest.name !== name)
    .map((manifest) => ({ ...manifest, needs: manifest.needs.filter(({ key }) => key !== name) }))

function* simplerOnes(manifest: Manifest.Manifest): Generator<Manifest.Manifest> {
  const [own, ...fallbacks] = manifest.variants
  for (let k = 0; k < manifest.needs.length; k++) {
    yield { ...manifest, needs: manifest.needs.filter((_, other) => other !== k) }
  }
  if (fallbacks.length > 0) yield { ...manifest, variants: [own, ...fallbacks.slice(1)] }
  if (own.attempts > 1) yield { ...manifest, variants: [{ ...own, attempts: 1, retryMs: 0 }, ...fallbacks] }
  if (own.deadlineMs < Infinity) yield { ...manifest, variants: [{ ...own, deadlineMs: Infinity }, ...fallbacks] }
  if (manifest.priority !== 0) yield { ...manifest, priority: 0 }
  if (manifest.environments !== undefined) yield { ...manifest, environments: undefined }
}
