/**
 * A bulkhead: at most so many calls at once into one thing, a short queue in front, and a limit to the patience of
 * those who wait. What is slow fills its own bulkhead and not the whole node.
 *
 * **Details**
 *
 * Four calls run, sixteen wait, first come, first served, each for at most 30 seconds. A call that finds the queue full
 * fails at once with {@link BulkheadFull}, one that waits too long fails with {@link BulkheadTimeout}; neither was
 * begun, so both are safe to try again. The slot is given back however the call ends. Isolation between groups of
 * dependencies is one bulkhead for each.
 *
 * **Gotchas**
 *
 * `queueTimeout` bounds the wait for a slot, not the call: bound that with a timeout inside. A call that goes through
 * the same bulkhead again from inside itself waits for a slot that it may itself be holding.
 *
 * **Example**
 *
 * ```ts
 * const isolated = Effect.gen(function*() {
 *   const bulkhead = yield* Bulkhead.make({ name: "database" })
 *   return (id: string) => bulkhead.run(database.find(id))
 * })
 * ```
 */
import { Data, Duration, Effect, Scope, Semaphore } from "effect"

/** All slots are taken and the queue is full: the call was not begun. */
export class BulkheadFull extends Data.TaggedError("BulkheadFull")<{
  readonly bulkhead: string
  readonly concurrency: number
  readonly queue: number
}> {
  override get message() {
    return (
      `"${this.bulkhead}" is busy: ${this.concurrency} calls run and ${this.queue} wait, so this one was not begun. ` +
      `Try again later, or find out what makes "${this.bulkhead}" slow.`
    )
  }
}

/** No slot became free in time: the call was not begun. */
export class BulkheadTimeout extends Data.TaggedError("BulkheadTimeout")<{
  readonly bulkhead: string
  readonly after: Duration.Duration
}> {
  override get message() {
    return (
      `"${this.bulkhead}" had no free slot within ${Duration.format(this.after)}, so this call was not begun. ` +
      `Try again later, or find out what makes "${this.bulkhead}" slow.`
    )
  }
}

export interface Options {
  /** What is called, for errors: `database`. */
  readonly name: string
  /** Calls that run at once. Default 4. */
  readonly concurrency?: number | undefined
  /** Calls that may wait. Zero turns waiting off. Default 16. */
  readonly queue?: number | undefined
  /** The longest wait for a slot. Default 30 seconds. */
  readonly queueTimeout?: Duration.Input | undefined
}

/** How full a bulkhead is. */
export interface Load {
  readonly running: number
  readonly waiting: number
}

export interface Bulkhead {
  readonly name: string
  /** Runs `effect` as soon as it has a slot. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BulkheadFull | BulkheadTimeout, R>
  readonly load: Effect.Effect<Load>
}

/** Makes an empty bulkhead. Numbers that make no sense are a bug, and die as a `RangeError`. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<Bulkhead> {
  const { concurrency = 4, name, queue = 16 } = options
  const queueTimeout = Duration.fromInputUnsafe(options.queueTimeout ?? "30 seconds")
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`Bulkhead "${name}": concurrency is ${concurrency}, it must be a whole number from 1.`)
  }
  if (!Number.isInteger(queue) || queue < 0) {
    throw new RangeError(`Bulkhead "${name}": queue is ${queue}, it must be a whole number from 0.`)
  }
  if (Duration.isNegative(queueTimeout)) {
    throw new RangeError(
      `Bulkhead "${name}": queueTimeout is ${Duration.format(queueTimeout)}, it must not be negative.`
    )
  }
  const semaphore = yield* Semaphore.make(concurrency)
  // Inside are those who run and those who wait. Counted apart from the semaphore, which does not bound who waits.
  let inside = 0
  let running = 0

  const enter = Effect.acquireRelease(
    Effect.suspend(() => {
      if (inside >= concurrency + queue) return Effect.fail(new BulkheadFull({ bulkhead: name, concurrency, queue }))
      inside++
      return Effect.void
    }),
    () => Effect.sync(() => inside--)
  )

  // The slot belongs to the scope, so it is given back even if it arrives in the very moment in which patience ends.
  const wait = semaphore.takeScoped(1).pipe(
    Effect.timeoutOrElse({
      duration: queueTimeout,
      orElse: () => Effect.fail(new BulkheadTimeout({ bulkhead: name, after: queueTimeout }))
    })
  )

  const begin = Effect.acquireRelease(
    Effect.sync(() => running++),
    () => Effect.sync(() => running--)
  )

  const slot = Effect.andThen(Effect.andThen(enter, wait), begin)

  return {
    name,
    // The scope of the slot is ours: `effect` keeps the scope of its caller, if it needs one.
    run: (effect) => Effect.scopedWith((scope) => Effect.andThen(Scope.provide(slot, scope), effect)),
    load: Effect.sync(() => ({ running, waiting: inside - running }))
  }
})
