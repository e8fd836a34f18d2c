/**
 * Many callers, one statement: what is asked while an answer is awaited is asked together next time.
 *
 * Alone, a caller waits for nobody. A hundred callers cost one round trip and one commit.
 */
import { Deferred, Effect, Exit, Queue, type Scope } from "effect"

/**
 * Makes a function that puts calls together. `run` answers them in their order, one answer each; its failure is the
 * failure of each of them. Calls that come after the scope has closed never end: whoever owns it closes it last.
 */
export const make = Effect.fnUntraced(function* <A, B, E>(options: {
  /** The most calls at once. */
  readonly max: number
  readonly run: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
}): Effect.fn.Return<(item: A) => Effect.Effect<B, E>, never, Scope.Scope> {
  const calls = yield* Queue.unbounded<Call<A, B, E>>()
  const round = Effect.gen(function* () {
    const some = yield* Queue.takeBetween(calls, 1, options.max)
    const exit = yield* Effect.exit(options.run(some.map(({ item }) => item)))
    for (const [i, { answer }] of some.entries()) Deferred.doneUnsafe(answer, nth(exit, i))
  })
  yield* Effect.forkScoped(Effect.forever(round))
  return (item) =>
    Effect.suspend(() => {
      const answer = Deferred.makeUnsafe<B, E>()
      Queue.offerUnsafe(calls, { item, answer })
      return Deferred.await(answer)
    })
})

interface Call<A, B, E> {
  readonly item: A
  readonly answer: Deferred.Deferred<B, E>
}

const nth = <B, E>(exit: Exit.Exit<ReadonlyArray<B>, E>, i: number): Exit.Exit<B, E> => {
  if (Exit.isFailure(exit)) return Exit.failCause(exit.cause)
  const answer = exit.value[i]
  return answer === undefined
    ? Exit.die(new RangeError(`There is no answer to call ${i} of the batch.`))
    : Exit.succeed(answer)
}
