/**
 * An engine whose store comes up beside it: what is asked for before waits a little, and is then refused as it would be by a
 * store that is away.
 *
 * **Details**
 *
 * Built in the background, again after each failure, until it is there. From then on it is that engine and nothing else.
 * A status waits for a moment, too: that a store is up and the engine about to be is nothing to tell anybody of.
 */
import { type Cause, Deferred, type Duration, Effect, Option, Schedule, Scope, Stream } from "effect"
import { type StateError, StoreUnreachable } from "./Failures.ts"
import * as StateSync from "./StateSync.ts"

export interface Options<E> {
  readonly engine: StateSync.EngineName
  readonly promises: StateSync.Promises
  /** What messages call the store. */
  readonly store: string
  readonly build: Effect.Effect<StateSync.Engine, E, Scope.Scope>
  /** How long one who asks waits for it. */
  readonly patience: Duration.Duration
}

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

export const make = Effect.fnUntraced(function* <E>(
  options: Options<E>
): Effect.fn.Return<StateSync.Engine, never, Scope.Scope> {
  const { build, engine, patience, promises, store } = options
  const there = yield* Deferred.make<StateSync.Engine>()
  let last: Cause.Cause<E> | undefined
  const scope = yield* Effect.scope
  yield* build.pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.tapCause((cause) => Effect.sync(() => void (last = cause))),
    Effect.retry(again),
    Effect.flatMap((built) => Deferred.succeed(there, built)),
    Effect.forkScoped
  )
  const away = () => new StoreUnreachable({ store, ...(last === undefined ? {} : { cause: last }) })
  const soon = Effect.timeoutOrElse(Deferred.await(there), { duration: patience, orElse: () => Effect.fail(away()) })
  const within = <A, X>(go: (engine: StateSync.Engine) => Effect.Effect<A, X>): Effect.Effect<A, X | StateError> =>
    Effect.flatMap(soon, go)
  const later = <A>(go: (engine: StateSync.Engine) => Stream.Stream<A, StateError>) =>
    Stream.unwrap(Effect.map(Deferred.await(there), go))
  return {
    get: (key) => within((it) => it.get(key)),
    list: (prefix) => within((it) => it.list(prefix)),
    put: (key, value, how) => within((it) => it.put(key, value, how)),
    delete: (key) => within((it) => it.delete(key)),
    watch: (prefix) => later((it) => it.watch(prefix)),
    subscribe: (key) => later((it) => it.subscribe(key)),
    compareAndSet: (key, expected, value) => within((it) => it.compareAndSet(key, expected, value)),
    transaction: (transaction) => within((it) => it.transaction(transaction)),
    check: Effect.flatMap(Deferred.isDone(there), (isThere) =>
      isThere ? Effect.flatMap(Deferred.await(there), ({ check }) => check) : Effect.fail(away())
    ),
    status: Effect.flatMap(
      Effect.timeoutOption(Deferred.await(there), StateSync.patience),
      Option.match({
        onSome: ({ status }) => status,
        onNone: () =>
          Effect.sync((): StateSync.Status => ({
            engine,
            promises,
            healthy: false,
            detail: `${away().message} It is not up since this node started.`,
            peers: { connected: 0, known: 0 },
            pending: 0,
            refused: StateSync.nothingRefused
          }))
      })
    )
  }
})
