/**
 * What can go wrong with a component, as data, and the way to make it go wrong: at a certain attempt, at a certain
 * await, the same each time. Every injection counts how often it struck, so that no test passes because nothing
 * happened.
 *
 * **Details**
 *
 * A fault is addressed by component, variant (0 is the component itself, its fallbacks count from 1), attempt (counted
 * from 1 for each variant, restorations included) and, for those that strike inside `start`, an await: the k-th time
 * that anything in `start` goes to sleep, 0 for before it begins. What runs in a simulation waits for clocks, or for
 * somebody who does, so these are all of its awaits. A failure strikes there as the failure of that very sleep, and the
 * component's own handlers get their chance with it.
 *
 * **Gotchas**
 *
 * - A group is one component: its awaits are those of its members together.
 * - An await inside `acquireRelease` cannot be interrupted. What hangs there is deaf, as a stuck system call is, and
 *   the kernel has to leave it behind.
 * - The defects are objects and the errors are values, so compare them by what they say.
 *
 * **Example** (the second attempt of the cache hangs at its first await)
 *
 * ```ts
 * const hang: Fault.Fault = { _tag: "Hangs", component: "cache", variant: 0, attempt: 2, await: 1 }
 * const { components, struck } = Fault.inject([settings, cache, api], [hang])
 * // boot `components`, then:
 * struck() // => [1]
 * ```
 */
import { Component, type Manifest, type Recipe } from "@novacron/boot"
import { Clock, Data, Effect, Schema, type Scope } from "effect"
import * as AttemptClock from "./AttemptClock.ts"
import * as Random from "./Random.ts"

// -------------------------------------------------------------------------------------------------------------- data

const attempt = { component: Schema.String, variant: Schema.Finite, attempt: Schema.Finite }
const moment = { ...attempt, await: Schema.Finite }

/** The await fails, with an error that the component declares. */
export const Fails = Schema.TaggedStruct("Fails", moment)
/** The await throws: a bug. */
export const Dies = Schema.TaggedStruct("Dies", moment)
/** The await never ends. */
export const Hangs = Schema.TaggedStruct("Hangs", moment)
/** The fiber of the attempt is interrupted at the await, by nobody that the kernel knows. */
export const Interrupts = Schema.TaggedStruct("Interrupts", moment)
/** The whole boot is cancelled while the attempt is at the await. */
export const Cancels = Schema.TaggedStruct("Cancels", moment)
/** From the await on, everything takes `factor` times as long. */
export const Slow = Schema.TaggedStruct("Slow", { ...moment, factor: Schema.Finite })
/** `start` fails after all of it has succeeded: what it acquired is to be released. */
export const FailsAcquired = Schema.TaggedStruct("FailsAcquired", attempt)
/** The first finalizer to run throws. */
export const FinalizerFails = Schema.TaggedStruct("FinalizerFails", attempt)
/** The first finalizer to run never ends. */
export const FinalizerHangs = Schema.TaggedStruct("FinalizerHangs", attempt)
/** No probe of what the attempt has built answers. */
export const ProbeHangs = Schema.TaggedStruct("ProbeHangs", attempt)
/** From the attempt on, the next `times` probes say no, whichever attempts they are of. */
export const ProbeFails = Schema.TaggedStruct("ProbeFails", { ...attempt, times: Schema.Finite })
/** From the attempt on, `period` probes say yes, `period` say no, and so on. */
export const Flaps = Schema.TaggedStruct("Flaps", { ...attempt, period: Schema.Finite })

/** The union: faults can be written to a file and read again. */
export const Fault = Schema.Union([
  Fails,
  Dies,
  Hangs,
  Interrupts,
  Cancels,
  Slow,
  FailsAcquired,
  FinalizerFails,
  FinalizerHangs,
  ProbeHangs,
  ProbeFails,
  Flaps
])
export type Fault = typeof Fault.Type

/** What a fault does, without where. */
export type Kind = Fault["_tag"]

/** All kinds. */
export const kinds: ReadonlyArray<Kind> = Fault.members.map((member) => member.fields._tag.schema.literal)

/** Whether faults of a kind strike at an await. */
export const isAtAwait = (kind: Kind): boolean => "await" in make(kind, { component: "", variant: 0, attempt: 1 })

/** Where an attempt is: its component, which variant of it, and which attempt of that. */
export interface Attempt {
  readonly component: string
  readonly variant: number
  readonly attempt: number
}

/** In words: `cache hangs at await 1 of attempt 2`. */
export const describe = (fault: Fault): string => {
  const who = fault.variant === 0 ? fault.component : `fallback ${fault.variant} of ${fault.component}`
  const at = "await" in fault ? ` at await ${fault.await} of attempt ${fault.attempt}` : `, attempt ${fault.attempt}`
  return `${who} ${words(fault)}${at}`
}

const words = (fault: Fault): string => {
  switch (fault._tag) {
    case "Fails":
      return "fails"
    case "Dies":
      return "dies"
    case "Hangs":
      return "hangs"
    case "Interrupts":
      return "is interrupted"
    case "Cancels":
      return "is when the boot is cancelled:"
    case "Slow":
      return `is ${fault.factor} times slower`
    case "FailsAcquired":
      return "fails after acquisition"
    case "FinalizerFails":
      return "has a finalizer that fails"
    case "FinalizerHangs":
      return "has a finalizer that hangs"
    case "ProbeHangs":
      return "has a probe that never answers"
    case "ProbeFails":
      return `says no to ${fault.times} probes`
    case "Flaps":
      return `flaps every ${fault.period} probes`
  }
}

/** The typed failure injected unless the caller knows a better one. Its tag is one that the component declares. */
export class InjectedFault extends Data.Error<{ readonly _tag: string } & Attempt> {
  override get message() {
    return `injected into attempt ${this.attempt} of ${this.component}`
  }
}

/** The defect that is injected. */
export class InjectedDefect extends Error {
  override readonly name = "InjectedDefect"
}

// ------------------------------------------------------------------------------------------------------------ chance

/** How likely faults are. */
export interface Rates {
  /** The probability of a fault in each attempt that a component has. Default: 0.1. */
  readonly attempt?: number
  /** Which kinds are drawn from. Default: all but `Cancels`. */
  readonly kinds?: ReadonlyArray<Kind>
}

const usual: ReadonlyArray<Kind> = kinds.filter((kind) => kind !== "Cancels")

/** Draws faults for components: for the attempts of a boot, and for the first restoration of what can be restored. */
export const draw = (
  random: Random.Random,
  manifests: ReadonlyArray<Manifest.Manifest>,
  { attempt: rate = 0.1, kinds: among = usual }: Rates = {}
): ReadonlyArray<Fault> => {
  const faults: Array<Fault> = []
  for (const { name: component, optional, variants } of manifests) {
    variants.forEach(({ attempts }, variant) => {
      const restored = optional || variants.length > 1 ? 1 : 0
      for (let attempt = 1; attempt <= Math.min(attempts, 4) + restored; attempt++) {
        if (Random.chance(random, rate))
          faults.push(some(random, Random.pick(random, among), { component, variant, attempt }))
      }
    })
  }
  return faults
}

const some = (random: Random.Random, kind: Kind, at: Attempt): Fault =>
  make(kind, at, {
    await: Random.int(random, 3),
    factor: Random.pick(random, [2, 10, 100, 10_000]),
    times: Random.between(random, 1, 4),
    period: Random.between(random, 1, 4)
  })

/** A fault of a kind, with what that kind takes of the details. */
export const make = (
  kind: Kind,
  at: Attempt,
  details: { readonly await?: number; readonly factor?: number; readonly times?: number; readonly period?: number } = {}
): Fault => {
  const where = { component: at.component, variant: at.variant, attempt: at.attempt }
  switch (kind) {
    case "Fails":
    case "Dies":
    case "Hangs":
    case "Interrupts":
    case "Cancels":
      return { _tag: kind, ...where, await: details.await ?? 0 }
    case "Slow":
      return { _tag: kind, ...where, await: details.await ?? 0, factor: details.factor ?? 10 }
    case "ProbeFails":
      return { _tag: kind, ...where, times: details.times ?? 1 }
    case "Flaps":
      return { _tag: kind, ...where, period: details.period ?? 3 }
    case "FailsAcquired":
    case "FinalizerFails":
    case "FinalizerHangs":
    case "ProbeHangs":
      return { _tag: kind, ...where }
  }
}

// --------------------------------------------------------------------------------------------------------- injection

/** Components that fail as they are told to. */
export interface Injection<out Cs> {
  /** The components, of the same types. Boot these. */
  readonly components: Cs
  /** How often each fault has struck, in their order. */
  readonly struck: () => ReadonlyArray<number>
  /** Begins anew with these faults: attempts count from 1 again, nothing has struck. */
  readonly arm: (faults: ReadonlyArray<Fault>, options?: Arming) => void
  /** How many awaits each attempt has come to since, if they were counted. */
  readonly awaits: () => ReadonlyArray<Attempt & { readonly awaits: number }>
}

/** What else an injection does while it is armed. */
export interface Arming {
  /** Cancels the boot, when a fault says so. */
  readonly cancel?: () => void
  /** Whether the awaits of all attempts are counted. Default: false. */
  readonly counting?: boolean
}

/** Typed failures to inject, by component. */
export interface Errors {
  readonly [component: string]: (at: Attempt) => unknown
}

/** Prepares components for faults, and arms those that are given. Throws a RangeError for one that could never strike. */
export const inject = <const Cs extends ReadonlyArray<Component.Any>>(
  components: Cs,
  faults: ReadonlyArray<Fault> = [],
  options: { readonly errors?: Errors } = {}
): Injection<Cs> => {
  const shop: Shop = { armed: [], stations: new Map(), cancel: () => undefined, errors: options.errors ?? {} }
  const wrapped = components.map((component) => Component.mapRecipe(component, (recipe) => wrap(shop, recipe)))
  const arm = (faults: ReadonlyArray<Fault>, { cancel = () => undefined, counting = false }: Arming = {}) => {
    shop.cancel = cancel
    shop.armed = faults.map((fault) => ({ fault, struck: 0 }))
    for (const station of shop.stations.values()) {
      station.attempts = 0
      station.counting = counting
      station.counts.length = 0
      station.armed.length = 0
      station.probing.length = 0
    }
    for (const armed of shop.armed) stationOf(shop, armed.fault).armed.push(armed)
  }
  arm(faults)
  return {
    // `mapRecipe` keeps the type of each.
    components: wrapped as ReadonlyArray<Component.Any> as Cs,
    struck: () => shop.armed.map(({ struck }) => struck),
    arm,
    awaits: () =>
      [...shop.stations.values()].flatMap(({ component, counts, variant }) =>
        counts.map((awaits, i) => ({ component, variant, attempt: i + 1, awaits }))
      )
  }
}

const stationOf = ({ stations }: Shop, fault: Fault): Station => {
  const station = stations.get(key(fault))
  if (station !== undefined) return station
  const all = [...stations.values()]
  const variants = all.filter(({ component }) => component === fault.component).length
  const names = all.filter(({ variant }) => variant === 0).map(({ component }) => component)
  throw new RangeError(
    variants > 0
      ? `Fault: "${fault.component}" has no variant ${fault.variant}; its last one is ${variants - 1}.`
      : `Fault: there is no component "${fault.component}". There are: ${names.join(", ")}.`
  )
}

interface Armed {
  readonly fault: Fault
  struck: number
}

interface Shop {
  armed: ReadonlyArray<Armed>
  readonly stations: Map<string, Station>
  readonly errors: Errors
  cancel: () => void
}

/** One variant of a component: where its faults wait for their moment. */
interface Station {
  readonly component: string
  readonly variant: number
  readonly armed: Array<Armed>
  /** Faults of probes whose attempt has been acquired, and how many probes they have seen. */
  readonly probing: Array<{ readonly armed: Armed; readonly attempt: number; seen: number }>
  readonly error: (at: Attempt) => unknown
  readonly counts: Array<number>
  attempts: number
  counting: boolean
}

const key = ({ component, variant }: { readonly component: string; readonly variant: number }) =>
  `${variant} ${component}`

const wrap = (shop: Shop, recipe: Recipe.Recipe): Recipe.Recipe => {
  const [first, ...fallbacks] = recipe.builds.map((build, variant): Recipe.Build => {
    const station: Station = {
      component: recipe.name,
      variant,
      armed: [],
      probing: [],
      error: shop.errors[recipe.name] ?? ((at) => new InjectedFault({ _tag: declared(build.table), ...at })),
      counts: [],
      attempts: 0,
      counting: false
    }
    shop.stations.set(key(station), station)
    return {
      ...build,
      start: Effect.suspend(() => {
        const attempt = ++station.attempts
        const now = station.armed.filter(({ fault }) => fault.attempt === attempt)
        return now.length === 0 && !station.counting ? build.start : started(shop, station, attempt, now, build.start)
      }),
      probe: (built) => (station.probing.length === 0 ? build.probe(built) : probed(station, build.probe(built)))
    }
  })
  return { ...recipe, builds: [first!, ...fallbacks] }
}

/** The mildest of the tags that a component declares: the failure for which its author has provided a way on. */
const declared = (table: Recipe.AnyTable): string => {
  if (typeof table === "string") return "InjectedFault"
  const tags = Object.keys(table).filter((tag) => tag !== "TimedOut" && tag !== "Unhealthy")
  return (
    tags.find((tag) => table[tag] === "Warning") ??
    tags.find((tag) => table[tag] === "Degraded") ??
    tags[0] ??
    "InjectedFault"
  )
}

/** One attempt with faults: its awaits are counted, and what is due strikes. */
const started = (
  shop: Shop,
  station: Station,
  attempt: number,
  now: ReadonlyArray<Armed>,
  start: Recipe.AnyEffect
): Recipe.AnyEffect =>
  Effect.withFiber((fiber) => {
    const at = { component: station.component, variant: station.variant, attempt }
    const clock = AttemptClock.make(fiber.getRef(Clock.Clock), (k, sleep) => {
      if (station.counting) station.counts[attempt - 1] = k
      for (const armed of now) if ("await" in armed.fault && armed.fault.await === k) sleep = strike(armed, sleep)
      return sleep
    })
    const strike = (armed: Armed, sleep: Effect.Effect<void>): Effect.Effect<void> => {
      armed.struck++
      switch (armed.fault._tag) {
        case "Fails":
          // A sleep cannot fail, the await that it stands for can.
          return Effect.fail(station.error(at)) as Effect.Effect<never>
        case "Dies":
          return Effect.die(new InjectedDefect(`injected into attempt ${attempt} of ${station.component}`))
        case "Hangs":
          return Effect.never
        case "Interrupts":
          return Effect.andThen(
            Effect.sync(() => fiber.interruptUnsafe()),
            sleep
          )
        case "Cancels":
          return Effect.andThen(Effect.sync(shop.cancel), sleep)
        case "Slow":
          clock.factor = armed.fault.factor
          return sleep
        case "FailsAcquired":
        case "FinalizerFails":
        case "FinalizerHangs":
        case "ProbeHangs":
        case "ProbeFails":
        case "Flaps":
          return sleep // their time has not come
      }
    }
    return Effect.onExit(
      Effect.provideService(Effect.andThen(clock.before(Effect.void), start), Clock.Clock, clock),
      () =>
        Effect.sync(() => {
          clock.over = true
        })
    ).pipe(Effect.tap(() => acquired(station, at, now)))
  })

/** What strikes once `start` has succeeded, now or later. */
const acquired = (
  station: Station,
  at: Attempt,
  now: ReadonlyArray<Armed>
): Effect.Effect<void, unknown, Scope.Scope> => {
  let result: Effect.Effect<void, unknown, Scope.Scope> = Effect.void
  // First the finalizers: those of a start that then fails count as well.
  for (const armed of now.toSorted((a, b) => Number(isLast(a)) - Number(isLast(b)))) {
    const struck = Effect.sync(() => {
      armed.struck++
    })
    switch (armed.fault._tag) {
      case "FinalizerFails":
        result = Effect.andThen(
          result,
          Effect.addFinalizer(() =>
            Effect.andThen(struck, Effect.die(new InjectedDefect(`injected into a finalizer of ${at.component}`)))
          )
        )
        break
      case "FinalizerHangs":
        result = Effect.andThen(
          result,
          Effect.addFinalizer(() => Effect.andThen(struck, Effect.never))
        )
        break
      case "FailsAcquired":
        result = Effect.andThen(
          result,
          Effect.andThen(
            struck,
            Effect.suspend(() => Effect.fail(station.error(at)))
          )
        )
        break
      case "ProbeHangs":
      case "ProbeFails":
      case "Flaps":
        station.probing.push({ armed, attempt: at.attempt, seen: 0 })
        break
      case "Fails":
      case "Dies":
      case "Hangs":
      case "Interrupts":
      case "Cancels":
      case "Slow":
        break // they have had theirs
    }
  }
  return result
}

const isLast = ({ fault }: Armed): boolean => fault._tag === "FailsAcquired"

const probed = (station: Station, probe: Recipe.AnyEffect): Recipe.AnyEffect =>
  Effect.suspend(() => {
    for (const one of station.probing) {
      const seen = one.seen++
      const { fault } = one.armed
      if (fault._tag === "ProbeHangs" ? one.attempt !== station.attempts : !saysNo(fault, seen)) continue
      one.armed.struck++
      return fault._tag === "ProbeHangs" ? Effect.never : Effect.fail(`injected into a probe of ${station.component}`)
    }
    return probe
  })

const saysNo = (fault: Fault, seen: number): boolean =>
  fault._tag === "ProbeFails" ? seen < fault.times : fault._tag === "Flaps" && Math.floor(seen / fault.period) % 2 === 1
