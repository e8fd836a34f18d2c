/**
 * A component as the engine sees it: what a manifest is made of, and the effects that build it. The types that keep a
 * graph honest are in `Component`; here they have done their work.
 */
import type { Effect } from "effect"
import { Context, Option } from "effect"
import type { Manifest, Need } from "./Manifest.ts"
import * as Policy from "./Policy.ts"
import { mildest, type Severity, word } from "./Severity.ts"
import type { Phase } from "./Phase.ts"

/** The key of some service. Keys are covariant, so this is all of them. */
export type AnyKey = Context.Key<unknown, unknown>

/** An effect whose needs were checked where its component was declared. */
export type AnyEffect = Effect.Effect<unknown, unknown, unknown>

/** A severity for all errors, or one by tag. */
export type AnyTable = Severity | { readonly [tag: string]: Severity }

/** One way of building the services: the component itself, or one of its fallbacks. */
export interface Build {
  readonly name: string
  /** Yields the one service, or a context of all that are provided. Runs in the scope of one attempt. */
  readonly start: AnyEffect
  readonly yields: "service" | "context"
  /** Succeeds when what `start` yielded is healthy. */
  readonly probe: (built: unknown) => AnyEffect
  /** Cleans up after an instance that a killed process has left behind. */
  readonly recover?: AnyEffect | undefined
  /** Whether `start` is a boot of its own, whose events are told as those of members. */
  readonly isGroup?: boolean
  readonly table: AnyTable
  readonly policy: Policy.Policy
  readonly timeoutMs: number
  readonly deadlineMs: number
}

/** Everything about a component. */
export interface Recipe {
  readonly name: string
  readonly provides: ReadonlyArray<AnyKey>
  readonly needs: ReadonlyArray<AnyKey>
  readonly phase: Phase
  readonly priority: number
  readonly optional: boolean
  readonly environments: ReadonlyArray<string> | undefined
  readonly builds: readonly [Build, ...ReadonlyArray<Build>]
  readonly slowMs: number
  readonly stopMs: number
  /** Runs before anything starts; a failure means that nothing does. */
  readonly validate: AnyEffect | undefined
  /** The components inside, when it is a group. */
  readonly members: ReadonlyArray<Recipe> | undefined
}

/** The recipe as data. */
export const manifest = (recipe: Recipe): Manifest => {
  const {
    builds: [first, ...fallbacks]
  } = recipe
  const severity = word[mildest(first.table)]
  return {
    name: recipe.name,
    provides: recipe.provides.map((key) => key.key),
    needs: recipe.needs.map(needOf),
    phase: recipe.phase,
    severity,
    optional: recipe.optional && severity === "warning",
    priority: recipe.priority,
    environments: recipe.environments,
    variants: [variant(first), ...fallbacks.map(variant)],
    slowMs: recipe.slowMs,
    stopMs: recipe.stopMs,
    group: recipe.members?.map(manifest)
  }
}

const variant = (build: Build) => {
  const { deadlineMs, name, policy, table, timeoutMs } = build
  const lateness = typeof table === "string" ? undefined : table["TimedOut"]
  return {
    name,
    attempts: Policy.maxAttempts(policy),
    retryMs: Policy.worstCaseMs(policy),
    timeoutMs,
    deadlineMs,
    ...(lateness === undefined ? {} : { lateness: word[lateness] })
  }
}

// ----------------------------------------------------------------------------------------- keys of optional services

const derived = new Map<string, { readonly key: AnyKey; readonly need: Need }>()

/** The key under which a service is found as an option, or later; one for each key and kind. */
export const derive = (key: AnyKey, kind: "optional" | "late"): AnyKey => {
  const id = derivedId(key.key, kind)
  const known = derived.get(id)
  if (known !== undefined) return known.key
  const made: AnyKey = Context.Service<unknown, unknown>(id)
  derived.set(id, { key: made, need: { key: key.key, kind } })
  return made
}

const derivedId = (key: string, kind: "optional" | "late"): string => `${key}${kind === "optional" ? "?" : "~"}`

/** The edge that a declared need stands for. */
export const needOf = (key: AnyKey): Need => softNeedOf(key) ?? { key: key.key, kind: "hard" }

/** The same for one that need not be met; undefined for one that must. */
export const softNeedOf = (key: AnyKey): Need | undefined => softNeed(key.key)

/** The need that a derived key stands for, by its text; undefined for any other text. */
export const softNeed = (id: string): Need | undefined => derived.get(id)?.need

/** The service of one key in what `start` yielded, which may be undefined; none for a member of a group that is not up. */
export const serviceOf = (yields: Build["yields"], built: unknown, key: AnyKey): Option.Option<unknown> =>
  // The declaration says which of the two `start` yields.
  yields === "service" ? Option.some(built) : Context.getOption(built as Context.Context<unknown>, key)

/** Finds a service when it runs, or finds that it is not up. */
export type Lookup = Effect.Effect<Option.Option<unknown>>

/** Says of a key what those find who can do without it: an option as of now, and an effect that looks again. */
export const complete = (
  services: Map<string, unknown>,
  key: string,
  now: Option.Option<unknown>,
  late: Lookup
): void => {
  services.set(derivedId(key, "optional"), now)
  services.set(derivedId(key, "late"), late)
}
