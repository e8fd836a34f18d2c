/**
 * One node in a data directory: a lock file that exactly one process holds, and that outlives no process.
 *
 * **Details**
 *
 * The file is made complete under a name of its own and then linked to its place, which succeeds for one. The lock of a
 * process that was killed is taken over, and whoever does it is told. Of several that try at once one succeeds: it
 * claims the generation it replaces (`novacron.lock.after-NONCE`, by another link), looks whether that is still the one
 * that holds, and renames its own file over it. A claim whose owner was killed is a generation as well, and is claimed
 * in turn.
 *
 * **Gotchas**
 *
 * A lock from another container (another namespace of processes) cannot be judged and counts as held.
 */
import { link, mkdir, readFile, readlink, rename, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Context, Data, DateTime, Effect, Option, Random } from "effect"
import type { Scope } from "effect"
import * as Holder from "./Holder.ts"

/** The lock of the data directory, held. */
export class Lock extends Context.Service<
  Lock,
  {
    readonly path: string
    /** This process, as the lock file names it. */
    readonly holder: Holder.Holder
    /** Who held it before and was gone without giving it back. */
    readonly takenOverFrom: Option.Option<Holder.Holder>
    /** Fails when somebody has removed or replaced the file. */
    readonly check: Effect.Effect<void, LockLost | LockUnusable>
  }
>()("novacron/lock") {}

/** Another process holds the lock. The process exits with 73. */
export class LockHeld extends Data.TaggedError("LockHeld")<{
  readonly path: string
  readonly pid: number
  readonly since: string
  /** False when it lives where this one cannot see it, in another container for instance. */
  readonly isVisible: boolean
}> {
  readonly code = "NVC-1101"
  readonly exitCode = 73
  override get message() {
    const held = `The data directory is held by pid ${this.pid} since ${this.since} (${this.path}).`
    return this.isVisible
      ? `${held} Stop that node, or give this one a data directory of its own.`
      : `${held} It cannot be seen from here; if it runs nowhere any more, remove the file.`
  }
}

/** The lock file cannot be made, read or replaced. The process exits with 73. */
export class LockUnusable extends Data.TaggedError("LockUnusable")<{
  readonly path: string
  readonly doing: string
  readonly cause: unknown
}> {
  readonly code = "NVC-1102"
  readonly exitCode = 73
  override get message() {
    return `The lock ${this.path} cannot be had: ${this.doing} failed. May this user write there, and is there room?`
  }
}

/** The lock file is not the one that this process made. */
export class LockLost extends Data.TaggedError("LockLost")<{ readonly path: string }> {
  readonly code = "NVC-1103"
  override get message() {
    return `The lock ${this.path} was removed or replaced while held. Stop this node before a second one starts.`
  }
}

/** Takes the lock of a directory, which is made (0700) when it is not there; gives it back when the scope closes. */
export const acquire = Effect.fn("Lock.acquire")(function* (
  directory: string,
  file: string
): Effect.fn.Return<Lock["Service"], LockHeld | LockUnusable, Scope.Scope> {
  const path = join(directory, file)
  yield* attempt(path, "making the directory", () => mkdir(directory, { recursive: true, mode: 0o700 }))
  const holder = yield* self
  const takenOverFrom = yield* Effect.acquireRelease(take(path, holder), () => release(path, holder))
  if (Option.isSome(takenOverFrom)) {
    const { pid, since } = takenOverFrom.value
    yield* Effect.logWarning(`The lock of pid ${pid}, held since ${since}, was left behind; it is taken over.`)
  }
  const check = Effect.flatMap(read(path), (now) =>
    Option.isSome(now) && now.value.nonce === holder.nonce ? Effect.void : Effect.fail(new LockLost({ path }))
  )
  return { path, holder, takenOverFrom, check }
})

const take = Effect.fnUntraced(function* (path: string, holder: Holder.Holder) {
  const own = `${path}.${holder.pid}-${holder.nonce}`
  return yield* Effect.acquireUseRelease(
    attempt(own, "writing it", () => write(own, Holder.format(holder))),
    () => enter(path, own, holder),
    () => removed(own)
  )
})

/** Links its own file to the place of the lock, or replaces one that nobody holds any more. */
const enter = Effect.fnUntraced(function* (path: string, own: string, holder: Holder.Holder) {
  // Each round that does not decide means that another process did something meanwhile.
  for (let round = 0; round < maxRounds; round++) {
    if (yield* linked(own, path)) return Option.none<Holder.Holder>()
    const line = yield* lineage(path, holder)
    if (Option.isNone(line)) continue
    if (yield* seize(path, own, holder, line.value)) return Option.fromUndefinedOr(line.value.generations[0])
  }
  return yield* new LockUnusable({ path, doing: "taking it over", cause: new Error("it changed hands too often") })
})

/** Those that were judged to be dead: the one at the place of the lock, then its claimants; and the claim that is free. */
export interface Lineage {
  readonly generations: ReadonlyArray<Holder.Holder>
  readonly next: string
}

/** Claims a lineage and takes its place; false when somebody else was there in the meantime. A part of {@link acquire}. */
export const seize = (
  path: string,
  own: string,
  holder: Holder.Holder,
  { generations, next }: Lineage
): Effect.Effect<boolean, LockHeld | LockUnusable> =>
  Effect.acquireUseRelease(
    linked(own, next),
    (isClaimed) => (isClaimed ? replace(path, own, holder, generations) : Effect.succeed(false)),
    (isClaimed) => (isClaimed ? removed(next) : Effect.void)
  )

/** Who has the claim on the last generation is alone here. Are they all still the ones that were judged? */
const replace = Effect.fnUntraced(function* (
  path: string,
  own: string,
  holder: Holder.Holder,
  generations: ReadonlyArray<Holder.Holder>
) {
  const again = yield* lineage(path, holder, holder.nonce)
  if (!Option.exists(again, ({ generations: now }) => sameNonces(now, generations))) return false
  yield* attempt(path, "replacing it", () => rename(own, path))
  yield* Effect.forEach(generations.slice(0, -1), ({ nonce }) => removed(claimOn(path, nonce)), { discard: true })
  return true
})

const maxRounds = 100

/** Who would have to be replaced; none when nobody is there. Fails when one of them lives. A part of {@link acquire}. */
export const lineage = Effect.fnUntraced(function* (
  path: string,
  self: Holder.Holder,
  upTo?: string
): Effect.fn.Return<Option.Option<Lineage>, LockHeld | LockUnusable> {
  const generations: Array<Holder.Holder> = []
  let at = path
  for (let depth = 0; depth < maxRounds; depth++) {
    const found = yield* read(at)
    if (Option.isNone(found)) {
      return generations.length === 0 ? Option.none() : Option.some({ generations, next: at })
    }
    const holder = found.value
    if (holder.nonce === upTo) return Option.some({ generations, next: at })
    const presence = Holder.presence(holder, self, yield* find(holder.pid))
    if (presence !== "Gone") {
      const { pid, since } = holder
      return yield* new LockHeld({ path, pid, since, isVisible: presence === "Alive" })
    }
    generations.push(holder)
    at = claimOn(path, holder.nonce)
  }
  return Option.none()
})

const claimOn = (path: string, nonce: string): string => `${path}.after-${nonce}`

const sameNonces = (a: ReadonlyArray<Holder.Holder>, b: ReadonlyArray<Holder.Holder>): boolean =>
  a.length === b.length && a.every(({ nonce }, i) => nonce === b[i]?.nonce)

const release = (path: string, holder: Holder.Holder): Effect.Effect<void> =>
  Effect.ignore(
    Effect.flatMap(read(path), (now) =>
      Option.isSome(now) && now.value.nonce === holder.nonce ? removed(path) : Effect.void
    )
  )

// ------------------------------------------------------------------------------------------------------ this process

const self = Effect.gen(function* () {
  const stat = yield* text("/proc/self/stat")
  const found = Holder.startTicksOf(stat)
  const chance = yield* Effect.all([Random.nextIntBetween(0, 2 ** 31), Random.nextIntBetween(0, 2 ** 31)])
  return {
    version: 1 as const,
    pid: Number.parseInt(stat, 10) || 0,
    bootId: (yield* text("/proc/sys/kernel/random/boot_id")).trim(),
    namespace: yield* orEmpty(() => readlink("/proc/self/ns/pid")),
    startTicks: found._tag === "Running" ? found.startTicks : "",
    since: DateTime.formatIso(yield* DateTime.now),
    nonce: chance.map((n) => n.toString(36)).join("")
  }
})

const find = (pid: number): Effect.Effect<Holder.Found> =>
  Effect.map(text(`/proc/${pid}/stat`), (stat) => (stat === "" ? { _tag: "NotRunning" } : Holder.startTicksOf(stat)))

const orEmpty = (read: () => Promise<string>): Effect.Effect<string> =>
  Effect.orElseSucceed(Effect.tryPromise(read), () => "")

const text = (path: string): Effect.Effect<string> => orEmpty(() => readFile(path, "utf8"))

// -------------------------------------------------------------------------------------------------------------- files

/** What a lock file says; none when it is gone. One that nobody can read was written by nobody who holds it. */
const read = Effect.fnUntraced(function* (path: string) {
  const file = yield* attempt(path, "reading it", () => readFile(path, "utf8").catch(unless("ENOENT")))
  if (file === undefined) return Option.none<Holder.Holder>()
  return Option.some(Option.getOrElse(Holder.parse(file), () => illegible(file)))
})

/** Somebody else's file, or half of one after a power cut: its text stands for its nonce. */
const illegible = (file: string): Holder.Holder => ({
  version: 1,
  pid: 0,
  bootId: "illegible",
  namespace: "",
  startTicks: "",
  since: "an unknown time",
  nonce: `illegible-${file.replace(/[^A-Za-z0-9]/g, "").slice(0, 32)}`
})

const write = (path: string, text: string) => writeFile(path, text, { flag: "wx", mode: 0o600, flush: true })

/** Whether the link was made; false when there is something already. */
const linked = (from: string, to: string): Effect.Effect<boolean, LockUnusable> =>
  attempt(to, "linking it", () => link(from, to).then(() => true, unless("EEXIST"))).pipe(
    Effect.map((made) => made === true)
  )

const removed = (path: string): Effect.Effect<void> => Effect.ignore(Effect.tryPromise(() => unlink(path)))

const attempt = <A>(path: string, doing: string, act: () => Promise<A>): Effect.Effect<A, LockUnusable> =>
  Effect.tryPromise({ try: act, catch: (cause) => new LockUnusable({ path, doing, cause }) })

const unless = (code: string) => (cause: unknown) => {
  if (cause instanceof Error && "code" in cause && cause.code === code) return undefined
  throw cause
}
