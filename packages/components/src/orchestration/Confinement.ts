/**
 * Holds an attempt to what it asked for, as far as this system lets us, and says how far that is.
 *
 * **Details**
 *
 * With control groups of version 2 each attempt has a group of its own: killing it misses nobody, and memory, CPU and
 * processes are limited where those controllers were handed to the node (systemd: `Delegate=yes`, and for a node of root
 * `DelegateSubgroup=node`). Elsewhere memory is limited by `prlimit --data`, each process for itself; CPU and the number
 * of processes are not.
 */
import { randomUUID } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs"
import { Effect, type Scope } from "effect"
import * as Cgroup from "../resources/Cgroup.ts"
import type { ControlGroup } from "./Keeper.ts"

export interface Confinement {
  readonly limits: string
  /** The control group above those of all attempts. */
  readonly directory: string | undefined
  /** For one attempt. `name` is a file name. */
  readonly confine: (name: string, demand: { readonly cpu: number; readonly memory: number }) => Confined
}

export interface Confined {
  /** What to put in front of the program. */
  readonly before: ReadonlyArray<string>
  readonly group: ControlGroup | undefined
}

export interface Options {
  readonly cgroup: boolean
  readonly maxPids: number
  /** Of this process: what one that is gone has left is cleared away. */
  readonly pid: number
}

export const make = (options: Options): Effect.Effect<Confinement, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => (options.cgroup ? open(options.pid) : undefined)),
      (group) => Effect.sync(() => group && attempt(() => rmdirSync(group.directory)))
    ),
    (group) => ({
      limits: said(group, options.pid),
      directory: group?.directory,
      confine: (name, demand) => confine(options, group, name, demand)
    })
  )

interface Group {
  readonly directory: string
  /** That of the node. */
  readonly home: string
  readonly controllers: ReadonlySet<string>
}

const wanted = ["cpu", "memory", "pids"]

/** A group of ours below our own, with as many controllers as we get. */
const open = (pid: number): Group | undefined => {
  const read = (path: string) => attempt(() => readFileSync(path, "utf8")) ?? ""
  const own = Cgroup.groups(read("/proc/self/cgroup"), read("/proc/self/mountinfo")).find(
    ({ version }) => version === 2
  )
  const [inside] = own?.directories ?? []
  if (inside === undefined) return undefined
  // Beside the group of the node where that was handed to us alone, for a group with processes gives its own nothing on.
  const home = inside.endsWith(subgroup) ? inside : (settle(inside, pid) ?? inside)
  const places = home.endsWith(subgroup) ? [home.slice(0, -subgroup.length), home] : [home]
  for (const above of places) {
    clearAway(above)
    for (const name of wanted) attempt(() => writeFileSync(`${above}/cgroup.subtree_control`, `+${name}`))
    // Not of the process alone: one that starts this part anew must not be hit by what the part before still clears away.
    const directory = `${above}/novacron-tasks-${pid}-${randomUUID().slice(0, 8)}`
    if (attempt(() => mkdirSync(directory) ?? true) === undefined) continue
    for (const name of wanted) attempt(() => writeFileSync(`${directory}/cgroup.subtree_control`, `+${name}`))
    const controllers = new Set(read(`${directory}/cgroup.subtree_control`).trim().split(/\s+/))
    return { directory, home, controllers }
  }
  return undefined
}

const subgroup = "/node"

/**
 * Moves the node out of the way, as `DelegateSubgroup` would have: when the group belongs to our user, who is not root
 * and so was handed it, and everybody in it was started by this node.
 */
const settle = (inside: string, pid: number): string | undefined => {
  const home = `${inside}${subgroup}`
  const members = () => readFileSync(`${inside}/cgroup.procs`, "utf8").trim().split("\n").filter(Boolean).map(Number)
  return attempt(() => {
    const { uid } = statSync(inside)
    if (uid === 0 || uid !== statSync(`/proc/${pid}`).uid || !members().every((one) => isOf(one, pid))) return undefined
    mkdirSync(home, { recursive: true })
    // The node first: whom it starts from then on is born there. Whom others start meanwhile is found on another round.
    for (let round = 0; round < 3 && members().length > 0; round++) {
      for (const one of [pid, ...members()]) attempt(() => writeFileSync(`${home}/cgroup.procs`, String(one)))
    }
    return members().length === 0 ? home : undefined
  })
}

/** Whether a process is that one, or was started by it or by one that it has started. One that has ended is nobody's. */
const isOf = (one: number, pid: number): boolean => {
  for (let at = one; at > 0;) {
    if (at === pid) return true
    const stat = attempt(() => readFileSync(`/proc/${at}/stat`, "utf8"))
    if (stat === undefined) return true
    at = Number(stat.split(") ").at(-1)?.split(" ")[1])
  }
  return false
}

/** Takes away what nodes have left that were killed together with everything of theirs. */
const clearAway = (above: string): void => {
  const names = (path: string) => attempt(() => readdirSync(path)) ?? []
  for (const name of names(above)) {
    const [, pid] = /^novacron-tasks-(\d+)-/.exec(name) ?? []
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    for (const one of names(`${above}/${name}`)) attempt(() => rmdirSync(`${above}/${name}/${one}`))
    attempt(() => rmdirSync(`${above}/${name}`))
  }
}

const said = (group: Group | undefined, pid: number): string => {
  const has = (name: string) => group?.controllers.has(name) === true
  return [
    has("memory")
      ? "Memory is limited by the control group of an attempt."
      : "Memory is limited for each process alone (prlimit --data).",
    has("cpu") ? "CPU is limited." : "CPU is not limited.",
    has("pids") ? "The number of processes is limited." : "The number of processes is not limited.",
    group === undefined ? "A process that leaves its process group is not found." : "No process leaves its attempt.",
    // The system gives it every process whose parent has gone, and Node knows only of those that it started.
    ...(pid === 1
      ? ["Processes that lose their parent stay as zombies: this node is pid 1, start it under an init."]
      : [])
  ].join(" ")
}

const MiB = 1024 * 1024

const confine = (
  { maxPids }: Options,
  group: Group | undefined,
  name: string,
  { cpu, memory }: { readonly cpu: number; readonly memory: number }
): Confined => {
  const bytes = Math.ceil(memory * MiB)
  const has = (controller: string) => group?.controllers.has(controller) === true
  return {
    before: bytes > 0 && !has("memory") ? ["prlimit", `--data=${bytes}`, "--core=0", "--"] : [],
    group: group && {
      directory: `${group.directory}/${name}`,
      home: group.home,
      files: {
        ...(has("memory") && bytes > 0 ? memoryFiles(bytes) : {}),
        ...(has("cpu") && cpu > 0 ? { "cpu.max": `${Math.max(Math.ceil(cpu * 100_000), 1_000)} 100000` } : {}),
        ...(has("pids") ? { "pids.max": String(maxPids) } : {})
      }
    }
  }
}

/** What does not fit is not written to disk instead; and half an attempt is worth nothing: all of it is killed. */
const memoryFiles = (bytes: number) => ({
  "memory.max": String(bytes),
  "memory.swap.max": "0",
  "memory.oom.group": "1"
})

const attempt = <A>(act: () => A): A | undefined => {
  try {
    return act()
  } catch {
    return undefined
  }
}
