/**
 * Settings while the node runs: what was loaded is kept as a version and written to the audit log, and a file that
 * changes, or SIGHUP, or `novacron reload`, has them read again. Only what is hot may differ; it is put into effect at
 * once. Anything else is refused with the names of the keys, and nothing changes.
 */
import { Logger } from "@novacron/components"
import { Audit, type Config, type ConfigInvalid, Difference, History, Reload, Remote } from "@novacron/config"
import { Cause, Effect, Exit, Fiber, type FileSystem, type Path, type Scope, Semaphore, SubscriptionRef } from "effect"
import type { Reloading } from "./Alive.ts"
import * as Configuration from "./Configuration.ts"
import * as Settings from "./Settings.ts"
import type { Surroundings } from "./Surroundings.ts"

/** Where settings are read from again, and where it is recorded. */
export interface Options {
  readonly loaded: Config.Loaded<Settings.Settings>
  readonly sources: Config.LoadOptions
  readonly dataDir: string
  readonly user: string
  /** Why what was loaded is a version of the file, and not the file. */
  readonly lastGood?: Configuration.LastGood | undefined
  /** Reloads wait for it. */
  readonly ready: Effect.Effect<unknown>
  /** Puts new settings into effect in the parts that take them. */
  readonly follow: (settings: Settings.Settings) => Effect.Effect<void>
}

/** Records what was loaded, and reads it again when asked or when the file changes, until the scope closes. */
export const make = Effect.fn("Reloading.make")(function* ({
  dataDir,
  follow,
  lastGood,
  loaded,
  ready,
  sources,
  user
}: Options): Effect.fn.Return<
  Reloading,
  never,
  Scope.Scope | FileSystem.FileSystem | Path.Path | Logger.Logging | Surroundings
> {
  // Of what was loaded only the name without its password is known.
  const { file } = sources
  const logging = yield* Logger.Logging
  const audit = yield* Effect.option(Audit.make(`${dataDir}/config-audit.jsonl`))
  const usual = file === undefined ? "env" : "file"
  const record = (entry: Omit<Audit.Entry, "user" | "source">, source: Audit.Entry["source"] = usual) =>
    audit._tag === "None"
      ? Effect.void
      : Effect.catch(audit.value.append({ user, source, ...entry }), (error) =>
          Effect.logWarning(`The audit log of the settings cannot be written: ${error.message}`)
        )
  // A store keeps versions of its own.
  const keep =
    file === undefined || Remote.isRemote(file)
      ? Effect.void
      : Effect.catch(History.record({ directory: Configuration.historyOf(dataDir), user }, file), (error) =>
          Effect.logWarning(error.message)
        )

  // Now, while the file is what was loaded; the log has time until the node is down, and is not in the way of the boot.
  if (lastGood === undefined) yield* keep
  const recording = yield* Effect.forkScoped(
    Effect.gen(function* () {
      const changedKeys = lastGood === undefined ? [] : keysIn(lastGood.because)
      if (lastGood !== undefined) yield* record({ action: "load", success: false, changedKeys })
      // Worked out beside the boot: it encodes all settings.
      const { version } = loaded
      yield* record({ action: "load", success: true, changedKeys: [], version }, lastGood && "history")
    })
  )
  yield* Effect.addFinalizer(() => Fiber.await(recording))
  const made = yield* Reload.make(Settings.definition(), loaded, sources, { ready })

  /** What both ways do with the outcome: put it into effect, and record it, also when the node ends meanwhile. */
  const apply = (outcome: Exit.Exit<Reload.Change, Reload.ReloadRejected>, follow: Options["follow"]) =>
    Exit.match(outcome, {
      onFailure: (cause) => {
        const error = Cause.squash(cause)
        const changedKeys = error instanceof Reload.ReloadRejected ? keysOf(error) : []
        return Effect.andThen(
          record({ action: "validate", success: false, changedKeys }),
          Effect.fail({ message: error instanceof Error ? error.message : String(error) })
        )
      },
      onSuccess: ({ differences, to }) =>
        Effect.gen(function* () {
          if (differences.length === 0) return "the settings say what they said; nothing has changed."
          const { settings } = yield* SubscriptionRef.get(made.current)
          yield* logging.setLevel(Settings.loggerOf(settings).level)
          const changedKeys = differences.map(({ key }) => key)
          const recorded = Effect.andThen(keep, record({ action: "modify", success: true, changedKeys, version: to }))
          yield* Effect.ensuring(follow(settings), recorded)
          return `in effect now, as version ${to}: ${Difference.text(differences).replaceAll("\n", ", ")}`
        })
    })
  // From reading to recording, one after the other: whoever hears that nothing has changed finds in the log what did.
  const turn = yield* Semaphore.make(1)
  const inTurn = turn.withPermit(
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(restore(made.reload)), (outcome) =>
        Exit.hasInterrupts(outcome) ? Effect.interrupt : apply(outcome, (settings) => restore(follow(settings)))
      )
    )
  )
  const reload = yield* Effect.map(Effect.context<FileSystem.FileSystem | Path.Path>(), (context) =>
    Effect.provideContext(inTurn, context)
  )

  if (file !== undefined) {
    const tell = (said: Exit.Exit<string, { readonly message: string }>) =>
      Effect.matchEffect(said, {
        onFailure: ({ message }) => Effect.logWarning(message),
        onSuccess: (changed) => Effect.logInfo(`The file ${Remote.shown(file)} has changed: ${changed}`)
      })
    yield* Reload.watch({ reload }, file, tell).pipe(
      Effect.catch((error) =>
        Effect.logWarning(`The file ${Remote.shown(file)} cannot be watched: ${error.message}. SIGHUP reads it again.`)
      ),
      Effect.forkScoped
    )
  }
  return { reload }
})

const keysOf = ({ reason }: Reload.ReloadRejected): ReadonlyArray<string> =>
  reason._tag === "NeedsRestart" ? reason.keys : keysIn(reason.cause)

const keysIn = ({ problems }: ConfigInvalid): ReadonlyArray<string> =>
  problems.flatMap(({ key }) => (key === "" ? [] : [key]))
