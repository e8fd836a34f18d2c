/**
 * Orchestration on three nodes, each a process of its own, and one PostgreSQL with `fsync`, all on this machine, with the
 * settings that a node has when nobody says anything.
 *
 * **Details**
 *
 * `tasks_per_s`: a thousand times `/bin/true`, from the first submission to the last end, after a warm-up of each node.
 *
 * `tasks_twice_or_lost`: a thousand short programs that leave a mark when they begin and one when they are done, while the
 * coordinating node is killed with -9 after a third of them. Lost: not succeeded, or no mark. Twice: two of its attempts were
 * accepted as successes, or a second one began while the first was still alive. A program that had ended in the last moment
 * before its node died, too late to be written down, runs again, and nobody can know: `tasks_end_not_written` counts those.
 *
 * `node_failover_s`: from the kill of the coordinating node until another one coordinates and all that ran there runs again.
 *
 * `db_restart_lost`: tasks are submitted while PostgreSQL is killed with -9 and started again; counted is what was
 * acknowledged and not done in the end.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Logger, Schedule } from "effect"
import { client, nodes, shell } from "../../../packages/components/test/orchestration/fixtures/nodes.ts"
import * as Server from "../../../packages/components/test/orchestration/fixtures/server.ts"
import { type Figure, figure } from "../Figure.ts"
import type { Options } from "../Groups.ts"

export const figures = async ({ quick }: Options): Promise<ReadonlyArray<Figure>> => {
  const samples = quick ? 1 : 3
  const server = await Server.start()
  try {
    const run = <A>(what: string, effect: (server: Server.Server) => Effect.Effect<A, unknown>) => {
      console.error(`… ${what}`)
      return Effect.runPromise(Effect.provide(effect(server), Logger.layer([])))
    }
    const speeds = await run("tasks per second", (it) => speed(it, samples))
    const killed = await repeated(samples, () => run("a node is killed", kill))
    const failovers = await repeated(samples, () => run("failover", failover))
    const restarts = await repeated(samples, () => run("PostgreSQL is killed", restart))
    return [
      figure("tasks_per_s", "tasks/s", 200, "higher", speeds, median),
      figure(
        "tasks_twice_or_lost",
        "tasks",
        0,
        "lower",
        killed.map(({ lost, twice }) => twice + lost),
        worst
      ),
      figure(
        "tasks_end_not_written",
        "tasks",
        null,
        "lower",
        killed.map(({ again }) => again),
        worst
      ),
      figure("node_failover_s", "s", 10, "lower", failovers, median),
      figure("db_restart_lost", "tasks", 0, "lower", restarts, worst)
    ]
  } finally {
    await server.stop()
  }
}

const repeated = async <A>(times: number, act: () => Promise<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for (let i = 0; i < times; i++) all.push(await act())
  return all
}

type Client = Effect.Success<ReturnType<typeof client>>

const ids = ["a", "b", "c"]

/** Submits tasks of a group all at once. */
const submitAll = (work: Client, group: string, count: number, command: ReadonlyArray<string>) =>
  Effect.forEach(
    Array.from({ length: count }, () => ({ name: "short", group, run: { driver: "process" as const, command } })),
    (one) => work.submit(one, "bench"),
    { concurrency: "unbounded" }
  )

/**
 * All tasks of a group, once each has ended. All that is not over is asked for at once: those of a dead node go back from
 * one state to an earlier one, and state by state they would be seen in neither. Asks rarely: the machine is for the nodes.
 */
const endOf = (work: Client, group: string) =>
  Effect.map(
    work.list({ group, states: ["queued", "placed", "running", "waiting"], limit: 1 }),
    ({ tasks }) => tasks.length === 0
  ).pipe(Effect.repeat({ schedule: Schedule.spaced("25 millis"), until: (isOver) => isOver }))

const allOf = (work: Client, group: string) => Effect.map(work.list({ group, limit: 1_000 }), ({ tasks }) => tasks)

const speed = ({ url }: Server.Server, samples: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* nodes(url, ids)
      const work = yield* client(url)
      const measured: Array<number> = []
      for (let i = 0; i <= samples; i++) {
        const count = i === 0 ? 300 : 1_000
        const began = performance.now()
        yield* submitAll(work, `speed-${i}`, count, ["/bin/true"])
        yield* endOf(work, `speed-${i}`)
        const perSecond = (count * 1_000) / (performance.now() - began)
        const good = yield* work.list({ group: `speed-${i}`, states: ["succeeded"], limit: 1_000 })
        if (good.tasks.length !== count) throw new Error(`Only ${good.tasks.length} of ${count} tasks have succeeded.`)
        if (i > 0) measured.push(perSecond)
      }
      return measured
    })
  )

let runs = 0

const kill = ({ url }: Server.Server) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "novacron-bench-marks-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const file = join(folder, "marks")
      writeFileSync(file, "")
      chmodSync(folder, 0o755)
      chmodSync(file, 0o666) // tasks are nobody's
      const group = `kill-${runs++}`
      const all = yield* nodes(url, ids)
      const work = yield* client(url)
      const victim = all[yield* coordinating(work)]
      // Each mark is one write to the end of one file: their order is the order of events.
      const mark = (what: string) => `echo "${what} $NOVACRON_TASK $NOVACRON_ATTEMPT" >> ${file}`
      const { command } = shell(`${mark("begin")}; ${mark("end")}`).run
      const submitted = yield* submitAll(work, group, 1_000, command)
      const marks = () => readFileSync(file, "utf8").trim().split("\n")
      yield* Effect.repeat(Effect.sync(marks), {
        schedule: Schedule.spaced("20 millis"),
        until: (now) => now.filter((mark) => mark.startsWith("end")).length >= 333
      })
      yield* victim?.kill("SIGKILL") ?? Effect.die(new Error("Nobody coordinates."))
      yield* endOf(work, group)
      const tasks = yield* allOf(work, group)
      const ends = new Map<string, number>()
      const lines = marks()
      for (const line of lines) {
        const [what, task = ""] = line.split(" ")
        if (what === "end") ends.set(task, (ends.get(task) ?? 0) + 1)
      }
      const isLost = (id: string) => {
        const task = tasks.find((one) => one.id === id)
        return task?.state !== "succeeded" || !ends.has(id)
      }
      const isTwice = ({ attempts, id }: (typeof tasks)[number]) => {
        const successes = attempts.filter(({ exitCode }) => exitCode === 0).length
        // A first attempt that goes on after its node has died, beside the second one.
        const second = lines.indexOf(`begin ${id} 2`)
        const survived = second >= 0 && lines.lastIndexOf(`end ${id} 1`) > second
        return successes > 1 || survived
      }
      return {
        lost: submitted.filter(({ id }) => isLost(id)).length,
        twice: tasks.filter(isTwice).length,
        again: [...ends.values()].filter((count) => count > 1).length
      }
    })
  )

/** The position of the node that coordinates. */
const coordinating = (work: Client) =>
  work.nodes.pipe(
    Effect.map((all) => ids.indexOf(all.find(({ isCoordinator, state }) => isCoordinator && state === "up")?.id ?? "")),
    Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: (position) => position >= 0 })
  )

const failover = ({ url }: Server.Server) =>
  Effect.scoped(
    Effect.gen(function* () {
      const group = `failover-${runs++}`
      const all = yield* nodes(url, ids, { maxConcurrent: 12 })
      const work = yield* client(url)
      const submitted = yield* submitAll(work, group, 24, ["/bin/sleep", "600"])
      const running = work.list({ group, states: ["running"], limit: 100 })
      const spaced = Schedule.spaced("50 millis")
      yield* Effect.repeat(running, { schedule: spaced, until: ({ tasks }) => tasks.length === submitted.length })
      // Of the nodes with tasks, the one that coordinates: tasks are packed on two of the three.
      const position = yield* coordinating(work)
      const victim = all[position]
      const began = performance.now()
      yield* victim?.kill("SIGKILL") ?? Effect.die(new Error("Nobody coordinates."))
      yield* Effect.repeat(Effect.all([work.nodes, running]), {
        schedule: spaced,
        until: ([all, { tasks }]) =>
          all.some(({ id, isCoordinator }) => isCoordinator && id !== victim?.id) &&
          all.find(({ id }) => id === victim?.id)?.state === "down" &&
          tasks.length === submitted.length &&
          tasks.every(({ attempts }) => attempts.at(-1)?.node !== victim?.id)
      })
      const seconds = (performance.now() - began) / 1_000
      yield* Effect.forEach(submitted, ({ id }) => work.cancel(id, "bench"), { concurrency: 8 })
      yield* endOf(work, group)
      return seconds
    })
  )

const restart = ({ crash, url }: Server.Server) =>
  Effect.scoped(
    Effect.gen(function* () {
      const group = `restart-${runs++}`
      yield* nodes(url, ids)
      const work = yield* client(url)
      const { command } = shell("sleep 0.05").run
      const one = { name: "short", group, run: { driver: "process" as const, command } }
      const acknowledged: Array<string> = []
      const submitting = Effect.forEach(
        Array.from({ length: 400 }, () => one),
        (submission) =>
          Effect.flatMap(Effect.exit(work.submit(submission, "bench")), (exit) => {
            if (Exit.isSuccess(exit)) acknowledged.push(exit.value.id)
            return Effect.sleep("10 millis")
          }),
        { concurrency: 4, discard: true }
      )
      yield* Effect.all([submitting, Effect.delay(Effect.promise(crash), "400 millis")], { concurrency: "unbounded" })
      const patient = Effect.retry(Schedule.spaced("200 millis"))
      yield* patient(endOf(work, group))
      const good = yield* patient(work.list({ group, states: ["succeeded"], limit: 1_000 }))
      const done = new Set(good.tasks.map(({ id }) => id))
      if (acknowledged.length === 0) throw new Error("Nothing was acknowledged.")
      return acknowledged.filter((id) => !done.has(id)).length
    })
  )

// ------------------------------------------------------------------------------------------------------------- figures

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const worst = (values: ReadonlyArray<number>): number => Math.max(...values)
