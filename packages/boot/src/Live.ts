/**
 * A service behind a stable face: dependents keep what they were given, and what stands behind it can be exchanged while
 * calls are in flight. This is how a component that fell back is restored without anyone noticing.
 *
 * **Details**
 *
 * Each implementation is a generation. A member that is an effect, or a function that returns one, runs on the generation
 * that is current when it runs, and is counted while it runs; an old generation is idle when its count is back at zero.
 *
 * **Gotchas**
 *
 * Anything else (a stream, a number, a promise) is read from the current generation at that moment and neither follows a
 * later exchange nor holds it up. A component that can be exchanged should offer effects.
 */
import { Deferred, Effect, Exit } from "effect"

/** One implementation, and how many calls are in it. */
export interface Generation {
  readonly service: object
  users: number
  idle: Deferred.Deferred<void> | undefined
}

/** A face and the generation behind it. */
export interface Live {
  readonly face: object
  current: Generation
}

/** Puts a face before a service. */
export const make = (service: object): Live => {
  const live: { face: object; current: Generation } = { face: service, current: generation(service) }
  // Not the service itself: a proxy may not say anything else than what its target has frozen.
  const target: object = typeof service === "function" ? () => undefined : {}
  live.face = new Proxy(target, {
    apply: (_, self, args) => called(live, (current) => apply(current, self, args)),
    get: (_, key) => member(live, key),
    getOwnPropertyDescriptor: (_, key) => {
      const property = Reflect.getOwnPropertyDescriptor(live.current.service, key)
      return property === undefined ? undefined : { ...property, configurable: true }
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(live.current.service),
    has: (_, key) => Reflect.has(live.current.service, key),
    ownKeys: () => Reflect.ownKeys(live.current.service),
    set: (_, key, value) => Reflect.set(live.current.service, key, value)
  })
  return live
}

/** Whether a service can have a face: it is an object or a function. */
export const canFace = (service: unknown): service is object =>
  (typeof service === "object" && service !== null) || typeof service === "function"

/** Puts another service behind the face; the generation before it is the answer, to be drained. */
export const exchange = (live: Live, service: object): Generation => {
  const before = live.current
  live.current = generation(service)
  return before
}

/** Completes when no call is in the generation any more. */
export const drained = (generation: Generation): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (generation.users === 0) return Effect.void
    generation.idle ??= Deferred.makeUnsafe<void>()
    return Deferred.await(generation.idle)
  })

const generation = (service: object): Generation => ({ service, users: 0, idle: undefined })

const member = (live: Live, key: PropertyKey): unknown => {
  const { service } = live.current
  const value: unknown = Reflect.get(service, key, service)
  if (Effect.isEffect(value)) return borrow(live, (current) => Reflect.get(current, key, current))
  if (typeof value !== "function") return value
  return (...args: ReadonlyArray<unknown>): unknown =>
    called(live, (current) => apply(Reflect.get(current, key, current), current, args))
}

/** Calls the current generation; what was made on one generation and is run on another, is made again there. */
const called = (live: Live, call: (service: object) => unknown): unknown => {
  const at = live.current
  const result = call(at.service)
  return Effect.isEffect(result) ? borrow(live, (current) => (current === at.service ? result : call(current))) : result
}

const apply = (method: unknown, self: unknown, args: ReadonlyArray<unknown>): unknown =>
  typeof method === "function" ? Reflect.apply(method, self, args) : method

const borrow = (live: Live, effect: (service: object) => unknown): Effect.Effect<unknown, unknown, unknown> =>
  Effect.suspend(() => {
    const at = live.current
    const made = effect(at.service)
    at.users++
    return Effect.ensuring(
      Effect.isEffect(made) ? made : Effect.succeed(made),
      Effect.sync(() => {
        at.users--
        if (at.users === 0 && at.idle !== undefined) Deferred.doneUnsafe(at.idle, Exit.void)
      })
    )
  })
