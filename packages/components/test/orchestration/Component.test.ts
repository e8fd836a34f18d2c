import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, Option, Schedule, Stream } from "effect"
import { Tasks } from "@novacron/api"
import { Severity } from "@novacron/boot/model"
import { Postgres } from "../database/Postgres.ts"
import { isThere } from "../monitoring/fixtures/Promtool.ts"
import * as Machines from "./fixtures/machines.ts"
import { node, printed, shell, until } from "./fixtures/nodes.ts"

let server: Postgres
beforeAll(async () => {
  server = await Postgres.start()
})
afterAll(() => server.remove())

const live = <A>(body: Effect.Effect<A, unknown>) => Effect.provide(body, Logger.layer([]))

/** The processes with a word in their command line. */
const processesWith = (word: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word)
      } catch {
        return false // it has just ended
      }
    })
    .map(Number)

const gone = (word: string) =>
  Effect.repeat(
    Effect.sync(() => processesWith(word)),
    { schedule: Schedule.spaced("20 millis"), until: ({ length }) => length === 0 }
  )

const there = (word: string, count = 1) =>
  Effect.repeat(
    Effect.sync(() => processesWith(word)),
    { schedule: Schedule.spaced("20 millis"), until: ({ length }) => length >= count }
  )

const failureOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined

describe("orchestration of a node that is alone", () => {
  it.live("runs a task, keeps what it printed, and says why it ran there", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const task = yield* work.submit(shell("echo out; echo error >&2; printf 'ä%s' \"$NOVACRON_ATTEMPT\""), "ada")
          assert.strictEqual(task.state, "queued")
          assert.strictEqual(task.submittedBy, "ada")
          const done = yield* until(work, task.id)
          assert.strictEqual(done.state, "succeeded")
          assert.strictEqual(done.placement?.node, "node-1")
          assert.match(done.placement?.explanation ?? "", /^Score 0\.\d+ = packing /)
          assert.deepStrictEqual(
            done.attempts.map(({ error, exitCode, node, number, signal }) => [number, node, exitCode, signal, error]),
            [[1, "node-1", 0, null, null]]
          )
          assert.strictEqual(yield* printed(work, task.id, "stdout"), "out\nä1")
          assert.strictEqual(yield* printed(work, task.id, "stderr"), "error\n")
          const fromTheMiddle = yield* Stream.runCollect(work.output(task.id, { offset: 1, follow: false }))
          assert.strictEqual(fromTheMiddle[0]?.offset, 1)
          assert.match(
            (yield* work.check).detail,
            /^node-1 coordinates; \d+ tasks? running here\. Memory is limited .* CPU is (?:not )?limited/
          )
        })
      )
    )
  )

  it.live("says that it is not alone while others use its database, and what to do about that", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* node(server.url(), {}, "node-2")
              const { degraded, detail } = yield* work.check
              assert.isTrue(degraded)
              assert.match(
                detail,
                /^Other nodes use this database \(node-2\).* orchestration\.cluster\.enabled .* coordinates;/
              )
            })
          )
          assert.isFalse((yield* work.check).degraded)
        })
      )
    )
  )

  it.live("gives a task nothing of the node's environment, nor its rights", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.acquireRelease(
            Effect.sync(() => void (process.env["NOVACRON_TEST_SECRET"] = "swordfish")),
            () => Effect.sync(() => void delete process.env["NOVACRON_TEST_SECRET"])
          )
          const work = yield* node(server.url())
          const run = {
            driver: "process",
            command: ["/usr/bin/env"],
            env: { MINE: "yes", NOVACRON_NODE: "another" }
          } as const
          const task = yield* work.submit({ name: "env", run }, "ada")
          const text = yield* printed(work, task.id, "stdout")
          assert.include(text, "MINE=yes")
          assert.include(text, "NOVACRON_NODE=node-1")
          assert.deepStrictEqual(
            text
              .split("\n")
              .map((line) => line.split("=")[0])
              .filter((name) => name !== "")
              .toSorted((a = "", b = "") => a.localeCompare(b)),
            ["LANG", "MINE", "NOVACRON_ATTEMPT", "NOVACRON_NODE", "NOVACRON_TASK", "PATH"]
          )
          const who = yield* work.submit(shell("id -u"), "ada")
          const user = yield* printed(work, who.id, "stdout")
          assert.notStrictEqual(user, "")
          if (process.getuid?.() === 0) assert.strictEqual(user, "65533\n")
        })
      )
    )
  )

  it.live("tries again with growing waits, and keeps every attempt of a task that is given up", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url(), { retry: { delay: "20ms", cap: "50ms" } })
          const task = yield* work.submit(shell("exit 3", { attempts: 3 }), "ada")
          const failed = yield* until(work, task.id)
          assert.strictEqual(failed.state, "failed")
          assert.deepStrictEqual(
            failed.attempts.map(({ error, exitCode, number }) => [number, exitCode, error]),
            [1, 2, 3].map((number) => [number, 3, "It exited with code 3."])
          )
          const second = yield* work.submit(shell('test "$NOVACRON_ATTEMPT" = 2', { attempts: 3 }), "ada")
          const good = yield* until(work, second.id)
          assert.strictEqual(good.state, "succeeded")
          assert.strictEqual(good.attempts.length, 2)
        })
      )
    )
  )

  it.live("says of a program that is not there that it is not there", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const run = { driver: "process", command: ["/no/such/program"] } as const
          const task = yield* until(work, (yield* work.submit({ name: "none", run }, "ada")).id)
          assert.strictEqual(task.state, "failed")
          assert.match(task.attempts[0]?.error ?? "", /\/no\/such\/program cannot be started: there is no such program/)
        })
      )
    )
  )

  it.live.skipIf(!isThere("qemu-system-x86_64"))(
    "runs a virtual machine as it runs a program: its words are kept, its failure counts, its button is pressed",
    () =>
      live(
        Effect.scoped(
          Effect.gen(function* () {
            const folder = yield* Effect.acquireRelease(
              Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-machines-"))),
              (path) => Effect.sync(() => rmSync(path, { recursive: true }))
            )
            chmodSync(folder, 0o755)
            const machine = (name: string, says: string, deed: ReadonlyArray<number>) => {
              const path = Machines.disk(join(folder, name), says, deed)
              const run = { driver: "vm", disks: [{ path, format: "raw", readOnly: true }] } as const
              return { name, run, demand: { cpu: 1, memory: 32 } }
            }
            const work = yield* node(server.url(), { retry: { delay: "20ms" } })
            const { deeds } = Machines
            const good = yield* work.submit(machine("good", "hello", deeds.off), "ada")
            const bad = yield* work.submit({ ...machine("bad", "no", deeds.fail(1)), attempts: 2 }, "ada")
            const stays = yield* work.submit(machine("stays", "up", deeds.button), "ada")
            const done = yield* until(work, good.id)
            assert.strictEqual(done.state, "succeeded")
            assert.strictEqual(yield* printed(work, good.id, "stdout"), "hello")
            const failed = yield* until(work, bad.id)
            assert.deepStrictEqual(
              failed.attempts.map(({ error }) => error),
              ["It exited with code 3.", "It exited with code 3."]
            )
            yield* work.output(stays.id, { offset: 0, follow: true }).pipe(Stream.take(1), Stream.runDrain)
            yield* work.cancel(stays.id, "ada")
            const cancelled = yield* until(work, stays.id)
            assert.strictEqual(cancelled.state, "cancelled")
            assert.strictEqual(cancelled.attempts[0]?.exitCode, 0)
            const [own] = yield* work.nodes
            assert.strictEqual(own?.labels["novacron.vm"], "qemu")
          })
        )
      )
  )

  it.live("ends a task that takes too long, with all of its children, though they ignore SIGTERM", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const script = "trap '' TERM; (trap '' TERM; exec sleep 4711.1) & sleep 4711.1 & wait; sleep 4711.1"
          const task = yield* work.submit(shell(script, { timeoutMs: 300, graceMs: 100 }), "ada")
          yield* there("4711.1")
          const ended = yield* until(work, task.id)
          assert.strictEqual(ended.state, "failed")
          assert.strictEqual(ended.attempts[0]?.error, "It ran longer than 300 ms.")
          assert.strictEqual(ended.attempts[0]?.signal, "SIGKILL")
          yield* gone("4711.1")
        })
      )
    )
  )

  it.live("kills what a task leaves behind when it ends", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const task = yield* work.submit(shell("sleep 4712.1 & sleep 4712.1 & exit 0"), "ada")
          assert.strictEqual((yield* until(work, task.id)).state, "succeeded")
          yield* gone("4712.1")
        })
      )
    )
  )

  it.live("cancels what waits at once and what runs with a signal; twice is once", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url(), { maxConcurrent: 1 })
          const running = yield* work.submit(shell("sleep 4713.1"), "ada")
          yield* until(work, running.id, ({ state }) => state === "running")
          const waiting = yield* work.submit(shell("true"), "ada")
          assert.strictEqual((yield* work.cancel(waiting.id, "bob")).state, "cancelled")
          yield* work.cancel(running.id, "bob")
          yield* work.cancel(running.id, "bob")
          const ended = yield* until(work, running.id)
          assert.strictEqual(ended.state, "cancelled")
          assert.deepStrictEqual(
            ended.attempts.map(({ error, signal }) => [error, signal]),
            [["It was cancelled.", "SIGTERM"]]
          )
          assert.deepStrictEqual(yield* work.cancel(running.id, "bob"), ended)
          assert.strictEqual((yield* work.get(waiting.id)).attempts.length, 0)
          yield* gone("4713.1")
        })
      )
    )
  )

  it.live("takes the same key and submission once, and refuses the key for another one", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const submission = shell("true", { idempotencyKey: "monday" })
          const [first, ...others] = yield* Effect.all(
            Array.from({ length: 20 }, () => work.submit(submission, "ada")),
            { concurrency: "unbounded" }
          )
          assert.isTrue(others.every(({ id }) => id === first?.id))
          const reused = failureOf(yield* Effect.exit(work.submit({ ...submission, name: "other" }, "ada")))
          assert.propertyVal(reused, "_tag", "KeyReused")
          const ofBob = yield* work.submit(submission, "bob")
          assert.notStrictEqual(ofBob.id, first?.id)
          for (const id of [ofBob.id, first?.id ?? ""]) yield* until(work, id)
        })
      )
    )
  )

  it.live("knows no task that is not there, whatever it is called", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          for (const id of ["", "'; DROP TABLE novacron_tasks", "00000000-0000-4000-8000-000000000000", "../x"]) {
            for (const asked of [
              work.get(id),
              work.cancel(id, "ada"),
              Stream.runDrain(work.output(id, { offset: 0, follow: true }))
            ]) {
              assert.propertyVal(failureOf(yield* Effect.exit(asked)), "_tag", "NoSuchTask")
            }
          }
        })
      )
    )
  )

  it.live("refuses what is too much, and takes it when there is room", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url(), { maxQueued: 3 })
          const nowhere = shell("true", { constraints: { labels: { disk: "none" } } })
          const answers = yield* Effect.forEach(
            Array.from({ length: 8 }, () => nowhere),
            (one) => Effect.exit(work.submit(one, "ada")),
            { concurrency: "unbounded" }
          )
          const taken = answers.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value] : []))
          assert.strictEqual(taken.length, 3)
          for (const exit of answers.filter(Exit.isFailure)) assert.propertyVal(failureOf(exit), "_tag", "QueueFull")
          yield* Effect.forEach(taken, ({ id }) => work.cancel(id, "ada"))
          const again = yield* Effect.retry(work.submit(shell("true"), "ada"), Schedule.spaced("50 millis"))
          assert.strictEqual((yield* until(work, again.id)).state, "succeeded")
        })
      )
    )
  )

  it.live("explains why a task goes nowhere", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url(), { labels: { disk: "hdd" } })
          const task = yield* work.submit(shell("true", { constraints: { labels: { disk: "ssd" } } }), "ada")
          const explained = yield* until(work, task.id, ({ placement }) => placement !== null)
          assert.strictEqual(explained.state, "queued")
          assert.strictEqual(explained.placement?.node, null)
          assert.strictEqual(
            explained.placement?.explanation,
            "No node because of labels: of 1, it fails by labels on 1. No node has disk=ssd: cancel it, or add such a node."
          )
          yield* work.cancel(task.id, "ada")
        })
      )
    )
  )

  it.live("lists tasks in pages, the newest first", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const made = yield* Effect.forEach(["1", "2", "3", "4", "5"], (name) =>
            work.submit({ ...shell("true"), name, group: "pages" }, "ada")
          )
          const first = yield* work.list({ group: "pages", limit: 2 })
          assert.deepStrictEqual(
            first.tasks.map(({ name }) => name),
            ["5", "4"]
          )
          const second = yield* work.list({ group: "pages", limit: 100, cursor: Option.getOrThrow(first.next) })
          assert.deepStrictEqual(
            second.tasks.map(({ name }) => name),
            ["3", "2", "1"]
          )
          assert.isTrue(Option.isNone(second.next))
          yield* Effect.forEach(made, ({ id }) => until(work, id))
          const done = yield* work.list({ group: "pages", states: ["succeeded"], node: "node-1", limit: 10 })
          assert.strictEqual(done.tasks.length, 5)
          assert.strictEqual((yield* work.list({ limit: 10, cursor: "no cursor" })).tasks.length, 0)
        })
      )
    )
  )

  it.live("lists fewer of those that are large, and each of them once", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const large = "x".repeat(60_000)
          const run = { driver: "process" as const, command: ["/bin/true", ...Array.from({ length: 16 }, () => large)] }
          const names = Array.from({ length: 20 }, (_, i) => `large-${i}`)
          for (const name of names) yield* work.submit({ name, group: "large", run }, "ada")
          const first = yield* work.list({ group: "large", limit: 1_000 })
          assert.isAtMost(JSON.stringify(first.tasks).length, 20e6)
          const second = yield* work.list({ group: "large", limit: 1_000, cursor: Option.getOrThrow(first.next) })
          assert.isTrue(Option.isNone(second.next))
          assert.deepStrictEqual(
            [...first.tasks, ...second.tasks].map(({ name }) => name),
            names.toReversed()
          )
        })
      )
    )
  )

  it.live(
    "keeps the last of a gigabyte that a task prints, and stays small",
    () =>
      live(
        Effect.scoped(
          Effect.gen(function* () {
            const work = yield* node(server.url(), { process: { keep: "256 KiB" } })
            const before = process.memoryUsage().rss
            const task = yield* work.submit(shell("head -c 1000000000 /dev/zero | tr '\\0' x; printf 'the end'"), "ada")
            const ended = yield* until(work, task.id)
            assert.strictEqual(ended.state, "succeeded")
            const pieces = yield* Stream.runCollect(work.output(task.id, { offset: 0, follow: true }))
            const text = pieces.map((piece) => piece.text).join("")
            assert.isTrue(text.endsWith("xxthe end"))
            assert.isAtMost(text.length, 512 * 1024)
            const last = pieces.at(-1)
            assert.strictEqual((last?.offset ?? 0) + (last?.text.length ?? 0), 1_000_000_007)
            assert.isBelow(process.memoryUsage().rss - before, 300e6)
          })
        )
      ),
    180_000
  )

  it.live("tells every change from now on, the last one of each task for sure", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const following = yield* work.changes.pipe(
            Stream.filter(({ group }) => group === "changes"),
            Stream.takeUntil(({ name, state }) => name === "b" && Tasks.ends.has(state)),
            Stream.runCollect,
            Effect.forkChild
          )
          yield* Effect.sleep("50 millis")
          const a = yield* work.submit({ ...shell("true"), name: "a", group: "changes" }, "ada")
          yield* until(work, a.id)
          yield* work.submit({ ...shell("true"), name: "b", group: "changes" }, "ada")
          const seen = yield* Fiber.join(following)
          const ofA = seen.filter(({ name }) => name === "a")
          assert.strictEqual(ofA.at(-1)?.state, "succeeded")
          const versions = ofA.map(({ version }) => version)
          assert.deepStrictEqual(
            versions,
            versions.toSorted((x, y) => x - y)
          )
        })
      )
    )
  )

  it.live("follows the output of a task that runs, as it comes", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const work = yield* node(server.url())
          const task = yield* work.submit(shell("echo first; read -r _ < /dev/tcp || sleep 4714.1"), "ada")
          const first = yield* work.output(task.id, { offset: 0, follow: true }).pipe(
            Stream.filter(({ stream }) => stream === "stdout"),
            Stream.runHead
          )
          assert.strictEqual(Option.getOrThrow(first).text, "first\n")
          assert.strictEqual((yield* work.get(task.id)).state, "running")
          yield* work.cancel(task.id, "ada")
          yield* until(work, task.id)
        })
      )
    )
  )

  it.live("gives running and waiting tasks back when it stops, and nothing of them stays", () =>
    live(
      Effect.gen(function* () {
        const ids = yield* Effect.scoped(
          Effect.gen(function* () {
            const work = yield* node(server.url(), { maxConcurrent: 1 })
            const running = yield* work.submit(shell('sleep 4715.1; test "$NOVACRON_ATTEMPT" = 2'), "ada")
            yield* until(work, running.id, ({ state }) => state === "running")
            const waiting = yield* work.submit(shell("true"), "ada")
            return [running.id, waiting.id]
          })
        )
        yield* gone("4715.1")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const work = yield* node(server.url(), { maxConcurrent: 2 }, "node-2")
            yield* there("4715.1")
            const [running = "", waiting = ""] = ids
            assert.strictEqual((yield* until(work, waiting)).state, "succeeded")
            const again = yield* work.get(running)
            assert.deepStrictEqual(
              again.attempts.map(({ error, node, number }) => [number, node, error]),
              [
                [1, "node-1", "The node that ran it stopped."],
                [2, "node-2", null]
              ]
            )
            yield* work.cancel(running, "ada")
            yield* until(work, running)
          })
        )
        yield* gone("4715.1")
      })
    )
  )

  it.live(
    "loses nothing that was acknowledged when the database is killed and comes back",
    () =>
      live(
        Effect.scoped(
          Effect.gen(function* () {
            const own = yield* Effect.acquireRelease(
              Effect.promise(() => Postgres.start({ fsync: "on" })),
              (it) => Effect.promise(() => it.remove())
            )
            const work = yield* node(own.url(), { retry: { delay: "50ms" } })
            const submitted = yield* Effect.forEach(
              Array.from({ length: 60 }, (_, i) => shell(`sleep 0.0${i % 10}; echo ${i}`)),
              (one) => work.submit(one, "ada"),
              { concurrency: "unbounded" }
            )
            yield* Effect.promise(() => own.down("SIGKILL"))
            yield* Effect.promise(() => own.up())
            yield* Effect.forEach(submitted, ({ id }) =>
              Effect.gen(function* () {
                const task = yield* until(work, id).pipe(Effect.retry(Schedule.spaced("100 millis")))
                assert.strictEqual(task.state, "succeeded")
                assert.strictEqual(task.attempts.filter(({ exitCode }) => exitCode === 0).length, 1)
              })
            )
          })
        )
      ),
    180_000
  )

  it.live("says of a database that only reads what that said, to who submits and to who boots", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const own = yield* Effect.acquireRelease(
            Effect.promise(() => Postgres.start()),
            (it) => Effect.promise(() => it.remove())
          )
          const work = yield* node(own.url())
          yield* Effect.promise(() => own.down("SIGINT"))
          own.configure({ default_transaction_read_only: "on" })
          yield* Effect.promise(() => own.up())
          const refused = yield* Effect.repeat(Effect.flip(work.submit(shell("true"), "ada")), {
            schedule: Schedule.spaced("20 millis"),
            until: ({ message }) => message.includes("read-only")
          })
          assert.match(
            refused.message,
            /the database says: cannot execute \w+ in a read-only transaction\. Nothing was/
          )
          const error = yield* Effect.flip(node(own.url(), {}, "node-2"))
          assert.match(
            Severity.messageOf(error),
            /cannot use its tables: cannot execute \w+ in a read-only transaction\. No task/
          )
        })
      )
    )
  )
})
