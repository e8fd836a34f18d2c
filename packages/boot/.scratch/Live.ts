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
  live.face = new Proxy(service, {
    get: (_, key) => member(live, key),
    has: (_, key) => Reflect.has(live.current.service, key),
    getPrototypeOf: () => Reflect.getPrototypeOf(live.current.service)
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
  return (...args: ReadonlyArray<unknown>): unknown => {
    const at = live.current
    const result = call(at.service, key, args)
    if (!Effect.isEffect(result)) return result
    // Made on one generation and run on another, it is made again there.
    return borrow(live, (current) => (current === at.service ? result : call(current, key, args)))
  }
}

const call = (service: object, key: PropertyKey, args: ReadonlyArray<unknown>): unknown => {
  const method: unknown = Reflect.get(service, key, service)
  return typeof method === "function" ? Reflect.apply(method, service, args) : method
}

const borrow = (live: Live, effect: (service: object) => unknown): Effect.Effect<unknown, unknown, unknown> =>
  Effect.suspend(() => {
    const at = live.current
    at.users++
    const made = effect(at.service)
    return Effect.ensuring(
      Effect.isEffect(made) ? made : Effect.succeed(made),
      Effect.sync(() => {
        at.users--
        if (at.users === 0 && at.idle !== undefined) Deferred.doneUnsafe(at.idle, Exit.void)
      })
    )
  })
