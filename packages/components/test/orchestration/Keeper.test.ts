import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"

/** A process with a driver that runs `sleep SECONDS` in a process that has left its group, and one that has not. */
const holder = (seconds: string) =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess>((resume) => {
      const child = spawn(process.execPath, [join(import.meta.dirname, "fixtures/holder.ts"), seconds], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      child.stdout.once("data", () => resume(Effect.succeed(child)))
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const commandOf = (pid: string): ReadonlyArray<string> => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
  } catch {
    return [] // it has just ended
  }
}

const sleepers = (seconds: string, until: (count: number) => boolean) =>
  Effect.repeat(
    Effect.sync(
      () =>
        readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).join(" ") === `sleep ${seconds} `)
          .length
    ),
    { schedule: Schedule.spaced("20 millis"), until }
  )

const hasGroups = existsSync("/sys/fs/cgroup/unified/cgroup.procs") || existsSync("/sys/fs/cgroup/cgroup.procs")

describe("Keeper", () => {
  it.live("kills everything that a node has started when that node is killed", () =>
    Effect.gen(function* () {
      const node = yield* holder("4731.5")
      yield* sleepers("4731.5", (count) => count === 2)
      node.kill("SIGKILL")
      // Who left the group is found by the control group, where there is one.
      yield* sleepers("4731.5", (count) => count === (hasGroups ? 0 : 1))
    })
  )

  it.live("kills it as well when the node is frozen for longer than its lease", () =>
    Effect.gen(function* () {
      const node = yield* holder("4732.5")
      yield* sleepers("4732.5", (count) => count === 2)
      node.kill("SIGSTOP")
      yield* sleepers("4732.5", (count) => count === (hasGroups ? 0 : 1))
      node.kill("SIGCONT")
    })
  )
})
