/**
 * A component is an Effect `Layer` that says what it needs, how bad its failures are, and how to tell that it works.
 * One declaration gives the types and the graph; nothing is declared twice.
 *
 * **Details**
 *
 * `start` may use the services in `needs` and the scope of its attempt, and nothing else. Its errors are mapped to
 * severities, and the combinators eliminate those: `fallback` takes away `Degraded`, `optional` takes away `Warning`. An
 * unhandled severity, an undeclared need, a missing provider, a fallback for another service, a hard need on something
 * that may be absent: each is a compile error at the declaration that is wrong.
 *
 * A component works without the kernel: `component.layer` retries, probes and falls back by itself. What the kernel adds
 * is the graph: the plan, isolation, rollback in order, the journal, and restoration.
 *
 * **Gotchas**
 *
 * `retry`, `timeout` and `deadline` are about the component itself; its fallback brings its own.
 *
 * **Example** (a cache that falls back to memory)
 *
 * ```ts
 * const redis = Component.make(Cache, {
 *   needs: [Settings],
 *   severity: { RedisDown: "Degraded", BadUrl: "Critical" },
 *   start: Effect.gen(function*() {
 *     const { url } = yield* Settings
 *     return yield* Effect.acquireRelease(connect(url), (cache) => cache.quit)
 *   }),
 *   health: (cache) => cache.ping
 * }).pipe(
 *   Component.retry(Policy.standard),
 *   Component.timeout("2 seconds"),
 *   Component.fallback(memory)
 * )
 * ```
 */
import { Context, Duration, Effect, Layer, Option, type Pipeable, type Scope, type Types } from "effect"
import { dual } from "effect/Function"
import { pipeArguments } from "effect/Pipeable"
import * as Group from "./Group.ts"
import type { InvalidBoot } from "./Launch.ts"
import * as Manifest from "./Manifest.ts"
import type { Phase } from "./Phase.ts"
import * as Policy from "./Policy.ts"
import * as Recipe from "./Recipe.ts"
import type * as Severity from "./Severity.ts"
import * as Standalone from "./Standalone.ts"

// ------------------------------------------------------------------------------------------------------------- types

declare const OptionalId: unique symbol
declare const LateId: unique symbol
declare const SoftId: unique symbol

/** Identifies "`I`, if it came up". */
export interface Optional<in out I> {
  readonly [OptionalId]: (_: I) => I
}
/** Identifies "`I`, as soon as it is up". */
export interface Late<in out I> {
  readonly [LateId]: (_: I) => I
}
/** Identifies "`I`, or else whoever needs it is skipped": the needs of a component that may itself be absent. */
export interface Soft<in out I> {
  readonly [SoftId]: (_: I) => I
}

/** All that a provider of `I` provides. */
export type Provided<I> = I | Optional<I> | Late<I>

const TypeId = "~@novacron/boot/Component"

/**
 * A component that provides `Provides`, can end a boot with `E`, and needs `Needs`.
 */
export interface Component<in Provides, out E = never, out Needs = never> extends Pipeable.Pipeable {
  readonly [TypeId]: {
    readonly provides: Types.Contravariant<Provides>
    readonly error: Types.Covariant<E>
    readonly needs: Types.Covariant<Needs>
  }
  /** What it declares, as data. */
  readonly manifest: Manifest.Manifest
  /** What the engine runs. */
  readonly recipe: Recipe.Recipe
  /** The component as a plain layer, for any Effect application; its error channel carries its severities. */
  readonly layer: Layer.Layer<Provides, E, Firm<Needs>>
}

/** Any component. */
export type Any = Component<never, unknown, unknown>
export type Provides<C> = C extends Component<infer P, infer _E, infer _N> ? P : never
export type Error<C> = C extends Component<infer _P, infer E, infer _N> ? E : never
export type Needs<C> = C extends Component<infer _P, infer _E, infer N> ? N : never

type Ids<Keys extends ReadonlyArray<Recipe.AnyKey>> = Keys[number]["Identifier"]
/** What is left of what a component provides when it may be absent. */
type OrAbsent<P> = P extends Optional<infer _I> | Late<infer _J> ? P : never
type Softened<N> = N extends Optional<infer _I> | Late<infer _J> | Soft<infer _K> ? N : Soft<N>
/** Without the kernel nobody is skipped: a soft need is a need. */
export type Firm<N> = N extends Soft<infer I> ? I : N
/** What is needed and not provided. A soft need is content with a provider that may be absent. */
export type Missing<N, P> = N extends Soft<infer I> ? ([Optional<I>] extends [P] ? never : I) : Exclude<N, P>

/** A component whose severities are all handled, or the one that is not, by name. */
export type Bootable<C> = [Unhandled<C>] extends [never] ? C : { readonly "unhandled severity": Unhandled<C> }
type Unhandled<C> = Exclude<Error<C>, Severity.Critical>
/** What is behind the critical failures in an error channel. */
export type CriticalCause<E> = E extends Severity.Critical<infer C> ? C : never

// ----------------------------------------------------------------------------------------------------------- options

/** What all components may say about themselves. */
export interface Common {
  /** Its name in plans, events and commands. Default: the key of its service, after the last slash. */
  readonly name?: string
  /** Default: `core`. */
  readonly phase?: Phase
  /** Who goes first when several compete for a slot; higher is sooner. Default: 0. */
  readonly priority?: number
  /** After this long in one attempt the boot says that it is slow. Default: 3 seconds. */
  readonly slow?: Duration.Input
  /** How long its finalizers may take. Default: 5 seconds. */
  readonly stop?: Duration.Input
}

// ------------------------------------------------------------------------------------------------------ constructors

/**
 * Declares a component.
 *
 * - `needs`: services that must be up first; `Component.option(X)` and `Component.late(X)` for those that need not.
 * - `severity`: one for all errors of `start`, or a table with an entry for each error tag. Default: `"Critical"`.
 * - `start`: builds the service; what it acquires in its scope is released when the component stops.
 * - `health`: succeeds when the service works. Required: nothing is ready before its probe has passed.
 * - `validate`: checks settings before anything starts; a failure means that nothing does.
 * - `recover`: runs before `start` when an earlier process was killed while it held this component.
 */
export const make = <
  I,
  S,
  E,
  const Keys extends ReadonlyArray<Recipe.AnyKey> = readonly [],
  const T extends Severity.Table<E> = "Critical",
  V = never
>(
  service: Context.Key<I, S>,
  options: Common & {
    readonly needs?: Keys
    readonly severity?: T
    readonly start: Effect.Effect<Types.NoInfer<S>, E, Types.NoInfer<Ids<Keys>> | Scope.Scope>
    readonly health: (service: Types.NoInfer<S>) => Effect.Effect<unknown, unknown, Types.NoInfer<Ids<Keys>>>
    readonly validate?: Effect.Effect<unknown, V>
    readonly recover?: Effect.Effect<unknown, unknown, Types.NoInfer<Ids<Keys>>>
  }
): Component<Provided<I>, Severity.Classified<E, T> | (V extends never ? never : Severity.Critical<V>), Ids<Keys>> =>
  fromRecipe(
    declare(options.name ?? nameOf(service), [service], options, {
      start: options.start,
      yields: "service",
      // `start` yields an S: its type says so.
      probe: (built) => options.health(built as S)
    })
  )

/**
 * Any layer as a component, a library's for instance. What the layer requires must be covered by `needs`.
 *
 * `health` is optional here, because a library's layer often has nothing to ask; without one it is healthy once built.
 */
export const fromLayer = <
  I,
  S,
  E,
  const Keys extends ReadonlyArray<Recipe.AnyKey> = readonly [],
  const T extends Severity.Table<E> = "Critical"
>(
  service: Context.Key<I, S>,
  layer: Layer.Layer<I, E, Types.NoInfer<Ids<Keys>>>,
  options: Common & {
    readonly needs?: Keys
    readonly severity?: T
    readonly health?: (service: Types.NoInfer<S>) => Effect.Effect<unknown, unknown, Types.NoInfer<Ids<Keys>>>
  } = {}
): Component<Provided<I>, Severity.Classified<E, T>, Ids<Keys>> => {
  const { health } = options
  return fromRecipe(
    declare(options.name ?? nameOf(service), [service], options, {
      start: buildFresh(layer),
      yields: "context",
      // The layer provides it.
      probe: (built) => (health === undefined ? Effect.void : health(Context.get(built as Context.Context<I>, service)))
    })
  )
}

/** With a memo map of its own: a layer that is shared through one can be interrupted by a stranger's failure. */
const buildFresh = <A, E, R>(layer: Layer.Layer<A, E, R>): Effect.Effect<Context.Context<A>, E, R | Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), scope))

/**
 * Several components as one: one name in the plan of whoever uses it, a plan of its own inside, and one severity. What
 * the members need and do not provide each other, the group needs. When a member fails critically, the members are rolled
 * back and the group has failed, to be retried, or to give way to a fallback, as a whole.
 *
 * The group takes one slot of the boot around it, and its members have as many slots again among themselves.
 */
export const group = <
  const Cs extends ReadonlyArray<Any>,
  const T extends Severity.Table<GroupFailure<Cs>> = "Critical"
>(
  name: string,
  members: Cs & { readonly [K in keyof Cs]: Bootable<Cs[K]> },
  options: Omit<Common, "name"> & { readonly severity?: T } = {}
): Component<
  Provides<Cs[number]>,
  Severity.Classified<GroupFailure<Cs>, T>,
  Missing<Needs<Cs[number]>, Provides<Cs[number]>>
> => {
  const recipes = members.map((member: Any) => member.recipe)
  const provides = recipes.flatMap((recipe) => recipe.provides)
  const inside = new Set(provides.map((key) => key.key))
  const needs = new Map(recipes.flatMap((recipe) => recipe.needs).map((key) => [key.key, key]))
  const outside = [...needs.values()].filter((key) => !inside.has(Recipe.needOf(key).key))
  const declared = declare(name, provides, { ...options, needs: outside }, Group.build(recipes))
  return fromRecipe({ ...declared, validate: Group.validate(recipes), members: recipes })
}

/** What the start of a group can fail with, before it has a severity. */
export type GroupFailure<Cs extends ReadonlyArray<Any>> =
  | Severity.Critical<CriticalCause<Error<Cs[number]>>>
  | InvalidBoot

// ------------------------------------------------------------------------------------------------------- combinators

/** Tries the start again under a policy; each attempt has a scope of its own. Default: {@link Policy.never}. */
export const retry: {
  (policy: Policy.Policy): <P, E, N>(self: Component<P, E, N>) => Component<P, E, N>
  <P, E, N>(self: Component<P, E, N>, policy: Policy.Policy): Component<P, E, N>
} = dual(2, (self: Any, policy: Policy.Policy) => first(self, { policy }))

/** The deadline of one attempt, its probe included. Default: 10 seconds. Beyond it the failure is `TimedOut`. */
export const timeout: {
  (duration: Duration.Input): <P, E, N>(self: Component<P, E, N>) => Component<P, E, N>
  <P, E, N>(self: Component<P, E, N>, duration: Duration.Input): Component<P, E, N>
} = dual(2, (self: Any, duration: Duration.Input) => first(self, { timeoutMs: Duration.toMillis(duration) }))

/** The deadline of all attempts together, with the delays between them. Default: none. */
export const deadline: {
  (duration: Duration.Input): <P, E, N>(self: Component<P, E, N>) => Component<P, E, N>
  <P, E, N>(self: Component<P, E, N>, duration: Duration.Input): Component<P, E, N>
} = dual(2, (self: Any, duration: Duration.Input) => first(self, { deadlineMs: Duration.toMillis(duration) }))

/** What serves instead when the component is `Degraded`: another implementation of the same service. */
export const fallback: {
  <P2, E2, N2>(
    that: Component<P2, E2, N2>
  ): <P extends P2, E, N>(self: Component<P, E, N>) => Component<P, Exclude<E, Severity.Degraded> | E2, N | N2>
  <P extends P2, E, N, P2, E2, N2>(
    self: Component<P, E, N>,
    that: Component<P2, E2, N2>
  ): Component<P, Exclude<E, Severity.Degraded> | E2, N | N2>
} = dual(2, (self: Any, that: Any) =>
  fromRecipe({
    ...self.recipe,
    needs: [...new Set([...self.recipe.needs, ...that.recipe.needs])],
    builds: [...self.recipe.builds, ...that.recipe.builds],
    validate: that.recipe.validate === undefined ? self.recipe.validate : Group.validate([self.recipe, that.recipe])
  })
)

/**
 * Lets the component be absent when it fails with a `Warning`: it then provides `Option.none()` to those who asked for
 * it as an option, and a component that needs it hard is a compile error, unless that one may be absent too.
 */
export const optional = <P, E, N>(
  self: Component<P, E, N>
): Component<OrAbsent<P>, Exclude<E, Severity.Warning>, Softened<N>> => fromRecipe({ ...self.recipe, optional: true })

/** Lets the component exist only in the given environments; elsewhere it is absent. */
export const when =
  (...environments: readonly [string, ...ReadonlyArray<string>]) =>
  <P, E, N>(self: Component<P, E, N>): Component<OrAbsent<P>, E, Softened<N>> =>
    fromRecipe({ ...self.recipe, environments })

/** A need that may be absent: the component waits until it has settled and gets an `Option`. */
export const option = <I, S>(key: Context.Key<I, S>): Context.Key<Optional<I>, Option.Option<S>> =>
  // The engine provides exactly this under the derived key.
  Recipe.derive(key, "optional") as Context.Key<Optional<I>, Option.Option<S>>

/**
 * A need that does not delay the start: an effect that yields the service once it is up. Who looks it up is closed before
 * it, unless that one holds on to who looks it up.
 */
export const late = <I, S>(key: Context.Key<I, S>): Context.Key<Late<I>, Effect.Effect<Option.Option<S>>> =>
  // As above.
  Recipe.derive(key, "late") as Context.Key<Late<I>, Effect.Effect<Option.Option<S>>>

/**
 * Says that an application has no `I`: who needs it as an `option` or `late` gets none. For parts that are taken out of
 * something larger, where the compiler would otherwise ask for what nothing provides; a boot that has one is not misled.
 *
 * **Example** (an API that would tell of tasks, without any)
 *
 * ```ts
 * Boot.layer([api, security]).pipe(Layer.provide(Component.absent(Orchestration)))
 * ```
 */
export const absent = <I, S>(key: Context.Key<I, S>): Layer.Layer<Optional<I> | Late<I>> =>
  Layer.merge(Layer.succeed(option(key), Option.none()), Layer.succeed(late(key), Effect.succeedNone))

/**
 * Changes how a component is built and leaves its types alone: for tools that wrap `start`, probes or finalizers, such as
 * fault injection. What comes out must still provide what the types say.
 */
export const mapRecipe = <P, E, N>(
  self: Component<P, E, N>,
  change: (recipe: Recipe.Recipe) => Recipe.Recipe
): Component<P, E, N> => fromRecipe(change(self.recipe))

// ----------------------------------------------------------------------------------------------------------- private

/** Names have no slash: in a path it stands between a group and its members. */
const nameOf = ({ key }: Recipe.AnyKey): string => key.slice(key.lastIndexOf("/") + 1)

const declare = (
  name: string,
  provides: ReadonlyArray<Recipe.AnyKey>,
  options: Common & {
    readonly needs?: ReadonlyArray<Recipe.AnyKey>
    readonly severity?: Recipe.AnyTable
    readonly validate?: Recipe.AnyEffect
    readonly recover?: Recipe.AnyEffect
  },
  build: Pick<Recipe.Build, "start" | "yields" | "probe" | "isGroup">
): Recipe.Recipe => ({
  name,
  provides,
  needs: options.needs ?? [],
  phase: options.phase ?? "core",
  priority: options.priority ?? 0,
  optional: false,
  environments: undefined,
  builds: [
    {
      ...build,
      name,
      recover: options.recover,
      table: options.severity ?? "Critical",
      policy: Policy.never,
      timeoutMs: Manifest.defaults.timeoutMs,
      deadlineMs: Infinity
    }
  ],
  slowMs: options.slow === undefined ? Manifest.defaults.slowMs : Duration.toMillis(options.slow),
  stopMs: options.stop === undefined ? Manifest.defaults.stopMs : Duration.toMillis(options.stop),
  validate: options.validate,
  members: undefined
})

const first = (self: Any, change: Partial<Recipe.Build>): Any => {
  const {
    builds: [build, ...fallbacks]
  } = self.recipe
  return fromRecipe({ ...self.recipe, builds: [{ ...build, ...change }, ...fallbacks] })
}

class Declared<in P, out E, out N> implements Component<P, E, N> {
  readonly recipe: Recipe.Recipe
  private described: Manifest.Manifest | undefined
  private built: Layer.Layer<P, E, Firm<N>> | undefined
  constructor(recipe: Recipe.Recipe) {
    this.recipe = recipe
  }
  get [TypeId]() {
    return variance
  }
  get manifest() {
    return (this.described ??= Recipe.manifest(this.recipe))
  }
  get layer() {
    // What the recipe builds is what the types of its declaration say.
    return (this.built ??= Layer.effectContext(Standalone.build(this.recipe)) as Layer.Layer<P, E, Firm<N>>)
  }
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const phantom = (_: unknown): never => _ as never // never called
const variance = { provides: phantom, error: phantom, needs: phantom }

/** The types of a component are proved by whoever calls this; the engine has no use for them. */
const fromRecipe = <P, E, N>(recipe: Recipe.Recipe): Component<P, E, N> => new Declared(recipe)
