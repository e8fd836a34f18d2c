/**
 * Runs programs: no shell, a session and process group of their own, an environment with nothing of the node in it.
 *
 * **Details**
 *
 * Standard input is empty. When the program ends, whatever is left of its group is killed at once. To stop it, its group
 * gets SIGTERM, and SIGKILL after the grace. Reading pauses when {@link Run.print} says so, and then the program waits.
 *
 * **Gotchas**
 *
 * A node that runs as root runs its tasks as nobody: a program that needs more is given a user in the settings.
 */
import { type ChildProcess, spawn } from "node:child_process"
import process from "node:process"
import type { Readable } from "node:stream"
import { clearTimeout, setTimeout } from "node:timers"
import { Deferred, Duration, Effect, Layer } from "effect"
import * as Confinement from "./Confinement.ts"
import { CannotStart, Driver, type Ending, type Run, type Running } from "./Driver.ts"
import type { Settings } from "./Settings.ts"
import * as Warden from "./Warden.ts"

export const layer = (settings: Settings, node: string): Layer.Layer<Driver> =>
  Layer.effect(
    Driver,
    Effect.gen(function* () {
      const { cgroup, gid, maxPids, path, uid } = settings.process
      const confinement = yield* Confinement.make({ cgroup, maxPids })
      const warden = yield* Warden.make({
        leaseMs: Duration.toMillis(settings.lease),
        cgroup: confinement.directory
      })
      const isRoot = process.getuid?.() === 0
      const as = {
        ...(uid !== undefined ? { uid } : isRoot ? { uid: nobody } : {}),
        ...(gid !== undefined ? { gid } : isRoot ? { gid: nobody } : {})
      }
      const start = (run: Run): Effect.Effect<Running, CannotStart> =>
        Effect.suspend(() => {
          const confined = confinement.confine(
            `${run.task}-${run.attempt}`,
            run.submission.demand ?? { cpu: 0, memory: 0 }
          )
          const [program = "", ...args] = [...confined.before, ...run.submission.run.command]
          const env = {
            PATH: path,
            LANG: "C.UTF-8",
            NOVACRON_NODE: node,
            NOVACRON_TASK: run.task,
            NOVACRON_ATTEMPT: String(run.attempt),
            ...run.submission.run.env
          }
          const cwd = run.submission.run.directory ?? "/"
          let child: ChildProcess
          try {
            child = spawn(program, args, { ...as, cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
          } catch (cause) {
            confined.remove()
            return Effect.fail(cannot(run, cause))
          }
          const { pid } = child
          if (pid === undefined) return failed(run, child, confined)
          confined.enter(pid)
          warden.watch(pid)
          return Effect.succeed(running(run, child, pid, confined, () => warden.forget(pid)))
        })
      return {
        limits: confinement.limits,
        start,
        killAll: Effect.sync(warden.killAll),
        alive: Effect.sync(warden.alive)
      }
    })
  )

const nobody = 65_534

/** How long the pipes may stay open after the end: somebody who left the group may hold them. */
const lastWordsMs = 500

const running = (
  run: Run,
  child: ChildProcess,
  pid: number,
  confined: Confinement.Confined,
  forget: () => void
): Running => {
  const ended = Deferred.makeUnsafe<Ending>()
  for (const stream of ["stdout", "stderr"] as const) listen(child[stream], (bytes) => run.print(stream, bytes))
  child.once("exit", (exitCode, signal) => {
    Warden.kill(pid)
    confined.kill()
    forget()
    const done = () => {
      clearTimeout(patience)
      confined.remove()
      Deferred.doneUnsafe(ended, Effect.succeed({ exitCode, signal }))
    }
    const patience = setTimeout(() => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    }, lastWordsMs)
    child.once("close", done)
  })
  const wait = Deferred.await(ended)
  return {
    ended: wait,
    stop: (graceMs) =>
      Effect.suspend(() => {
        if (graceMs > 0) Warden.kill(pid, "SIGTERM")
        return Effect.timeoutOrElse(wait, {
          duration: graceMs,
          orElse: () =>
            Effect.suspend(() => {
              Warden.kill(pid)
              confined.kill()
              return wait
            })
        })
      })
  }
}

/** Gives on what comes, and pauses when told to. */
const listen = (stream: Readable | null, print: (bytes: Uint8Array) => number): void => {
  stream?.on("data", (bytes: Buffer) => {
    const pauseMs = print(bytes)
    if (pauseMs <= 0) return
    stream.pause()
    setTimeout(() => stream.resume(), pauseMs)
  })
  stream?.on("error", () => undefined) // it was destroyed
}

const failed = (run: Run, child: ChildProcess, confined: Confinement.Confined): Effect.Effect<never, CannotStart> =>
  Effect.callback((resume) => {
    child.once("error", (cause) => {
      confined.remove()
      resume(Effect.fail(cannot(run, cause)))
    })
  })

const cannot = (run: Run, cause: unknown): CannotStart => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  const problem = problems[code] ?? (cause instanceof Error ? cause.message : String(cause))
  return new CannotStart({ program: run.submission.run.command[0] ?? "", problem, cause })
}

const problems: { readonly [code: string]: string } = {
  ENOENT: "there is no such program, or no such directory to run it in",
  EACCES: "the user of tasks may not run it, or not enter its directory",
  EPERM: "the user of tasks may not run it",
  E2BIG: "its arguments and variables are too long for the system",
  EAGAIN: "the system has no room for another process",
  EMFILE: "the node has too many files open",
  ENOMEM: "the system has no memory left"
}
