/**
 * A connection on loan, as Effect's SQL client wants it: nobody waits for a server that does not answer, neither who is
 * told to stop nor a transaction that has to be rolled back.
 *
 * **Details**
 *
 * The driver asks the server to cancel a statement that is interrupted, and waits five seconds for the answer. Here whoever
 * is interrupted waits for {@link farewell}. A connection that has not answered by then is given up: nobody gets it any
 * more, and to the server its end is a ROLLBACK as well. What the driver has still to do about it goes on beside, for ten
 * seconds at the most, or until the pool closes.
 *
 * BEGIN and ROLLBACK cannot be interrupted, and the driver waits for them without an end: they are left as well, after
 * {@link promptly}. Streams of rows are the driver's own affair.
 */
import type { PgConnection } from "@effect/sql-pg"
import { type Context, Duration, Effect, Exit, type Fiber, Schedule, type Scope, Stream } from "effect"
import { type SqlConnection, SqlError } from "effect/sql"

/** How long a server has to say that it has stopped what it was doing. */
export const farewell = Duration.millis(500)

/** What costs the server nothing is answered by then, or there is nobody. */
const promptly = Duration.seconds(2)
const isPrompt = (text: string): boolean => /^(?:BEGIN|ROLLBACK|SAVEPOINT|RELEASE)\b/.test(text)

/** Waits are looked at this often. While we have no time to look, answers that are there already are not late. */
const glance = Duration.millis(250)

/** Sees and counts a statement, by its text. */
export type Observe = <A>(
  text: string,
  statement: Effect.Effect<A, SqlError.SqlError>
) => Effect.Effect<A, SqlError.SqlError>

/** Lends connections. */
export interface Lender {
  /** A connection as a client has it. `giveUp` sees to it that nobody gets it again. */
  readonly lend: (it: PgConnection.PgConnection, giveUp: Effect.Effect<void>) => SqlConnection.Connection
}

/** Lends until the scope closes. No statement is waited for longer than `patience`, in a transaction or not. */
export const make = Effect.fnUntraced(function* (
  observed: Observe,
  patience: Duration.Duration
): Effect.fn.Return<Lender, never, Scope.Scope> {
  const waits = new Set<Wait>()
  yield* Effect.forkScoped(
    Effect.repeat(
      Effect.sync(() => {
        for (const wait of waits) if (--wait.glances <= 0) wait.end()
      }),
      Schedule.spaced(glance)
    )
  )

  const answered = <A>(text: string, statement: Effect.Effect<A, SqlError.SqlError>, loan: Loan) =>
    Effect.flatMap(Effect.context<never>(), (context) =>
      Effect.callback<A, SqlError.SqlError>((resume) => {
        if (loan.isGivenUp) return resume(Effect.fail(lost("The server did not answer on this connection.")))
        const within = isPrompt(text) ? promptly : patience
        const fiber = Effect.runForkWith(context)(statement)
        const wait: Wait = {
          glances: Math.ceil(Duration.toMillis(within) / Duration.toMillis(glance)),
          end: () => {
            waits.delete(wait)
            fiber.interruptUnsafe()
            const error = lost(`The server did not answer within ${Duration.format(within)}.`)
            resume(Effect.andThen(loan.giveUp, Effect.fail(error)))
          }
        }
        waits.add(wait)
        fiber.addObserver((exit) => {
          waits.delete(wait)
          resume(exit)
        })
        return leave(fiber, context, loan.giveUp)
      })
    )

  return {
    lend: (it, giveUp) => {
      const loan: Loan = {
        isGivenUp: false,
        giveUp: Effect.suspend(() => {
          loan.isGivenUp = true
          return giveUp
        })
      }
      return connectionOf(it, (text, statement) => observed(text, answered(text, statement, loan)))
    }
  }
})

/** Somebody who waits for an answer. */
interface Wait {
  /** How many more it may take. */
  glances: number
  readonly end: () => void
}

interface Loan {
  isGivenUp: boolean
  readonly giveUp: Effect.Effect<void>
}

/** Lets something end that is bound to, and goes when it has not within {@link farewell}. */
export const leavable = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  otherwise: Effect.Effect<void> = Effect.void
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    Effect.callback<A, E>((resume) => {
      const fiber = Effect.runForkWith(context)(work)
      fiber.addObserver(resume)
      return leave(fiber, context, otherwise)
    })
  )

/** Tells a fiber to end, and waits for that as long as {@link farewell}. */
const leave = <R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  context: Context.Context<R>,
  otherwise: Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    fiber.interruptUnsafe()
    const late = Effect.runForkWith(context)(Effect.sleep(farewell))
    late.addObserver((exit) => {
      if (Exit.isSuccess(exit)) resume(otherwise)
    })
    fiber.addObserver(() => {
      late.interruptUnsafe()
      resume(Effect.void)
    })
  })

/** A connection that is not there, as the driver would say it. */
export const lost = (message: string, cause: unknown = new Error(message)): SqlError.SqlError =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation: "acquire" }) })

/** A connection of the driver as Effect's SQL client wants it, with each statement observed. */
const connectionOf = (it: PgConnection.PgConnection, observed: Observe): SqlConnection.Connection => {
  const run = (text: string, params: ReadonlyArray<unknown>, prepare = true) =>
    observed(
      text,
      Effect.map(it.query(text, params, prepare), ({ rows }) => rows)
    )
  return {
    execute: (text, params, transform) =>
      transform === undefined ? run(text, params) : Effect.map(run(text, params), transform),
    executeRaw: (text, params) => observed(text, it.query(text, params)),
    executeValues: (text, params) => observed(text, it.queryValues(text, params)),
    executeValuesUnprepared: (text, params) => observed(text, it.queryValues(text, params, false)),
    executeUnprepared: (text, params, transform) =>
      transform === undefined ? run(text, params, false) : Effect.map(run(text, params, false), transform),
    executeStream: (text, params, transform) =>
      transform === undefined
        ? it.stream(text, params)
        : Stream.mapArray(it.stream(text, params), (rows) => {
            const [first, ...rest] = transform(rows)
            return first === undefined ? rows : [first, ...rest]
          })
  }
}
