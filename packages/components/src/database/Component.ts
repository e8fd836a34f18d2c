/** The database as components of a boot: the database itself, and the migrations that can wait until the node is ready. */
import { Component } from "@novacron/boot"
import { Context, Effect, Ref, Schedule } from "effect"
import { Security } from "../security/Security.ts"
import * as DataDir from "./DataDir.ts"
import * as Examination from "./Examination.ts"
import { Database, directoryOf, type Options, sense, stopWithin } from "./Database.ts"
import { type MigrateFailure, patience } from "./DatabaseError.ts"
import type { Settings } from "./Settings.ts"

/** The critical component `database`: three attempts where time may help, one where it cannot. */
export const component = (settings: Settings, options: Options) =>
  Component.make(Database, {
    needs: [Security],
    severity: "Critical",
    validate: Effect.fromResult(sense(settings)),
    start: Effect.flatMap(code, ({ make }) => make(settings, options)),
    health: (database) => database.check,
    // Unless the database is elsewhere, a node that was killed may have left a server behind.
    recover: settings.url === undefined ? DataDir.clear(directoryOf(settings, options)) : Effect.void,
    stop: stopWithin
  }).pipe(Component.retry(patience), Component.timeout("15 seconds"))

/** The client of PostgreSQL comes with it. */
const code = Effect.promise(() => import("./Live.ts"))

/** Fails with what a boot would refuse about the directory of the embedded server, and changes nothing. */
export const examine = (settings: Settings, options: Options) => Examination.examine(directoryOf(settings, options))

/** What became of the migrations that could wait. */
export class DeferredMigrations extends Context.Service<
  DeferredMigrations,
  {
    /** `Waiting`: the last try failed, and there will be another. */
    readonly state: Effect.Effect<DeferredState>
  }
>()("novacron/database-deferred") {}

export type DeferredState =
  | { readonly _tag: "Applying" }
  | { readonly _tag: "Applied"; readonly migrations: ReadonlyArray<string> }
  | { readonly _tag: "Waiting"; readonly error: MigrateFailure }

/**
 * The component `database-deferred`: applies deferred migrations in the background once everything critical is up. It is
 * unhealthy, and nothing else is, while they fail; it tries again until they do not.
 */
export const deferred = Component.make(DeferredMigrations, {
  phase: "post",
  needs: [Database],
  severity: "Warning",
  start: Effect.gen(function* () {
    const { applyDeferred } = yield* Database
    const state = yield* Ref.make<DeferredState>({ _tag: "Applying" })
    yield* applyDeferred.pipe(
      Effect.tap((migrations) => Ref.set(state, { _tag: "Applied", migrations })),
      Effect.tapError((error) => Ref.set(state, { _tag: "Waiting", error })),
      Effect.tapError((error) => Effect.logWarning(`A deferred migration will be tried again. ${error.message}`)),
      Effect.retry(again),
      Effect.forkScoped
    )
    return { state: Ref.get(state) }
  }),
  health: ({ state }) => Effect.flatMap(state, (now) => (now._tag === "Waiting" ? Effect.fail(now.error) : Effect.void))
}).pipe(Component.optional)

/** For as long as the node runs. */
const again = Schedule.min([Schedule.exponential("5 seconds"), Schedule.spaced("10 minutes")])
