import { type ChildProcess, spawn } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe } from "vitest"
import { it } from "@effect/vitest"
import { Duration, Effect, Option, Queue, Redacted, Schedule } from "effect"
import * as Embedded from "../../src/database/Embedded.ts"
import * as Pool from "../../src/database/Pool.ts"
import * as Slice from "../../src/database/Slice.ts"
import type { Target } from "../../src/database/Target.ts"
import { nobody, processesIn, temporary } from "./Postgres.ts"
import { settings } from "./Surroundings.ts"

const base = temporary()
afterAll(async () => {
  // A node that was killed may have been writing its new database through to the disk, which ends by itself.
  for (let wait = 0; wait < 200 && processesIn(base).length > 0; wait++) {
    await new Promise((resume) => setTimeout(resume, 50))
  }
  assert.deepStrictEqual(processesIn(base), [])
  rmSync(base, { recursive: true, force: true })
})

let count = 0
const directory = (name = "pg") => join(base, `${name}${++count}`)
const start = (root: string, whole: Duration.Input = "12 seconds", launched?: () => void) =>
  Embedded.make({ directory: root, connections: 20, slice: Slice.make(Duration.fromInputUnsafe(whole)), launched })

const asked = <A, E>(
  target: Target,
  use: (sql: Effect.Success<ReturnType<typeof Pool.single>>) => Effect.Effect<A, E>
) =>
  Effect.scoped(
    Effect.flatMap(
      Pool.single({
        target,
        settings: settings(),
        password: Option.getOrUndefined(Option.map(target.password, Effect.succeed)),
        authorities: undefined
      }),
      use
    )
  )

describe("the embedded server", () => {
  it.live("keeps its data, listens on its socket alone, asks for the password, and leaves nothing running", () =>
    Effect.gen(function* () {
      const root = directory()
      const first = Effect.gen(function* () {
        const { target } = yield* start(root)
        yield* asked(target, (sql) => sql`CREATE TABLE kept AS SELECT 7 AS n`)
        const set = yield* asked(
          target,
          (sql) =>
            sql`SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'fsync', 'full_page_writes')`
        )
        assert.sameDeepMembers(
          [...set],
          [
            { name: "listen_addresses", setting: "" },
            { name: "fsync", setting: "on" },
            { name: "full_page_writes", setting: "on" }
          ]
        )
        const wrong = { ...target, password: Option.some(Redacted.make("wrong")) }
        assert.strictEqual(
          (yield* Effect.flip(asked(wrong, (sql) => sql`SELECT 1`))).reason._tag,
          "AuthenticationError"
        )
        const owner = Number(readFileSync(join(root, "data", "postmaster.pid"), "utf8").split("\n")[0])
        const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${owner}/status`, "utf8"))?.[1]
        assert.notStrictEqual(uid, "0")
      })
      yield* Effect.scoped(first)
      for (const left of ["server.json", "database.lock", "data/postmaster.pid", "data/.s.PGSQL.5432"]) {
        assert.isFalse(existsSync(join(root, left)), left)
      }
      assert.deepStrictEqual(processesIn(root), [])
      const again = Effect.flatMap(start(root), ({ target }) => asked(target, (sql) => sql`SELECT n FROM kept`))
      assert.deepStrictEqual(yield* Effect.scoped(again), [{ n: 7 }])
    })
  )

  it.live("works below a directory that only its owner may pass, with a name too long for a socket", () =>
    Effect.gen(function* () {
      const { target } = yield* start(join(directory("x".repeat(120)), "y".repeat(120)))
      assert.deepStrictEqual(yield* asked(target, (sql) => sql`SELECT 1 AS one`), [{ one: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("belongs to one node at a time", () =>
    Effect.gen(function* () {
      const root = directory()
      const home = join(root, "postgresql")
      const { target } = yield* start(home)
      const error = yield* Effect.flip(Effect.scoped(start(home)))
      assert.strictEqual(error._tag, "DataDirInUse")
      const child = yield* node(root)
      const said = yield* ended(child)
      assert.include(said, "is in use by another node")
      assert.include(said, `pid ${process.pid}`)
      assert.strictEqual(child.exitCode, 1)
      assert.deepStrictEqual(yield* asked(target, (sql) => sql`SELECT 1 AS one`), [{ one: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("says what the server said when it does not start, and that it was launched all the same", () =>
    Effect.gen(function* () {
      const root = directory()
      yield* Effect.scoped(start(root))
      const settings = join(root, "data", "postgresql.conf")
      const before = readFileSync(settings)
      writeFileSync(settings, "nonsense = 1\n")
      let launches = 0
      const error = yield* Effect.flip(Effect.scoped(start(root, "12 seconds", () => launches++)))
      assert.strictEqual(launches, 1)
      assert.strictEqual(error._tag, "EmbeddedFailed")
      assert.include(error.message, 'unrecognized configuration parameter "nonsense"')
      writeFileSync(settings, before)
      yield* Effect.scoped(start(root))
    })
  )

  it.live("is started again when it is killed, with all that was committed", () =>
    Effect.gen(function* () {
      const root = directory()
      const { restarted, target } = yield* start(root)
      yield* asked(target, (sql) => sql`CREATE TABLE kept AS SELECT 7 AS n`)
      for (const _ of [1, 2]) {
        process.kill(postmaster(root), "SIGKILL")
        yield* Queue.take(restarted)
        assert.deepStrictEqual(yield* asked(target, (sql) => sql`SELECT n FROM kept`), [{ n: 7 }])
      }
    }).pipe(Effect.scoped)
  )

  it.live("ends by itself, cleanly, when its node is killed, whoever that ran as", () =>
    Effect.gen(function* () {
      const root = mkdtempSync(join(tmpdir(), "novacron-test-db-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(root, { recursive: true, force: true })))
      if (nobody.uid !== undefined) chownSync(root, nobody.uid, nobody.gid)
      const child = yield* node(root, nobody)
      yield* up(child)
      const home = join(root, "postgresql")
      if (nobody.uid !== undefined) assert.strictEqual(statSync(join(home, "password")).uid, nobody.uid)
      assert.isAbove(processesIn(home).length, 3)
      child.kill("SIGKILL")
      yield* Effect.repeat(
        Effect.sync(() => processesIn(home)),
        {
          schedule: Schedule.spaced("50 millis"),
          until: (them) => them.length === 0
        }
      )
      assert.isFalse(existsSync(join(home, "data", "postmaster.pid"))) // a clean stop removes it
      const again = Effect.flatMap(start(home), ({ target }) => asked(target, (sql) => sql`SELECT n FROM kept`))
      assert.deepStrictEqual(yield* Effect.scoped(again), [{ n: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("is found and stopped by the next node when nobody was left to end it", () =>
    Effect.gen(function* () {
      const root = directory()
      const child = yield* node(root)
      yield* up(child)
      const home = join(root, "postgresql")
      const guards = processesIn(home).filter((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("kill -INT")
      )
      assert.lengthOf(guards, 1)
      process.kill(guards[0] ?? 0, "SIGKILL")
      child.kill("SIGKILL")
      yield* ended(child)
      const orphan = postmaster(home)
      assert.isTrue(existsSync(`/proc/${orphan}`))
      const again = Effect.flatMap(start(home), ({ target }) => asked(target, (sql) => sql`SELECT n FROM kept`))
      assert.deepStrictEqual(yield* Effect.scoped(again), [{ n: 1 }])
      assert.notInclude(processesIn(home), orphan)
    }).pipe(Effect.scoped)
  )

  it.live("starts after the server itself was killed together with its node", () =>
    Effect.gen(function* () {
      const root = directory()
      const child = yield* node(root)
      yield* up(child)
      const home = join(root, "postgresql")
      process.kill(postmaster(home), "SIGKILL")
      child.kill("SIGKILL")
      yield* ended(child)
      const again = Effect.flatMap(start(home), ({ target }) => asked(target, (sql) => sql`SELECT n FROM kept`))
      assert.deepStrictEqual(yield* Effect.scoped(again), [{ n: 1 }])
    }).pipe(Effect.scoped)
  )
})

// They wait, each for its own.
describe.concurrent("a server that is frozen", () => {
  it.live("is ended with all of its processes within its slice and leaves nothing", () =>
    Effect.gen(function* () {
      const root = directory()
      // Long enough for a busy machine; that it ends at all is what a frozen server must not prevent.
      const frozen = Effect.gen(function* () {
        const { target } = yield* start(root, "2 seconds")
        yield* asked(target, (sql) => sql`CREATE TABLE kept AS SELECT 7 AS n`)
        const all = processesIn(root)
        assert.isAbove(all.length, 3)
        for (const pid of all) freeze(pid)
      })
      yield* Effect.scoped(frozen)
      assert.deepStrictEqual(processesIn(root), [])
      for (const left of ["server.json", "database.lock", "data/postmaster.pid", "data/.s.PGSQL.5432"]) {
        assert.isFalse(existsSync(join(root, left)), left)
      }
      const again = Effect.flatMap(start(root), ({ target }) => asked(target, (sql) => sql`SELECT n FROM kept`))
      assert.deepStrictEqual(yield* Effect.scoped(again), [{ n: 7 }])
    })
  )

  it.live("in a backend alone hears that it is to end, and is ended when that does not come about", () =>
    Effect.gen(function* () {
      const root = directory()
      const frozen = Effect.gen(function* () {
        const { target } = yield* start(root, "3 seconds")
        // It stays until the scope closes, which is after the test has looked for it.
        yield* Effect.forkScoped(Effect.ignore(asked(target, (sql) => sql`SELECT pg_sleep(600)`)))
        const backends = yield* Effect.repeat(
          Effect.sync(() => processesIn(root).filter((pid) => /^postgres: .*SELECT/.test(commandOf(pid)))),
          { schedule: Schedule.spaced("20 millis"), until: (them) => them.length > 0 }
        )
        for (const pid of backends) freeze(pid)
      })
      yield* Effect.scoped(frozen)
      assert.deepStrictEqual(processesIn(root), [])
      yield* Effect.scoped(start(root))
    })
  )

  it.live("in its backends alone is started again when it was killed", () =>
    Effect.gen(function* () {
      const root = directory()
      const { restarted, target } = yield* start(root)
      yield* asked(target, (sql) => sql`CREATE TABLE kept AS SELECT 7 AS n`)
      const server = postmaster(root)
      const backends = processesIn(root).filter((pid) => commandOf(pid).startsWith("postgres:"))
      assert.isAbove(backends.length, 0)
      for (const pid of backends) freeze(pid)
      process.kill(server, "SIGKILL")
      yield* Queue.take(restarted)
      assert.deepStrictEqual(yield* asked(target, (sql) => sql`SELECT n FROM kept`), [{ n: 7 }])
    }).pipe(Effect.scoped)
  )

  it.live("is ended by its guard when its node is killed, and somebody who looks around stays", () =>
    Effect.gen(function* () {
      const root = directory()
      const child = yield* node(root)
      yield* up(child)
      const home = join(root, "postgresql")
      const visitor = spawn("/bin/sleep", ["600"], { cwd: join(home, "data") })
      yield* Effect.addFinalizer(() => Effect.sync(() => visitor.kill("SIGKILL")))
      const others = () => processesIn(home).filter((pid) => pid !== visitor.pid)
      for (const pid of others()) if (!commandOf(pid).startsWith("/bin/sh")) freeze(pid)
      child.kill("SIGKILL")
      yield* Effect.repeat(Effect.sync(others), {
        schedule: Schedule.spaced("100 millis"),
        until: (them) => them.length === 0
      }).pipe(Effect.timeout("45 seconds"))
      const again = Effect.flatMap(start(home), ({ target }) => asked(target, (sql) => sql`SELECT n FROM kept`))
      assert.deepStrictEqual(yield* Effect.scoped(again), [{ n: 1 }])
      assert.isTrue(existsSync(`/proc/${visitor.pid}`))
      assert.isNull(visitor.signalCode)
    }).pipe(Effect.scoped)
  )

  it.live("and its guard with it is ended by the next node with all of its backends", () =>
    Effect.gen(function* () {
      const root = directory()
      const child = yield* node(root)
      yield* up(child)
      const home = join(root, "postgresql")
      const left = processesIn(home)
      // The guard as well: nothing of it does anything.
      for (const pid of left) freeze(pid)
      child.kill("SIGKILL")
      yield* ended(child)
      const again = Effect.flatMap(start(home), ({ target }) => asked(target, (sql) => sql`SELECT n FROM kept`))
      assert.deepStrictEqual(yield* Effect.scoped(again), [{ n: 1 }])
      for (const pid of left) assert.notInclude(processesIn(home), pid)
    }).pipe(Effect.scoped)
  )
})

const postmaster = (root: string): number =>
  Number(readFileSync(join(root, "data", "postmaster.pid"), "utf8").split("\n")[0])

/** As a debugger does, or a freezer of containers, or a disk that hangs. */
const freeze = (pid: number): void => {
  try {
    process.kill(pid, "SIGSTOP")
  } catch {
    // It has just ended.
  }
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
  } catch {
    return "" // it has just ended
  }
}

/** A process with a node in it, whose data directory this is. */
const node = (root: string, as: { readonly uid?: number; readonly gid?: number } = {}) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(import.meta.dirname, "node.ts"), "embedded", root, "stay"], {
        ...as,
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const up = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      if (/^up$/m.test(chunk.toString())) resume(Effect.void)
    })
    child.once("exit", (code) => resume(Effect.die(new Error(`exit code ${code}`))))
  })

/** All that it had to say. */
const ended = (child: ChildProcess) =>
  Effect.callback<string>((resume) => {
    let said = ""
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.once("close", () => resume(Effect.succeed(said)))
  })
