/**
 * Settings that change while the application runs: read anew, validated, compared, and then taken as a whole or not at all.
 *
 * **Details**
 *
 * Only keys that the definition calls hot may differ. If another one does, nothing changes, and the rejection names it.
 * Reloads wait for each other, and the first one for `ready`.
 */
import {
  Data,
  Effect,
  type Exit,
  FileSystem,
  Path,
  type PlatformError,
  Semaphore,
  Stream,
  SubscriptionRef
} from "effect"
import { type Definition, isHot, type Loaded, load, type LoadOptions } from "./Config.ts"
import * as Difference from "./Difference.ts"
import { type Code, codes, type ConfigInvalid } from "./Problem.ts"
import * as Remote from "./Remote.ts"

/** What a reload changed; no differences when the file says what it said. */
export interface Change {
  readonly differences: ReadonlyArray<Difference.Difference>
  readonly from: string
  readonly to: string
}

export type Reason =
  | { readonly _tag: "Invalid"; readonly cause: ConfigInvalid }
  /** These keys differ and need a restart. */
  | { readonly _tag: "NeedsRestart"; readonly keys: ReadonlyArray<string> }

/** Nothing has changed: the settings from before are in effect. */
export class ReloadRejected extends Data.TaggedError("ReloadRejected")<{ readonly reason: Reason }> {
  get code(): Code {
    return this.reason._tag === "Invalid" ? this.reason.cause.code : codes.reload
  }
  override get message() {
    const { reason } = this
    const head = "The configuration was not reloaded, the one from before stays"
    return reason._tag === "Invalid"
      ? `${head}. ${reason.cause.message}`
      : `${head}: ${reason.keys.join(", ")} cannot change while this runs. Restart, or take that back.`
  }
}

export interface Options {
  /** Reloads wait for it. Default: at once. */
  readonly ready?: Effect.Effect<unknown>
}

export interface Reload<A> {
  /** What is in effect, and its changes. */
  readonly current: SubscriptionRef.SubscriptionRef<Loaded<A>>
  readonly reload: Effect.Effect<Change, ReloadRejected>
}

/** Begins with what was loaded, and reads from the same places again. */
export const make = Effect.fn("Reload.make")(function* <A, E>(
  definition: Definition<A, E>,
  loaded: Loaded<A>,
  sources: LoadOptions,
  { ready = Effect.void }: Options = {}
) {
  const current = yield* SubscriptionRef.make(loaded)
  const surroundings = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const one = yield* Semaphore.make(1)

  // Resources are not asked: the ports are taken, and it is we who took them.
  const read = Effect.mapError(
    load(definition, { ...sources, resources: "skip" }),
    (cause) => new ReloadRejected({ reason: { _tag: "Invalid", cause } })
  )
  const once = Effect.gen(function* () {
    const before = yield* SubscriptionRef.get(current)
    const after = yield* read
    const differences = Difference.between(before, after)
    const cold = differences.filter(({ key }) => !isHot(definition, key)).map(({ key }) => key)
    if (cold.length > 0) return yield* new ReloadRejected({ reason: { _tag: "NeedsRestart", keys: cold } })
    if (differences.length > 0) yield* SubscriptionRef.set(current, after)
    return { differences, from: before.version, to: after.version }
  })
  const reload = Effect.andThen(ready, one.withPermit(once)).pipe(
    Effect.withSpan("Reload.reload"),
    Effect.provideContext(surroundings)
  )
  return { current, reload } satisfies Reload<A>
})

/** How long a file must be quiet before it is read: an editor writes more than once. */
const quiet = "100 millis"

/**
 * Reloads whenever the file changes, until it is interrupted: with a {@link Reload}, or with whatever goes on with what one
 * has found. `observe` gets what came of it. The directory is watched, so that a file that is replaced is followed. Fails
 * when the directory cannot be watched. A store is asked to tell.
 */
export const watch = Effect.fn("Reload.watch")(function* <A, E>(
  { reload }: { readonly reload: Effect.Effect<A, E> },
  file: string,
  observe: (outcome: Exit.Exit<A, E>) => Effect.Effect<void>,
  options: { readonly onReady?: () => void } = {}
) {
  const files = yield* FileSystem.FileSystem
  const { basename, dirname } = yield* Path.Path
  const name = basename(file)
  const events: Stream.Stream<unknown, PlatformError.PlatformError | Remote.RemoteUnreadable> = Remote.isRemote(file)
    ? Stream.tap(Remote.changes(file), () => Effect.sync(() => options.onReady?.()))
    : Stream.filter(files.watch(dirname(file), options), (event) => basename(event.path) === name)
  yield* events.pipe(
    Stream.debounce(quiet),
    Stream.runForEach(() => Effect.flatMap(Effect.exit(reload), observe))
  )
})
