/**
 * Starts programs for the drivers: no shell, a session and process group of their own, an environment with nothing of the
 * node in it.
 *
 * **Details**
 *
 * Standard input is empty. When the program ends, whatever is left of its group is killed at once. To stop it, its group
 * gets SIGTERM, and SIGKILL after the grace. A process beside the node does all that ({@link Keeper}); it is started with
 * the first task. Should somebody kill it, what it has started is killed from here and queued again, and the next task finds
 * another one.
 *
 * **Gotchas**
 *
 * A node that runs as root runs its tasks as {@link taskUser}: a program that needs more is given a user in the settings.
 * Any other node can run them only as itself, and then they can read what it can, its keys included. Without control groups
 * a process that leaves its group (`setsid`) is not found: it runs on until it ends by itself.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { Deferred, Duration, Effect, type Scope } from "effect"
import * as Confinement from "./Confinement.ts"
import { CannotStart, type Ending, type Host, type Run, type Running } from "./Driver.ts"
import * as Keeper from "./Keeper.ts"
import type { Settings } from "./Settings.ts"

/** What is started. */
export interface Program {
  readonly command: ReadonlyArray<string>
  readonly directory?: string | undefined
  readonly env?: { readonly [name: string]: string } | undefined
  /** MiB that it may use besides what its task asked for. */
  readonly ownMemory?: number
}

export interface Programs {
  /** What holds programs to what their tasks asked for, and what does not: sentences for people. */
  readonly limits: string
  /** Whom they run as; undefined is whom the node runs as. */
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly start: (run: Run, program: Program) => Effect.Effect<Running, CannotStart>
  readonly killAll: Effect.Effect<void>
  readonly alive: Effect.Effect<void>
}

export const make = (settings: Settings, node: string, host: Host): Effect.Effect<Programs, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { cgroup, maxPids, path } = settings.process
    const confinement = yield* Confinement.make({ cgroup, maxPids, pid: host.pid })
    const isRoot = host.getuid?.() === 0
    const { gid = isRoot ? taskUser : undefined, uid = isRoot ? taskUser : undefined } = settings.process
    const program = Keeper.program(
      Duration.toMillis(settings.lease),
      Number(settings.process.keep),
      confinement.directory
    )
    const keeper = yield* Effect.acquireRelease(
      Effect.sync(() => keeperOf(host, [...withoutGain, host.execPath], program, confinement.directory)),
      ({ close }) => Effect.sync(close)
    )
    return {
      limits: [
        confinement.limits,
        setpriv === undefined ? gains : gainsNothing,
        ...(uid === undefined ? [asNode] : [])
      ].join(" "),
      uid,
      gid,
      start: (run, { command, directory, env, ownMemory = 0 }) =>
        Effect.suspend(() => {
          const { cpu, memory } = run.submission.demand ?? { cpu: 0, memory: 0 }
          const most = { cpu, memory: memory > 0 ? memory + ownMemory : 0 }
          const confined = confinement.confine(`${run.task}-${run.attempt}`, most)
          const [program = "", ...args] = [...confined.before, ...command]
          return keeper.start(run, command[0] ?? "", {
            program,
            args,
            cwd: directory ?? "/",
            uid,
            gid,
            group: confined.group,
            env: {
              PATH: path,
              LANG: "C.UTF-8",
              ...env,
              NOVACRON_NODE: node,
              NOVACRON_TASK: run.task,
              NOVACRON_ATTEMPT: String(run.attempt)
            }
          })
        }),
      killAll: Effect.sync(keeper.killAll),
      alive: Effect.sync(keeper.alive)
    }
  })

/**
 * Nobody's neighbour, a number that no system gives away. As nobody runs the embedded database, and who is the same user may
 * stop it, look into it, and go from `/proc/PID/cwd` to all that it keeps.
 */
const taskUser = 65_533

const asNode =
  "Tasks run as the user of the node and can read what it can, its keys included: set process.uid, as root."

/**
 * What is in front of the keeper: neither it nor anybody that it starts can become somebody else by a set-uid program, see
 * prctl(2), PR_SET_NO_NEW_PRIVS. It goes to the users of tasks by itself, which stays allowed.
 */
const setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].find((path) => existsSync(path))
const withoutGain = setpriv === undefined ? [] : [setpriv, "--no-new-privs"]

const gainsNothing = "A set-uid program gives a task no rights."
const gains = "A set-uid program gives a task its rights: setpriv, of util-linux, is not here."

// -------------------------------------------------------------------------------------------------------------- keeper

type Start = Extract<Keeper.Order, { readonly start: number }>

/** An attempt as it is known here. */
interface Known {
  readonly run: Run
  /** Of the program, for errors. */
  readonly name: string
  readonly started: Deferred.Deferred<void, CannotStart>
  readonly ended: Deferred.Deferred<Ending>
  pid: number | undefined
}

/** This end of the conversation. */
const keeperOf = (
  host: Host,
  [node = "", ...args]: ReadonlyArray<string>,
  program: string,
  cgroup: string | undefined
) => {
  const known = new Map<number, Known>()
  let beside: ChildProcess | undefined
  let next = 1
  let isClosed = false

  const tell = (order: Keeper.Order) => {
    if (beside?.stdin?.writable === true) beside.stdin.write(`${JSON.stringify(order)}\n`)
  }
  const hear = (kind: number, number: number, rest: Buffer): void => {
    const it = known.get(number)
    if (it === undefined) return
    switch (kind) {
      case Keeper.kinds.stdout:
        return it.run.print("stdout", rest)
      case Keeper.kinds.stderr:
        return it.run.print("stderr", rest)
      case Keeper.kinds.skipped: {
        const { count, kind } = JSON.parse(rest.toString())
        const { skip } = it.run
        return skip(kind === Keeper.kinds.stdout ? "stdout" : "stderr", count)
      }
      case Keeper.kinds.started:
        it.pid = JSON.parse(rest.toString()).pid // none, if it was killed before it began
        Deferred.doneUnsafe(it.started, Effect.void)
        return
      case Keeper.kinds.failed:
        known.delete(number)
        Deferred.doneUnsafe(it.started, Effect.fail(cannot(it.name, JSON.parse(rest.toString()))))
        return
      case Keeper.kinds.ended:
        known.delete(number)
        Deferred.doneUnsafe(it.ended, Effect.succeed(JSON.parse(rest.toString())))
    }
  }
  /** It has gone: what it has started must not stay. */
  const bury = (refusal?: string) => {
    if (cgroup !== undefined) killGroup(cgroup)
    const buried = [...known.values()]
    // First, because whoever hears of it may start something at once.
    known.clear()
    for (const { ended, name, pid, started } of buried) {
      if (pid !== undefined) kill(host, pid)
      // What it was asked for and had not begun has ended in the same way, unless nothing can be begun at all.
      const problem = { code: "", message: `the process that starts programs cannot be started: ${refusal}` }
      Deferred.doneUnsafe(started, refusal === undefined ? Effect.void : Effect.fail(cannot(name, problem)))
      Deferred.doneUnsafe(ended, Effect.succeed({ exitCode: null, signal: "SIGKILL", lost: "NoKeeper" }))
    }
  }
  const open = () => {
    const child = spawn(node, [...args, "--max-semi-space-size=1", "-e", program], {
      detached: true, // Ctrl-C on the terminal is for the node
      cwd: "/",
      env: {},
      stdio: ["pipe", "pipe", "ignore"]
    })
    beside = child
    const gone = (refusal?: string) => {
      if (beside !== child) return
      beside = undefined
      bury(refusal)
    }
    child.once("exit", () => gone())
    child.once("error", ({ message }) => gone(message))
    // Where this process may open nothing more there are no pipes either, and `error` says so.
    child.stdin?.on("error", () => undefined) // it has gone, which is told by `exit`
    child.stdout?.on("data", framesOf(hear))
  }
  return {
    start: (run: Run, name: string, order: Omit<Start, "start">): Effect.Effect<Running, CannotStart> =>
      Effect.suspend(() => {
        if (beside === undefined && !isClosed) open()
        const number = next++
        const it: Known = { run, name, started: Deferred.makeUnsafe(), ended: Deferred.makeUnsafe(), pid: undefined }
        known.set(number, it)
        tell({ start: number, ...order })
        return Effect.as(
          Deferred.await(it.started),
          running(it.ended, (name) => tell({ signal: number, name }))
        )
      }),
    killAll: () => {
      tell({ killAll: true })
      for (const { pid } of known.values()) if (pid !== undefined) kill(host, pid)
    },
    alive: () => {
      if (beside?.stdin?.writable === true) beside.stdin.write("\n")
    },
    close: () => {
      isClosed = true
      beside?.stdin?.end()
    }
  }
}

const running = (ended: Known["ended"], signal: (name: NodeJS.Signals) => void): Running => {
  const wait = Deferred.await(ended)
  return {
    ended: wait,
    stop: (graceMs) =>
      Effect.suspend(() => {
        if (graceMs > 0) signal("SIGTERM")
        return Effect.timeoutOrElse(wait, {
          duration: graceMs,
          orElse: () =>
            Effect.suspend(() => {
              signal("SIGKILL")
              return wait
            })
        })
      })
  }
}

/** Cuts what comes into what was told. */
const framesOf = (hear: (kind: number, number: number, rest: Buffer) => void) => {
  let pieces: Array<Buffer> = []
  let size = 0
  let wanted = 9
  return (chunk: Buffer): void => {
    pieces.push(chunk)
    size += chunk.length
    if (size < wanted) return
    let all = pieces.length === 1 ? chunk : Buffer.concat(pieces)
    while (all.length >= 9) {
      const length = all.readUInt32LE(5)
      if (all.length < 9 + length) break
      hear(all.readUInt8(0), all.readUInt32LE(1), all.subarray(9, 9 + length))
      all = all.subarray(9 + length)
    }
    wanted = all.length >= 9 ? 9 + all.readUInt32LE(5) : 9
    pieces = [all]
    size = all.length
  }
}

/** Kills a process group. That there is none any more is as good. */
const kill = (host: Host, group: number): void => {
  try {
    host.kill(-group, "SIGKILL")
  } catch {
    // ESRCH: it has ended by itself
  }
}

/** Kills everybody below a control group. */
const killGroup = (directory: string): void => {
  try {
    writeFileSync(`${directory}/cgroup.kill`, "1")
  } catch {
    // it is older than Linux 5.14, or not ours any more: process groups are what is left
  }
}

const cannot = (program: string, { code, message }: { readonly code: string; readonly message: string }): CannotStart =>
  new CannotStart({ program, problem: problems[code] ?? message })

const problems: { readonly [code: string]: string } = {
  ENOENT: "there is no such program, or no such directory to run it in",
  EACCES: "the user of tasks may not run it, or not enter its directory",
  EPERM: "the user of tasks may not run it",
  E2BIG: "its arguments and variables are too long for the system",
  EAGAIN: "the system has no room for another process",
  EMFILE: "the node has too many files open",
  ENOMEM: "the system has no memory left"
}
