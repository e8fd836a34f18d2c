/**
 * What is looked at before the embedded server starts in a directory: whose it is, which version of PostgreSQL made it, who
 * may read it. What PostgreSQL or the system would say no to is said here first, with what to do; nothing is changed.
 */
import { open as openFile, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Option, Redacted } from "effect"
import { exists, ioIn, textOf, unusable } from "./DataDirFiles.ts"
import type { DataDirUnusable } from "./DatabaseError.ts"
import type * as Guarded from "./Guarded.ts"

/** Fails with what a boot would refuse: for whoever looks before one does. */
export const examine = Effect.fn("Examination.examine")(function* (
  root: string
): Effect.fn.Return<void, DataDirUnusable> {
  const { owner } = yield* runnerOf(root)
  const data = join(root, "data")
  yield* fit(root, data, owner)
  if (yield* exists(join(data, "PG_VERSION"))) yield* passwordOf(root)
})

/** Says in our words what PostgreSQL would say no to each time, or the system, without a word about what to do. */
export const fit = Effect.fnUntraced(function* (
  root: string,
  data: string,
  as: { readonly uid: number; readonly gid: number }
): Effect.fn.Return<void, DataDirUnusable> {
  const found = yield* Effect.option(Effect.tryPromise(() => stat(data)))
  if (Option.isNone(found)) return
  const { mode, uid } = found.value
  // An empty one is replaced, whoever owns it; of one that we may not read nobody knows.
  const names = yield* Effect.option(Effect.tryPromise(() => readdir(data)))
  if (Option.isSome(names) && names.value.length === 0) return
  if (uid !== as.uid) {
    const whose = `${data} belongs to user ${uid}, and the server runs as user ${as.uid}`
    return yield* unusable(root, whose, `Give it that: chown -R ${as.uid}:${as.gid} ${data}`)
  }
  const version = (yield* textOf(join(data, "PG_VERSION"))).trim()
  if (version !== "" && version !== major) {
    const remedy = `Write it out with the release that made it, move ${data} away, boot, and read it in; or restore a backup.`
    return yield* unusable(root, `it is of PostgreSQL ${version.slice(0, 20)}, and this one is ${major}`, remedy)
  }
  if ((mode & 0o027) !== 0) {
    const open = `${data} is open to other users (mode 0${(mode & 0o777).toString(8)}), which PostgreSQL does not take`
    return yield* unusable(root, open, `If nobody has changed anything in it: chmod 700 ${data}`)
  }
})

/** Whom the server runs as, and whose its data has to be: when we are root, they are nobody. */
export const runnerOf = (root: string) =>
  Effect.map(
    Effect.tryPromise({
      try: () => stat("/proc/self"),
      catch: (cause) =>
        unusable(root, "this machine shows no /proc, through which the server finds it", "Mount /proc.", cause)
    }),
    ({ gid, uid }) => {
      const isRoot = uid === 0
      const as: Guarded.RunAs = isRoot ? { uid: nobody, gid: nobody } : {}
      return { as, isRoot, owner: { uid, gid, ...as } }
    }
  )

/** The password of the only user, which nobody else may have read. */
export const passwordOf = Effect.fnUntraced(function* (
  root: string
): Effect.fn.Return<Redacted.Redacted, DataDirUnusable> {
  const path = join(root, "password")
  const { mode, password } = yield* Effect.mapError(
    ioIn(root)(async () => {
      const file = await openFile(path, "r")
      try {
        return { mode: (await file.stat()).mode, password: await file.readFile("utf8") }
      } finally {
        await file.close()
      }
    }),
    ({ cause, problem }) =>
      unusable(root, problem, `Restore ${path} from a backup; without one, its runbook sets a new password.`, cause)
  )
  if ((mode & 0o077) === 0) return Redacted.make(password)
  const open = `${path} is open to other users (mode 0${(mode & 0o777).toString(8)}), and what is in it must be secret`
  const remedy = `If nobody has read it: chmod 600 ${path}; otherwise the runbook sets a new password.`
  return yield* unusable(root, open, remedy)
})

/** Which databases the binaries can read. */
const major = "18"

/** The user and the group that own nothing. */
const nobody = 65_534
