/** Several nodes, each a process of its own, and one database. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Clock, Effect, Logger, Schedule } from "effect"
import { Postgres } from "../database/Postgres.ts"
import { client, nodes, shell, tables, until } from "./fixtures/nodes.ts"

let server: Postgres
let folder: string
beforeAll(async () => {
  server = await Postgres.start()
  folder = mkdtempSync(join(tmpdir(), "novacron-test-marks-"))
  writeFileSync(join(folder, "marks"), "")
  chmodSync(folder, 0o755)
  chmodSync(join(folder, "marks"), 0o666)
})
afterAll(async () => {
  await server.remove()
  rmSync(folder, { recursive: true, force: true })
})

const quick = {
  heartbeat: "200ms",
  lease: "2s",
  deadAfter: "3s",
  cluster: { lockRefresh: "300ms", lockExpiration: "2s" }
}

describe("a cluster of three nodes", () => {
  it.live(
    "takes up the tasks of a node that is killed, each done once, and coordinates from another one",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const [a, ...others] = yield* nodes(server.url(), ["a", "b", "c"], { ...quick, maxConcurrent: 8 })
          const work = yield* client(server.url(), quick)
          const all = yield* Effect.repeat(work.nodes, {
            schedule: Schedule.spaced("50 millis"),
            until: (nodes) => nodes.filter(({ state }) => state === "up").length === 3
          })
          const coordinator = all.find(({ isCoordinator }) => isCoordinator)?.id
          const victim = [a, ...others].find((it) => it?.id === coordinator) ?? a
          // A mark when it has begun and one when it is done, by which process.
          const mark = (what: string) => `echo "${what} $NOVACRON_TASK $NOVACRON_NODE" >> ${folder}/marks`
          const script = `${mark("begin")}; sleep 0.4; ${mark("end")}`
          const tasks = yield* Effect.forEach(
            Array.from({ length: 48 }, () => shell(script)),
            (one) => work.submit(one, "ada"),
            { concurrency: "unbounded" }
          )
          const marks = () => readFileSync(join(folder, "marks"), "utf8").trim().split("\n")
          yield* Effect.repeat(
            Effect.sync(
              () => marks().filter((mark) => mark.startsWith("begin") && mark.endsWith(` ${victim?.id}`)).length
            ),
            { schedule: Schedule.spaced("20 millis"), until: (count) => count >= 4 }
          )
          const killedMs = yield* Clock.currentTimeMillis
          yield* victim?.kill("SIGKILL") ?? Effect.void
          const ended = yield* Effect.forEach(tasks, ({ id }) => until(work, id), { concurrency: 4 })
          const seconds = ((yield* Clock.currentTimeMillis) - killedMs) / 1_000
          assert.isTrue(ended.every(({ state }) => state === "succeeded"))
          assert.isTrue(ended.some(({ attempts }) => attempts.length > 1))
          for (const { attempts } of ended) {
            assert.strictEqual(attempts.filter(({ exitCode }) => exitCode === 0).length, 1)
            assert.strictEqual(attempts.at(-1)?.exitCode, 0)
          }
          // Nothing that was begun on the lost node has gone on there.
          const last = marks()
          for (const { attempts, id } of ended) {
            const ends = last.filter((mark) => mark.startsWith(`end ${id}`))
            assert.isAtLeast(ends.length, 1)
            if (ends.length > 1) assert.strictEqual(attempts.length, 2, "written down too late, and run again")
          }
          const now = yield* Effect.repeat(work.nodes, {
            schedule: Schedule.spaced("50 millis"),
            until: (nodes) => nodes.some(({ id, isCoordinator }) => isCoordinator && id !== victim?.id)
          })
          assert.strictEqual(now.find(({ id }) => id === victim?.id)?.state, "down")
          assert.isBelow(seconds, 60)
        })
      ).pipe(Effect.provide(Logger.layer([]))),
    120_000
  )

  it.live(
    "goes on without a node that is stopped, and with what ran there",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const both = yield* nodes(server.url(), ["d", "e"], { ...quick, maxConcurrent: 4, drainTimeout: "2s" })
          const work = yield* client(server.url(), quick)
          const submitted = yield* Effect.forEach(
            Array.from({ length: 8 }, () => ({ ...shell("sleep 1; exit 0"), group: "stopped" })),
            (one) => work.submit(one, "ada"),
            { concurrency: "unbounded" }
          )
          yield* Effect.repeat(work.list({ group: "stopped", states: ["running"], limit: 100 }), {
            schedule: Schedule.spaced("20 millis"),
            until: ({ tasks }) => new Set(tasks.map(({ attempts }) => attempts.at(-1)?.node)).size === 2
          })
          const [leaving] = both
          yield* leaving?.kill("SIGTERM") ?? Effect.void
          const node = (yield* work.nodes).find(({ id }) => id === leaving?.id)
          assert.strictEqual(node?.state, "down")
          const ended = yield* Effect.forEach(submitted, ({ id }) => until(work, id))
          assert.isTrue(ended.every(({ state }) => state === "succeeded"))
          const moved = ended.filter(({ attempts }) => attempts[0]?.error === "The node that ran it stopped.")
          assert.isAbove(moved.length, 0)
          assert.isTrue(moved.every(({ attempts }) => attempts.at(-1)?.node !== leaving?.id))
        })
      ).pipe(Effect.provide(Logger.layer([]))),
    120_000
  )
})

describe("the clock of the database", () => {
  it.live(
    "may be set by an hour, and no task is begun a second time; a node that dies after that is noticed",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const url = server.url({ database: "clocked" })
          yield* Effect.scoped(Effect.flatMap(tables(server.url()), ({ sql }) => sql`CREATE DATABASE clocked`))
          const { sql } = yield* tables(url)
          const patient = { ...quick, lease: "6s", deadAfter: "8s" }
          const [one, two] = yield* nodes(url, ["f", "g"], patient)
          const work = yield* client(url, patient)
          // In new connections, and soon all are new, now() is one that can be set.
          yield* sql`CREATE SCHEMA clock`
          yield* sql`CREATE TABLE clock.ahead AS SELECT interval '0' AS shift`
          yield* sql`CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
            AS 'SELECT pg_catalog.now() + shift FROM clock.ahead'`
          yield* sql`ALTER DATABASE clocked SET search_path = public, clock, pg_catalog`
          yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = 'clocked' AND pid <> pg_backend_pid()`
          /** Waits until so many of a table say by that clock that they live. */
          const heard = (rows: Effect.Effect<ReadonlyArray<{ readonly late: number }>, unknown>, count: number) =>
            Effect.repeat(rows, {
              schedule: Schedule.spaced("50 millis"),
              until: (all) => all.filter(({ late }) => Math.abs(late) < 60).length === count
            })
          const late = "extract(epoch FROM clock.now() - seen_at)::float8 AS late"
          const ofNodes = sql<{ readonly late: number }>`SELECT ${sql.literal(late)} FROM novacron_nodes`
          const ofCoordinator = sql<{ readonly late: number }>`SELECT ${sql.literal(late)} FROM novacron_coordinator`
          yield* sql`UPDATE clock.ahead SET shift = interval '10 minutes'`
          yield* heard(ofNodes, 2)
          yield* heard(ofCoordinator, 1)
          // Whoever has lost its lock with its connection does not coordinate any more.
          yield* Effect.sleep("4 seconds")
          const runs = (id: string) =>
            Effect.repeat(work.get(id), {
              schedule: Schedule.spaced("20 millis"),
              until: (task) => task.state === "running"
            })
          const submitted = yield* Effect.forEach([1, 2, 3, 4], () => work.submit(shell("sleep 6"), "ada"))
          yield* Effect.forEach(submitted, ({ id }) => runs(id))
          for (const by of ["1 hour", "0"]) {
            const coordinator = (yield* work.nodes).find(({ isCoordinator }) => isCoordinator)?.id
            const other = [one, two].find((it) => it?.id !== coordinator)
            // It has not said that it lives when the coordinator looks for the first time, and still does.
            other?.child.kill("SIGSTOP")
            yield* sql`UPDATE clock.ahead SET shift = ${by}::text::interval`
            yield* heard(ofCoordinator, 1)
            yield* Effect.sleep("600 millis")
            other?.child.kill("SIGCONT")
            yield* heard(ofNodes, 2)
          }
          const ended = yield* Effect.forEach(submitted, ({ id }) => until(work, id))
          for (const { attempts, state } of ended) {
            assert.deepStrictEqual([state, attempts.length], ["succeeded", 1], JSON.stringify(attempts))
          }
          const { id } = yield* work.submit(shell("sleep 3"), "ada")
          const node = (yield* runs(id)).attempts.at(-1)?.node
          yield* (node === "f" ? one : two)?.kill("SIGKILL") ?? Effect.void
          const again = yield* until(work, id)
          assert.strictEqual(again.attempts[0]?.error, "The node that ran it was lost.")
          assert.strictEqual(again.state, "succeeded")
        })
      ).pipe(Effect.provide(Logger.layer([]))),
    120_000
  )
})
