/**
 * What is the same in every boot of the same components: the plan, the recipes in its order, and who provides what. It is
 * worked out once for them, so whoever looks at a plan before the boot, or boots ten thousand times to find a bug, does not
 * pay for it again.
 */
// `!` after an index: positions come from loops over the same arrays.
import { Exit, Result } from "effect"
import * as Plan from "./Plan.ts"
import * as Recipe from "./Recipe.ts"

/** Components, ready to be booted. Nothing in it changes. */
export interface Preparation {
  readonly plan: Plan.Plan
  /** In the order of the plan. */
  readonly recipes: ReadonlyArray<Recipe.Recipe>
  /** The component that provides a key in this environment. */
  readonly providers: ReadonlyMap<string, number>
  /** Those that have something to check before anything starts. */
  readonly validated: ReadonlyArray<number>
}

/** What else a plan depends on. */
export interface Terms {
  readonly environment: string
  readonly durationsMs: { readonly [name: string]: number } | undefined
  /**
   * Keys that come from outside; without it all that is missing does. Asked for only when something is to come from there:
   * most boots bring all they need.
   */
  readonly outside?: () => { readonly has: (key: string) => boolean; readonly keys: () => Iterable<string> }
}

/** Plans the recipes, or says all that is wrong with them. */
export const make = (
  recipes: ReadonlyArray<Recipe.Recipe>,
  terms: Terms
): Result.Result<Preparation, Plan.InvalidPlan> => {
  const before = recall(recipes, terms)
  if (before !== undefined && isMet(before.plan, terms)) return Result.succeed(before)
  const manifests = recipes.map(Recipe.manifest)
  const { durationsMs, environment, outside } = terms
  const options = durationsMs === undefined ? { environment } : { environment, durationsMs }
  const quick = Plan.make(manifests, options)
  const isGood = outside === undefined || (Result.isSuccess(quick) && isMet(quick.success, terms))
  const planned = isGood ? quick : Plan.make(manifests, { ...options, provided: new Set(outside().keys()) })
  return Result.map(planned, (plan) => remember(recipes, terms, prepare(plan, recipes)))
}

const isMet = ({ external }: Plan.Plan, { outside }: Terms): boolean => {
  if (external.length === 0 || outside === undefined) return true
  const there = outside()
  return external.every((key) => there.has(key))
}

const prepare = (plan: Plan.Plan, recipes: ReadonlyArray<Recipe.Recipe>): Preparation => {
  // The plan was made of these recipes.
  const sorted = new Array<Recipe.Recipe>(recipes.length)
  for (const recipe of recipes) sorted[plan.index.get(recipe.name)!] = recipe
  const validated: Array<number> = []
  const providers = new Map<string, number>()
  for (let i = 0; i < sorted.length; i++) {
    const { provides, validate } = sorted[i]!
    const isThere = !plan.excluded[i]!
    if (isThere && validate !== undefined && !hasPassed(validate)) validated.push(i)
    for (const { key } of provides) if (isThere || !providers.has(key)) providers.set(key, i)
  }
  return { plan, recipes: sorted, providers, validated }
}

/** A check of settings that were at hand where the component was declared may be over by then. */
const hasPassed = (check: Recipe.AnyEffect): boolean => Exit.isExit(check) && Exit.isSuccess(check)

// ------------------------------------------------------------------------------------------------------------- memory

/** A preparation, and what it was made of. */
interface Known {
  readonly given: ReadonlyArray<Recipe.Recipe>
  readonly terms: Terms
  readonly preparation: Preparation
}

/** The last one, by the first of its recipes: it goes when they go. */
const known = new WeakMap<Recipe.Recipe, Known>()

const recall = (recipes: ReadonlyArray<Recipe.Recipe>, terms: Terms): Preparation | undefined => {
  const last = recipes[0] === undefined ? undefined : known.get(recipes[0])
  if (last === undefined || last.given.length !== recipes.length) return undefined
  if (last.terms.environment !== terms.environment || last.terms.durationsMs !== terms.durationsMs) return undefined
  for (let i = 0; i < recipes.length; i++) if (recipes[i] !== last.given[i]) return undefined
  return last.preparation
}

const remember = (recipes: ReadonlyArray<Recipe.Recipe>, terms: Terms, preparation: Preparation): Preparation => {
  if (recipes[0] !== undefined) known.set(recipes[0], { given: recipes, terms, preparation })
  return preparation
}
