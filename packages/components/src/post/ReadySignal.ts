/**
 * The signal that the node is ready, for whoever waits: a file that is there exactly while it is, and `READY=1` for
 * systemd, once.
 */
import { access, rename, unlink, writeFile } from "node:fs/promises"
import { Context, Data, DateTime, Effect } from "effect"
import type { Scope } from "effect"
import type { Notify } from "./Notify.ts"
import type { ReadySettings } from "./Settings.ts"

/** The node has said that it is ready. */
export class Ready extends Context.Service<
  Ready,
  {
    readonly since: DateTime.Utc
    /** Fails when the file is not there any more. */
    readonly check: Effect.Effect<void, ReadyFileUnusable>
  }
>()("novacron/ready") {}

/** The ready file cannot be written. */
export class ReadyFileUnusable extends Data.TaggedError("ReadyFileUnusable")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly code = "NVC-2404"
  override get message() {
    return `The ready file ${this.path} cannot be written. Who waits for it waits in vain: check ready.file.`
  }
}

/**
 * Says that the node is ready, until the scope closes: then the file is removed, before anything else stops. The file is
 * renamed into place complete, so whoever sees it can read it.
 */
export const announce = Effect.fn("ReadySignal.announce")(function* (
  settings: typeof ReadySettings.Type,
  pid: number,
  notify: Notify
): Effect.fn.Return<Ready["Service"], ReadyFileUnusable, Scope.Scope> {
  const { file } = settings
  const since = yield* DateTime.now
  const attempt = <A>(path: string, act: () => Promise<A>) =>
    Effect.tryPromise({ try: act, catch: (cause) => new ReadyFileUnusable({ path, cause }) })
  if (file !== undefined) {
    const text = `${JSON.stringify({ pid, since: DateTime.formatIso(since) })}\n`
    const half = `${file}.${pid}`
    const put = attempt(file, () => writeFile(half, text, { mode: 0o600 }).then(() => rename(half, file)))
    yield* Effect.acquireRelease(put, () =>
      Effect.andThen(Effect.ignore(attempt(file, () => unlink(file))), Effect.ignore(attempt(half, () => unlink(half))))
    )
  }
  if (settings.notify) {
    yield* Effect.acquireRelease(
      Effect.sync(() => notify.tell("ready")),
      () => Effect.sync(() => notify.tell("stopping"))
    )
  }
  const check = file === undefined ? Effect.void : attempt(file, () => access(file))
  return { since, check }
})
