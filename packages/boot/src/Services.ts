/**
 * What the components of a boot provide each other: the services of those that are up, and the context that each attempt
 * runs in, which holds the environment and the declared needs and nothing else.
 */
import { Context, Effect, Option } from "effect"
import * as Live from "./Live.ts"
import type { Need } from "./Manifest.ts"
import { Offers } from "./Offers.ts"
import type { Preparation } from "./Preparation.ts"
import * as Recipe from "./Recipe.ts"

/** The services of one boot. */
export class Services {
  /** Of those that are up, by key. */
  readonly byKey = new Map<string, unknown>()
  /** The same for whoever uses the boot: as options and for late lookup too. */
  readonly offers: Offers
  private readonly recipes: ReadonlyArray<Recipe.Recipe>
  private readonly env: Context.Context<never>
  private readonly isUp: (component: number) => boolean
  /** The component that provides a key in this environment. */
  private readonly providers: ReadonlyMap<string, number>
  private readonly faces = new Map<string, Live.Live>()
  /** Members of groups that were not up when their group came up; they may be by now. */
  private readonly inside = new Map<string, () => Option.Option<unknown>>()

  constructor({ providers, recipes }: Preparation, env: Context.Context<never>, isUp: (component: number) => boolean) {
    this.recipes = recipes
    this.providers = providers
    this.env = env
    this.isUp = isUp
    this.offers = new Offers({
      byKey: this.byKey,
      provided: providers,
      find: (key) => this.find(key),
      lookup: (key) => this.lookup(key)
    })
  }

  /** The environment with what the component declared as its needs. */
  contextOf(component: number): Context.Context<never> {
    let context = this.env
    for (const key of this.recipes[component]!.needs) {
      const need = Recipe.softNeedOf(key)
      const service = need === undefined ? this.service(key.key) : this.soft(key, need)
      // What is not among the services comes from outside, and is in the environment already.
      if (Option.isSome(service)) context = Context.add(context, key, service.value)
    }
    return context
  }

  /**
   * Puts what was built where dependents find it, behind a face if it may be exchanged one day. What it replaces behind a
   * face is the answer, to be drained.
   */
  install(component: number, build: Recipe.Build, built: unknown): ReadonlyArray<Live.Generation> {
    const recipe = this.recipes[component]!
    const before: Array<Live.Generation> = []
    for (const key of recipe.provides) {
      const found = Recipe.serviceOf(build.yields, built, key)
      const service = Option.getOrUndefined(found)
      const face = this.faces.get(key.key)
      if (face !== undefined && Live.canFace(service)) {
        before.push(Live.exchange(face, service))
        this.byKey.set(key.key, face.face)
      } else if (recipe.builds.length > 1 && Live.canFace(service)) {
        const made = Live.make(service)
        this.faces.set(key.key, made)
        this.byKey.set(key.key, made.face)
      } else if (Option.isNone(found)) {
        this.byKey.delete(key.key)
        this.inside.set(key.key, () => Recipe.serviceOf(build.yields, built, key))
      } else this.byKey.set(key.key, service)
    }
    return before
  }

  /** Takes what a component provides from where dependents find it; a face stays for who has it, and for the next one. */
  withdraw(component: number): void {
    for (const key of this.recipes[component]!.provides) {
      this.byKey.delete(key.key)
      this.inside.delete(key.key)
    }
  }

  /**
   * A hard need of the component that is not there although its provider is up, with the name of that: a group may be up
   * without it, and so may a layer that does not provide what its type says.
   */
  missing(component: number): { readonly key: string; readonly provider: string } | undefined {
    if (this.inside.size === 0) return undefined
    const isMissing = ({ key }: Recipe.AnyKey) => this.inside.has(key) && Option.isNone(this.find(key))
    const found = this.recipes[component]!.needs.find(isMissing)
    if (found === undefined) return undefined
    return { key: found.key, provider: this.recipes[this.providers.get(found.key)!]!.name }
  }

  /** What answers for a service that may be absent; none when the environment does. */
  private soft(key: Recipe.AnyKey, need: Need): Option.Option<unknown> {
    const fromOutside = this.env.mapUnsafe.has(key.key) && !this.providers.has(need.key)
    if (fromOutside) return Option.none()
    return Option.some(need.kind === "late" ? this.lookup(need.key) : this.find(need.key))
  }

  /** The service of a key, if the component that provides it is up. */
  private find(key: string): Option.Option<unknown> {
    const provider = this.providers.get(key)
    if (provider === undefined || !this.isUp(provider)) return Option.none()
    return this.service(key)
  }

  /** The service of a key, which may be undefined: who migrates a database offers nothing but having done so. */
  private service(key: string): Option.Option<unknown> {
    const service = this.byKey.get(key)
    if (service !== undefined || this.byKey.has(key)) return Option.some(service)
    return this.inside.get(key)?.() ?? Option.none()
  }

  private lookup(key: string): Recipe.Lookup {
    return Effect.sync(() => this.find(key))
  }
}
