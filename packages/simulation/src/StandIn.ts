/**
 * Components that do nothing but what their manifests say: they sleep, hold something, let go of it, and answer their
 * probe. With them the real driver boots graphs that nobody has declared.
 *
 * **Details**
 *
 * A stand-in takes its time in two sleeps with an acquisition between them, so that there are awaits before, in and
 * after it. Its finalizer sleeps as well. Its failures are `Down` errors, of the severity that its manifest gives.
 *
 * **Example**
 *
 * ```ts
 * const components = StandIn.make(Graphs.reference, { startMs: (name) => Graphs.referenceMs[name]! })
 * Simulate.simulate(components, { seeds: 1000 })
 * ```
 */
import { Component, type Manifest, Policy, type Severity } from "@novacron/boot"
import { Context, Data, Effect } from "effect"

/** How a stand-in fails. */
export class Down extends Data.TaggedError("Down")<{ readonly component: string }> {
  override get message() {
    return `${this.component} is down`
  }
}

/** A component that needs nobody outside of its list and whose severities are all handled. */
export type StandIn = Component.Component<unknown>

/** Times of stand-ins, in milliseconds, by name. */
export interface Times {
  /** Default: 10. */
  readonly startMs?: (name: string) => number
  /** Default: 1. */
  readonly stopMs?: (name: string) => number
}

/** A stand-in for each manifest. Groups become single components. */
export const make = (manifests: ReadonlyArray<Manifest.Manifest>, times: Times = {}): ReadonlyArray<StandIn> => {
  const services = new Map<string, Service>()
  for (const { needs, provides } of manifests) {
    for (const key of [...provides, ...needs.map((need) => need.key)]) {
      if (!services.has(key)) services.set(key, Context.Service<unknown, Answers>(key))
    }
  }
  return manifests.map((manifest) => standIn(manifest, services, times))
}

interface Answers {
  readonly ping: Effect.Effect<void>
}
type Service = Context.Key<unknown, Answers>

const severities = { critical: "Critical", degraded: "Degraded", warning: "Warning" } as const

const standIn = (
  manifest: Manifest.Manifest,
  services: ReadonlyMap<string, Service>,
  { startMs = () => 10, stopMs = () => 1 }: Times
): StandIn => {
  const [service] = manifest.provides.map((key) => services.get(key)!)
  const needs = manifest.needs.map(({ key, kind }) => {
    const need = services.get(key)!
    return kind === "hard" ? need : kind === "optional" ? Component.option(need) : Component.late(need)
  })
  const variant = ({ attempts, deadlineMs, lateness, name, retryMs, timeoutMs }: Manifest.Variant): Component.Any => {
    const ms = startMs(name) / 2
    const held = Effect.acquireRelease(Effect.sleep(ms), () => Effect.sleep(stopMs(name)))
    const one = Component.make(service!, {
      name,
      needs,
      phase: manifest.phase,
      priority: manifest.priority,
      slow: manifest.slowMs,
      stop: manifest.stopMs,
      severity: severities[manifest.severity],
      start: Effect.as(Effect.andThen(Effect.sleep(ms), held), { ping: Effect.void }),
      health: ({ ping }) => ping
    }).pipe(Component.timeout(timeoutMs))
    const late = lateness === undefined ? one : Component.mapRecipe(one, withLateness(severities[lateness]))
    const patient = attempts === 1 ? late : Component.retry(late, patience(attempts, retryMs))
    return deadlineMs === Infinity ? patient : Component.deadline(patient, deadlineMs)
  }
  const [first, ...fallbacks] = manifest.variants.map(variant)
  const named = Component.mapRecipe(first!, (recipe) => ({
    ...recipe,
    name: manifest.name,
    optional: manifest.optional,
    environments: manifest.environments,
    builds: [recipe.builds[0], ...fallbacks.map((fallback) => fallback.recipe.builds[0])]
  }))
  // The graph was made to be complete, and the severities are those that its manifests can handle.
  return named as unknown as StandIn
}

// The type of the table would ask for the errors of a start that has none; the faults come from outside.
const withLateness =
  (lateness: Severity.Severity) =>
  (recipe: Component.Any["recipe"]): Component.Any["recipe"] => {
    const [build] = recipe.builds
    const table = { Down: build.table as Severity.Severity, TimedOut: lateness }
    return { ...recipe, builds: [{ ...build, table }] }
  }

const patience = (attempts: number, retryMs: number): Policy.Policy => {
  const delay = retryMs / (attempts - 1)
  return Policy.make({ name: "patience", attempts, delay, factor: 1, cap: delay })
}
