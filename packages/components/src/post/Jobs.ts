/**
 * Work in the background: jobs that begin when the node is ready, go on at their intervals, and end with it. A job that
 * fails is logged and has its next turn; a job never runs twice at the same time.
 */
import { Context, Duration, Effect, Schedule } from "effect"
import type { Scope } from "effect"

/** Something that is done every now and then. */
export interface Job {
  /** In log lines. */
  readonly name: string
  /** From the end of a turn to the beginning of the next, 20 % more or less. */
  readonly every: Duration.Input
  /** How long a turn may take. Default: 1 minute. */
  readonly deadline?: Duration.Input
  readonly run: Effect.Effect<unknown, unknown>
}

/** How the jobs are getting on. */
export class Jobs extends Context.Service<
  Jobs,
  {
    readonly tally: Effect.Effect<{ readonly [job: string]: { readonly turns: number; readonly failures: number } }>
  }
>()("novacron/background-jobs") {}

/** Begins all jobs; they end when the scope closes. */
export const start = Effect.fn("Jobs.start")(function* (
  jobs: ReadonlyArray<Job>
): Effect.fn.Return<Jobs["Service"], never, Scope.Scope> {
  const tally = new Map(jobs.map(({ name }) => [name, { turns: 0, failures: 0 }]))
  yield* Effect.forEach(jobs, ({ deadline = "1 minute", every, name, run }) => {
    const seat = tally.get(name)
    const turn = run.pipe(
      Effect.timeout(deadline),
      Effect.tapCause((cause) => {
        if (seat !== undefined) seat.failures++
        return Effect.logWarning(`The job "${name}" failed; it has its next turn in ${format(every)}.`, cause)
      }),
      Effect.exit,
      Effect.tap(() => Effect.sync(() => seat !== undefined && seat.turns++))
    )
    return Effect.forkScoped(Effect.repeat(turn, Schedule.jittered(Schedule.spaced(every))))
  })
  return { tally: Effect.sync(() => Object.fromEntries([...tally].map(([name, seat]) => [name, { ...seat }]))) }
})

const format = (every: Duration.Input): string => Duration.format(Duration.fromInputUnsafe(every))
