/**
 * Sees to it that no process of a task outlives its node: neither one that is killed with -9 nor one that is frozen.
 *
 * **Details**
 *
 * A process of its own reads from a pipe which only the node holds, and knows every process group that runs. When the pipe
 * closes, the node is gone; when nothing comes for as long as the lease, the node may be frozen, and others will take its
 * tasks up. Either way it kills all groups, and the control group above them if there is one. It is started with the first
 * task, and again when somebody kills it.
 *
 * **Gotchas**
 *
 * Without control groups a process that leaves its group (`setsid`) is not found: it runs on until it ends by itself.
 */
import { type ChildProcess, spawn } from "node:child_process"
import process from "node:process"
import { Effect, type Scope } from "effect"

export interface Warden {
  /** Puts a group under watch, or takes it out. At once: what is written has left the process when this returns. */
  readonly watch: (group: number) => void
  readonly forget: (group: number) => void
  readonly alive: () => void
  /** Kills all groups itself, now. */
  readonly killAll: () => void
}

export interface Options {
  readonly leaseMs: number
  /** A directory of control groups (version 2) with everything in it. */
  readonly cgroup: string | undefined
}

export const make = ({ cgroup, leaseMs }: Options): Effect.Effect<Warden, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const groups = new Set<number>()
      let beside: ChildProcess | undefined
      let isClosed = false

      const tell = (line: string) => {
        if (beside?.stdin?.writable === true) beside.stdin.write(`${line}\n`)
      }
      const start = () => {
        if (beside !== undefined || isClosed) return
        const child = spawn(process.execPath, ["-e", program, String(leaseMs), cgroup ?? ""], {
          detached: true, // Ctrl-C on the terminal is for the node
          cwd: "/",
          env: {},
          stdio: ["pipe", "ignore", "ignore"]
        })
        beside = child
        child.stdin.on("error", () => undefined) // it was killed: the next line finds another
        const gone = () => {
          if (beside !== child) return
          beside = undefined
          if (groups.size > 0) start()
        }
        child.once("exit", gone)
        child.once("error", gone)
        child.unref()
        for (const group of groups) tell(`+${group}`)
      }
      return {
        watch: (group: number) => {
          groups.add(group)
          if (beside === undefined) start()
          else tell(`+${group}`)
        },
        forget: (group: number) => {
          if (groups.delete(group)) tell(`-${group}`)
        },
        alive: () => tell("."),
        killAll: () => groups.forEach((group) => kill(group)),
        close: () => {
          isClosed = true
          groups.forEach((group) => kill(group))
          beside?.stdin?.end()
        }
      }
    }),
    ({ close }) => Effect.sync(close)
  )

/** Kills a process group. That there is none any more is as good. */
export const kill = (group: number, signal: NodeJS.Signals = "SIGKILL"): void => {
  try {
    process.kill(-group, signal)
  } catch {
    // ESRCH: it has ended by itself
  }
}

/** What the process beside the node does, in the JavaScript of a process that loads nothing else. */
const program = `
const { writeFileSync } = require("node:fs")
const [lease, cgroup] = [Number(process.argv[1]), process.argv[2]]
const groups = new Set()
let heard = performance.now(), rest = ""
const killAll = () => {
  for (const group of groups) try { process.kill(-group, "SIGKILL") } catch {}
  groups.clear()
  if (cgroup !== "") try { writeFileSync(cgroup + "/cgroup.kill", "1") } catch {}
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {})
process.stdin.on("data", (chunk) => {
  heard = performance.now()
  const lines = (rest + chunk).split("\\n")
  rest = lines.pop()
  for (const line of lines) {
    if (line[0] === "+") groups.add(Number(line.slice(1)))
    if (line[0] === "-") groups.delete(Number(line.slice(1)))
  }
})
process.stdin.on("close", () => { killAll(); process.exit(0) })
setInterval(() => { if (groups.size > 0 && performance.now() - heard > lease) killAll() }, lease / 8)
`
