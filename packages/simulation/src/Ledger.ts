/**
 * Books on what components hold, kept by the components themselves and not by the kernel's word: what was opened, what
 * is served, what is closed. It finds what leaks, and who was closed while others still lived on it.
 *
 * **Details**
 *
 * An attempt is open from its begin until the last of its finalizers has run, and live from the end of `start` until
 * the first of them runs. Two laws are checked as things happen: nobody begins to close what is the only live instance
 * of something that an open attempt needs, and nothing closes more often than it was opened. Once a boot has ended,
 * `open` says what is left.
 *
 * **Example**
 *
 * ```ts
 * const { components, ledger } = Ledger.watch([settings, cache, api])
 * // boot and stop `components`, then:
 * Ledger.open(ledger) // => []
 * ```
 */
import { Component, type Recipe } from "@novacron/boot"
import { Context, Effect, Scope } from "effect"

/** The books. */
export interface Ledger {
  readonly accounts: ReadonlyMap<string, Account>
  /** Laws that were broken, in the order in which it was noticed. */
  readonly problems: Array<{ readonly component: string; readonly message: string }>
}

/** One component. */
export interface Account {
  readonly name: string
  opened: number
  /** Attempts that have begun and are not closed. */
  open: number
  /** Instances that have started and have not begun to close. */
  live: number
  /** Instances on which the kernel has given up, as it says. */
  abandoned: number
  /** Those who cannot live without it. */
  readonly dependents: Array<Account>
}

/** Opens books on components; boot the ones that come back. */
export const watch = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Cs
): { readonly components: Cs; readonly ledger: Ledger } => {
  const accounts = new Map(components.map(({ recipe: { name } }) => [name, account(name)]))
  for (const { manifest } of components) {
    for (const need of manifest.needs) {
      const provider = components.find((other) => other.manifest.provides.includes(need.key))
      if (need.kind === "hard" && provider !== undefined) {
        accounts.get(provider.recipe.name)!.dependents.push(accounts.get(manifest.name)!)
      }
    }
  }
  const ledger: Ledger = { accounts, problems: [] }
  const watched = components.map((component) =>
    Component.mapRecipe(component, (recipe) => book(ledger, accounts.get(recipe.name)!, recipe))
  )
  // `mapRecipe` keeps the type of each.
  return { components: watched as ReadonlyArray<Component.Any> as Cs, ledger }
}

/** Begins new books. */
export const reset = (ledger: Ledger): void => {
  ledger.problems.length = 0
  for (const account of ledger.accounts.values()) {
    account.opened = 0
    account.open = 0
    account.live = 0
    account.abandoned = 0
  }
}

/** Takes note that the kernel waits no longer for a component to close: for any of its instances, were there two. */
export const abandon = (ledger: Ledger, name: string): void => {
  const account = ledger.accounts.get(name)
  if (account !== undefined) account.abandoned = Math.max(account.abandoned + 1, account.open)
}

/** What is still held, by component. */
export const open = (ledger: Ledger): ReadonlyArray<Account> =>
  [...ledger.accounts.values()].filter((account) => account.open !== 0)

// ----------------------------------------------------------------------------------------------------------- private

const account = (name: string): Account => ({ name, opened: 0, open: 0, live: 0, abandoned: 0, dependents: [] })

const book = (ledger: Ledger, account: Account, recipe: Recipe.Recipe): Recipe.Recipe => {
  const closed = Effect.sync(() => {
    account.open--
    if (account.open < 0) problem(ledger, account, "closes more often than it was opened")
  })
  const closing = Effect.sync(() => {
    account.live--
    if (account.live > 0) return
    for (const { abandoned, name, open } of account.dependents) {
      if (open > abandoned) problem(ledger, account, `begins to close while ${name} still holds on to it`)
    }
  })
  const [first, ...fallbacks] = recipe.builds.map((build): Recipe.Build => ({
    ...build,
    start: Effect.withFiber((fiber) => {
      const scope = Context.getUnsafe(fiber.context, Scope.Scope)
      account.opened++
      account.open++
      return Effect.andThen(
        Scope.addFinalizer(scope, closed),
        Effect.flatMap(build.start, (built) => {
          account.live++
          return Effect.as(Scope.addFinalizer(scope, closing), built)
        })
      )
    })
  }))
  return { ...recipe, builds: [first!, ...fallbacks] }
}

const problem = (ledger: Ledger, { name }: Account, message: string): void => {
  ledger.problems.push({ component: name, message: `${name} ${message}.` })
}
