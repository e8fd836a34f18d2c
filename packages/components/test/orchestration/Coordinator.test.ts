/** Several nodes, each a process of its own, and one database. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Clock, Effect, Logger, Schedule } from "effect"
import { Postgres } from "../database/Postgres.ts"
import { client, nodes, shell, until } from "./fixtures/nodes.ts"

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
