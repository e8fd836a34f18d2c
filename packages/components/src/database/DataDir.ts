/**
 * The home of the embedded server: a directory that one node at a time works in, made ready for PostgreSQL to start.
 *
 * **Details**
 *
 * In it are `database.lock` (who works here), `server.json` (which server that node has started), `password` (of the only
 * user; 0600) and `data` (PostgreSQL's own, with its socket). The first boot makes the database beside its place and moves
 * it there whole.
 *
 * PostgreSQL refuses to run as root, so as root it runs as nobody, and `data` is nobody's. Directories above it are often
 * root's alone: a node's data directory is 0700, and so is `/root`. That is why the server gets `data` as its working
 * directory and knows it by no other name than {@link here}, which also keeps the path of the socket short. Binaries that
 * nobody cannot reach are copied to `/var/cache/novacron` ({@link Binaries}).
 *
 * What PostgreSQL would refuse is refused before ({@link Examination}).
 *
 * A server whose node was killed ends by itself ({@link Embedded}). Should one still be there, it is stopped cleanly:
 * `server.json` names it together with the moment of its start, so that no other process is taken for it.
 */
import { randomBytes } from "node:crypto"
import {
  chmod,
  chown,
  mkdir,
  open as openFile,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  writeFile
} from "node:fs/promises"
import { join } from "node:path"
import { Effect, Option, type Redacted, Schedule, Schema, type Scope } from "effect"
import * as Holder from "../lock/Holder.ts"
import * as Lock from "../lock/Lock.ts"
import * as Binaries from "./Binaries.ts"
import { exists, ioIn, textOf, unusable } from "./DataDirFiles.ts"
import * as Examination from "./Examination.ts"
import * as Guarded from "./Guarded.ts"
import { DataDirInUse, EmbeddedFailed, type EmbeddedFailure, NoDatabase } from "./DatabaseError.ts"
import { socketOf } from "./Target.ts"

/** A directory with a database in it, held by this process. */
export interface DataDir {
  readonly root: string
  readonly data: string
  /** The directory of the socket, by a name that is short enough to connect to it. */
  readonly sockets: string
  readonly password: Redacted.Redacted
  readonly binaries: Binaries.Binaries
  /** Whom the server runs as: nobody, when we are root. */
  readonly as: Guarded.RunAs
  /** Whether the database was made just now. */
  readonly isNew: boolean
}

/** The name of the server's only user, and of the port in the name of its socket. */
export const user = "novacron"
export const port = 5432

/** What the server calls its data directory: wherever it works. No directory above has to be passable. */
export const here = "/proc/self/cwd"

/** Takes the directory, ends what a killed node has left behind in it, and makes the database when there is none. */
export const open = Effect.fn("DataDir.open")(function* (
  root: string
): Effect.fn.Return<DataDir, EmbeddedFailure, Scope.Scope> {
  const io = ioIn(root)
  yield* held(root)
  const { as, isRoot, owner } = yield* Examination.runnerOf(root)
  yield* io(() => chmod(root, isRoot ? 0o711 : 0o700)) // so that nobody gets from data to ../password.init
  yield* evict(root)
  const binaries = yield* Binaries.find(isRoot)
  const data = join(root, "data")
  yield* Examination.fit(root, data, owner)
  const isNew = !(yield* exists(join(data, "PG_VERSION")))
  if (isNew) yield* create(root, data, binaries, as)
  const password = yield* Examination.passwordOf(root)
  const sockets = yield* reachable(data)
  return { root, data, sockets, password, binaries, as, isNew }
})

/** Ends what a killed node has left behind, if anything: for `recover`, where there may be nothing at all. */
export const clear = Effect.fn("DataDir.clear")(function* (root: string): Effect.fn.Return<void, EmbeddedFailure> {
  if (!(yield* exists(join(root, "server.json")))) return
  yield* Effect.scoped(Effect.andThen(held(root), evict(root)))
})

/** Nobody else works here until the scope closes. */
const held = (root: string) =>
  Effect.mapError(Lock.acquire(root, "database.lock"), (error) =>
    error._tag === "LockHeld"
      ? new DataDirInUse({ directory: root, pid: error.pid, who: "node" })
      : unusable(root, "its lock cannot be had", "May this user write there, and is there room?", error)
  )

// ------------------------------------------------------------------------------------------------------------- record

/** Which server belongs to the node that works here. */
const Server = Schema.Struct({ pid: Schema.Int, startTicks: Schema.String })
const decodeServer = Schema.decodeUnknownOption(Schema.fromJsonString(Server))

/** Writes down which server was started. */
export const remember = ({ root }: DataDir, pid: number): Effect.Effect<void, EmbeddedFailure> =>
  Effect.gen(function* () {
    const started = yield* startOf(pid)
    if (started._tag === "NotRunning") return // it has failed already, which is heard of elsewhere
    const text = JSON.stringify({ pid, startTicks: started.startTicks })
    yield* ioIn(root)(() => writeFile(join(root, "server.json"), text, { mode: 0o600 }))
  })

/** The server has ended. */
export const forget = ({ root }: DataDir): Effect.Effect<void> =>
  Effect.ignore(Effect.tryPromise(() => rm(join(root, "server.json"), { force: true })))

const evict = Effect.fnUntraced(function* (root: string): Effect.fn.Return<void, EmbeddedFailure> {
  const io = ioIn(root)
  const data = join(root, "data")
  const left = decodeServer(yield* textOf(join(root, "server.json")))
  if (Option.isSome(left)) {
    const { pid, startTicks } = left.value
    const found = yield* startOf(pid)
    if (found._tag === "Running" && found.startTicks === startTicks) {
      yield* Effect.logWarning(`The database server of a node that was killed is still there, pid ${pid}: stopping it.`)
      yield* end(root, pid)
    }
  }
  const pidFile = join(data, "postmaster.pid")
  const pid = Number.parseInt(yield* textOf(pidFile), 10)
  if (Number.isInteger(pid) && (yield* startOf(pid))._tag === "Running") {
    const place = yield* io(() => realpath(data))
    if ((yield* workingDirectory(pid)) === place) {
      return yield* new DataDirInUse({ directory: root, pid, who: "server" })
    }
    if ((yield* workersIn(place)).length === 0) {
      // The number of a server that is gone now belongs to a stranger. PostgreSQL could not tell and would not start.
      yield* io(() => rm(pidFile, { force: true }))
    }
  }
  yield* io(() => rm(join(root, "server.json"), { force: true }))
})

/**
 * Ends whatever of PostgreSQL still works in the directory, by SIGKILL, which also those hear that hang or were stopped, and
 * removes what they would have removed. For a server that was asked before; its log has all that was committed.
 */
export const evacuate = Effect.fn("DataDir.evacuate")(function* (root: string) {
  const data = join(root, "data")
  const inside = Effect.flatMap(workersIn(data), (all) => Effect.filter(all, isPostgres))
  const killed = Effect.tap(inside, (pids) => (pids.length === 0 ? Effect.void : signalled(root, "KILL", pids)))
  const left = yield* Effect.repeat(killed, {
    schedule: Schedule.max([Schedule.spaced("25 millis"), Schedule.recurs(20)]),
    until: (pids) => pids.length === 0
  })
  if (left.length > 0) {
    return yield* Effect.logError(
      `The embedded PostgreSQL in ${data} does not end, not even by SIGKILL (pid ${left.join(", ")}): its disk hangs. ` +
        `The next start has to wait for it.`
    )
  }
  const names = ["postmaster.pid", `.s.PGSQL.${port}`, `.s.PGSQL.${port}.lock`]
  yield* Effect.forEach(names, (name) => Effect.ignore(Effect.tryPromise(() => rm(join(data, name), { force: true }))))
})

/** A server, a backend or an initdb; or the guard of one. Somebody who looks around in the directory is none. */
const isPostgres = (pid: string): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const program = yield* Effect.orElseSucceed(
      Effect.tryPromise(() => readlink(`/proc/${pid}/exe`)),
      () => ""
    )
    if (isProgram(program.replace(/ \(deleted\)$/, ""))) return true
    const [shell, , , name, guarded = ""] = (yield* textOf(`/proc/${pid}/cmdline`)).split("\0")
    return shell === "/bin/sh" && name === "sh" && isProgram(guarded)
  })

const isProgram = (path: string): boolean => /\/(?:postgres|initdb)$/.test(path)

const signalled = (root: string, signal: "INT" | "QUIT" | "KILL", pids: ReadonlyArray<number | string>) =>
  // They may be gone by now.
  Effect.exit(execute("/bin/sh", ["-c", 'kill -"$0" "$@"', signal, ...pids.map(String)], root, {}))

/** Asks more and more firmly. Nothing that was committed is lost by any of it. */
const end = Effect.fnUntraced(function* (root: string, pid: number): Effect.fn.Return<void, EmbeddedFailure> {
  for (const [signal, seconds] of [["INT", 5] as const, ["QUIT", 2] as const, ["KILL", 2] as const]) {
    yield* signalled(root, signal, [pid])
    const gone = Effect.repeat(startOf(pid), {
      schedule: Schedule.max([Schedule.spaced("25 millis"), Schedule.recurs(seconds * 40)]),
      until: ({ _tag }) => _tag === "NotRunning"
    })
    yield* gone
    if ((yield* startOf(pid))._tag === "NotRunning") return yield* evacuate(root)
  }
  return yield* new DataDirInUse({ directory: root, pid, who: "server" })
})

const startOf = (pid: number): Effect.Effect<Holder.Found> =>
  Effect.map(textOf(`/proc/${pid}/stat`), (stat) => (stat === "" ? { _tag: "NotRunning" } : Holder.startTicksOf(stat)))

const workingDirectory = (pid: number | string): Effect.Effect<string> =>
  Effect.orElseSucceed(
    Effect.tryPromise(() => readlink(`/proc/${pid}/cwd`)),
    () => ""
  )

/** Who works in the directory: servers do, and so does each of their backends. */
const workersIn = (directory: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const place = yield* Effect.orElseSucceed(
      Effect.tryPromise(() => realpath(directory)),
      () => directory
    )
    const names = yield* Effect.orElseSucceed(
      Effect.tryPromise(() => readdir("/proc")),
      () => []
    )
    return yield* Effect.filter(
      names.filter((name) => /^\d+$/.test(name)),
      (name) => Effect.map(workingDirectory(name), (at) => at === place)
    )
  })

// ----------------------------------------------------------------------------------------------------------- creation

const create = Effect.fnUntraced(function* (
  root: string,
  data: string,
  binaries: Binaries.Binaries,
  as: Guarded.RunAs
): Effect.fn.Return<void, EmbeddedFailure> {
  const io = ioIn(root)
  if (yield* exists(data)) {
    const there = yield* io(() => readdir(data))
    if (there.length > 0) {
      const remedy = "Move it away, or name another directory (database.embedded.data_dir)."
      return yield* unusable(root, "there is something in data that is no database", remedy)
    }
  }
  const partial = `${data}.partial`
  const password = randomBytes(24).toString("base64url") // of a secret, so not from Random, which a test may seed
  const forInit = join(root, "password.init")
  yield* io(async () => {
    await rm(partial, { recursive: true, force: true })
    await rm(forInit, { force: true })
    await mkdir(partial, { mode: 0o700 })
    await writeFile(join(root, "password"), password, { mode: 0o600 })
    await writeFile(forInit, password, { mode: 0o600, flag: "wx" })
    if (as.uid !== undefined) {
      await chown(partial, as.uid, as.gid)
      await chown(forInit, as.uid, as.gid)
    }
  })
  yield* execute(binaries.initdb, [...initOptions, "--pwfile=../password.init", `--pgdata=${here}`], partial, as).pipe(
    Effect.mapError(({ cause, output }) =>
      /could not look up effective user ID/.test(output)
        ? new NoDatabase({ reason: `initdb makes none for a user whom /etc/passwd does not name (${output})`, cause })
        : new EmbeddedFailed({
            directory: root,
            problem: "could not be set up",
            output,
            isFinal: isFinal(cause.message, output),
            cause
          })
    ),
    Effect.ensuring(Effect.ignore(Effect.tryPromise(() => rm(forInit, { force: true }))))
  )
  yield* io(async () => {
    await rm(data, { recursive: true, force: true })
    await rename(partial, data)
  })
})

/**
 * Text sorts by code point everywhere, whatever the machine's locale; the disk is synced once the server runs. A password
 * is hashed once: 4,096 times, as by default, makes guessing slow, of which one of 192 random bits has no need, and costs the
 * thread that boots the node over a millisecond with each connection.
 */
const initOptions = [
  "--no-sync",
  "--no-instructions",
  `--username=${user}`,
  "--auth=scram-sha-256",
  "--set=scram_iterations=1",
  "--encoding=UTF8",
  "--locale=C",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8"
]

/** Writes to the disk what {@link open} has left in the cache, so that not even a power cut takes the new database. */
export const sync = ({ as, binaries, data }: DataDir): Effect.Effect<void> =>
  execute(binaries.initdb, ["--sync-only", `--pgdata=${here}`], data, as).pipe(
    // A server that hangs is killed with everything that works where it does.
    Effect.retry({ times: 1 }),
    Effect.catch(({ cause, output }) =>
      Effect.logWarning(
        `The new database could not be written through to the disk: a power cut in the next minutes may cost it. ${output}`,
        cause
      )
    )
  )

/** A path to the directory that leaves room for the name of a socket: its own, or that of an open file. */
const reachable = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<string, EmbeddedFailure, Scope.Scope> {
  if (Buffer.byteLength(socketOf({ directory, port })) < maxSocketBytes) return directory
  const opened = yield* Effect.acquireRelease(
    ioIn(directory)(() => openFile(directory, "r")),
    (file) => Effect.promise(() => file.close())
  )
  return `/proc/self/fd/${opened.fd}`
})

/** Linux has room for 108, the zero at the end included. */
const maxSocketBytes = 100

// ---------------------------------------------------------------------------------------------------------- the system

/** Runs a program to its end, which is soon. Interrupted, it is killed. */
const execute = (program: string, args: ReadonlyArray<string>, cwd: string, as: Guarded.RunAs) =>
  Effect.timeoutOrElse(
    Effect.callback<void, { readonly cause: Error; readonly output: string }>((resume) => {
      const child = Guarded.start(program, args, { as, cwd, signal: "KILL" })
      let said = ""
      child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-10_000)))
      child.once("error", (cause) => resume(Effect.fail({ cause, output: "" })))
      child.once("close", (code, signal) => {
        const cause = new Error(signal === null ? `exit code ${code}` : `signal ${signal}`)
        resume(code === 0 ? Effect.void : Effect.fail({ cause, output: lastLines(said) }))
      })
      const closed = Effect.callback<void>((gone) => {
        child.once("close", () => gone(Effect.void))
        child.kill("SIGKILL")
      })
      // That takes its guard as well, which may hang.
      return Effect.asVoid(Effect.timeoutOption(Effect.interruptible(closed), "1 second"))
    }),
    {
      duration: "1 minute",
      orElse: () => Effect.fail({ cause: new Error("it took more than a minute"), output: "" })
    }
  )

/** Whether what ended so would end so again: by itself, and not because it or a part of it was killed. */
export const isFinal = (how: string, said: string): boolean =>
  how.startsWith("exit code") && !/terminated by signal 9/.test(said)

/** The end of what a program said, on one line. */
export const lastLines = (said: string): string =>
  said
    .trim()
    .split("\n")
    .slice(-5)
    .map((line) => line.trim())
    .join(" | ")
    .slice(-1000)
