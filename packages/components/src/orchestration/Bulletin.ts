/**
 * What the database tells this node has happened: one connection listens, everybody who wants to know hears.
 *
 * **Gotchas**
 *
 * What is told while the connection is away is not told again. Everybody then hears `Gap`, and looks for themselves.
 */
import type { PgClient } from "@effect/sql-pg"
import { Clock, Effect, Queue, Schedule, type Scope } from "effect"

export type News =
  /** The queue has changed, or a node has come. */
  | { readonly _tag: "Queue" }
  /** A node has something to do. */
  | { readonly _tag: "Agent"; readonly node: string }
  | { readonly _tag: "Changed"; readonly tasks: ReadonlyArray<string> }
  | { readonly _tag: "Printed"; readonly tasks: ReadonlyArray<string> }
  /** Nothing was heard for that long. */
  | { readonly _tag: "Gap"; readonly millis: number }

export interface Bulletin {
  /** Until the scope closes. Hearing must not take long. */
  readonly hear: (listener: (news: News) => void) => Effect.Effect<void, never, Scope.Scope>
}

/** The channel of {@link TaskSchema}. */
const channel = "novacron"

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

export const make = Effect.fnUntraced(function* (
  sql: PgClient.PgClient
): Effect.fn.Return<Bulletin, never, Scope.Scope> {
  const listeners = new Set<(news: News) => void>()
  const tell = (news: News) => listeners.forEach((listener) => listener(news))
  let heardMs = yield* nowMs
  const listening = Effect.scoped(
    Effect.gen(function* () {
      const messages = yield* sql.listen(channel)
      tell({ _tag: "Gap", millis: (yield* nowMs) - heardMs })
      return yield* Effect.forever(
        Effect.gen(function* () {
          for (const { payload } of yield* Queue.takeAll(messages)) {
            const news = read(payload)
            if (news !== undefined) tell(news)
          }
        })
      )
    })
  )
  yield* listening.pipe(
    Effect.tapError(() => Effect.map(nowMs, (now) => void (heardMs = now))),
    Effect.retry(again),
    Effect.forkScoped
  )
  return {
    hear: (listener) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        )
      )
  }
})

const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** A message of the triggers. */
const read = (payload: string): News | undefined => {
  const rest = payload.slice(1)
  switch (payload.slice(0, 1)) {
    case "q":
      return { _tag: "Queue" }
    case "a":
      return { _tag: "Agent", node: rest }
    case "c":
      return { _tag: "Changed", tasks: rest.split(",") }
    case "o":
      return { _tag: "Printed", tasks: rest.split(",") }
    default:
      return undefined
  }
}
